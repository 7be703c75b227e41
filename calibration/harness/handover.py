"""Measure how a host hands a lock over: threads that hold a mutex for some ms, without work of their own.

The mutex is that of a virtual accelerator, as the driver's is a ``std::mutex``. Its log says when each pass asked for
it, had it and let go. A hand-over counts where somebody waited when the lock came free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from calibration.harness.hostbench import Figure
from calibration.harness.threadbench import ThreadSetup, session_of
from sim.virtual.records import PassRecord

__all__ = ["HandOvers", "hand_overs", "measure_hand_over"]

HELD = ("short", "long")
THREADS = (2, 4)
SECONDS = 1.5
AHEAD = 16  # passes to look ahead for one that waited


@dataclass(frozen=True)
class HandOvers:
    """Hand-overs with somebody waiting: how long until the next holder had the lock (ns), and who that was.

    ``woken_ns`` are those that a waiter won; ``returned`` counts those that the releaser won.
    """

    woken_ns: tuple[int, ...]
    returned: int

    @property
    def return_share(self) -> float:
        """Share of hand-overs that the releaser won."""
        return self.returned / max(1, self.returned + len(self.woken_ns))


def hand_overs(passes: Sequence[PassRecord]) -> HandOvers:
    """Find the hand-overs in the log of one device."""
    rows = sorted(passes, key=lambda one: one.held_ns)
    woken: list[int] = []
    returned = 0
    for i, (before, after) in enumerate(pairwise(rows)):
        if not any(one.asked_ns < before.end_ns for one in rows[i + 1 : i + AHEAD]):
            continue
        if after.thread == before.thread:
            returned += 1
        else:
            woken.append(after.held_ns - before.end_ns)
    return HandOvers(tuple(woken), returned)


def measure_hand_over(seconds: float = SECONDS) -> list[Figure]:
    """Return the wake-up time of a lock's waiter for a host's part file, where nobody else is on the cores; some 20 s.

    The source also says which share of the hand-overs the releaser won. The model takes a half.

    Raises :class:`InputError` where the system has no virtual devices.
    """
    found = [hand_overs(_passes(name, count, seconds)) for name in HELD for count in THREADS]
    wakes = [float(median(one.woken_ns)) for one in found if one.woken_ns]
    shares = ", ".join(f"{one.return_share:.0%}" for one in found)
    text = f"{' and '.join(map(str, THREADS))} threads that hold a mutex for 0.9 and 2.3 ms; the releaser won {shares}"
    return [Figure("lock_wake_ns", median(wakes), min(wakes), max(wakes), text)] if wakes else []


def _passes(network: str, threads: int, seconds: float) -> list[PassRecord]:
    with session_of(ThreadSetup(((network, threads),)), "") as bench:
        bench.run(seconds)
        return bench.session.passes()
