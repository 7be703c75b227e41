"""Rows of results: one flat row for a simulated point, and the Parquet files that hold them.

A results file is written whole or not at all, says which version of these rows it holds, and is checked when read.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hwmodels.errors import InputError, need
from hwmodels.files import whole_file
from hwmodels.version import program_version

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "RESULTS_VERSION",
    "ROW",
    "check_target",
    "column_types",
    "failures",
    "flat",
    "read_results",
    "rows_at",
    "stamp",
    "write_parquet",
]

#: Changes whenever a column of the results files changes its meaning.
RESULTS_VERSION = 2
#: Stands before a file's footer, where readers skip it, with the CRC-32 of everything else: Parquet readers abort the
#: whole process at some damage.
SEAL = b"edgetpusim crc32 "
PIECE = 1 << 20  # bytes of a file that are looked at together
ROW = "number of the row"  # while rows are looked for; no column is named so
MARKS = ("error", "results_version", "edgetpusim_version")  # columns that say what a file is worth
#: What a run counted under the name of an option: rows fed back give the same scenario.
COUNTED = {"inferences": "inferences_simulated"}
SKIPPED = ("wall_s", "models", "scenario", "baseline", "remedies")  # not of the point alone, or not a scalar


def flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a run as one flat row: options first, then scalars, nested keys joined by ``_``.

    Pairs (intervals) become ``..._lo`` and ``..._hi``; warnings one text; the wall time is left out, so that a row
    depends on nothing but its point.

    Parameters
    ----------
    summary
        Of a run or an estimate.

    Returns
    -------
    dict
        Scalars only, in a fixed order.
    """
    row: dict[str, Any] = dict(summary.get("scenario", {}))
    for key, value in summary.items():
        if key not in SKIPPED:
            row.update(_flat(COUNTED.get(key, key), value))
    return row


def _flat(key: str, value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, str | int | float):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{key}_{name}", inner)
    elif isinstance(value, list) and key == "warnings":
        yield key, "; ".join(value)
    elif isinstance(value, list | tuple):
        yield from zip((f"{key}_lo", f"{key}_hi"), value, strict=True)
    else:
        yield key, value


def stamp() -> dict[str, Any]:
    """The columns that say which program and which meaning of the columns made a row."""
    return {"edgetpusim_version": program_version(), "results_version": RESULTS_VERSION}


def check_target(path: Path) -> None:
    """Raise :class:`InputError` unless a file can be written at ``path``."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError.problem(
            str(path), "cannot be written", "give a file in a folder that exists and can be written"
        )


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as Parquet: to a temporary name, then renamed. Missing cells are null.

    Raises :class:`InputError` where the folder cannot be written.
    """
    write_frame(path, frame_of(rows))


def frame_of(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a frame, with the stamp's columns; the columns are in the order in which they first appear."""
    pl = need("polars", "study")
    marks = stamp()
    return pl.DataFrame([{**row, **marks} for row in rows], infer_schema_length=None, strict=False)  # type: ignore[no-any-return]  # an extra


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame as Parquet, whole or not at all."""
    with whole_file(path) as temporary:
        frame.write_parquet(temporary)
        _seal(temporary)


def _seal(path: Path) -> None:
    """Put the checksum of a Parquet file before its footer."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        footer = data[-8 - int.from_bytes(data[-8:-4], "little") :]
        checksum = zlib.crc32(data)
        file.seek(-len(footer), os.SEEK_END)
        file.write(SEAL + checksum.to_bytes(4, "little") + footer)


def is_damaged(path: Path) -> bool:
    """Tell whether a file is empty, or differs from what was sealed; a file without a seal may be whole."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return True
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at = data.rfind(SEAL)
            if at < 0:
                return data[:4] != b"PAR1" or data[-4:] != b"PAR1"
        end = at + len(SEAL) + 4
        checksum = _checksum(file, end, size, _checksum(file, 0, at))
        file.seek(end - 4)
        return checksum.to_bytes(4, "little") != file.read(4)


def _checksum(file: BinaryIO, start: int, end: int, before: int = 0) -> int:
    """CRC-32 of a part of a file, which need not fit into memory."""
    file.seek(start)
    while start < end and (piece := file.read(min(PIECE, end - start))):
        before, start = zlib.crc32(piece, before), start + len(piece)
    return before


def read_results(path: Path, any_version: bool = False, columns: Sequence[str] = ()) -> pl.DataFrame:
    """Read a results file of this version, or with ``any_version`` of whatever version or mix of them.

    Raises :class:`InputError` for a file that is missing, truncated, no results file, or of another version.

    Parameters
    ----------
    path, any_version
        Which file, and whether its version matters.
    columns
        Only these, as far as the file has them, and those that say its version and errors; all where none is named.
    """
    pl = need("polars", "study")
    if not path.is_file():
        raise InputError.problem(
            str(path), "cannot be read (no such file)", "give a results file of edgetpusim sweep or study"
        )
    try:
        if is_damaged(path):
            raise InputError.problem(
                str(path), "is truncated, damaged or not Parquet", "give a whole results file of sweep or study"
            )
        types = column_types(path)
        chosen = [name for name in types if not columns or name in (*columns, *MARKS)]
        frame = pl.read_parquet(path, columns=chosen)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):  # its reader panics at some damage
        raise InputError.problem(
            str(path), "is truncated, or not Parquet", "give a whole results file of sweep or study"
        ) from None
    _check_version(path, frame, types, any_version)
    return frame  # type: ignore[no-any-return]  # an extra


def column_types(path: Path) -> dict[str, Any]:
    """Return the type of every column of a results file that :func:`read_results` has read."""
    import polars as pl

    return dict(pl.read_parquet_schema(path))


def rows_at(path: Path, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return some rows of a results file that :func:`read_results` has read, in the order asked for."""
    import polars as pl

    wanted = list(numbers)  # a column after the other: all at once are most of a gigabyte for a million rows
    columns = [pl.read_parquet(path, columns=[name], glob=False)[wanted] for name in column_types(path)]
    return pl.concat(columns, how="horizontal").to_dicts()


def failures(path: Path, most: int = 3) -> list[tuple[str, int]]:
    """Return why points of a results file could not be simulated, each with its count, the most frequent first."""
    reasons = read_results(path, columns=["error"])["error"]
    counted = Counter(text for text in reasons if text)
    return counted.most_common(most)


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _check_version(path: Path, frame: pl.DataFrame, types: Mapping[str, Any], any_version: bool) -> None:
    is_odd = any(kind.is_nested() for kind in types.values()) or str(types.get("error", "String")) != "String"
    if "results_version" not in frame.columns or is_odd:
        raise InputError.problem(
            str(path), "holds no results of edgetpusim", "give a file written by edgetpusim sweep or study"
        )
    if any_version:
        return
    flag = "or give --any-version to compare what may not be alike"
    found = frame["results_version"].unique().to_list()
    if found != [RESULTS_VERSION]:
        raise InputError.problem(
            str(path),
            f"holds results of version {_listed(found)}, not {RESULTS_VERSION}",
            f"run sweep or study again, {flag}",
        )
    programs = frame["edgetpusim_version"].unique().to_list() if "edgetpusim_version" in frame.columns else []
    if len(programs) > 1:
        raise InputError.problem(
            str(path), f"holds rows of the versions {_listed(programs)}", f"give rows of one version, {flag}"
        )
