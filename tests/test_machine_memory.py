"""Cores that share a memory: fluid transfers by hand, and layers that add up to their stage."""

from __future__ import annotations

import pytest
import simpy
from hand import accelerator_stage, network
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.dpu.board import Work, closed_loop_ips, load_board, spread_ips
from hwmodels.profile import Profile, ProfileStage
from hwmodels.stages import StageTimes, StepTime
from sim.machine.memory import SharedMemory, layered, replay


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
    stage = accelerator_stage(steps=(StepTime(1000, 0, 0), StepTime(0, 7777, 123_456)))
    (found,) = layered(network("a", stage), layers, seed).stages
    assert len(found.steps) == 2 * layers
    for key in ("compute_ns", "parameters_ns", "streamed_bytes"):
        assert sum(getattr(step, key) for step in found.steps) == sum(getattr(step, key) for step in stage.steps)
    assert all(step.compute_ns >= 0 and step.parameters_ns >= 0 and step.streamed_bytes >= 0 for step in found.steps)


def test_each_seed_has_layers_of_its_own():
    times = network("a", accelerator_stage(steps=(StepTime(10**6, 0, 0),)))
    assert layered(times, 8, 1) == layered(times, 8, 1) != layered(times, 8, 2)


def test_memory_shares_and_conserves() -> None:
    env = simpy.Environment()
    memory = SharedMemory(env, 10.0)
    ends = {}

    def mover(name: str, after_ns: int, n_bytes: int, limit: float):  # type: ignore[no-untyped-def]  # a SimPy process
        yield env.timeout(after_ns)
        yield from memory.move(n_bytes, limit)
        ends[name] = env.now / 1e9

    env.process(mover("a", 0, 80, 8.0))
    env.process(mover("b", 5_000_000_000, 20, 8.0))
    env.run()
    # a alone: 40 bytes in 5 s; then 5 bytes/s each: b ends after 4 s with a at 60; a goes on at 8 bytes/s
    assert ends == {"b": pytest.approx(9.0, abs=1e-6), "a": pytest.approx(11.5, abs=1e-6)}
    assert memory.moved_bytes == 100 and not memory.active


def networks(work: Work, board_port: float, threads: int) -> list[StageTimes]:
    """The same work as 40 uneven layers, another mix for every thread."""
    held_ns, memory_ns = round(work.accelerator_s * 1e9), round(work.accelerator_s * work.memory_share * 1e9)
    memory = ProfileStage("memory", memory_ns, round(memory_ns * board_port / 1e9))
    host = ProfileStage("cpu", round(work.host_s * 1e9))
    profile = Profile("net", (host, ProfileStage("accelerator", held_ns - memory_ns), memory))
    return [layered(profile.stage_times(), 40, seed) for seed in range(threads)]


@pytest.mark.parametrize("name", ["kv260", "zcu104", "zcu102"])
@pytest.mark.parametrize("share", [0.3, 0.666, 0.9])
@pytest.mark.parametrize("threads", [1, 3, 4, 8])
def test_closed_form_equals_the_replay(name: str, share: float, threads: int) -> None:
    """Mean field against events, host work light: within 1.5 %, in a closed loop and with a fixed share a thread."""
    board, work = load_board(name), Work(0.0007, 0.01, share)
    times = networks(work, board.port_bytes_per_s, threads)
    steady = replay(times, board, threads, 240)
    assert closed_loop_ips(work, board, threads) == pytest.approx(steady.ips, rel=0.015)
    spread = replay(times, board, threads, 240, spread=True)
    assert spread_ips(work, board, threads) == pytest.approx(spread.ips, rel=0.015)
    assert all(0 < busy <= 1 for busy in steady.core_busy[: min(threads, board.accelerators)])
