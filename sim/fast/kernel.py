"""The loop of the state machine, compiled by numba: inferences begin, go on and are complete (extra ``fast``).

Each function here and in the modules below does what the one of the same name in :mod:`sim.machine` does, in the same
order. So events of the same moment come in the order in which SimPy's heap has them. ``m`` is the memory
(:mod:`sim.fast.arrays`), ``i`` a thread's number, ``t``, ``a``, ``stage`` and ``link`` are places of rows.
"""

from __future__ import annotations

from typing import Any

from sim.fast import arrays as at
from sim.fast.compiled import cached, compiled
from sim.fast.moments import accelerator_at, network_at, pair_at, pop, push, thread_at
from sim.fast.passes import accelerate, wake
from sim.fast.work import burst, done_with, locked, sleep

__all__ = ["advance"]


@compiled
def turn_at(m: Any, i: int, turn: int) -> int:
    """Where the row of a thread's network in its turn begins."""
    return int(m[at.TURNS_AT] + (i * m[at.TURNS_N] + turn) * at.TURN_COLUMNS)


@compiled
def begin(m: Any, i: int) -> bool:
    """Begin the thread's next inference, on the accelerator that the dispatch chooses."""
    t, turn = thread_at(m, i), m[thread_at(m, i) + at.TURN_OF]
    m[t + at.MODEL] = m[turn_at(m, i, turn) + at.TURN_MODEL]
    number = choose(m, i, m[t + at.MODEL], turn)
    m[t + at.TURN_OF] = (turn + 1) % m[at.TURNS_N]
    a = accelerator_at(m, number)
    m[a + at.IN_USE] += 1
    m[a + at.CHOSEN_FOR] = m[at.REQUESTS]
    m[at.REQUESTS] += 1
    m[t + at.SERVED], m[t + at.PROMISED], m[t + at.START] = number, 1, m[at.NOW]
    m[t + at.OPERATION] = m[pair_at(m, m[t + at.MODEL], number) + at.PROGRAM_AT]
    m[t + at.PHASE] = at.ASK
    return False


@compiled
def choose(m: Any, i: int, model: int, turn: int) -> int:
    """As the functions of :data:`DISPATCHES`: the accelerator of a thread's next inference."""
    way, count, home = m[at.DISPATCH], m[at.ACCELERATORS_N], turn_at(m, i, turn) + at.HOME
    if way == at.ROUND_ROBIN:
        m[home] += 1
    if way in (at.BIND, at.ROUND_ROBIN):
        return int(m[home] % count)
    best = 0
    for number in range(1, count):
        if is_better(m, model, number, best):
            best = number
    return best


@compiled
def is_better(m: Any, model: int, one: int, other: int) -> bool:
    """Whether a dispatch that looks at all accelerators prefers one to another that stands before it."""
    a, b = accelerator_at(m, one), accelerator_at(m, other)
    if m[a + at.IN_USE] != m[b + at.IN_USE]:
        return bool(m[a + at.IN_USE] < m[b + at.IN_USE])
    if m[at.DISPATCH] == at.LEAST_LOADED and m[a + at.CHOSEN_FOR] != m[b + at.CHOSEN_FOR]:
        return bool(m[a + at.CHOSEN_FOR] < m[b + at.CHOSEN_FOR])
    if m[at.DISPATCH] == at.AFFINITY:
        token = m[network_at(m, model) + at.TOKEN]
        if (m[a + at.NOW_TOKEN] != token) != (m[b + at.NOW_TOKEN] != token):
            return bool(m[a + at.NOW_TOKEN] == token)
    return bool(m[pair_at(m, model, one) + at.ALONE_THERE] < m[pair_at(m, model, other) + at.ALONE_THERE])


@compiled
def complete(m: Any, i: int) -> bool:
    """Note a finished inference; return whether the run stands still to be looked at."""
    t, now = thread_at(m, i), m[at.NOW]
    m[accelerator_at(m, m[t + at.SERVED]) + at.IN_USE] -= m[t + at.PROMISED]
    m[t + at.OPERATION], m[t + at.PHASE] = 0, at.ASK
    m[at.DONE] += 1
    if m[at.IS_RECORDING]:
        row, column = m[at.ROWS_AT] + m[at.ROWS], m[at.ROWS_N]
        m[row + at.END * column] = now
        m[row + at.OF_MODEL * column] = m[t + at.MODEL]
        m[row + at.LATENCY_NS * column] = now - m[t + at.START]
        m[row + at.INVOKE_NS * column] = m[t + at.INVOKED]
        m[row + at.OF_THREAD * column] = i
        m[row + at.BY * column] = m[t + at.SERVED]
        m[at.ROWS] += 1
    return bool(m[at.DONE] == m[at.GOAL] or m[at.ROWS] == m[at.ROWS_N])


@compiled
def step(m: Any, i: int) -> bool:
    """Let a thread go on until it waits for an event; return whether it has just completed an inference of interest."""
    t = thread_at(m, i)
    while True:
        operation = m[at.OPERATIONS_AT] + m[t + at.OPERATION] * at.OPERATION_COLUMNS
        kind, what, state = m[operation + at.KIND], m[operation + at.WHAT], m[operation + at.STATE]
        if kind == at.BURST:
            waits = burst(m, i, operation)
        elif kind == at.LOCKED:
            waits = locked(m, i, what, state)
        elif kind == at.PASS:
            waits = accelerate(m, i, what, state)
        elif kind == at.SLEEP:
            waits = sleep(m, i, what, state)
        elif kind == at.BEGIN:
            waits = begin(m, i)
        elif kind == at.COMPLETE:
            if complete(m, i):
                return True
            waits = False
        else:
            note_call(m, t, kind)
            waits = False
        if waits:
            return False


@compiled
def note_call(m: Any, t: int, kind: int) -> None:
    """Note when invoke() is called, or how long it took."""
    if kind == at.CALL:
        m[t + at.CALLED] = m[at.NOW]
    else:
        m[t + at.INVOKED] = m[at.NOW] - m[t + at.CALLED]
    done_with(m, t)


@cached
def advance(m: Any) -> int:
    """Run until so many inferences as the goal says are complete, the rows are full, or the run ends; return which."""
    threads, who = m[at.THREADS_N], m[at.CURRENT]
    if m[at.STOPS]:
        push(m, m[at.NOW], at.STOP)
        m[at.STOPS] = 0
    while m[at.NOW] <= at.LONGEST_NS:
        if who >= threads:
            who = wake(m, who - threads)
        if who >= 0 and step(m, who):
            m[at.CURRENT] = who
            return at.COMPLETED
        if who == at.STOP and not m[at.IS_ENDING]:
            m[at.IS_ENDING] = 1
            push(m, m[at.NOW], at.END_OF_RUN)
        elif who == at.END_OF_RUN:
            return at.ENDED
        who = pop(m)
    return at.TOO_LONG
