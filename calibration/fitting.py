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

from calibration.data import Row, dataset_names, load_dataset
from calibration.predict import Parts, canonical, conditions
from calibration.problem import Number, Problem, block_of, fit_rows
from hwmodels.errors import InputError

__all__ = ["Calibration", "fit", "fit_problem", "group_errors"]

Array = NDArray[np.float64]
CORRELATED = 0.9
DEFAULT_HOST = "x86-desktop"


@dataclass
class Calibration:
    """A finished fit: the free numbers, their logarithms and covariance, and the linearised problem around them.

    Attributes
    ----------
    x
        Logarithms of the free numbers at the optimum, shape (numbers,).
    covariance
        Of ``x``, shape (numbers, numbers).
    jacobian, residuals
        Of rows and priors at ``x``, shapes (rows + numbers, numbers) and (rows + numbers,).
    robust
        Weight of each row after the robust loss.
    scale
        By which errors are larger than the rows are believed to be.
    """

    problem: Problem
    x: Array
    covariance: Array
    jacobian: Array
    residuals: Array
    robust: Array
    scale: float = 1.0
    _moved: dict[str, Array] = field(default_factory=dict, repr=False)
    _groups: dict[str, list[str]] = field(default_factory=dict, repr=False)

    @property
    def numbers(self) -> list[Number]:
        """The free numbers."""
        return self.problem.numbers

    def values(self, x: Array | None = None) -> dict[tuple[str, str], dict[str, float]]:
        """Fitted numbers by part, as :class:`calibration.predict.Parts` takes them."""
        return part_changes(self.problem, self.x if x is None else x)

    def parts(self, x: Array | None = None) -> Parts:
        """Parts with the fitted numbers."""
        return Parts(self.problem.accelerator.name, self.values(x))

    def std_errors(self) -> Array:
        """Relative standard errors of the numbers (scaled by the residuals where these are larger than believed)."""
        return np.sqrt(np.maximum(0.0, np.diag(self.covariance)))

    def groups(self, by: str) -> list[str]:
        """Group of every row, for leaving groups out."""
        if by not in self._groups:
            self._groups[by] = [GROUPS[by](row, self.problem.parts) for row in self.problem.rows]
        return self._groups[by]

    def correlated(self) -> list[tuple[str, str, float]]:
        """Pairs of numbers that the data cannot separate: |correlation| above 0.9."""
        sd = self.std_errors()
        matrix = self.covariance / np.outer(sd, sd)
        labels = [n.label for n in self.numbers]
        pairs = zip(*np.where(np.triu(np.abs(matrix), 1) > CORRELATED), strict=True)
        return [(labels[i], labels[j], float(matrix[i, j])) for i, j in pairs]

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
            self._moved[key] = self._step_without(out)
        return self._moved[key]

    def _step_without(self, out: NDArray[np.bool_]) -> Array:
        problem = self.problem
        pairs = np.array([out[slow] or out[fast] for slow, fast in problem.pairs], bool)
        keep = np.concatenate([~out, ~pairs, np.ones(len(self.numbers), bool)])
        jacobian, residuals = self.jacobian[keep] * self.robust[keep, None], self.residuals[keep] * self.robust[keep]
        step, *_ = np.linalg.lstsq(jacobian, -residuals, rcond=1e-10)
        moved: Array = self.x + np.clip(step, -1.0, 1.0)
        return moved


def fit_problem(problem: Problem) -> Calibration:
    """Solve a calibration problem with lmfit (soft-L1 loss, deterministic)."""
    import lmfit

    parameters = lmfit.Parameters()
    for index, (value, number) in enumerate(zip(problem.start(), problem.numbers, strict=True)):
        reach = 3 * number.half_width
        parameters.add(f"p{index}", value=value, min=number.middle - reach, max=number.middle + reach)

    def residuals(values: Any) -> Array:
        """Misses of rows and of priors at a point of the search."""
        x = np.array([values[f"p{index}"].value for index in range(len(problem.numbers))])
        return np.concatenate([problem.data_residuals(x), problem.prior_residuals(x)])

    minimizer = lmfit.Minimizer(residuals, parameters, calc_covar=False)
    found = minimizer.minimize("least_squares", loss="soft_l1", f_scale=1.5, max_nfev=20_000, ftol=1e-4, xtol=1e-4)
    x = np.array([found.params[f"p{index}"].value for index in range(len(problem.numbers))])
    return _linearised(problem, x)


def _linearised(problem: Problem, x: Array) -> Calibration:
    def residuals(at: Array) -> Array:
        """Misses of rows and of priors at a point."""
        return np.concatenate([problem.data_residuals(at), problem.prior_residuals(at)])

    base = residuals(x)
    jacobian = np.empty((len(base), len(x)))
    for index in range(len(x)):
        shifted = x.copy()
        shifted[index] += 1e-4
        jacobian[:, index] = (residuals(shifted) - base) / 1e-4
    robust = (1 + (base / 1.5) ** 2) ** -0.25
    weighted = jacobian * robust[:, None]
    covariance = np.linalg.pinv(weighted.T @ weighted)
    scale = max(1.0, float(np.mean((base * robust) ** 2)) ** 0.5)
    return Calibration(problem, x, covariance * scale**2, jacobian, base, robust, scale)


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


GROUPS: dict[str, Callable[[Row, Parts], str]] = {
    "model": block_of,
    "family": lambda row, parts: family_of(row, parts),
    "source": lambda row, _: row.source_id,
    "host": lambda row, _: conditions(row).host,
}


def family_of(row: Row, parts: Parts) -> str:
    """Family of a row's network: that of the zoo, else the sweep, else the name up to its first digit."""
    from calibration.predict import network_of

    try:
        families = [str(network_of(row, model).meta.get("family", "")) for model in row.model.split("+")]
    except Exception:
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
    used = fit_rows(rows, parts)
    if not used:
        raise InputError("--dataset", f"{len(rows)} rows", "at least one unflagged invoke latency of a known network")
    is_own = any(name not in dataset_names() for name in datasets)
    return fit_problem(Problem(used, parts, is_own))
