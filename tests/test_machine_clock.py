"""The clock against SimPy's own: the same events at the same times in the same order."""

import simpy
from hypothesis import given
from hypothesis import strategies as st

from sim.machine.clock import Clock

DELAYS = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=8), min_size=1, max_size=6)


def _log(env, rows):
    log = []

    def process(number, delays):
        for delay in delays:
            value = yield env.timeout(delay, value=(number, delay))
            log.append((env.now, number, value))

    for number, delays in enumerate(rows):
        env.process(process(number, delays))
    env.run()
    return log


@given(DELAYS)
def test_sleeping_is_as_simpys_timeout(rows):
    log = _log(Clock(), rows)
    assert log == _log(simpy.Environment(), rows)
    assert all(type(now) is int for now, *_ in log)


def test_a_run_ends_at_a_timeout_of_its_own():
    env = Clock()
    env.run(until=env.any_of([env.event(), env.timeout(7)]))
    assert env.now == 7
