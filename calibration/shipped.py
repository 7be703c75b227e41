"""The shipped datasets by name, the sources' trust, and the rows that are known to contradict the rest.

Such rows are kept and carry a flag with the reason (``datasets/outliers.csv``); the fit leaves them out, validation
shows them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from calibration.measurements import Measurement, read_measurements
from calibration.tables import FOLDER, matches, shipped_table
from hwmodels.errors import InputError, nearest

__all__ = [
    "DatasetInfo", "dataset_info", "dataset_names", "dataset_path", "load_dataset", "source_table", "trust_of",
]  # fmt: skip

#: Tables beside the datasets that hold no measurements of times, watts or bytes.
TABLES = (
    "api_copies", "clocks", "compiled_models", "cores", "left_out", "networks", "outliers", "priors", "programs",
    "recorders", "sources", "spreads",
)  # fmt: skip


@dataclass(frozen=True)
class DatasetInfo:
    """What a shipped dataset is: its name, rows, sources, how many rows are flagged, and trust per source."""

    name: str
    rows: int
    sources: tuple[str, ...]
    flagged: int
    trust: str


def dataset_names() -> list[str]:
    """Return the names of the shipped measurement files, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.csv") if path.stem not in TABLES)


def dataset_path(name: str) -> Path:
    """Return the path of a shipped dataset by its name (with or without ``.csv``), or of a file given by path.

    A file of the user's comes first where both are there. Raises :class:`InputError` with the nearest name for anything
    else.
    """
    is_bare = name == Path(name).name
    shipped = FOLDER / f"{name.removesuffix('.csv')}.csv"
    shipped = shipped if shipped.is_file() else FOLDER / "mixes" / shipped.name
    if is_bare and shipped.is_file() and not (name.endswith(".csv") and Path(name).exists()):
        return shipped
    if name.endswith(".csv") or "/" in name:
        return Path(name)
    names = dataset_names()
    raise InputError.value("--dataset", name, f"{', '.join(names)} or FILE.csv", nearest(name, names))


def load_dataset(name: str | Path) -> list[Measurement]:
    """Load a shipped dataset by name, or a measurement file by path, checked and with known outliers flagged."""
    return flagged(read_measurements(name if isinstance(name, Path) else dataset_path(name)))


def flagged(rows: Iterable[Measurement]) -> list[Measurement]:
    """Return the rows with the reason of the first outlier pattern that matches as their flag."""
    return [replace(row, flag=reason) if (reason := outlier_reason(row)) else row for row in rows]


def outlier_reason(row: Measurement) -> str:
    """Return why a row is not to be trusted, or an empty string."""
    return next((pattern["reason"] for pattern in shipped_table("outliers") if matches(row, pattern)), "")


def dataset_info(name: str) -> DatasetInfo:
    """Return what a dataset holds: rows, sources, flagged rows, trust."""
    rows = load_dataset(name)
    sources = tuple(sorted({row.source_id for row in rows}))
    trust = "; ".join(f"{source} {trust_of(source)}" for source in sources if trust_of(source))
    return DatasetInfo(name, len(rows), sources, sum(bool(row.flag) for row in rows), trust)


@cache
def source_table() -> dict[str, dict[str, str]]:
    """Return what is known of each source besides its rows, from ``sources.csv``: compiler, kernels, error, host."""
    return {cells["source_id"]: cells for cells in shipped_table("sources")}


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
