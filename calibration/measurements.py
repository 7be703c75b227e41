"""Measurement rows: one class, the tidy CSV files that hold them, and the checks of every cell.

A row is one published or measured number: what was measured (``metric``, ``value``, ``unit``), on which network,
device, host, link and clock, in which mode, and where it was published. What a prediction needs besides has a column of
its own; ``conditions`` is text for readers, which no code reads. Three columns are required; the others have defaults.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

from calibration.convert import has_prose_only, with_columns
from calibration.tables import Cells, read_table, write_table
from hwmodels.errors import InputError, nearest
from hwmodels.link import plugged_links

__all__ = ["COLUMNS", "Measurement", "append_measurements", "cells_of", "convert_file", "read_measurements"]

REQUIRED = ("model", "metric", "value")
#: Unit in which a metric must come, by the end of its name.
UNITS = {"_ms": "ms", "_bytes": "B", "_fps": "inf/s", "_w": "W", "_mj": "mJ"}
COUNT_MOST = 10_000
UNSTATED = "unstated"  # as a count, where the source states a word


def _choice(*allowed: str) -> Any:
    """A column of one of these words, or empty."""
    return field(default="", metadata={"allowed": allowed})


def _count() -> Any:
    """A column of a natural number: 1 where it is empty, 0 where the source states a word."""
    return field(default=1, metadata={"counts": True})


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured number, and everything that a prediction of it needs to know.

    Attributes
    ----------
    file, line
        Where it stands, for messages.
    link
        ``usb3``, ``usb2``, ``pcie``, ``none`` (CPU alone) or empty where the source does not say.
    threads, accelerators, batch
        At least 1; 0 where the source states a word. Threads call the accelerator, or are the interpreter's where the
        row is of the CPU.
    mode
        ``single``, ``multithread``, ``data_parallel``, ``pipeline``, ``cocompiled``, ``cpu_tpu_coexec``.
    conditions, citation
        For readers: how it was measured, where it was published.
    word_size
        Of the host's system in bits: ``32``, ``64``, or empty.
    dtype
        ``float32`` where the network was not quantised; empty for 8-bit integers.
    kernels
        Of the interpreter on the CPU: ``builtin``, ``xnnpack``; empty: as ``sources.csv`` says of the source.
    compiler
        Generation of the Edge TPU compiler; empty: as ``sources.csv`` says.
    timed
        ``accelerator`` where its part of the network alone was timed; empty for the whole network.
    postprocess
        ``none`` where the network ran without its post-processing.
    detections
        Most boxes that post-processing keeps.
    load
        Share of the host's cores that other programs kept busy, 0 to 1.
    python_threads, switch_interval_ms
        Busy Python threads beside the one that was measured, and the interpreter's switch interval.
    meter
        Where a power meter sat: at the ``stick``, or at the whole ``board`` (also where empty).
    base_power_w, period_ms, duration_ms
        What was stated with a meter's figure: its reading at rest, time from one inference to the next, and time over
        which watts were summed to joules.
    extras_w
        What else hung on the meter, as a fan or a webcam.
    has_camera
        Whether a camera fed the program.
    state
        ``parked`` where the accelerator was in its low state, with its clocks gated.
    compiled_with
        Networks of a set that was compiled together, this one among them, in the order of the command line (``a+b``).
    reference
        The row of the same series that this one is predicted from; no column, see :mod:`calibration.series`.
    flag
        Why the row contradicts the rest; empty for most.
    """

    file: str = ""
    line: int = 0
    source_id: str = ""
    device: str = ""
    host: str = ""
    clock: str = ""
    model: str
    model_file: str = ""
    input_h: str = ""
    input_w: str = ""
    metric: str
    value: float
    unit: str = ""
    threads: int = _count()
    accelerators: int = _count()
    batch: int = _count()
    mode: str = "single"
    conditions: str = field(default="", repr=False)
    citation: str = field(default="", repr=False)
    link: str = _choice(*plugged_links(), "none")
    host_id: str = ""
    clock_id: str = _choice("max", "std")
    segmentation: str = ""
    runner: str = ""
    cut: str = field(default="", repr=False)
    word_size: str = _choice("32", "64")
    dtype: str = _choice("float32", "int8", "uint8")
    kernels: str = _choice("builtin", "xnnpack")
    compiler: str = ""
    timed: str = _choice("accelerator")
    postprocess: str = _choice("none")
    detections: int | None = None
    load: float | None = None
    python_threads: int | None = None
    switch_interval_ms: float | None = None
    meter: str = _choice("stick", "board")
    base_power_w: float | None = None
    period_ms: float | None = None
    duration_ms: float | None = None
    extras_w: float | None = field(default=None, metadata={"signed": True})
    has_camera: bool = False
    state: str = _choice("parked")
    compiled_with: str = ""
    reference: Measurement | None = field(default=None, repr=False)
    flag: str = ""

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.file}:{self.line}"

    @property
    def key(self) -> tuple[str, ...]:
        """What makes a row another measurement of one's own: a resumed run skips rows whose key is in the file."""
        return tuple(str(getattr(self, name)) for name in KEY)


#: The columns of a measurement file, in order; those that a row only has in memory left out.
_FIELDS = {f.name: f for f in fields(Measurement) if f.name not in ("file", "line", "reference", "flag")}
COLUMNS = tuple(_FIELDS)
KEY = ("model", "metric", "mode", "threads", "accelerators", "batch", "link", "host_id", "clock_id")


def read_measurements(path: str | Path) -> list[Measurement]:
    """Read a file of the measurement schema and check it; one of the old layout gets its columns on the way.

    Columns besides ``model``, ``metric`` and ``value`` may be missing. Raises :class:`InputError` (file, line, what
    came, what is allowed) for an unknown column, a number that is none, or a word that a column does not know.
    """
    path = Path(path)
    return [_measurement(path, line, cells) for line, cells in read_cells(path)]


def read_cells(path: Path) -> list[tuple[int, Cells]]:
    """Read a file's lines as (line number, cells by column), with the columns of today; see :func:`read_measurements`.

    Raises :class:`InputError` for an unknown or a missing column.
    """
    header, records = read_table(path)
    _check_header(path, header)
    if not has_prose_only(header):
        return records
    lines = [line for line, _ in records]
    return list(zip(lines, with_columns([cells for _, cells in records]), strict=True))


def append_measurements(path: Path, rows: Iterable[Measurement]) -> None:
    """Add rows to a measurement file; the file is replaced in one step, so a reader never sees half a block.

    Parameters
    ----------
    path
        Made where it is missing, with its folder and the header.
    rows
        One block: an experiment's figures.
    """
    kept = [cells for _, cells in read_cells(path)] if path.exists() else []
    with suppress(OSError):  # writing says what is wrong with the folder
        path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, COLUMNS, [*kept, *map(cells_of, rows)])


def convert_file(old: Path, new: Path) -> int:
    """Write a measurement file anew with all columns of today, and return its number of rows.

    The old texts stay as they are; raises :class:`InputError` for a bad file, before anything is written.
    """
    records = read_cells(old)
    for line, cells in records:
        _measurement(old, line, cells)
    write_table(new, COLUMNS, [cells for _, cells in records])
    return len(records)


def cells_of(row: Measurement) -> Cells:
    """Return a row as text cells by column; numbers with seven digits."""
    return {name: _cell(getattr(row, name), "counts" in column.metadata) for name, column in _FIELDS.items()}


def _cell(value: object, counts: bool) -> str:
    if counts:
        return str(value or UNSTATED)
    if isinstance(value, bool) or value is None:
        return "1" if value else ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _check_header(path: Path, header: list[str]) -> None:
    for column in header:
        if column not in COLUMNS:
            raise InputError.problem(
                f"{path}:1",
                f"has the unknown column {column}",
                "name columns of the measurement schema",
                nearest(column, COLUMNS),
            )
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise InputError.problem(
            f"{path}:1", f"has no column {', '.join(missing)}", f"the columns are {', '.join(COLUMNS)}"
        )


def _measurement(path: Path, line: int, cells: Cells) -> Measurement:
    where = f"{path}:{line}"
    values = {key: _value(f"{where}: {key}", _FIELDS[key], text) for key, text in cells.items() if key != "value"}
    if not values["metric"]:
        raise InputError.problem(where, "names no metric", "give a metric of the measurement schema")
    _check_unit(where, cells["metric"], cells.get("unit", ""))
    value = _number(f"{where}: value", cells["value"])
    return Measurement(file=path.name, line=line, value=value, **values)


def _value(where: str, column: Field[Any], text: str) -> Any:
    """A cell by its column: a word as it is, checked where the column knows its words, or a number."""
    if "counts" in column.metadata:
        return _natural(where, text)
    if not text:
        return "" if column.default is MISSING else column.default
    if "allowed" in column.metadata:
        _check_choice(where, text, column.metadata["allowed"])
    parse = _PARSERS.get(str(column.type))
    return parse(where, text, "signed" in column.metadata) if parse else text


def _number(where: str, text: str, signed: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or (value < 0 and not signed):
        raise InputError.value(where, text, "a finite number" if signed else "a finite number, 0 or more")
    return value


def _whole(where: str, text: str, signed: bool = False) -> int:
    del signed
    if not text.isdecimal() or len(text) > 5 or int(text) > COUNT_MOST:
        raise InputError.value(where, text, f"a whole number from 0 to {COUNT_MOST}")
    return int(text)


def _flag(where: str, text: str, signed: bool = False) -> bool:
    del signed
    _check_choice(where, text, ("0", "1"))
    return text == "1"


_PARSERS = {"float | None": _number, "int | None": _whole, "bool": _flag}


def _natural(where: str, text: str) -> int:
    """A count of 1 or more; a word (``multi``) counts as 0 = not stated."""
    if not text:
        return 1
    if text.isalpha():
        return 0
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= COUNT_MOST:
        raise InputError.value(where, text, f"a whole number from 1 to {COUNT_MOST}")
    return int(text)


def _check_choice(where: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError.value(where, value, f"{', '.join(allowed)} or empty", nearest(value, allowed))


def _check_unit(where: str, metric: str, unit: str) -> None:
    expected = next((wanted for end, wanted in UNITS.items() if metric.endswith(end)), "")
    if unit and expected and unit != expected and "_per_" not in metric:
        raise InputError.value(f"{where}: unit", unit, f"{expected} for {metric}")
