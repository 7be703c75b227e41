"""Rows, events in their order, and cores; see :mod:`sim.fast.kernel`."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.fast import arrays as at
from sim.fast.compiled import compiled
from sim.machine.host import SLICE_NS

__all__ = ["done_ns", "go_on", "has_core", "pop", "push", "quiet_at", "reserve"]


@compiled
def thread_at(m: Any, i: int) -> int:
    """Where a thread's row begins."""
    return int(m[at.THREADS_AT] + i * at.THREAD_COLUMNS)


@compiled
def accelerator_at(m: Any, number: int) -> int:
    """Where an accelerator's row begins."""
    return int(m[at.ACCELERATORS_AT] + number * at.ACCELERATOR_COLUMNS)


@compiled
def stage_at(m: Any, number: int) -> int:
    """Where a stage's row begins."""
    return int(m[at.STAGES_AT] + number * at.STAGE_COLUMNS)


@compiled
def network_at(m: Any, model: int) -> int:
    """Where a network's row begins."""
    return int(m[at.NETWORKS_AT] + model * at.NETWORK_COLUMNS)


@compiled
def pair_at(m: Any, model: int, number: int) -> int:
    """Where the row of a network on an accelerator begins."""
    return int(m[at.PAIRS_AT] + (model * m[at.ACCELERATORS_N] + number) * at.PAIR_COLUMNS)


# Events


@compiled
def push(m: Any, time: int, who: int) -> None:
    """Put an event on the clock, after those of the same moment."""
    first, place = m[at.HEAP_AT], m[at.EVENTS]
    m[at.EVENTS] += 1
    m[at.ORDER] += 1
    while place > 0:
        above = (place - 1) >> 1
        if m[first + above * at.EVENT_COLUMNS] <= time:
            break
        move(m, first + above * at.EVENT_COLUMNS, first + place * at.EVENT_COLUMNS)
        place = above
    put(m, first + place * at.EVENT_COLUMNS, time, m[at.ORDER], who)


@compiled
def put(m: Any, event: int, time: int, order: int, who: int) -> None:
    """Write an event."""
    m[event + at.TIME] = time
    m[event + at.RANK] = order
    m[event + at.WHO] = who


@compiled
def move(m: Any, event: int, place: int) -> None:
    """Write an event to another place."""
    put(m, place, m[event + at.TIME], m[event + at.RANK], m[event + at.WHO])


@compiled
def comes_before(m: Any, one: int, other: int) -> bool:
    """Whether an event comes before another one."""
    return bool(m[one] < m[other] or (m[one] == m[other] and m[one + at.RANK] < m[other + at.RANK]))


@compiled
def pop(m: Any) -> int:
    """Take the next event off the clock, which then shows its moment; return whose it is."""
    first, place = m[at.HEAP_AT], 0
    who = m[first + at.WHO]
    m[at.NOW] = m[first + at.TIME]
    m[at.EVENTS] -= 1
    count = m[at.EVENTS]
    last = first + count * at.EVENT_COLUMNS
    while True:
        below = 2 * place + 1
        if below >= count:
            break
        event = first + below * at.EVENT_COLUMNS
        if below + 1 < count and comes_before(m, event + at.EVENT_COLUMNS, event):
            below, event = below + 1, event + at.EVENT_COLUMNS
        if not comes_before(m, event, last):
            break
        move(m, event, first + place * at.EVENT_COLUMNS)
        place = below
    move(m, last, first + place * at.EVENT_COLUMNS)
    return int(who)


# Cores


@compiled
def take_core(m: Any, until: int) -> None:
    """Give the core that is free first away until then."""
    first, count, place = m[at.CORES_AT], m[at.CORES_N], 0
    while True:
        below = 2 * place + 1
        if below + 1 < count and m[first + below + 1] < m[first + below]:
            below += 1
        if below >= count or m[first + below] >= until:
            break
        m[first + place] = m[first + below]
        place = below
    m[first + place] = until


@compiled
def reserve(m: Any, work: int) -> int:
    """As :meth:`Cores.reserve`."""
    now, start = m[at.NOW], m[m[at.CORES_AT]]
    work *= m[at.SLOWDOWN]
    if start > now:
        work += m[at.SWITCH]
    else:
        start = now
    if m[at.PARALLEL] > 0:
        work = crowded(m, start, work)
    m[at.CORE_NS] += work
    take_core(m, start + work)
    return int(start + work)


@compiled
def crowded(m: Any, start: int, work: int) -> int:
    """As ``Cores._crowded``: with too many cores busy each burst takes longer."""
    busy = 1
    for core in range(m[at.CORES_AT], m[at.CORES_AT] + m[at.CORES_N]):
        busy += m[core] > start
    together = m[at.PARALLEL : at.PARALLEL + 1].view(np.float64)[0]
    longer: int = round(work * max(1.0, busy / together))
    return longer


@compiled
def go_on(m: Any, work: int) -> int:
    """As :meth:`Cores.go_on`."""
    now = m[at.NOW]
    work *= m[at.SLOWDOWN]
    m[at.CORE_NS] += work
    take_core(m, max(now, m[m[at.CORES_AT]]) + work)
    return int(now + work)


@compiled
def has_core(m: Any, since: int) -> bool:
    """Whether a thread that was woken then, at a place of the memory (0: now), gets a core: as :meth:`Cores.seek`."""
    now = m[at.NOW]
    if m[since] == 0:
        m[since] = now
    if m[m[at.CORES_AT]] > now and m[at.SLICE_END] != now and now - m[since] < m[at.QUANTUM]:
        return False
    if m[m[at.CORES_AT]] > now and m[at.SLICE_END] == now:
        m[at.SLICE_END] = -1
    m[since] = 0
    return True


@compiled
def quiet_at(m: Any, since: int) -> int:
    """When nobody computes, for a thread that was woken then, at a place of the memory: as :meth:`Cores.end_ns`."""
    now = m[at.NOW]
    if m[since] == 0:
        m[since] = now
    until = now
    for core in range(m[at.CORES_AT], m[at.CORES_AT] + m[at.CORES_N]):
        until = max(until, m[core])
    until = min(until, m[since] + SLICE_NS)
    if until <= now:
        m[since] = 0
    return int(until)


@compiled
def done_ns(m: Any) -> int:
    """As :meth:`Cores.done_ns`."""
    done = m[at.CORE_NS]
    for core in range(m[at.CORES_AT], m[at.CORES_AT] + m[at.CORES_N]):
        done -= max(0, m[core] - m[at.NOW])
    return int(done)
