"""Boards of a DPU family: fair rates by their axioms, stretches of busy cores, closed loops of few threads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.dpu.board import (
    Work,
    bound_threads,
    busy_cores,
    closed_loop_ips,
    fair_rates,
    load_board,
    spread_ips,
    stretches,
)
from hwmodels.errors import InputError
from hwmodels.profile import Profile, ProfileStage
from hwmodels.stages import StageTimes
from sim.machine.memory import layered, replay

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


def test_fair_rates_share_what_slow_ports_leave() -> None:
    assert fair_rates([10, 10, 2], 12) == [5, 5, 2]
    assert fair_rates([3, 4], 100) == [3, 4]
    assert fair_rates([], 5) == []


def networks(work: Work, board_port: float, threads: int) -> list[StageTimes]:
    """The same work as 40 uneven layers, another mix for every thread."""
    held_ns, memory_ns = round(work.accelerator_s * 1e9), round(work.accelerator_s * work.memory_share * 1e9)
    memory = ProfileStage("memory", memory_ns, round(memory_ns * board_port / 1e9))
    host = ProfileStage("cpu", round(work.host_s * 1e9))
    profile = Profile("net", (host, ProfileStage("accelerator", held_ns - memory_ns), memory))
    return [layered(profile.stage_times(), 40, seed) for seed in range(threads)]


def test_gain_never_exceeds_the_cpus() -> None:
    """One core, four CPUs, nearly all time on the host: threads gain up to four, never more."""
    board, work = load_board("kv260"), Work(0.1, 0.001, 0.5)
    profile = networks(work, board.port_bytes_per_s, 1)[0]
    one = replay(profile, board, 1, 40).ips
    gains = [replay(profile, board, threads, 80).ips / one for threads in (2, 4, 8)]
    assert gains == [pytest.approx(2, rel=0.03), pytest.approx(4, rel=0.03), pytest.approx(4, rel=0.03)]
    assert max(gains) <= 4.05


def test_stretches_grow_with_cores_and_share() -> None:
    board = load_board("zcu102")
    rows = [sum(stretches(share, board, [1, 1, 1])) for share in (0.0, 0.2, 0.5, 0.8)]
    assert rows == sorted(rows) and rows[0] == 3
    assert stretches(0.5, load_board("kv260"), [1.0]) == [1.0]
    alone = stretches(0.5, board, [0, 0, 1])
    assert alone[2] > 1.0 == alone[0]


def test_boards_by_name() -> None:
    assert load_board("ZCU102 (0432055-05)").accelerators == 3
    with pytest.raises(InputError, match="zcu102"):
        load_board("zcu103x")
    with pytest.raises(InputError):
        load_board("kv260", cores=99)
