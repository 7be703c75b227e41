"""Search a results file: Pareto front or best point under limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError, nearest
from hwmodels.networks.zoo import canonical_name
from hwmodels.parts import meant_name
from sim.study.results_file import ROW, column_types, read_results, rows_at
from sim.study.statistics import front, is_better_high

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
        Name as in the column ``models``, or as people write it.
    where
        Column -> value, as text; names of hosts, links and sizes also as people write them.
    limits
        Name -> bound; None is no limit.
    """
    values = {**({"models": model} if model else {}), **(where or {})}
    bounds = {name: bound for name, bound in (limits or {}).items() if bound is not None}
    weighed = [*pareto_keys, *([best] if best else [])]
    keys = [*values, *(LIMITS[name][0] for name in bounds), *weighed]
    frame = read_results(results, any_version, keys or ["models"])  # what is left out fills no memory
    types = column_types(results)
    for key in values:
        _check_column(types, key)
    for key in keys[len(values) :]:
        _check_numbers(types, key)
    frame = _limited(_where(frame.with_row_index(ROW), values), bounds)
    if best:
        frame = frame.sort(best, descending=is_better_high(best), nulls_last=True).head(1)
    elif pareto_keys:
        frame = frame.drop_nulls(list(pareto_keys))
        frame = frame[front({key: frame[key].to_numpy() for key in pareto_keys})]
    return rows_at(results, frame[ROW].to_list())


def _where(frame: pl.DataFrame, values: Mapping[str, str]) -> pl.DataFrame:
    import polars as pl

    if "error" in frame.columns:
        frame = frame.filter(pl.col("error") == "")
    for key, value in values.items():
        texts = frame[key].cast(pl.String)
        known = [str(text) for text in texts.unique().sort()]
        meant = value if value in known else _meant(key, value)
        if meant not in known:
            raise InputError.value(f"{key} in the query", value, "a value in the file", nearest(value, known))
        frame = frame.filter(texts == meant)
    return frame


def _meant(key: str, value: str) -> str:
    """What a value of a column means where it is written as people write it (``pi4``, ``MobileNet v2``)."""
    if key == "models":
        return canonical_name(value)
    return meant_name("accelerator" if key == "size" else key, value) if key in ("size", "link", "host") else value


def _limited(frame: pl.DataFrame, bounds: Mapping[str, float]) -> pl.DataFrame:
    import polars as pl

    for name, value in bounds.items():
        column, is_least = LIMITS[name]
        frame = frame.filter(pl.col(column) >= value if is_least else pl.col(column) <= value)
    return frame


def _check_column(types: Mapping[str, Any], key: str) -> None:
    if key not in types:
        raise InputError.problem(
            "the results file", f"has no column {key!r}", "name one of its columns", nearest(key, types)
        )


def _check_numbers(types: Mapping[str, Any], key: str) -> None:
    _check_column(types, key)
    if not types[key].is_numeric():
        numbers = [name for name, kind in types.items() if kind.is_numeric()]
        raise InputError.problem(
            f"the column {key!r}", "does not hold numbers", "name a column of numbers", nearest(key, numbers)
        )
