"""The closed form over columns: contracts over every method, classical formulas, and the learned correction's inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import InputError
from sim.correction import FEATURES, features
from sim.stages import STAGE_COLUMNS
from sim.vectorised import LIMITS, METHODS, estimate_many, exact_mva, throughput

MS = 1e6


def columns(n=1, **given):
    """A table of n equal points: 3 ms held, 1 ms of Python, one thread, one accelerator, four cores."""
    table = {name: np.zeros(n) for name in STAGE_COLUMNS}
    table |= {
        "threads": 1, "accelerators": 1, "cores": 4, "stage_alone_ns": 4 * MS, "stage_held_ns": 3 * MS,
        "stage_cpu_ns": 1 * MS, "stage_bound": 1, "stage_static_w": 2.0, "stage_dynamic_mj": 5.0,
        "stage_accelerator_static_w": 1.0, "stage_accelerator_dynamic_mj": 2.0,
    }  # fmt: skip
    return {key: np.broadcast_to(np.asarray(value, dtype=float), (n,)) for key, value in {**table, **given}.items()}


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


numbers = st.floats(0.1, 10).map(lambda ms: ms * MS)
POINT = {
    "threads": st.integers(1, 8), "accelerators": st.integers(1, 4), "cores": st.integers(1, 8),
    "held": numbers, "gil": numbers, "native": numbers, "shared": st.sampled_from([0, 1]),
}  # fmt: skip


def point(threads, accelerators, cores, held, gil, native, shared):
    return {
        "threads": threads, "accelerators": accelerators, "cores": cores, "stage_held_ns": held, "stage_gil_ns": gil,
        "stage_cpu_ns": gil + native, "stage_alone_ns": held + gil + native, "stage_shared_link": shared,
        "stage_out_ns": held / 2, "stage_in_ns": held / 10,
    }  # fmt: skip


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


class Halved:
    """A correction that halves everything, and is sure to a tenth."""

    def predict(self, table, return_std=False):
        ips = throughput(table, "bounds")[0] / 2
        return (ips, ips / 10) if return_std else ips


def test_a_correction_takes_the_place_of_the_rate():
    plain, found = estimate_many(columns()), estimate_many(columns(), correction=Halved())
    assert found["throughput_ips"] == pytest.approx(plain["throughput_ips"] / 2)
    assert found["throughput_std_ips"] == pytest.approx(plain["throughput_ips"] / 20)
    assert found["latency_ms_mean"] == pytest.approx(plain["latency_ms_mean"] * 2)


# The correction's features


def test_features_have_names_and_no_units():
    """The same network ten times slower has the same features."""
    fast = columns(n=2, threads=[1, 4], stage_gil_ns=5e5, stage_driver_ns=1e5)
    slow = {key: value * 10 if key.endswith("_ns") else value for key, value in fast.items()}
    assert features(fast).shape == (2, len(FEATURES))
    assert features(slow) == pytest.approx(features(fast))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.builds(point, **POINT))
def test_uses_are_shares(given_point):
    row = dict(zip(FEATURES, features(columns(**given_point))[0], strict=True))
    for name, value in row.items():
        assert np.isfinite(value), name
        if name.endswith(("use", "share")):
            assert -1e-9 <= value <= 1 + 1e-9 or not name.endswith("use"), name
    assert row["threads"] == given_point["threads"]
    assert row["threads modulo accelerators"] == given_point["threads"] % given_point["accelerators"]
