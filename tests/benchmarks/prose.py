"""How README.md and docs/*.md read: ``python tests/benchmarks/prose.py`` prints a row for each page.

Prose is the text of paragraphs, list items and quotations. Code blocks, tables, headings, pictures and the targets of
links are no prose, and a code span counts as one word. ``tests/test_prose.py`` holds every page to the limits below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent.parent
MEDIAN_WORDS = 18
MOST_WORDS = 30
#: A sentence may be joined once by a colon or a semicolon; from the second on it is a chain.
MOST_JOINTS = 1
ABBREVIATIONS = {"e.g.", "i.e.", "cf.", "vs.", "al.", "approx.", "fig.", "eq.", "sec.", "vol.", "pp."}
#: Space after a sentence's end and before the beginning of what may be another one.
GAP = re.compile(r"(?<=[.?!])[\"')\]]*(\s+)(?=[\"'(\[]*[A-Z0-9`])")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a page: its text, the line where its paragraph begins, and its place in the paragraph."""

    text: str
    line: int
    closes: bool  # the last one of its paragraph

    @property
    def words(self) -> int:
        """Number of words: what holds a letter or a digit; a code span is one."""
        return sum(any(letter.isalnum() for letter in word) for word in self.text.split())

    @property
    def joints(self) -> int:
        """Number of colons and semicolons that join two parts of it."""
        return len(re.findall(r"[:;](?=\s)", self.text))

    @property
    def start(self) -> str:
        """Its first words, for a message."""
        return " ".join(self.text.split()[:6])


def pages(root: Path = ROOT) -> list[Path]:
    """README.md and the pages of docs."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def is_abbreviated(text: str) -> bool:
    """Whether a full stop at the end of a text ends no sentence: after ``e.g.`` or an initial; a unit is no initial."""
    before, last = ["", *text.split()][-2:]
    initial = re.fullmatch(r"[\"'(]*[A-Z]\.", last) and not before[-1:].isdigit()
    return bool(initial) or last.lstrip("\"'([").lower() in ABBREVIATIONS


def split(text: str) -> list[str]:
    """Sentences of a paragraph. Numbers with a decimal point and abbreviations do not end one."""
    sentences, begin = [], 0
    for gap in GAP.finditer(text):
        if not is_abbreviated(text[begin : gap.start(1)]):
            sentences.append(text[begin : gap.start(1)].strip())
            begin = gap.end(1)
    return [sentence for sentence in (*sentences, text[begin:].strip()) if sentence]


def _words_of(inline: Token) -> Iterator[str]:
    for child in inline.children or ():
        if child.type == "code_inline":
            yield f"`{child.content.replace(' ', '·')}`"
        elif child.type in ("softbreak", "hardbreak"):
            yield " "
        elif child.type == "text":
            yield child.content


def paragraphs(markdown: str) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every paragraph and list item."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    for opening, inline in pairwise(tokens):
        if opening.type == "paragraph_open":
            text = "".join(_words_of(inline)).strip()
            if text:
                yield (opening.map or [0])[0] + 1, text


def sentences(markdown: str) -> list[Sentence]:
    """All sentences of a page, in order."""
    found = []
    for line, text in paragraphs(markdown):
        parts = split(text)
        found += [Sentence(part, line, i == len(parts)) for i, part in enumerate(parts, 1)]
    return found


def sentence_faults(sentence: Sentence) -> Iterator[str]:
    """What is wrong with a sentence, one line each."""
    where = f"line {sentence.line}, {sentence.start!r}"
    if sentence.words > MOST_WORDS:
        yield f"{where}: {sentence.words} words, at most {MOST_WORDS}"
    if sentence.joints > MOST_JOINTS:
        yield f"{where}: {sentence.joints} parts joined by colons or semicolons, at most {MOST_JOINTS}"
    if sentence.closes and not re.search(r"[.?!:][\"')\]]*$", sentence.text):
        yield f"{where}: does not end like a sentence"


def faults(markdown: str) -> list[str]:
    """What breaks the limits, one line each: where it is and what is wrong."""
    found = sentences(markdown)
    if not found:
        return ["no prose"]
    wrong = [fault for sentence in found for fault in sentence_faults(sentence)]
    if not found[0].text.endswith("?"):
        wrong.append(f"the first sentence, {found[0].start!r}, is not the question that the page answers")
    middle = median(sentence.words for sentence in found)
    if middle > MEDIAN_WORDS:
        wrong.append(f"a median sentence has {middle:g} words, at most {MEDIAN_WORDS}")
    return wrong


def row(path: Path) -> Sequence[str]:
    """Cells of a page: name, sentences, median and longest sentence in words, number of faults."""
    text = path.read_text(encoding="utf-8")
    words = [sentence.words for sentence in sentences(text)]
    return path.name, str(len(words)), f"{median(words):g}", str(max(words)), str(len(faults(text)))


def main() -> None:
    """Print a table of all pages."""
    print("| page | sentences | median words | most words | faults |\n| --- | --- | --- | --- | --- |")
    for path in pages():
        print(f"| {' | '.join(row(path))} |")


if __name__ == "__main__":
    main()
