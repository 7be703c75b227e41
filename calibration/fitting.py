"""Fit part files to measurements: robust, deterministic, with standard errors and leave-one-out errors.

The loss is soft-L1, the numbers start at the shipped parts, priors are ranges (:mod:`calibration.problem`). Leaving a
group out is one Gauss-Newton step from the full solution on the remaining rows: no second search, same linearisation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.measurements import Measurement
from calibration.problem import Number, Problem, block_of, fit_rows
from calibration.servicerows import service_rows, service_tables
from calibration.setups import Parts, Skip, canonical, conditions_of, network_of
from calibration.shipped import dataset_names, load_dataset
from calibration.solver import Array, Search, Solution, solve
from hwmodels.errors import InputError

__all__ = ["Calibration", "fit", "fit_problem", "group_errors"]

CORRELATED = 0.9
SEARCH = Search("soft_l1", margin=1.5, tolerance=1e-4)
DEFAULT_HOST = "x86-desktop"


@dataclass
class Calibration:
    """A finished fit: the problem, and the solver's solution in logarithms of the free numbers."""

    problem: Problem
    solution: Solution
    _moved: dict[str, Array] = field(default_factory=dict, repr=False)
    _groups: dict[str, list[str]] = field(default_factory=dict, repr=False)

    @property
    def x(self) -> Array:
        """Logarithms of the free numbers at the optimum, shape (numbers,)."""
        return self.solution.x

    @property
    def numbers(self) -> list[Number]:
        """The free numbers."""
        return self.problem.numbers

    def values(self, x: Array | None = None) -> dict[tuple[str, str], dict[str, float]]:
        """Fitted numbers by part, as :class:`calibration.setups.Parts` takes them."""
        return part_changes(self.problem, self.x if x is None else x)

    def parts(self, x: Array | None = None) -> Parts:
        """Parts with the fitted numbers."""
        return Parts(self.problem.accelerator.name, self.values(x))

    def std_errors(self) -> Array:
        """Relative standard errors of the numbers (scaled by the residuals where these are larger than believed)."""
        return self.solution.std_errors

    def groups(self, by: str) -> list[str]:
        """Group of every row, for leaving groups out."""
        if by not in self._groups:
            self._groups[by] = [GROUPS[by](row, self.problem.parts) for row in self.problem.rows]
        return self._groups[by]

    def correlated(self) -> list[tuple[str, str, float]]:
        """Pairs of numbers that the data cannot separate: |correlation| above 0.9."""
        labels = [number.label for number in self.numbers]
        return [(labels[i], labels[j], correlation) for i, j, correlation in self.solution.correlated(CORRELATED)]

    def without(self, out: NDArray[np.bool_], key: str) -> Array:
        """Numbers fitted without the rows where ``out`` is true, by one Gauss-Newton step.

        Parameters
        ----------
        out
            One flag a row.
        key
            Name under which the result is remembered.

        Returns
        -------
        array of shape (numbers,)
            Logarithms; a test holds the step against a whole new fit.
        """
        if key not in self._moved:
            pairs = np.array([out[slow] or out[fast] for slow, fast in self.problem.pairs], bool)
            self._moved[key] = self.solution.without(np.concatenate([out, pairs]))
        return self._moved[key]


def fit_problem(problem: Problem) -> Calibration:
    """Solve a calibration problem: robust, with the numbers' ranges as priors and three times these as bounds."""
    parameters = [number.parameter(start) for start, number in zip(problem.start(), problem.numbers, strict=True)]
    return Calibration(problem, solve(problem.data_residuals, parameters, SEARCH))


def part_changes(problem: Problem, x: Array) -> dict[tuple[str, str], dict[str, float]]:
    """Numbers by (kind, part); a source without a host lends its bus to the default host (geometric mean)."""
    changes: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    accelerator, _ = problem.unpack(x)
    for number, value in zip(problem.numbers, np.exp(x), strict=True):
        if number.kind == "accelerator":
            key = number.key.partition("[")[0]
            changes["accelerator", number.part][key] = getattr(accelerator, key)
        elif not number.part.startswith("?"):
            changes["host", number.part][number.key] = float(value)
    for key, logs in unstated(problem, x).items():
        changes["host", DEFAULT_HOST].setdefault(key, float(np.exp(np.mean(logs))))
    return dict(changes)


def unstated(problem: Problem, x: Array) -> dict[str, list[float]]:
    """Logarithms of the numbers of sources that state no host, by key."""
    found: dict[str, list[float]] = defaultdict(list)
    for number, value in zip(problem.numbers, x, strict=True):
        if number.part.startswith("?") and problem.is_informed(number):
            found[number.key].append(float(value))
    return found


GROUPS: dict[str, Callable[[Measurement, Parts], str]] = {
    "model": block_of,
    "family": lambda row, parts: family_of(row, parts),
    "source": lambda row, _: row.source_id,
    "host": lambda row, _: conditions_of(row).host,
}


def family_of(row: Measurement, parts: Parts) -> str:
    """Family of a row's network: that of the zoo, else the sweep, else the name up to its first digit."""
    try:
        families = [str(network_of(row, model).meta.get("family", "")) for model in row.model.split("+")]
    except Skip:
        return canonical(row)
    return "+".join(sorted(set(families))) or block_of(row, parts).partition(" ")[0]


def members(calibration: Calibration, by: str, group: str) -> NDArray[np.bool_]:
    """Rows of the fit that leave with a group; a pair of networks leaves with either of them."""
    wanted = _tags(group)
    return np.array([bool(_tags(tag) & wanted) for tag in calibration.groups(by)])


def _tags(group: str) -> set[str]:
    return {group, *group.split("+")}


def group_errors(calibration: Calibration, by: str = "model") -> dict[int, float]:
    """Relative error of every row of the fit, predicted by a fit without its group.

    Returns
    -------
    dict
        Row number -> relative error of the prediction without the row's group.
    """
    problem = calibration.problem
    groups = calibration.groups(by)
    errors: dict[int, float] = {}
    for group in sorted(set(groups)):
        x = calibration.without(members(calibration, by, group), f"{by}:{group}")
        predicted = problem.predict_ms(x)
        for number in (i for i, g in enumerate(groups) if g == group):
            errors[number] = float(predicted[number] / problem.measured[number] - 1)
    return errors


def fit(datasets: Sequence[str] = (), parts: Parts | None = None) -> Calibration:
    """Fit the parts to datasets (names or files; all shipped ones by default).

    With a file of one's own the accelerator's numbers start from the shipped ones and their errors. Raises
    :class:`InputError` where no row can be used.

    Parameters
    ----------
    datasets
        Names or paths; all shipped ones where empty.
    parts
        Where the search starts.
    """
    parts = parts or Parts()
    rows = [row for name in datasets or dataset_names() for row in load_dataset(name)]
    rows += [] if datasets else [row for path in service_tables() for row in service_rows(path)]
    used = fit_rows(rows, parts)
    if not used:
        raise InputError.problem(
            "--dataset",
            f"gives {len(rows)} rows and none to fit",
            "give at least one unflagged invoke latency of a known network",
        )
    is_own = any(name not in dataset_names() for name in datasets)
    return fit_problem(Problem(used, parts, is_own))
