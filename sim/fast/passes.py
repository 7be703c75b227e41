"""A pass through the accelerator, its lock, and the bus; see :mod:`sim.fast.kernel`."""

from __future__ import annotations

from typing import Any

from sim.fast import arrays as at
from sim.fast.compiled import compiled
from sim.fast.moments import (
    accelerator_at,
    done_ns,
    go_on,
    has_core,
    network_at,
    pair_at,
    push,
    quiet_at,
    reserve,
    stage_at,
    thread_at,
)  # fmt: skip
from sim.fast.work import done_with
from sim.machine.link import MOST_CHUNKS

__all__ = ["accelerate", "wake"]


@compiled
def accelerate(m: Any, i: int, number: int, segment: int) -> bool:
    """Turn to the next phase of a pass, from the lock to the copy of the result; as :func:`accelerate`."""
    t, stage = thread_at(m, i), stage_at(m, number)
    a = accelerator_at(m, m[t + at.SERVED])
    link = m[at.LINKS_AT] + m[a + at.LINK] * at.LINK_COLUMNS
    phase = m[t + at.PHASE]
    if phase < at.SENDS:
        return enter(m, i, a, link, stage, segment)
    if phase == at.SENDS:
        return send_chunk(m, i, link)
    if phase == at.RETURNS:
        return come_back(m, i, a, number)
    if phase == at.COPIES:
        m[t + at.SPENT + at.NS_HOST_COPY] += m[at.NOW] - m[t + at.SINCE]
        return done_with(m, t)
    return over_shared_link(m, i, stage, link)


@compiled
def enter(m: Any, i: int, a: int, link: int, stage: int, segment: int) -> bool:
    """Take the lock, send the parameters where they are missing, and dispatch."""
    t, phase = thread_at(m, i), m[thread_at(m, i) + at.PHASE]
    if phase == at.ASK:
        return not take_accelerator(m, i, a)
    if phase == at.WAITS:
        m[t + at.SPENT + at.NS_WAIT] += m[at.NOW] - m[t + at.SINCE]
        m[t + at.IS_RUNNING] = m[at.WAKE] > 0
        m[t + at.PHASE] = at.HOLDS
        return False
    if phase == at.LOADED:
        count_load(m, t, a, stage)
    elif must_load(m, i, a, segment) and m[stage + at.LOAD_BYTES] > 0:
        m[t + at.SINCE] = m[at.NOW]
        send(m, t, link, m[stage + at.LOAD_BYTES], m[stage + at.LOAD], at.LOADED)
        return False
    return dispatch(m, i, stage, link)


@compiled
def take_accelerator(m: Any, i: int, a: int) -> bool:
    """As :meth:`Mutex.acquire` or :meth:`Lock.acquire`; False where the thread has to wait."""
    t = thread_at(m, i)
    m[a + at.IN_USE] += 1 - m[t + at.PROMISED]
    m[t + at.PROMISED] = 0
    m[a + at.WAS_RACED] = m[a + at.WAS_RACED] or m[a + at.IS_WAKING]
    if not m[a + at.HELD] and not (m[a + at.IS_WAKING] and m[a + at.IS_OWED]):
        m[a + at.HELD], m[a + at.HOLDER_MODEL] = 1, m[t + at.MODEL]
        m[t + at.IS_RUNNING], m[t + at.PHASE] = 0, at.HOLDS
        return True
    m[t + at.SINCE], m[t + at.PHASE], m[t + at.NEXT] = m[at.NOW], at.WAITS, -1
    if m[a + at.FIRST] < 0:
        m[a + at.FIRST] = i
    else:
        m[thread_at(m, m[a + at.LAST]) + at.NEXT] = i
    m[a + at.LAST] = i
    return False


@compiled
def must_load(m: Any, i: int, a: int, segment: int) -> bool:
    """As :meth:`SimAccelerator.must_load`: what was sent under an earlier token is of another age."""
    served, model = m[thread_at(m, i) + at.SERVED], m[thread_at(m, i) + at.MODEL]
    token = m[pair_at(m, model, served) + at.TOKEN_THERE]
    if token != m[a + at.NOW_TOKEN]:
        m[a + at.NOW_TOKEN] = token
        m[a + at.AGE] += 1
    interpreter = (served * m[at.THREADS_N] + i) * m[at.NETWORKS_N] + model
    place = m[at.LOADED_AT] + interpreter * m[at.SEGMENTS] + segment
    if m[place] == m[a + at.AGE]:
        return False
    m[place] = m[a + at.AGE]
    return True


@compiled
def send(m: Any, t: int, link: int, n_bytes: int, work: int, then: int) -> None:
    """Begin to send bytes; as :meth:`SharedLink.send`."""
    m[t + at.SENDING], m[t + at.THEN], m[t + at.CHUNK], m[t + at.CHUNKS], m[t + at.PHASE] = work, then, 0, 1, at.SENDS
    if m[link + at.IS_SHARED] and n_bytes > m[link + at.CHUNK_BYTES]:
        m[t + at.CHUNKS] = min(MOST_CHUNKS, -(-n_bytes // m[link + at.CHUNK_BYTES]))


@compiled
def send_chunk(m: Any, i: int, link: int) -> bool:
    """Send the next chunk, or turn to what follows the last one."""
    t, chunk, chunks = thread_at(m, i), m[thread_at(m, i) + at.CHUNK], m[thread_at(m, i) + at.CHUNKS]
    if chunk == chunks:
        m[t + at.PHASE] = m[t + at.THEN]
        return False
    part = m[t + at.SENDING] * (chunk + 1) // chunks - m[t + at.SENDING] * chunk // chunks
    m[t + at.CHUNK] += 1
    m[link + at.OUT_FREE] = max(m[link + at.OUT_FREE], m[at.NOW]) + part
    push(m, m[link + at.OUT_FREE], i)
    return True


@compiled
def count_load(m: Any, t: int, a: int, stage: int) -> None:
    """Count the sending of cached parameters; as :func:`load_parameters`."""
    spent = m[at.NOW] - m[t + at.SINCE]
    m[a + at.BUSY + at.NS_LOAD] += spent
    m[a + at.WAITED] += spent - m[stage + at.LOAD]
    m[a + at.LOADS_NS] += m[stage + at.LOAD]
    m[a + at.LOADS_BYTES] += m[stage + at.LOAD_BYTES]


@compiled
def dispatch(m: Any, i: int, stage: int, link: int) -> bool:
    """Dispatch the program; on a link of its own the whole pass is one event."""
    t, now = thread_at(m, i), m[at.NOW]
    m[t + at.HELD_AT] = now
    spent = go_on(m, m[stage + at.DRIVER]) if m[t + at.IS_RUNNING] else reserve(m, m[stage + at.DRIVER])
    dispatched = spent + m[stage + at.LATENCY]
    if m[link + at.IS_SHARED]:
        m[t + at.PHASE] = at.DISPATCHED
        push(m, dispatched, i)
        return True
    m[t + at.SENT] = dispatched + m[stage + at.SEND]
    m[t + at.COMPUTED] = m[t + at.SENT] + m[stage + at.PROGRAM]
    m[t + at.PHASE] = at.RETURNS
    push(m, m[t + at.COMPUTED] + m[stage + at.OUTPUT], i)
    return True


@compiled
def over_shared_link(m: Any, i: int, stage: int, link: int) -> bool:
    """As :func:`over_shared_link`: every transfer queues for the bus."""
    t, now = thread_at(m, i), m[at.NOW]
    if m[t + at.PHASE] == at.DISPATCHED:
        send(m, t, link, m[stage + at.SEND_BYTES], m[stage + at.SEND], at.IS_SENT)
        return False
    if m[t + at.PHASE] == at.COMPUTES:
        if m[t + at.UNTIL] > now:
            push(m, m[t + at.UNTIL], i)
            return True
        m[t + at.STEP] += 1
    else:
        m[t + at.SENT], m[t + at.STEP] = now, 0
    if m[t + at.STEP] == m[stage + at.STEPS]:
        m[t + at.COMPUTED], m[t + at.PHASE] = now, at.RETURNS
        m[link + at.IN_FREE] = max(m[link + at.IN_FREE], now) + m[stage + at.OUTPUT]
        push(m, m[link + at.IN_FREE], i)
        return True
    step = m[at.STEPS_AT] + (m[stage + at.FIRST_STEP] + m[t + at.STEP]) * at.STEP_COLUMNS
    m[t + at.UNTIL], m[t + at.PHASE] = now + m[step + at.COMPUTE], at.COMPUTES
    if m[step + at.STREAMED] > 0:
        send(m, t, link, m[step + at.STREAMED], m[step + at.PARAMETERS], at.COMPUTES)
    return False


@compiled
def come_back(m: Any, i: int, a: int, number: int) -> bool:
    """Let go of the lock once the thread runs again, count the pass and copy its result."""
    t, stage = thread_at(m, i), stage_at(m, number)
    needs_core = m[at.WAKE] > 0
    if needs_core and not has_core(m, t + at.SOUGHT):
        push(m, m[m[at.CORES_AT]], i)
        return True
    release(m, a, m[t + at.SERVED])
    m[a + at.IN_USE] -= 1
    note_pass(m, t, a, number)
    if m[stage + at.COPY] == 0:
        return done_with(m, t)
    m[t + at.SINCE], m[t + at.PHASE] = m[at.NOW], at.COPIES
    push(m, go_on(m, m[stage + at.COPY]) if needs_core else reserve(m, m[stage + at.COPY]), i)
    return True


@compiled
def note_pass(m: Any, t: int, a: int, number: int) -> None:
    """As :func:`note_pass` and :func:`count_waits`."""
    stage, now = stage_at(m, number), m[at.NOW]
    kind = m[at.PASSES_AT] + (m[t + at.SERVED] * m[at.STAGES_N] + number) * at.PASS_COLUMNS
    if m[kind + at.COUNT] == 0:
        m[kind + at.PLACE_SEEN] = m[at.SEEN]
        m[at.SEEN] += 1
    m[kind + at.COUNT] += 1
    if now - m[t + at.HELD_AT] == m[stage + at.HELD_NS]:
        return
    own = m[stage + at.HELD_NS] - m[stage + at.PROGRAM] - m[stage + at.OUTPUT]
    sent = m[t + at.SENT] - m[t + at.HELD_AT] - own
    program = m[t + at.COMPUTED] - m[t + at.SENT] - m[stage + at.PROGRAM]
    output = now - m[t + at.COMPUTED] - m[stage + at.OUTPUT]
    m[a + at.BUSY + at.NS_INSTRUCTIONS] += sent
    m[a + at.BUSY + at.NS_PARAMETERS] += program
    m[a + at.BUSY + at.NS_OUTPUT] += output
    m[a + at.WAITED] += sent + program + output


# The accelerator's lock


@compiled
def release(m: Any, a: int, number: int) -> None:
    """As :meth:`Mutex.release`, or :meth:`Lock.release` where a hand-over costs nothing."""
    is_awaited = m[a + at.FIRST] >= 0
    if m[at.WAKE] > 0:
        m[a + at.HELD] = m[at.IS_FAIR] and is_awaited
        is_low = m[at.STAY] > 0 and is_load_low(m, a)
        if is_awaited and not m[a + at.IS_WAKING]:
            m[a + at.IS_WAKING], m[a + at.STAYS] = 1, is_low
            push(m, m[at.NOW] + (0 if is_low else m[at.WAKE]), m[at.THREADS_N] + number)
    elif is_awaited:
        push(m, m[at.NOW], next_holder(m, a))
    else:
        m[a + at.HELD] = 0


@compiled
def is_load_low(m: Any, a: int) -> bool:
    """As ``Mutex._is_load_low``."""
    done, now = done_ns(m), m[at.NOW]
    first, last = a + at.SEEN_AT, a + at.BUSY - 2
    is_low = 1000 * (done - m[first + 1]) < m[at.STAY] * (now - m[first])
    for place in range(first, last):
        m[place] = m[place + 2]
    m[last], m[last + 1] = now, done
    return bool(is_low and m[at.CORES_N] > 1)


@compiled
def wake(m: Any, number: int) -> int:
    """As :meth:`Mutex._wake`: seek a core, take the lock or wait on. Return the thread that goes on at once, if any."""
    a = accelerator_at(m, number)
    if not m[a + at.IS_OWED]:
        until = quiet_at(m, a + at.WOKEN) if m[a + at.STAYS] else core_at(m, a + at.WOKEN)
        if until > m[at.NOW]:
            push(m, until, m[at.THREADS_N] + number)
            return at.NOBODY
    m[a + at.IS_WAKING] = 0
    m[a + at.IS_OWED] = m[a + at.HELD] and not m[at.IS_FAIR]
    return at.NOBODY if m[a + at.IS_OWED] else next_holder(m, a)


@compiled
def core_at(m: Any, since: int) -> int:
    """When a thread that was woken then may look for a core again; the present moment where it has one."""
    return int(m[at.NOW] if has_core(m, since) else m[m[at.CORES_AT]])


@compiled
def next_holder(m: Any, a: int) -> int:
    """As :meth:`Lock._next`: the lock goes to whoever is next."""
    before = -1
    if m[at.DISCIPLINE] != at.FIFO and m[a + at.FIRST] != m[a + at.LAST]:
        before = before_next(m, a)
    chosen = m[a + at.FIRST] if before < 0 else m[thread_at(m, before) + at.NEXT]
    following = m[thread_at(m, chosen) + at.NEXT]
    if before < 0:
        m[a + at.FIRST] = following
    else:
        m[thread_at(m, before) + at.NEXT] = following
    if following < 0:
        m[a + at.LAST] = before
    m[a + at.HELD], m[a + at.HOLDER_MODEL] = 1, m[thread_at(m, chosen) + at.MODEL]
    return int(chosen)


@compiled
def before_next(m: Any, a: int) -> int:
    """As the disciplines: who stands before the next one in a line of several, -1 where that is the first."""
    discipline, best, found, last = m[at.DISCIPLINE], 0, -1, -1
    token, is_over = m[network_at(m, m[a + at.HOLDER_MODEL]) + at.TOKEN], m[a + at.IN_A_ROW] >= m[at.MOST_IN_A_ROW]
    other = 0
    i = m[a + at.FIRST]
    while i >= 0:
        network = network_at(m, m[thread_at(m, i) + at.MODEL])
        rank = m[network + at.PLACE] if discipline == at.PRIORITY else m[network + at.ALONE]
        if discipline == at.SAME_MODEL:
            rank = (m[network + at.TOKEN] != token) != is_over
        if last < 0 or rank < best:
            best, found, other = rank, last, m[network + at.TOKEN] != token
        last, i = i, m[thread_at(m, i) + at.NEXT]
    if discipline == at.SAME_MODEL:
        m[a + at.IN_A_ROW] = 1 if other else m[a + at.IN_A_ROW] + 1
    return found
