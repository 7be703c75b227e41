"""Text and tables on the terminal, at any width: no number and no name is cut or broken.

Text wraps between words. A table that is wider than the terminal wraps its headers and its columns of prose. Where
that does not suffice, or takes more lines, each row becomes a block of ``name: value``. Where the output is no terminal
and ``COLUMNS`` is not set, there is no limit: a line of a file or a pipe is a row.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Collection, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Rows", "new_console", "note", "say"]

LIMITLESS = 1_000_000
GAP = 3  # what stands between two columns, with a line in the middle
NARROW = 1  # and without, where a table fits so alone
#: A column of prose that is narrower than this reads worse than a block.
PROSE = 20
INDENT = "  "


def new_console(is_error: bool = False) -> Console:
    """Return where to print, as wide as its terminal or ``COLUMNS`` says; text is taken as it is."""
    console = Console(highlight=False, markup=False, emoji=False, stderr=is_error)
    is_unlimited = not console.file.isatty() and not os.environ.get("COLUMNS", "").isdigit()
    if is_unlimited or not console.width:  # some terminals say that they have no columns
        console.width = LIMITLESS
    return console


def say(console: Console, text: str | Text, style: str = "") -> None:
    """Print text that wraps between words; one longer than a line is left to the terminal, as a copy keeps it whole."""
    console.print(text, style=style, soft_wrap=_longest(str(text).split()) > console.width)


def note(console: Console, text: str, about: str = "") -> None:
    """Print what to mind of an answer."""
    say(console, Text.assemble((f"note{about}:", "yellow"), f" {text}"))


class Rows:
    """A table: a title ("" for none), headers, which columns are prose, and which others begin at the left."""

    def __init__(self, title: str, *columns: str, prose: Collection[int] = (), left: Collection[int] = ()) -> None:
        self.title, self.columns, self.prose = title, columns, prose
        self.left = {0, *prose, *left}
        self.rows: list[list[Text]] = []

    def add(self, *cells: str | Text) -> None:
        """Append a row."""
        self.rows.append([Text(cell) if isinstance(cell, str) else cell for cell in cells])

    def show(self, console: Console) -> None:
        """Print the table, or its rows as blocks where they do not fit side by side."""
        if self.title:
            say(console, self.title, "italic")
        gap = next((gap for gap in (GAP, NARROW) if self._widths(console.width, gap)), GAP)
        widths = self._widths(console.width, gap)
        blocks = [line for line in self._blocks(console.width) if line.plain.strip()]
        if widths and self._height(widths) <= max(len(blocks), len(self.rows)):
            console.print(self._grid(widths, gap))
            return
        for line in blocks:
            line.rstrip()
            console.print(line, soft_wrap=True)

    def _height(self, widths: Sequence[int]) -> int:
        """Lines of the rows side by side: prose in a narrow column may take more than the same in a block."""
        return sum(
            max(len(_wrapped(cell.plain, width)) or 1 for cell, width in zip(row, widths, strict=True))
            for row in self.rows
        )

    def _widths(self, width: int, gap: int) -> list[int]:
        """Return the width of each column, or none where even wrapped headers and prose do not fit."""
        least = [self._least(i) for i in range(len(self.columns))]
        room = width - gap * (len(least) - 1) - sum(least)
        if room < 0:
            return []
        for i in sorted(range(len(least)), key=lambda i: i in self.prose):
            more = min(room, max(self._cells(i), len(self.columns[i])) - least[i])
            least[i] += more
            room -= more
        return least

    def _least(self, i: int) -> int:
        """The width that a column needs: whole cells, the words of its header, and for prose a few words."""
        words = self.columns[i].split()
        if i not in self.prose:
            return max(self._cells(i), _longest(words))
        words += [word for row in self.rows for word in row[i].plain.split()]
        return max(_longest(words), min(self._cells(i), PROSE))

    def _cells(self, i: int) -> int:
        return max((row[i].cell_len for row in self.rows), default=0)

    def _grid(self, widths: Sequence[int], gap: int) -> Table:
        table = Table(show_edge=False, pad_edge=False, show_header=any(self.columns))
        if gap == NARROW:
            table.box, table.padding = None, (0, 1, 0, 0)
        for i, (column, width) in enumerate(zip(self.columns, widths, strict=True)):
            header = "\n".join(_wrapped(column, width))
            table.add_column(header, justify="left" if i in self.left else "right", width=width)
        for row in self.rows:
            table.add_row(*row)
        return table

    def _blocks(self, width: int) -> Iterator[Text]:
        """Lines of the rows: the first cell, then the others below it, in the same places for every row."""
        items = [[_named(*pair) for pair in zip(self.columns[1:], row[1:], strict=True)] for row in self.rows]
        wide = [max(item.cell_len for item in column) for column in zip(*items, strict=True)]
        for row, rest in zip(self.rows, items, strict=True):
            yield _named(self.columns[0], row[0])
            yield from _flow(rest, wide, width)


def _named(column: str, cell: Text) -> Text:
    return Text.assemble(f"{column}: ", cell) if column and cell else cell.copy()


def _flow(items: Sequence[Text], wide: Sequence[int], width: int) -> Iterator[Text]:
    """Lines of items, each in a place as ``wide`` as it needs in any row; one beyond a line wraps between words."""
    line = Text(INDENT)
    for item, place in zip(items, wide, strict=True):
        if line.cell_len > len(INDENT) and line.cell_len + place > width:
            yield line
            line = Text(INDENT)
        if item.cell_len + len(INDENT) > width:
            yield from (Text(INDENT + words) for words in _wrapped(item.plain, width - len(INDENT)))
        else:
            item.pad_right(place + GAP - item.cell_len)
            line.append_text(item)
    yield line


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)


def _longest(words: Sequence[str]) -> int:
    return max((cell_len(word) for word in words), default=0)
