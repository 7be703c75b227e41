"""CSV files as lines of text cells, checked: what every reader of measurements begins with."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from hwmodels.errors import InputError, reason
from hwmodels.files import read_text, write_text

__all__ = ["FOLDER", "Cells", "matches", "positive_number", "read_table", "shipped_table", "write_table"]

FOLDER = Path(__file__).parent / "datasets"
Cells = dict[str, str]


def read_table(path: Path) -> tuple[list[str], list[tuple[int, Cells]]]:
    """Read a CSV file as header and (line, cells) pairs.

    Raises :class:`InputError` for a file that cannot be read, is no UTF-8 text, or has no header or an uneven row.

    Returns
    -------
    tuple
        Header, and (line number in the file, cells by column).
    """
    try:
        text = read_text(path, "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error)
        raise InputError.problem(str(path), f"cannot be read ({why})", "give a CSV file") from None
    if "\0" in text:
        raise InputError.problem(str(path), "holds binary data", "give a CSV file")
    return _parse(path, text)


def _parse(path: Path, text: str) -> tuple[list[str], list[tuple[int, Cells]]]:
    reader = csv.reader(text.splitlines(keepends=True))
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if not header or header == [""]:
            raise InputError.problem(str(path), "has no header", "give a CSV file of the measurement schema")
        if len(set(header)) < len(header):
            raise InputError.problem(f"{path}:1", "has a column twice", "name every column once")
        return header, list(_lines(path, header, reader))
    except csv.Error as error:
        raise InputError.problem(str(path), f"cannot be read ({error})", "give a CSV file") from None


def _lines(path: Path, header: list[str], reader: Iterable[list[str]]) -> Iterator[tuple[int, Cells]]:
    for line, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise InputError.problem(
                f"{path}:{line}", f"has {len(cells)} cells", f"give {len(header)}, as in the header"
            )
        yield line, {key: cell.strip() for key, cell in zip(header, cells, strict=True)}


def positive_number(path: Path, line: int, cells: Cells, key: str) -> float:
    """Return a cell's number; raises :class:`InputError` for anything but one above 0."""
    try:
        value = float(cells[key])
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise InputError.value(f"{path}:{line}: {key}", cells[key], "a number above 0")
    return value


def write_table(path: Path, columns: Iterable[str], records: Iterable[Mapping[str, str]]) -> None:
    """Write a CSV file in one step, so that a reader never sees half of it; cells that a record lacks stay empty.

    Raises :class:`InputError` where the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_text(path, text.getvalue())


@cache
def shipped_table(name: str) -> tuple[Cells, ...]:
    """Return the lines of a shipped table by its name (``sources``); none where it is not there."""
    path = FOLDER / f"{name}.csv"
    return tuple(cells for _, cells in read_table(path)[1]) if path.is_file() else ()


def matches(thing: object, pattern: Mapping[str, str]) -> bool:
    """Whether a thing's attributes fit a pattern's cells (``*`` stands for anything; an empty cell is not asked)."""
    checks = ((key, text) for key, text in pattern.items() if key != "reason" and text)
    return all(fnmatchcase(str(getattr(thing, key)), text) for key, text in checks)
