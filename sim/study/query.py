"""Search a results file: Pareto front or best point under limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError, nearest
from sim.study.results_file import read_results
from sim.study.statistics import HIGHER_IS_BETTER, pareto

if TYPE_CHECKING:
    import polars as pl

__all__ = ["query"]

#: Limit -> (column, whether it is a lower bound).
LIMITS = {
    "min_ips": ("throughput_ips", True), "max_p95_ms": ("latency_ms_p95", False), "max_w": ("power_w_total", False),
    "max_mj": ("energy_mj_per_inference", False),
}  # fmt: skip


def query(
    results: Path,
    *,
    pareto_keys: Sequence[str] = (),
    best: str = "",
    model: str = "",
    where: Mapping[str, str] | None = None,
    limits: Mapping[str, float | None] | None = None,
    any_version: bool = False,
) -> list[dict[str, Any]]:
    """Return the rows of a results file that are asked for.

    Rows of ``model``, with the values ``where`` (column -> text) and within ``limits`` (``min_ips``, ``max_p95_ms``,
    ``max_w``, ``max_mj``); of these the Pareto front over ``pareto_keys``, or the one row that is ``best`` by a column
    (most of a throughput or gain, least of anything else). Rows that hold an error are left out. Rows of different
    versions are compared only with ``any_version``. Raises :class:`InputError` for a file that is no results file of
    this version, or an unknown column or model.

    Parameters
    ----------
    results
        Of sweep or study.
    pareto_keys, best
        Columns; at most one of the two is looked at, ``best`` first.
    model
        Name as in the column ``models``.
    where
        Column -> value, as text.
    limits
        Name -> bound; None is no limit.
    """
    frame = read_results(results, any_version)
    frame = _where(frame, {**({"models": model} if model else {}), **(where or {})})
    frame = _limited(frame, limits or {})
    for key in (*pareto_keys, *([best] if best else [])):
        _number_column(frame, key)
    if best:
        return frame.sort(best, descending=is_better_high(best), nulls_last=True).head(1).to_dicts()
    if pareto_keys:
        frame = frame.drop_nulls(list(pareto_keys))
        frame = frame[pareto(frame.select(pareto_keys).to_dicts(), pareto_keys)]
    return frame.to_dicts()


def is_better_high(key: str) -> bool:
    """Whether more of a column is better."""
    return any(word in key for word in HIGHER_IS_BETTER)


def _where(frame: pl.DataFrame, values: Mapping[str, str]) -> pl.DataFrame:
    import polars as pl

    if "error" in frame.columns:
        frame = frame.filter(pl.col("error") == "")
    for key, value in values.items():
        _column(frame, key)
        texts = frame[key].cast(pl.String)
        if value not in texts.to_list():
            known = [str(text) for text in texts.unique().sort()]
            raise InputError.value(f"{key} in the query", value, "a value in the file", nearest(value, known))
        frame = frame.filter(texts == value)
    return frame


def _limited(frame: pl.DataFrame, limits: Mapping[str, float | None]) -> pl.DataFrame:
    import polars as pl

    for name, value in limits.items():
        column, is_least = LIMITS[name]
        if value is not None:
            _number_column(frame, column)
            frame = frame.filter(pl.col(column) >= value if is_least else pl.col(column) <= value)
    return frame


def _column(frame: pl.DataFrame, key: str) -> None:
    if key not in frame.columns:
        raise InputError.problem(
            "the results file", f"has no column {key!r}", "name one of its columns", nearest(key, frame.columns)
        )


def _number_column(frame: pl.DataFrame, key: str) -> None:
    _column(frame, key)
    if not frame.schema[key].is_numeric():
        numbers = [name for name, kind in frame.schema.items() if kind.is_numeric()]
        raise InputError.problem(
            f"the column {key!r}", "does not hold numbers", "name a column of numbers", nearest(key, numbers)
        )
