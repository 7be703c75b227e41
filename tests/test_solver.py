"""Least squares against certified results: values and standard errors of two sets of NIST, and cases by hand.

Data and certified values: National Institute of Standards and Technology, Statistical Reference Datasets, nonlinear
regression, Misra1a and Thurber (https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml; public domain).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("scipy")

from calibration.solver import Array, Parameter, Search, solve

MISRA1A = np.array([
    [10.07, 77.6], [14.73, 114.9], [17.94, 141.1], [23.93, 190.8], [29.61, 239.9], [35.18, 289.0], [40.02, 332.8],
    [44.82, 378.4], [50.76, 434.8], [55.05, 477.3], [61.01, 536.8], [66.40, 593.1], [75.47, 689.1], [81.78, 760.0],
])  # fmt: skip
THURBER = np.array([
    [80.574, -3.067], [84.248, -2.981], [87.264, -2.921], [87.195, -2.912], [89.076, -2.840], [89.608, -2.797],
    [89.868, -2.702], [90.101, -2.699], [92.405, -2.633], [95.854, -2.481], [100.696, -2.363], [101.060, -2.322],
    [401.672, -1.501], [390.724, -1.460], [567.534, -1.274], [635.316, -1.212], [733.054, -1.100], [759.087, -1.046],
    [894.206, -0.915], [990.785, -0.714], [1090.109, -0.566], [1080.914, -0.545], [1122.643, -0.400],
    [1178.351, -0.309], [1260.531, -0.109], [1273.514, -0.103], [1288.339, 0.010], [1327.543, 0.119],
    [1353.863, 0.377], [1414.509, 0.790], [1425.208, 0.963], [1421.384, 1.006], [1442.962, 1.115], [1464.350, 1.572],
    [1468.705, 1.841], [1447.894, 2.047], [1457.628, 2.200],
])  # fmt: skip


def misra1a(b: Array, x: Array) -> Array:
    return b[0] * (1 - np.exp(-b[1] * x))


def thurber(b: Array, x: Array) -> Array:
    return (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3)


#: Model, data, both starts, certified (value, standard deviation) of each parameter, residual sum of squares.
CERTIFIED: dict[str, tuple[Callable[[Array, Array], Array], Array, list[list[float]], list[tuple[float, float]], float]]
CERTIFIED = {
    "Misra1a": (
        misra1a, MISRA1A, [[500, 0.0001], [250, 0.0005]],
        [(2.3894212918e02, 2.7070075241e00), (5.5015643181e-04, 7.2668688436e-06)], 1.2455138894e-01,
    ),
    "Thurber": (
        thurber, THURBER, [[1000, 1000, 400, 40, 0.7, 0.3, 0.03], [1300, 1500, 500, 75, 1, 0.4, 0.05]],
        [
            (1.2881396800e03, 4.6647963344e00), (1.4910792535e03, 3.9571156086e01), (5.8323836877e02, 2.8698696102e01),
            (7.5416644291e01, 5.5675370270e00), (9.6629502864e-01, 3.1333340687e-02),
            (3.9797285797e-01, 1.4984928198e-02), (4.9727297349e-02, 6.5842344623e-03),
        ], 5.6427082397e03,
    ),
}  # fmt: skip
CASES = [(name, start) for name in CERTIFIED for start in (0, 1)]


@pytest.mark.parametrize(("name", "start"), CASES)
def test_values_and_standard_errors_are_those_that_nist_certified(name: str, start: int) -> None:
    model, data, starts, certified, sum_of_squares = CERTIFIED[name]
    y, x = data.T
    parameters = [Parameter(f"b{i}", value, size=value) for i, value in enumerate(starts[start], 1)]
    found = solve(lambda b: model(b, x) - y, parameters, Search(inflate=False))
    errors = found.std_errors * found.residual_variance**0.5
    for (value, error), got, spread in zip(certified, found.x, errors, strict=True):
        assert got == pytest.approx(value, rel=1e-7)
        assert spread == pytest.approx(error, rel=5e-5)
    assert found.residual_variance * (len(y) - len(certified)) == pytest.approx(sum_of_squares, rel=1e-9)


def line(x: Array, y: Array) -> Callable[[Array], Array]:
    return lambda b: b[0] + b[1] * x - y


X = np.arange(5.0)


def test_names_lead_to_values() -> None:
    found = solve(line(X, 2 + 3 * X), [Parameter("offset", 0.0), Parameter("slope", 0.0)])
    assert found.values == pytest.approx({"offset": 2.0, "slope": 3.0})


def test_a_bound_holds() -> None:
    found = solve(line(X, 2 + 3 * X), [Parameter("offset", 0.0), Parameter("slope", 0.0, high=2.0)])
    assert found.values["slope"] == pytest.approx(2.0, abs=1e-6)
    assert found.values["offset"] == pytest.approx(2.0 + X.mean(), abs=1e-5)


def test_a_prior_is_one_more_reading() -> None:
    """Four readings of 1 with a standard error of 1, and a prior of 6 +- 1: the mean of five numbers, error 1/sqrt(5)."""
    found = solve(lambda b: b[0] - np.ones(4), [Parameter("level", 0.0, prior=(6.0, 1.0))], Search(inflate=False))
    assert found.values["level"] == pytest.approx(2.0)
    assert found.std_errors[0] == pytest.approx(5**-0.5)


def test_errors_grow_only_where_residuals_are_larger_than_believed() -> None:
    y = np.array([-3.0, 3.0, -3.0, 3.0])
    calm, rough = (solve(lambda b, s=s: b[0] - y * s, [Parameter("level", 1.0)]) for s in (0.1, 1.0))
    assert calm.std_errors[0] == pytest.approx(0.5)
    assert rough.residual_variance == pytest.approx(36 / 3)
    assert rough.std_errors[0] == pytest.approx(0.5 * 12**0.5)


def test_a_robust_loss_pulls_an_outlier_s_weight_down() -> None:
    y = np.array([0.0, 0.0, 0.0, 0.0, 50.0])
    plain, robust = (
        solve(lambda b: b[0] - y, [Parameter("level", 1.0)], search) for search in (Search(), Search("soft_l1", 1.0))
    )
    assert plain.values["level"] == pytest.approx(10.0)
    # by hand: four residuals of x, one of x - 50; the loss's slope x/sqrt(1 + x^2) is 1/4 where 4 slopes balance one
    assert robust.values["level"] == pytest.approx(15**-0.5, rel=1e-3)
    assert robust.weights[-1] < 0.15 < 0.9 < robust.weights[0]


def test_one_step_without_some_data_is_exact_for_a_line() -> None:
    y = np.array([2.0, 5.1, 7.9, 11.0, 40.0])
    found = solve(line(X, y), [Parameter("offset", 0.0), Parameter("slope", 0.0)])
    kept = solve(line(X[:4], y[:4]), [Parameter("offset", 5.0), Parameter("slope", 4.0)])
    moved = found.without(np.array([False] * 4 + [True]))
    assert abs(kept.values["slope"] - found.values["slope"]) > 1  # the step is cut at 1
    assert moved[1] == pytest.approx(found.x[1] - 1)
    gentle = solve(line(X, np.append(y[:4], 15.0)), found.parameters)
    assert gentle.without(np.array([False] * 4 + [True])) == pytest.approx(kept.x)


def test_what_the_data_cannot_tell_apart_is_named() -> None:
    found = solve(lambda b: np.array([b[0] + b[1], b[0] + 1.01 * b[1], b[2]]), [Parameter(n, 1.0) for n in "abc"])
    ((first, second, correlation),) = found.correlated(0.9)
    assert (first, second) == (0, 1)
    assert correlation < -0.99


def test_residuals_in_whole_units_need_a_coarser_step() -> None:
    """A line through 0 whose readings are rounded: the usual step sees no slope at all."""
    x = np.arange(1.0, 9.0)

    def residuals(b: Array) -> Array:
        return np.round(100 * b[0] * x) - 300 * x

    slope = [Parameter("slope", 2.0)]
    assert solve(residuals, slope).x[0] == 2.0
    assert solve(residuals, slope, Search(step=0.01)).x[0] == pytest.approx(3.0, rel=0.01)
