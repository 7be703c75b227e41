"""The lessons' two classical estimates: bounds and mean value analysis, by hand and by known formulas."""

from __future__ import annotations

import pytest

from sim.lab import theory
from sim.lab.theory import bound_ips, demands_ms, mva_ips

# The lesson's estimates

NOTHING = dict.fromkeys(("load_parameters", "parameters", "output"), 0.0)
ALONE = {
    "time_breakdown_ms": {
        "preprocess": 3.0,
        "instructions": 0.5,
        "input": 0.5,
        "compute": 1.0,
        "host_copy": 1.0,
        **NOTHING,
    }
}


def test_an_answer_splits_into_held_and_elsewhere():
    assert demands_ms(ALONE) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("threads", "accelerators", "ips"), [(1, 1, 1000 / 6), (2, 1, 1000 / 3), (9, 1, 500), (9, 2, 1000)]
)
def test_the_asymptotic_bound(threads, accelerators, ips):
    assert bound_ips(threads, 2.0, 4.0, accelerators) == pytest.approx(ips)


def test_mean_value_analysis_is_the_machine_repair_model():
    """Exact by the recursion of Erlang's loss: X = (1 - p0) / S with p0 from the birth-death chain."""
    from math import factorial

    held, elsewhere = 2.0, 4.0
    for n in range(1, 8):
        weights = [factorial(n) / factorial(n - k) * (held / elsewhere) ** k for k in range(n + 1)]
        assert mva_ips(n, held, elsewhere) == pytest.approx(1e3 * (1 - weights[0] / sum(weights)) / held)


def test_random_service_is_never_faster_than_the_bound():
    assert all(mva_ips(n, 2.0, 4.0) <= bound_ips(n, 2.0, 4.0) * (1 + 1e-12) for n in range(1, 20))
    assert mva_ips(1, 2.0, 4.0) == pytest.approx(bound_ips(1, 2.0, 4.0))


def test_estimates_are_exact_where_theory_is():
    """Without time elsewhere both are 1 / D; mean value analysis stays below the bound; one thread is exact."""
    assert theory.bound_ips(3, 2, 0) == theory.mva_ips(3, 2, 0) == 500
    assert theory.bound_ips(1, 2, 3) == pytest.approx(theory.mva_ips(1, 2, 3)) == pytest.approx(200)
    for threads in range(1, 9):
        assert theory.mva_ips(threads, 2, 3) <= theory.bound_ips(threads, 2, 3) + 1e-9


def test_mean_value_analysis_against_the_machine_repairman():
    """Two threads, D = Z = 1: by balance of the three states, X = (2/2.5) of the accelerator's rate."""
    assert theory.mva_ips(2, 1, 1) == pytest.approx(1e3 * (1 - 1 / (1 + 2 + 2)))
