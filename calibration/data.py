"""Measurement files: the tidy schema, its checks, the shipped datasets, and flagged outliers.

A row is one published or measured number with the conditions it was taken under. Rows that contradict the rest are
kept and carry a flag with the reason (``datasets/outliers.csv``); the fit leaves them out, validation shows them.

The tidy schema has one number a row (:data:`COLUMNS`): what was measured (``metric``, ``value``, ``unit``), on which
network, device, host, link and clock, in which mode, and where it was published. Three columns are required; the others
have defaults that predictions name as assumed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from functools import cache
from math import isfinite
from pathlib import Path

from hwmodels.errors import InputError, nearest
from hwmodels.files import read_text

__all__ = [
    "COLUMNS", "DatasetInfo", "Row", "dataset_info", "dataset_names", "dataset_path", "load_dataset",
    "read_measurements", "read_table",
]  # fmt: skip

FOLDER = Path(__file__).parent / "datasets"
LINKS = ("usb3", "usb2", "pcie", "none", "")
CLOCKS = ("max", "std", "")
REQUIRED = ("model", "metric", "value")
NUMBERS = ("threads", "accelerators", "batch")
#: Unit in which a metric must come, by the end of its name.
UNITS = {"_ms": "ms", "_bytes": "B", "_fps": "inf/s", "_w": "W", "_mj": "mJ"}
FILES = (
    "clocks.csv",
    "networks.csv",
    "outliers.csv",
    "sources.csv",
    "api_copies.csv",
    "priors.csv",
    "spreads.csv",
    "compiled_models.csv",
)


@dataclass(frozen=True)
class Row:
    """One measurement: ``value`` in ``unit``, where it was read, and ``flag``, why it is not to be trusted.

    Attributes
    ----------
    file, line
        Where it stands, for messages.
    link
        ``usb3``, ``usb2``, ``pcie``, ``none`` (CPU alone) or empty where the source does not say.
    threads, accelerators, batch
        At least 1; 0 where the source states a word.
    mode
        ``single``, ``multithread``, ``data_parallel``, ``pipeline``, ``cocompiled``, ``cpu_tpu_coexec``.
    flag
        Reason why the row contradicts the rest; empty for most.
    """

    file: str
    line: int
    model: str
    metric: str
    value: float
    source_id: str = ""
    device: str = ""
    host: str = ""
    clock: str = ""
    model_file: str = ""
    input_h: str = ""
    input_w: str = ""
    unit: str = ""
    threads: int = 1
    accelerators: int = 1
    batch: int = 1
    mode: str = "single"
    conditions: str = field(default="", repr=False)
    citation: str = field(default="", repr=False)
    link: str = ""
    host_id: str = ""
    clock_id: str = ""
    segmentation: str = ""
    runner: str = ""
    cut: str = field(default="", repr=False)
    flag: str = ""

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.file}:{self.line}"


COLUMNS = tuple(f.name for f in fields(Row) if f.name not in ("file", "line", "flag"))


@dataclass(frozen=True)
class DatasetInfo:
    """What a shipped dataset is: its name, rows, sources, how many rows are flagged, and trust per source."""

    name: str
    rows: int
    sources: tuple[str, ...]
    flagged: int
    trust: str


def read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a CSV file as header and (line, row) pairs.

    Raises :class:`InputError` for a file that cannot be read, is no UTF-8 text, or has no header or an uneven row.

    Returns
    -------
    tuple
        Header, and (line number in the file, row by column).
    """
    try:
        text = read_text(path, "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(str(path), reason or "unreadable", "a CSV file") from None
    if "\0" in text:
        raise InputError(str(path), "binary data", "a CSV file")
    return _parse(path, text)


def _parse(path: Path, text: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    reader = csv.reader(text.splitlines(keepends=True))
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if not header or header == [""]:
            raise InputError(str(path), "no header", "a CSV file of the measurement schema")
        if len(set(header)) < len(header):
            raise InputError(f"{path}:1", "a column twice", "every column once")
        return header, list(_records(path, header, reader))
    except csv.Error as error:
        raise InputError(f"{path}", str(error), "a CSV file") from None


def _records(path: Path, header: list[str], reader: Iterable[list[str]]) -> Iterator[tuple[int, dict[str, str]]]:
    for line, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise InputError(f"{path}:{line}", f"{len(cells)} cells", f"{len(header)}, as in the header")
        yield line, {key: cell.strip() for key, cell in zip(header, cells, strict=True)}


def read_measurements(path: str | Path) -> list[Row]:
    """Read a file of the measurement schema, check it, and flag the outliers that are known.

    Columns besides ``model``, ``metric`` and ``value`` may be missing. Raises :class:`InputError` (file, line, what
    came, what is allowed) for an unknown column, a number that is none, or an unknown link or clock.
    """
    path = Path(path)
    header, records = read_table(path)
    check_header(path, header)
    return flagged(_row(path, line, record) for line, record in records)


def check_header(path: Path, header: list[str]) -> None:
    """Raise :class:`InputError` for an unknown or a missing column."""
    for column in header:
        if column not in COLUMNS:
            raise InputError(f"{path}:1", f"column {column}", "the measurement schema", nearest(column, COLUMNS))
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise InputError(f"{path}:1", f"no column {', '.join(missing)}", ", ".join(COLUMNS))


def _row(path: Path, line: int, record: dict[str, str]) -> Row:
    where = f"{path}:{line}"
    numbers = {key: _count(where, key, record[key]) for key in NUMBERS if key in record}
    texts = {key: text for key, text in record.items() if key not in (*NUMBERS, "value")}
    _check_choice(where, "link", texts.get("link", ""), LINKS)
    _check_choice(where, "clock_id", texts.get("clock_id", ""), CLOCKS)
    if not texts["metric"]:
        raise InputError(f"{where}: metric", "nothing", "a metric of the measurement schema")
    _check_unit(where, texts["metric"], texts.get("unit", ""))
    texts["mode"] = texts.get("mode") or "single"
    # mypy: fields by name, checked one by one above
    return Row(file=path.name, line=line, value=_number(where, record["value"]), **numbers, **texts)  # type: ignore[arg-type]


def _number(where: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or value < 0:
        raise InputError(f"{where}: value", text, "a finite number, 0 or more")
    return value


def _count(where: str, key: str, text: str) -> int:
    """A count of 1 or more; nothing and words (``multi``) count as 0 = not stated."""
    if not text:
        return 1
    if text.isalpha():
        return 0
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 10_000:
        raise InputError(f"{where}: {key}", text, "a whole number from 1 to 10000")
    return int(text)


def _check_choice(where: str, key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        choices = ", ".join(filter(None, allowed))
        raise InputError(f"{where}: {key}", value, f"{choices} or empty", nearest(value, allowed))


def _check_unit(where: str, metric: str, unit: str) -> None:
    expected = next((wanted for end, wanted in UNITS.items() if metric.endswith(end)), "")
    if unit and expected and unit != expected and "_per_" not in metric:
        raise InputError(f"{where}: unit", unit, f"{expected} for {metric}")


@cache
def outliers() -> tuple[dict[str, str], ...]:
    """Return the known outliers: patterns for columns of a row (empty = any), and a reason."""
    path = FOLDER / "outliers.csv"
    return tuple(record for _, record in read_table(path)[1]) if path.is_file() else ()


def flagged(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with the reason of the first outlier pattern that matches as their flag."""
    return [replace(row, flag=reason) if (reason := outlier_reason(row)) else row for row in rows]


def outlier_reason(row: Row) -> str:
    """Return why a row is not to be trusted, or an empty string."""
    for pattern in outliers():
        checks = ((key, text) for key, text in pattern.items() if key != "reason" and text)
        if all(fnmatchcase(str(getattr(row, key)), text) for key, text in checks):
            return pattern["reason"]
    return ""


def dataset_names() -> list[str]:
    """Return the names of the shipped measurement files, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.csv") if path.name not in FILES)


def dataset_path(name: str) -> Path:
    """Return the path of a shipped dataset by its name (with or without ``.csv``), or of a file given by path.

    A file of the user's comes first where both are there. Raises :class:`InputError` with the nearest name for anything
    else.
    """
    is_bare = name == Path(name).name
    shipped = FOLDER / f"{name.removesuffix('.csv')}.csv"
    if is_bare and shipped.is_file() and not (name.endswith(".csv") and Path(name).exists()):
        return shipped
    if name.endswith(".csv") or "/" in name:
        return Path(name)
    names = dataset_names()
    raise InputError("--dataset", name, f"{', '.join(names)} or FILE.csv", nearest(name, names))


def load_dataset(name: str) -> list[Row]:
    """Load a shipped dataset by name, or a measurement file by path, checked and with known outliers flagged."""
    return read_measurements(dataset_path(name))


def dataset_info(name: str) -> DatasetInfo:
    """Return what a dataset holds: rows, sources, flagged rows, trust."""
    rows = load_dataset(name)
    sources = tuple(sorted({row.source_id for row in rows}))
    trust = "; ".join(f"{source} {trust_of(source)}" for source in sources if trust_of(source))
    return DatasetInfo(name, len(rows), sources, sum(bool(row.flag) for row in rows), trust)


@cache
def _trust_table() -> dict[str, str]:
    path = FOLDER / "SOURCES.md"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0].strip("`"): row[-1] for row in cells if len(row) > 2}


def trust_of(source_id: str) -> str:
    """Return a source's trust from SOURCES.md: A conditions known, B one condition unknown, C approximate.

    Returns
    -------
    str
        One letter; empty for a source that the table does not name.
    """
    exact = _trust_table().get(source_id)
    prefix = next((trust for key, trust in _trust_table().items() if "*" in key and fnmatchcase(source_id, key)), "")
    return (exact or prefix)[:1]
