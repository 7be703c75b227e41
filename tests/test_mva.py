"""The closed form over columns: contracts over every method, and classical formulas."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from effort import calls
from hypothesis import given, settings
from hypothesis import strategies as st
from points import POINT, columns, point, random_columns

from hwmodels.errors import InputError
from sim.closed_form.mva import LIMITS, METHODS, estimate_many, exact_mva, throughput


def rate(method="bounds", n=1, **given):
    ips, limit = throughput(columns(n, **given), method)
    return float(ips[0]), LIMITS[int(limit[0])]


@pytest.mark.parametrize(
    ("given", "ips", "limit"),
    [
        ({}, 250, "threads"),
        ({"threads": 2}, 1000 / 3, "accelerator"),
        ({"threads": 8}, 1000 / 3, "accelerator"),
        ({"threads": 2, "accelerators": 2}, 500, "threads"),
        ({"threads": 3, "accelerators": 2}, 250 + 1000 / 3, "accelerator"),  # one has two threads, one has one
        ({"threads": 8, "stage_cpu_ns": 8e6, "cores": 1, "stage_alone_ns": 11e6}, 125, "cpu"),
        ({"threads": 8, "accelerators": 8, "stage_gil_ns": 4e6, "stage_alone_ns": 7e6}, 250, "gil"),
        ({"threads": 4, "accelerators": 4, "stage_shared_link": 1, "stage_out_ns": 2e6}, 500, "out"),
        ({"threads": 4, "accelerators": 4, "stage_shared_link": 1, "stage_in_ns": 2e6}, 500, "in"),
        ({"threads": 4, "accelerators": 4, "stage_out_ns": 2e6}, 1000, "threads"),  # a lane each
    ],
)
def test_the_least_bound_by_hand(given, ips, limit):
    assert rate(**given) == (pytest.approx(ips), limit)


def test_threads_that_may_use_every_accelerator_are_shared_out_evenly():
    assert rate(threads=3, accelerators=2, stage_bound=0)[0] == pytest.approx(2000 / 3)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.builds(point, **POINT))
def test_no_method_beats_a_bound_or_is_slower_than_one_thread_waiting_for_everybody(method, given_point):
    ips, _ = rate(method, **given_point)
    threads, alone = given_point["threads"], given_point["stage_alone_ns"]
    assert ips <= threads * 1e9 / alone * (1 + 1e-9)
    assert ips <= given_point["accelerators"] * 1e9 / given_point["stage_held_ns"] * (1 + 1e-9)
    if method == "mix":
        low, high = rate("mva", **given_point)[0], rate("bounds", **given_point)[0]
        assert low * (1 - 1e-9) <= ips <= high * (1 + 1e-9)
        assert ips == pytest.approx(0.8 * high + 0.2 * min(low, high))


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.builds(point, **POINT))
def test_a_point_does_not_depend_on_its_neighbours(method, given_point):
    alone, _ = rate(method, **given_point)
    table = {
        key: np.array([value[0], given_point.get(key, value[0]), value[0] * 2]) for key, value in columns().items()
    }
    assert throughput(table, method)[0][1] == pytest.approx(alone)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=4), st.floats(0, 10), st.integers(1, 12))
def test_exact_mva_obeys_the_asymptotic_and_balanced_bounds(demands, delay, population):
    """Lazowska et al. 1984, ch. 5: N / (D + Z + (N - 1) Dmax) <= X(N) <= min(N / (D + Z), 1 / Dmax)."""
    found = exact_mva([np.array([d]) for d in demands], np.array([delay]), np.array([float(population)]))[0]
    total, largest = sum(demands) + delay, max(demands)
    assert found <= min(population / total, 1 / largest) * (1 + 1e-9)
    assert found >= population / (total + (population - 1) * sum(demands)) * (1 - 1e-9)


def test_exact_mva_of_balanced_queues_is_known():
    """K queues of equal demand D and N customers: X = N / (D (N + K - 1))."""
    found = exact_mva([np.full(5, 2.0)] * 3, np.zeros(5), np.arange(1.0, 6.0))
    assert found == pytest.approx([n / (2 * (n + 2)) for n in range(1, 6)])


def test_an_unknown_method_is_told_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'bounds'"):
        throughput(columns(), "bound")


# The whole answer


def test_what_follows_from_a_rate_by_hand():
    """Two threads on one accelerator: 333.3 /s; 2 W at rest and 5 mJ an inference."""
    found = {key: float(value[0]) for key, value in estimate_many(columns(threads=2)).items()}
    ips = 1000 / 3
    assert found["throughput_ips"] == pytest.approx(ips)
    assert found["latency_ms_mean"] == pytest.approx(6)
    assert found["energy_mj_per_inference"] == pytest.approx(2 / ips * 1e3 + 5)
    assert found["energy_accelerator_mj_per_inference"] == pytest.approx(1 / ips * 1e3 + 2)
    assert found["power_w_total"] == pytest.approx(2 + 5e-3 * ips)
    assert found["utilisation_accelerator"] == pytest.approx(1)
    assert found["utilisation_cpu"] == pytest.approx(ips * 1e-3 / 4)
    assert found["speedup_vs_one_thread"] == pytest.approx(4 / 3)


def test_power_is_energy_times_rate():
    found = estimate_many(columns(n=3, threads=[1, 2, 5]))
    assert found["power_w_total"] == pytest.approx(found["energy_mj_per_inference"] * found["throughput_ips"] / 1e3)


def test_exact_mva_is_the_machine_repair_model():
    """Exponential think time Z and one server S: Erlang's formula for N customers (Lazowska ch. 6)."""
    think, service, customers = 7.0, 2.0, 6
    terms = [
        math.factorial(customers) / math.factorial(customers - k) * (service / think) ** k for k in range(customers + 1)
    ]
    expected = (1 - 1 / sum(terms)) / service
    found = exact_mva([np.array([service])], np.array([think]), np.array([float(customers)]))
    assert found[0] == pytest.approx(expected)


def test_exact_mva_is_the_convolution_algorithm():
    """Two queues and a delay: the normalising constants of Buzen 1973, computed by brute force."""
    a, b, think, customers = 3.0, 5.0, 4.0, 4

    def constant(n):
        return sum(
            a**i * b**j * think ** (n - i - j) / math.factorial(n - i - j)
            for i in range(n + 1)
            for j in range(n + 1 - i)
        )

    found = exact_mva([np.array([a]), np.array([b])], np.array([think]), np.array([float(customers)]))
    assert found[0] == pytest.approx(constant(customers - 1) / constant(customers))


def test_mva_lies_between_one_thread_and_the_bounds():
    columns = random_columns(500)
    (bound, _), (mva, _), (mix, _) = (throughput(columns, method) for method in METHODS)
    single = 1e9 / columns["stage_alone_ns"]
    assert (mva <= bound * 1.0000001).all()
    assert (mva >= 0.999 * np.minimum(single, bound)).all()
    assert ((mix >= mva * 0.999999) & (mix <= bound * 1.000001)).all()


def test_more_threads_never_lower_an_estimate():
    columns = random_columns(300)
    rates = [throughput(columns | {"threads": np.full(300, n)}, "bounds")[0] for n in range(1, 9)]
    assert all((after >= before * 0.999999).all() for before, after in pairwise(rates))


def test_ten_times_the_points_take_the_calls_of_a_hundred():
    """Whole columns are computed at once."""
    hundred, thousand = (random_columns(n) for n in (100, 1000))
    assert calls(lambda: estimate_many(thousand)) < 1.5 * calls(lambda: estimate_many(hundred))
