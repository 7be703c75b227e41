"""Unequal threads at one accelerator's lock: their rates by a recursion over the lock's line.

Threads that take turns at a lock, first come first served, with constant times are a closed Lindley recursion
(D. V. Lindley, "The theory of queues with a single server", 1952): the next service begins when its thread has come and
the last one has ended. Mean value analysis takes the meetings of threads for chance and errs by half where two networks
fall into step; the recursion does not. It knows the lock, how it changes hands and parameters that are sent again, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify

__all__ = ["Turn", "turn_rates"]

SETTLING = 32  # services of a thread that are left out
COUNTED = 64  # services of the slowest thread that are counted, as far as MOST allows
MOST = 6000


@dataclass(frozen=True, slots=True)
class Turn:
    """One thread's turn at the lock (ns): held, sending parameters where another token's are there, away from it."""

    held_ns: float
    load_ns: float
    away_ns: float
    token: str


@dataclass(slots=True)
class _Seen:
    services: int = 0
    loads: int = 0
    first_ns: float = 0.0
    last_ns: float = 0.0


def turn_rates(
    turns: Sequence[Turn], wake_ns: float = 0, is_fair: bool = False, stay_ns: float = 0
) -> list[tuple[float, float]]:
    """Return for each thread (services per ns, share of them that send parameters first).

    Parameters
    ----------
    turns
        Of the threads of one accelerator.
    wake_ns
        Until a waiter runs once the lock is free. Who is back before that goes on, once in a row, unless the lock
        ``is_fair``.
    stay_ns
        A woken waiter stays for so long at most on the core of whoever let go, and runs when that thread stops; 0: it
        takes a core of its own, after ``wake_ns``.
    """
    seen = [_Seen() for _ in turns]
    line = [(turn.away_ns, i, i) for i, turn in enumerate(turns)]
    heapify(line)
    free_ns, token, loaded = 0.0, "", set[int]()
    last, is_owed = -1, False
    for number in range(MOST):
        is_waited_for = line[0][0] < free_ns and line[0][2] != last
        back = next((place for place, row in enumerate(line) if row[2] == last), 0)
        was_owed = is_owed
        is_owed = is_waited_for and not is_fair and not is_owed and line[back][0] < free_ns + (stay_ns or wake_ns)
        ready_ns, _, i = line[back if is_owed else 0]
        if is_waited_for and not is_owed:
            stays_ns = 0.0 if was_owed else min(stay_ns, turns[last].away_ns)
            free_ns += stays_ns if stay_ns else wake_ns
        turn = turns[i]
        if turn.token != token:
            token = turn.token
            loaded.clear()
        loads = i not in loaded
        loaded.add(i)
        free_ns = max(free_ns, ready_ns) + turn.held_ns + (turn.load_ns if loads else 0.0)
        line[back if is_owed else 0] = (free_ns + turn.away_ns, number + len(turns), i)
        heapify(line)
        last = i
        _count(seen[i], free_ns, loads)
        if min(one.services for one in seen) >= SETTLING + COUNTED:
            break
    return [_rate(one) for one in seen]


def _count(one: _Seen, end_ns: float, loads: bool) -> None:
    one.services += 1
    if one.services <= min(SETTLING, MOST // 4):
        one.first_ns, one.loads = end_ns, 0
    else:
        one.loads += loads
    one.last_ns = end_ns


def _rate(one: _Seen) -> tuple[float, float]:
    counted = one.services - SETTLING
    if counted <= 0:
        return one.services / max(1.0, one.last_ns), 1.0
    return counted / max(1.0, one.last_ns - one.first_ns), one.loads / counted
