"""Least squares with named parameters, bounds, priors, a robust loss and covariance: SciPy's trust region.

``tests/test_solver.py`` holds values and standard errors against sets that NIST certified.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hwmodels.errors import need

__all__ = ["Array", "Parameter", "Search", "Solution", "solve"]

Array = NDArray[np.float64]
Residuals = Callable[[Array], Array]
MOST_STEPS = 20_000
SLOPE = 1e-8  # of the cost, at which a search ends at the latest


@dataclass(frozen=True)
class Parameter:
    """One free number: where the search starts, its bounds, and what is believed beforehand.

    Attributes
    ----------
    prior
        Expected value and its standard deviation; None: nothing is believed.
    size
        Order of magnitude by which the search moves it; 1 suits logarithms.
    """

    name: str
    start: float
    low: float = -inf
    high: float = inf
    prior: tuple[float, float] | None = None
    size: float = 1.0


@dataclass(frozen=True)
class Search:
    """How to search, and what the residuals mean.

    Attributes
    ----------
    loss, margin
        ``soft_l1``: residuals beyond the margin count less and less.
    tolerance
        Relative change of the cost and of the parameters at which the search ends.
    inflate
        Standard errors grow where residuals scatter more than the 1 that they are believed to.
    step
        Relative step of the differences; None: SciPy's own. Residuals in whole units need a coarser one.
    """

    loss: Literal["linear", "soft_l1"] = "linear"
    margin: float = 1.0
    tolerance: float = 1e-14
    inflate: bool = True
    step: float | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """The optimum, and the problem linearised around it.

    Attributes
    ----------
    x
        The parameters, shape (parameters,).
    jacobian, residuals
        At ``x``, of the data and then of the priors; shapes (residuals, parameters) and (residuals,).
    weights
        Weight of each residual after the robust loss, shape (residuals,).
    """

    parameters: tuple[Parameter, ...]
    x: Array
    jacobian: Array
    residuals: Array
    weights: Array
    inflate: bool = True

    @property
    def values(self) -> dict[str, float]:
        """The parameters by name."""
        return {parameter.name: float(value) for parameter, value in zip(self.parameters, self.x, strict=True)}

    @property
    def residual_variance(self) -> float:
        """Sum of squares of the weighted residuals over the degrees of freedom; 1 where they are as believed."""
        freedom = len(self.residuals) - len(self.x)
        return float(np.sum((self.residuals * self.weights) ** 2)) / max(1, freedom)

    @cached_property
    def covariance(self) -> Array:
        """Inverse of the cost's Gauss-Newton curvature, shape (parameters, parameters); 0 where it is flat."""
        scale = max(1.0, self.residual_variance) if self.inflate else 1.0
        return _inverse_square(self.jacobian * self.weights[:, None]) * scale

    @property
    def std_errors(self) -> Array:
        """Standard errors of the parameters, shape (parameters,)."""
        return np.asarray(np.sqrt(np.maximum(0.0, np.diag(self.covariance))), np.float64)

    def correlated(self, least: float) -> list[tuple[int, int, float]]:
        """Pairs of parameters whose correlation is beyond ``least`` in size: their places, and the correlation."""
        matrix = self.covariance / np.outer(self.std_errors, self.std_errors)
        first, second = np.where(np.triu(np.abs(matrix), 1) > least)
        return [(int(i), int(j), float(matrix[i, j])) for i, j in zip(first, second, strict=True)]

    def without(self, out: NDArray[np.bool_]) -> Array:
        """Return the parameters without the data where ``out`` is true, by one Gauss-Newton step.

        Parameters
        ----------
        out
            One flag for each residual of the data; priors stay.

        Returns
        -------
        array of shape (parameters,)
            Moved by at most 1 each.
        """
        keep = np.concatenate([~out, np.ones(len(self.residuals) - len(out), bool)])
        weights = self.weights[keep]
        step, *_ = np.linalg.lstsq(self.jacobian[keep] * weights[:, None], -self.residuals[keep] * weights, rcond=1e-10)
        return np.asarray(self.x + np.clip(step, -1.0, 1.0), np.float64)


def solve(residuals: Residuals, parameters: Sequence[Parameter], search: Search = Search()) -> Solution:
    """Find the parameters with the smallest sum of squares of residuals and of the distances from the priors.

    Deterministic; raises :class:`InputError` where SciPy is not installed.

    Parameters
    ----------
    residuals
        Misses of the data at a point of shape (parameters,), each in its standard error.
    parameters
        In the order of the point.
    search
        Loss, tolerance and what the standard errors mean.
    """
    optimize = need("scipy.optimize", "calibrate")
    whole = _with_priors(residuals, parameters)
    start, low, high, size = zip(*((p.start, p.low, p.high, p.size) for p in parameters), strict=True)
    found = optimize.least_squares(
        whole, start, bounds=(low, high), x_scale=size, loss=search.loss, f_scale=search.margin,
        ftol=search.tolerance, xtol=search.tolerance, gtol=min(SLOPE, search.tolerance), max_nfev=MOST_STEPS,
        diff_step=search.step,
    )  # fmt: skip
    # A search of one step gives the Jacobian of the plain residuals, which a robust one hides.
    plain = optimize.least_squares(whole, found.x, jac="3-point", max_nfev=1, diff_step=search.step)
    return Solution(tuple(parameters), found.x, plain.jac, plain.fun, _weights(plain.fun, search), search.inflate)


def _with_priors(residuals: Residuals, parameters: Sequence[Parameter]) -> Residuals:
    believed = [(place, *p.prior) for place, p in enumerate(parameters) if p.prior]
    places = [place for place, _, _ in believed]
    expected, spread = (np.array([each[column] for each in believed], np.float64) for column in (1, 2))

    def whole(x: Array) -> Array:
        """Misses of the data, then of the priors."""
        return np.concatenate([residuals(x), (x[places] - expected) / spread])

    return whole


def _weights(residuals: Array, search: Search) -> Array:
    """Root of the loss function's slope: what is left of a residual in the normal equations."""
    if search.loss == "linear":
        return np.ones(len(residuals))
    return np.asarray((1 + (residuals / search.margin) ** 2) ** -0.25, np.float64)


def _inverse_square(matrix: Array) -> Array:
    """Pseudo-inverse of AᵀA by singular values; columns scaled to 1 first, as parameters differ by powers of ten."""
    lengths = np.linalg.norm(matrix, axis=0)
    lengths[lengths == 0] = 1.0
    _, singular, turned = np.linalg.svd(matrix / lengths, full_matrices=False)
    kept = singular > np.finfo(float).eps * max(matrix.shape) * singular[0]
    halves = turned[kept] / singular[kept, None]
    return np.asarray(halves.T @ halves / np.outer(lengths, lengths), np.float64)
