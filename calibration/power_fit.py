"""The fit of the few power numbers that no source states, to watts that meters saw under load (docs/energy.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import exp, log
from typing import Any

import numpy as np

from calibration.corrections import stand_in
from calibration.measurements import Measurement
from calibration.meter import meter_of, metered, row_times, running_w, with_meter
from calibration.problem import Number
from calibration.setups import Parts
from calibration.shipped import load_dataset
from calibration.solver import Array, Search, Solution, solve
from hwmodels.errors import InputError

__all__ = ["fit_power"]


#: The numbers and the ranges that are believed beforehand.
FREE = (
    Number("accelerator", "coral", "power_active_clock_w", 0.3, 1.5),
    Number("accelerator", "coral", "energy_stream_pj_per_byte", 400, 8000),
    Number("host", "dev-board", "power_awake_w", 0.3, 0.8),
    Number("host", "dev-board", "power_core_busy_w", 0.2, 0.4),
)
SEARCH = Search("soft_l1", margin=1.5, tolerance=1e-8)
SOURCES = ("qutibench", "deepedgebench")
SIGMA = {"qutibench": 0.1, "deepedgebench": 0.03}
NO_BASE_SIGMA = 0.3


def power_rows(rows: Iterable[Measurement] | None = None) -> list[Measurement]:
    """Rows that the fit explains: power under load of the two sources that state how they measured."""
    shipped = ("qutibench_power", "deepedgebench")
    given = rows if rows is not None else [row for name in shipped for row in load_dataset(name)]
    return [r for r in with_meter(list(given)) if r.metric == "power_full_w" and r.source_id in SOURCES]


def fit_power(rows: Iterable[Measurement] | None = None) -> dict[str, Any]:
    """Fit the unknown power numbers to measured watts (default: the shipped rows).

    Returns ``numbers`` (value, std_error by name), ``rows`` (measured, predicted, error, and error of a fit without the
    row's network), ``mape`` and ``mape_left_out``. Raises :class:`InputError` where there is no row to fit.

    Parameters
    ----------
    rows
        Of power; those of the shipped datasets where None.

    Returns
    -------
    dict
        ``numbers`` (value and standard error), ``rows`` (measured, predicted, with and without the row's network),
        ``mape`` and ``mape_left_out``.
    """
    used = power_rows(rows)
    if not used:
        raise InputError.problem("--dataset", "has no power under load", "give power_full_w rows of a stated meter")
    found = _solve(used)
    without = {name: _parts(_solve([r for r in used if r.model != name]).x) for name in {r.model for r in used}}
    lines = [_line(row, _parts(found.x), without[row.model]) for row in used]
    names = [f"{free.kind} {free.part}: {free.key}" for free in FREE]
    pairs = zip(names, map(exp, found.x), map(float, found.std_errors), strict=True)
    numbers = {name: {"value": value, "std_error": value * relative} for name, value, relative in pairs}
    return {
        "numbers": numbers, "rows": lines,
        "mape": _mape(lines, "error"), "mape_left_out": _mape(lines, "error_left_out"),
    }  # fmt: skip


def _mape(lines: Sequence[dict[str, Any]], key: str) -> float:
    return sum(abs(float(line[key])) for line in lines) / len(lines)


def _line(row: Measurement, fitted: Parts, left_out: Parts) -> dict[str, Any]:
    predicted, without = metered(row, fitted), metered(row, left_out)
    return {
        "source_id": row.source_id, "model": row.model, "clock_id": row.clock_id, "link": row.link,
        "measured": row.value, "predicted": predicted,
        "error": predicted / row.value - 1, "error_left_out": without / row.value - 1,
    }  # fmt: skip


def _parts(x: Array) -> Parts:
    changes: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for free, value in zip(FREE, x, strict=True):
        changes[free.kind, free.part][free.key] = exp(value)
    return Parts(changes=dict(changes))


def _sigma(row: Measurement) -> float:
    """Relative standard error of a row; a stick's without its base power is worth little."""
    meter = meter_of(row)
    return NO_BASE_SIGMA if meter.at_stick and meter.base_w is None else SIGMA.get(row.source_id, 0.1)


def _residuals(rows: Sequence[Measurement]) -> Callable[[Array], Array]:
    """Weighted logarithmic residuals of rows; times do not depend on the free numbers."""
    known = [stand_in(row) for row in rows]
    prepared = [(row, meter_of(row), row_times(row, Parts())) for row in known]
    sigmas = [_sigma(row) for row in known]

    def residuals(x: Array) -> Array:
        """Misses of the rows in their sigmas."""
        parts = _parts(x)
        watts = [running_w(row, meter, parts, times) for row, meter, times in prepared]
        return np.array([log(w / row.value) / sigma for w, row, sigma in zip(watts, known, sigmas, strict=True)])

    return residuals


def _solve(rows: Sequence[Measurement]) -> Solution:
    """Robust least squares of logarithms, priors half a range wide."""
    return solve(_residuals(rows), [free.parameter(free.middle) for free in FREE], SEARCH)
