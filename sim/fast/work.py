"""Operations on the host: bursts, Python under its lock, sleep; see :mod:`sim.fast.kernel`."""

from __future__ import annotations

from typing import Any

from sim.fast import arrays as at
from sim.fast.compiled import compiled
from sim.fast.moments import push, reserve, thread_at

__all__ = ["burst", "done_with", "locked", "sleep"]


# Operations: each function returns whether the thread now waits for an event


@compiled
def done_with(m: Any, t: int) -> bool:
    """Turn to the next operation."""
    m[t + at.OPERATION] += 1
    m[t + at.PHASE] = at.ASK
    return False


@compiled
def burst(m: Any, i: int, operation: int) -> bool:
    """As :meth:`Cores.run`: a burst on one or several cores, slice by slice; its time counts when all of it is over."""
    t, now = thread_at(m, i), m[at.NOW]
    if m[t + at.PHASE] == at.HOLDS:
        m[t + at.LEFT] -= m[t + at.PART]
        if m[t + at.LEFT] > 0:
            m[at.SLICE_END] = now
    else:
        m[t + at.LEFT] = m[operation + at.WHAT]
        if m[t + at.PHASE] == at.ASK:
            m[t + at.SINCE] = now
        m[t + at.PHASE] = at.HOLDS
    if m[t + at.LEFT] <= 0:
        return end_of_burst(m, t, operation)
    m[t + at.PART] = min(m[t + at.LEFT], m[at.QUANTUM])
    end = now
    for _ in range(m[operation + at.WIDTH]):
        end = max(end, reserve(m, m[t + at.PART]))
    push(m, end, i)
    return True


@compiled
def end_of_burst(m: Any, t: int, operation: int) -> bool:
    """Count a burst, or go on with its next part."""
    if not m[operation + at.GOES_ON]:
        m[t + at.SPENT + m[operation + at.STATE]] += m[at.NOW] - m[t + at.SINCE]
        return done_with(m, t)
    m[t + at.OPERATION] += 1
    m[t + at.PHASE] = at.FOLLOWS
    return False


@compiled
def locked(m: Any, i: int, work: int, state: int) -> bool:
    """As :func:`python_locked`: Python code under the GIL."""
    t, now = thread_at(m, i), m[at.NOW]
    if m[t + at.PHASE] == at.ASK:
        m[t + at.LEFT] = work
    elif m[t + at.PHASE] == at.HOLDS:
        m[t + at.SLICE] -= min(m[t + at.SLICE], m[at.QUANTUM])
        if m[t + at.SLICE] > 0:
            m[at.SLICE_END] = now
            return run_slice(m, i)
        give_gil_back(m, i, state)
        if m[t + at.LEFT] <= 0:
            return done_with(m, t)
        m[t + at.PHASE] = at.ASK
    if m[t + at.PHASE] == at.ASK and not take_gil(m, i):
        return True
    if m[t + at.PHASE] == at.WAITS and m[at.TURN] > 0:
        m[t + at.PHASE] = at.TURNS
        push(m, now + m[at.TURN], i)
        return True
    m[t + at.GRANTED], m[t + at.PHASE] = now, at.HOLDS
    m[t + at.PART] = min(m[t + at.LEFT], m[at.INTERVAL])
    m[t + at.SLICE] = m[t + at.PART]
    return run_slice(m, i)


@compiled
def run_slice(m: Any, i: int) -> bool:
    """Run a slice of a part under the lock; where a busy thread left a core, all of it there."""
    t = thread_at(m, i)
    if m[at.TURN] > 0:
        push(m, m[at.NOW] + m[t + at.SLICE], i)
        m[t + at.SLICE] = 0
    else:
        push(m, reserve(m, min(m[t + at.SLICE], m[at.QUANTUM])), i)
    return True


@compiled
def take_gil(m: Any, i: int) -> bool:
    """As :meth:`Lock.acquire` of the GIL; False where the thread has to wait for it."""
    t = thread_at(m, i)
    m[t + at.SINCE], m[t + at.PHASE] = m[at.NOW], at.WAITS
    if not m[at.GIL_HELD]:
        m[at.GIL_HELD] = 1
        return True
    m[t + at.NEXT] = -1
    if m[at.GIL_FIRST] < 0:
        m[at.GIL_FIRST] = i
    else:
        m[thread_at(m, m[at.GIL_LAST]) + at.NEXT] = i
    m[at.GIL_LAST] = i
    return False


@compiled
def give_gil_back(m: Any, i: int, state: int) -> None:
    """Count a part under the lock and give the lock to the next in line."""
    t = thread_at(m, i)
    m[at.GIL_NS] += m[t + at.PART]
    following = m[at.GIL_FIRST]
    if following >= 0:
        m[at.GIL_FIRST] = m[thread_at(m, following) + at.NEXT]
        push(m, m[at.NOW], following)
    else:
        m[at.GIL_HELD] = 0
    m[t + at.SPENT + at.NS_GIL_WAIT] += m[t + at.GRANTED] - m[t + at.SINCE]
    m[t + at.SPENT + state] += m[at.NOW] - m[t + at.GRANTED]
    m[t + at.LEFT] -= m[t + at.PART]


@compiled
def sleep(m: Any, i: int, wait: int, state: int) -> bool:
    """Wait without a core."""
    t = thread_at(m, i)
    if m[t + at.PHASE] == at.ASK:
        m[t + at.PHASE] = at.WAITS
        push(m, m[at.NOW] + wait, i)
        return True
    m[t + at.SPENT + state] += wait
    return done_with(m, t)
