"""Cores that share a memory: fluid transfers by hand, fair rates by their axioms, layers that add up."""

from __future__ import annotations

import pytest
import simpy
from hand import network, tpu_stage
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.board import (
    Work,
    bound_threads,
    busy_cores,
    closed_loop_ips,
    fair_rates,
    load_board,
    spread_ips,
    stretches,
)
from hwmodels.timing import StepTime
from sim.memory import SharedMemory, layered

rates = st.lists(st.floats(1, 1000), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rates, st.floats(1, 3000))
def test_fair_rates_waste_nothing_and_favour_nobody(limits, total):
    found = fair_rates(limits, total)
    assert all(rate <= limit * (1 + 1e-9) for rate, limit in zip(found, limits, strict=True))
    assert sum(found) == pytest.approx(min(total, sum(limits)))
    least = min(rate for rate in found) if found else 0
    for rate, limit in zip(found, limits, strict=True):
        assert rate == pytest.approx(limit) or rate >= max(found) * (1 - 1e-9) or limit <= least


@pytest.mark.parametrize(
    ("limits", "total", "expected"),
    [
        ([10, 10], 30, [10, 10]),
        ([10, 10], 10, [5, 5]),
        ([2, 10], 10, [2, 8]),
        ([2, 10, 10], 10, [2, 4, 4]),
        ([], 10, []),
    ],
)
def test_fair_rates_by_hand(limits, total, expected):
    assert fair_rates(limits, total) == pytest.approx(expected)


def moved(total, rows):
    """End (ns) of transfers (start ns, bytes, port rate in bytes/s) on a memory of a total rate."""
    env, ends = simpy.Environment(), {}
    memory = SharedMemory(env, total)

    def one(number, at, n_bytes, limit):
        yield env.timeout(at)
        yield from memory.move(n_bytes, limit)
        ends[number] = env.now

    for number, row in enumerate(rows):
        env.process(one(number, *row))
    env.run()
    assert memory.moved_bytes == sum(n_bytes for _, n_bytes, _ in rows)
    return [ends[number] for number in range(len(rows))]


@pytest.mark.parametrize(
    ("rows", "ends"),
    [
        ([(0, 100, 1e9)], [100]),
        ([(0, 100, 5e8)], [200]),  # its own port is slower
        ([(0, 100, 1e9), (0, 100, 1e9)], [200, 200]),
        ([(0, 100, 1e9), (50, 100, 1e9)], [150, 200]),  # 50 alone, then halves
        ([(0, 300, 1e9), (100, 100, 1e9)], [400, 300]),
        ([(0, 100, 2.5e8), (0, 100, 1e9)], [400, 134]),  # a quarter and three quarters
        ([(0, 0, 1e9)], [0]),
    ],
)
def test_transfers_share_a_memory_of_one_byte_a_nanosecond(rows, ends):
    assert moved(1e9, rows) == pytest.approx(ends, abs=2)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.integers(1, 500), st.sampled_from([2e8, 5e8, 1e9])), min_size=1, max_size=5
    )
)
def test_no_transfer_ends_before_its_port_or_the_memory_allow(rows):
    ends = moved(1e9, rows)
    for (at, n_bytes, limit), end in zip(rows, ends, strict=True):
        assert end >= at + n_bytes / limit * 1e9 - 2
    assert max(ends) >= min(at for at, _, _ in rows) + sum(n for _, n, _ in rows) - 2 - max(at for at, _, _ in rows)


# Layers


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 20), st.integers(0, 50))
def test_layers_add_up_to_the_stage(layers, seed):
    stage = tpu_stage(steps=(StepTime(1000, 0, 0), StepTime(0, 7777, 123_456)))
    (found,) = layered(network("a", stage), layers, seed).stages
    assert len(found.steps) == 2 * layers
    for key in ("compute_ns", "parameters_ns", "streamed_bytes"):
        assert sum(getattr(step, key) for step in found.steps) == sum(getattr(step, key) for step in stage.steps)
    assert all(step.compute_ns >= 0 and step.parameters_ns >= 0 and step.streamed_bytes >= 0 for step in found.steps)


def test_each_seed_has_layers_of_its_own():
    times = network("a", tpu_stage(steps=(StepTime(10**6, 0, 0),)))
    assert layered(times, 8, 1) == layered(times, 8, 1) != layered(times, 8, 2)


# Boards in closed form

BOARD = load_board("zcu102")
WORK = Work(1e-3, 4e-3, 0.5)


def test_a_core_alone_is_not_stretched_but_by_its_own_port():
    factors = stretches(0.5, BOARD, [1.0] + [0.0] * (BOARD.accelerators - 1))
    assert factors[0] == pytest.approx(1)
    assert all(factor >= 1 - 1e-9 for factor in factors)


def test_without_memory_phases_nobody_is_stretched():
    assert stretches(0.0, BOARD, [1.0] * BOARD.accelerators) == pytest.approx([1] * BOARD.accelerators)


def test_more_busy_cores_never_stretch_less():
    count = BOARD.accelerators
    first = [stretches(0.6, BOARD, [1.0] * n + [0.0] * (count - n))[0] for n in range(1, count + 1)]
    assert first == sorted(first)


@pytest.mark.parametrize(("threads", "cores", "bound"), [(1, 3, [1, 0, 0]), (3, 3, [1, 1, 1]), (5, 3, [2, 2, 1])])
def test_threads_are_bound_in_turn(threads, cores, bound):
    assert bound_threads(threads, cores) == bound


def test_one_thread_alone_takes_host_and_accelerator_one_after_the_other():
    assert closed_loop_ips(WORK, BOARD, 1) == pytest.approx(200, rel=1e-3)
    assert spread_ips(WORK, BOARD, 1) == pytest.approx(200)
    assert busy_cores(WORK, BOARD, 1) == pytest.approx(0.8)


def test_rates_stay_below_what_cores_allow():
    found = [closed_loop_ips(WORK, BOARD, threads) for threads in range(1, 13)]
    assert all(ips <= BOARD.accelerators / WORK.accelerator_s * (1 + 1e-9) for ips in found)
    assert found[-1] > found[0]


def test_a_core_with_more_threads_than_the_others_ends_last():
    """4 ms of computing each, split evenly: 3 threads on 3 cores give 750 /s, of 4 one core does half of everything."""
    computing = Work(0.0, 4e-3, 0.0)
    assert [spread_ips(computing, BOARD, threads) for threads in (3, 4, 6)] == pytest.approx([750, 500, 750])
