"""Who waits for the bus: timelines drawn by hand."""

from __future__ import annotations

import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.machine.link import MOST_CHUNKS, SharedLink


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
