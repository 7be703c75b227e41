"""README.md and docs/*.md read as plain English: short sentences, no chains, and the question first."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import prose

PAGES = prose.pages()
GOOD = """# A page

How long does it take? It takes 7.05 ms with version 1.2, e.g. on a laptop. A table says more:

| a row of a table may be as long as it likes and need no full stop | 1 |
| --- | --- |
| one: two; three; four | 2 |

- The first item ends like a sentence.
- Does the second one?

```
code may say: anything; at; any; length
```

![A picture needs no full stop](picture.svg)

Read [the other page](a/very_long/target.md), or run `a command with a great many words in it`.
"""
LONG = "This sentence goes on " + "and on " * 14 + "too long."
#: A line that is added to the good page, and what the checker must say of it.
FAULTS = {
    "too long": (LONG, "34 words, at most 30"),
    "a chain of colons and semicolons": ("It is slow: it waits; the lock is taken.", "2 parts joined"),
    "telegram style": ("- faster with two threads", "does not end like a sentence"),
    "a long item of a list": (f"- {LONG}", "34 words, at most 30"),
    "a long quotation": (f"> {LONG}", "34 words, at most 30"),
    "a long sentence over a broken line": (LONG.replace("and on", "and\non", 1), "34 words, at most 30"),
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_page_reads_as_plain_english(page):
    assert prose.faults(page.read_text(encoding="utf-8")) == []


def test_every_page_is_looked_at():
    assert {page.name for page in PAGES} >= {"README.md", "architecture.md", "energy.md", "measuring.md"}
    for page in PAGES:
        assert len(prose.sentences(page.read_text(encoding="utf-8"))) > 5, page.name


def test_a_good_page_has_no_faults():
    assert prose.faults(GOOD) == []


@pytest.mark.parametrize(("line", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(line, words):
    (found,) = prose.faults(f"{GOOD}\n{line}\n")
    assert words in found


def test_a_page_that_does_not_open_with_its_question_is_found():
    (found,) = prose.faults(GOOD.replace("How long does it take?", "It takes some time."))
    assert "not the question" in found


def test_long_sentences_are_found_though_none_is_too_long():
    ordinary = f"Nineteen words are no crime in a {'sentence ' * 11}now."
    (found,) = prose.faults("# A page\n\nWhat is it?\n\n" + f"{ordinary}\n\n" * 9)
    assert found == "a median sentence has 19 words, at most 18"


def test_a_page_without_prose_is_found():
    assert prose.faults("# A page\n\n| a table |\n| --- |\n") == ["no prose"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four.", ["One.", "Two!", "Three?", "Four."]),
        ("Ask first (e.g. Google). Then look.", ["Ask first (e.g. Google).", "Then look."]),
        ("The cache has 7.05 MiB. It is 2.5 times as large.", ["The cache has 7.05 MiB.", "It is 2.5 times as large."]),
        ("MobileNet v2 1.0 runs on Python 3.11 or newer.", ["MobileNet v2 1.0 runs on Python 3.11 or newer."]),
        ("N. Tsukamoto and Lazowska et al. Say so.", ["N. Tsukamoto and Lazowska et al. Say so."]),
        ("A fan takes 0.7 W. A cable takes less.", ["A fan takes 0.7 W.", "A cable takes less."]),
        ("It waits (see below.) `run` says so.", ["It waits (see below.)", "`run` says so."]),
        ('He says "no." She agrees.', ['He says "no."', "She agrees."]),
        ("Wait ... here.", ["Wait ... here."]),
    ],
)
def test_sentences_are_split_where_a_reader_would(text, expected):
    assert prose.split(text) == expected


def test_words_are_counted_as_by_hand():
    (first, second) = prose.sentences("Run `edgetpusim run a b` - it takes 4.4 ms.\nSee [one page](two/three.md).")
    assert (first.words, second.words) == (6, 3)
    assert (first.line, first.closes, second.closes) == (1, False, True)
