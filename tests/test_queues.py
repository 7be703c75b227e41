"""Who waits for a lock, a core, the GIL and the bus: timelines drawn by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.accelerator import Lock, SimAccelerator
from sim.host import Cores, Gil
from sim.link import MOST_CHUNKS, SharedLink

# The lock


def visitors(discipline=None, arrivals=((0, "a"), (1, "b"), (2, "c"), (3, "d")), hold=10):
    """(name, time of entry) of tickets that come at a time and hold the lock for a while."""
    env, log = simpy.Environment(), []
    lock = Lock(env, discipline)

    def visit(at, name):
        yield env.timeout(at)
        event = lock.acquire(name)
        if event is not None:
            yield event
        log.append((name, env.now))
        yield env.timeout(hold)
        lock.release()

    for at, name in arrivals:
        env.process(visit(at, name))
    env.run()
    return log, lock


def test_first_come_first_served():
    log, lock = visitors()
    assert log == [("a", 0), ("b", 10), ("c", 20), ("d", 30)]
    assert not lock.held


def test_whoever_finds_it_free_pays_no_event():
    env = simpy.Environment()
    lock = Lock(env)
    assert lock.acquire("a") is None
    assert lock.acquire("b") is not None
    lock.release()
    assert (lock.held, lock.holder) == (True, "b")
    lock.release()
    assert not lock.held


def test_a_discipline_picks_among_those_who_wait():
    log, _ = visitors(lambda waiting, last: len(waiting) - 1)
    assert [name for name, _ in log] == ["a", "d", "c", "b"]


def test_a_discipline_is_told_who_held_the_lock_last():
    seen = []

    def remember(waiting, last):
        seen.append((list(waiting), last))
        return 0

    visitors(remember)
    assert seen == [(["b", "c", "d"], "a"), (["c", "d"], "b")]  # of one alone there is nothing to pick


def test_equal_arrivals_are_served_in_the_order_of_their_processes():
    log, _ = visitors(arrivals=[(0, name) for name in "dcba"])
    assert [name for name, _ in log] == list("dcba")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 20))
def test_nobody_is_lost_and_nobody_overlaps(times, hold):
    arrivals = [(at, number) for number, at in enumerate(times)]
    log, lock = visitors(arrivals=arrivals, hold=hold)
    assert sorted(name for name, _ in log) == list(range(len(times)))
    entries = [at for _, at in log]
    assert all(b - a >= hold for a, b in pairwise(entries))
    assert not lock.held
    assert not lock.tickets


# The parameters that an accelerator holds


def accelerator():
    return SimAccelerator(0, 0, Lock(simpy.Environment()), SharedLink(False, 1 << 20), 1)


@pytest.mark.parametrize(
    ("visits", "loads"),
    [
        ([("A", 0)], [True]),
        ([("A", 0), ("A", 0)], [True, False]),
        ([("A", 0), ("B", 1), ("A", 0)], [True, True, True]),  # another token forgets the whole set
        ([("AB", 0), ("AB", 1), ("AB", 0), ("AB", 1)], [True, True, False, False]),  # compiled together
        ([("A", 0), ("A", 1), ("A", 0)], [True, True, False]),  # a second interpreter sends them once more
        ([("A", 0), ("A", 1), ("B", 2), ("A", 0), ("A", 1)], [True, True, True, True, True]),
    ],
)
def test_parameters_are_sent_once_for_each_interpreter_until_the_token_changes(visits, loads):
    one = accelerator()
    assert [one.must_load(token, reference) for token, reference in visits] == loads


# Cores


def bursts(cores, rows):
    """End times of bursts of work that come at a time."""
    return [cores.reserve(at, work) for at, work in rows]


@pytest.mark.parametrize(
    ("count", "rows", "ends"),
    [
        (1, [(0, 10), (0, 10), (50, 10)], [10, 20, 60]),
        (2, [(0, 10), (0, 10), (0, 10), (5, 1)], [10, 10, 20, 11]),
        (2, [(0, 100), (0, 10), (20, 10)], [100, 10, 30]),
        (3, [(0, 5), (0, 6), (0, 7), (0, 1)], [5, 6, 7, 6]),
    ],
)
def test_a_burst_takes_the_core_that_is_free_first(count, rows, ends):
    assert bursts(Cores(count, 1 << 62, 0), rows) == ends


def test_a_burst_that_waits_pays_a_context_switch():
    cores = Cores(1, 1 << 62, 3)
    assert bursts(cores, [(0, 10), (0, 10), (100, 10)]) == [10, 23, 110]
    assert cores.busy_ns == 33


def timeline(cores, jobs):
    """(name, end) of jobs (name, start, work, cores at once), in order of their end."""
    env, log = simpy.Environment(), []

    def job(name, at, work, count):
        yield env.timeout(at)
        end = yield from cores.run(env, at, work, count)
        assert end == env.now
        log.append((name, end))

    for name, at, work, count in jobs:
        env.process(job(name, at, work, count))
    env.run()
    return log


def test_slices_let_a_short_burst_in():
    whole = timeline(Cores(1, 1 << 62, 0), [("long", 0, 100, 1), ("short", 1, 5, 1)])
    sliced = timeline(Cores(1, 10, 0), [("long", 0, 100, 1), ("short", 1, 5, 1)])
    assert whole == [("long", 100), ("short", 105)]
    assert sliced == [("short", 15), ("long", 105)]


def test_an_operator_on_several_cores_takes_them_all_at_once():
    assert timeline(Cores(4, 1 << 62, 0), [("wide", 0, 10, 4), ("next", 1, 10, 1)]) == [("wide", 10), ("next", 20)]


def test_no_work_takes_no_time():
    assert timeline(Cores(1, 10, 5), [("none", 0, 0, 1)]) == [("none", 0)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 4), st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), min_size=1, max_size=15))
def test_work_is_conserved_and_no_core_is_used_twice(count, rows):
    cores = Cores(count, 1 << 62, 0)
    ends = bursts(cores, sorted(rows))
    assert cores.busy_ns == sum(work for _, work in rows)
    for moment in range(max(ends)):
        running = sum(end - work <= moment < end for end, (_, work) in zip(ends, sorted(rows), strict=True))
        assert running <= count


# Python's lock


def test_busy_threads_make_everybody_wait_an_interval_each():
    env = simpy.Environment()
    assert Gil(env, 5_000_000, 0, 200).handover_ns == 200
    assert Gil(env, 5_000_000, 2, 200).handover_ns == 10_000_200


def test_the_gil_is_one_lock():
    gil = Gil(simpy.Environment(), 5, 0, 0)
    assert gil.acquire("a") is None
    assert gil.acquire("b") is not None
    gil.release()
    assert gil.lock.holder == "b"


# The bus


def test_directions_are_separate():
    bus = SharedLink(True, 100)
    assert [bus.reserve(0, 10), bus.receive(0, 20), bus.reserve(5, 10), bus.receive(50, 1)] == [10, 20, 20, 51]


def transfers(bus, rows):
    """(name, end) of transfers (name, start, bytes, time with the bus to itself)."""
    env, log = simpy.Environment(), []

    def one(name, at, n_bytes, work):
        yield env.timeout(at)
        end = yield from bus.send(env, at, n_bytes, work)
        log.append((name, end))

    for row in rows:
        env.process(one(*row))
    env.run()
    return log


def test_a_small_transfer_gets_between_the_chunks_of_a_large_one():
    """4 chunks of 25 ns each; the small one comes during the first and goes second."""
    assert transfers(SharedLink(True, 100), [("large", 0, 400, 100), ("small", 10, 50, 8)]) == [
        ("small", 33),
        ("large", 108),
    ]


def test_a_link_of_one_s_own_needs_one_event():
    assert transfers(SharedLink(False, 100), [("large", 0, 10**9, 777)]) == [("large", 777)]


def test_two_large_transfers_share_the_bus():
    ends = dict(transfers(SharedLink(True, 100), [("a", 0, 1000, 100), ("b", 0, 1000, 100)]))
    assert ends == {"a": 190, "b": 200}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 5000)), min_size=1, max_size=6))
def test_the_bus_is_never_used_twice_and_nothing_is_lost(rows):
    bus = SharedLink(True, 1000)
    jobs = [(str(i), at, n_bytes, n_bytes) for i, (at, n_bytes) in enumerate(rows)]
    ends = dict(transfers(bus, jobs))
    assert set(ends) == {name for name, *_ in jobs}
    assert max(ends.values()) >= min(at for at, _ in rows) + sum(n_bytes for _, n_bytes in rows) - max(
        at for at, _ in rows
    )
    assert all(ends[name] >= at + work for name, at, _, work in jobs)


def test_a_huge_transfer_grows_its_grain_instead_of_its_events():
    env, events = simpy.Environment(), 0
    bus = SharedLink(True, 10)

    def counted():
        nonlocal events
        for event in bus.send(env, 0, 10 * (MOST_CHUNKS * 5), 1_000_003):
            events += 1
            yield event

    env.process(counted())
    env.run()
    assert events == MOST_CHUNKS
    assert env.now == 1_000_003
