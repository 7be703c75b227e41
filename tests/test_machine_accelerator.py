"""The accelerator's lock and what its memory holds: timelines drawn by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.machine.accelerator import SimAccelerator
from sim.machine.link import SharedLink
from sim.machine.lock import Lock

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
