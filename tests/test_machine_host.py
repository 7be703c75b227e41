"""Who waits for a core and for Python's lock: timelines drawn by hand."""

from __future__ import annotations

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.machine.host import Cores, Gil


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


@pytest.mark.parametrize(("quantum", "found"), [(10, 16), (4, 8), (1 << 62, 40)])
def test_short_bursts_one_after_the_other_keep_a_woken_thread_waiting_for_a_slice_at_most(quantum, found):
    """Ten bursts of 4 without a pause; who was woken at 3 is next where one ends a slice later."""
    env, cores, log = simpy.Environment(), Cores(1, quantum, 0), []

    def computes():
        for _ in range(10):
            yield from cores.run(env, env.now, 4)

    def woken():
        yield env.timeout(3)
        yield from cores.seek(env)
        log.append(env.now)

    env.process(computes())
    env.process(woken())
    env.run()
    assert log == [found]


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


def test_the_gil_is_one_lock():
    gil = Gil(simpy.Environment(), 5)
    assert gil.acquire("a") is None
    assert gil.acquire("b") is not None
    gil.release()
    assert gil.lock.holder == "b"
