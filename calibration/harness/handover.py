"""Measure how a host hands a lock over: threads that hold a mutex for some ms, with little work of their own or none.

The mutex is that of a virtual accelerator, as the driver's is a ``std::mutex``. Its log says when each pass asked for
it, had it and let go. A hand-over counts where somebody waited when the lock came free.

``python -m calibration.harness.handover`` prints what is measured, pass by pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median

from calibration.harness.hostbench import Figure
from calibration.harness.threadbench import ThreadSetup, check_whole, session_of
from sim.virtual.records import PassRecord

__all__ = ["HandOvers", "Measured", "hand_over_figures", "hand_overs", "measure_hand_over", "measured_passes"]

HELD = ("short", "long")
THREADS = (2, 4)
SHARES = (0.3, 0.5, 0.7, 0.9)  # work between passes, of the time for which a pass holds the mutex
SECONDS = 1.5
AHEAD = 16  # passes to look ahead for one that waited
STAYS = 0.25  # share of hand-overs that the releaser wins in spite of its work: waiters stay on its core


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


@dataclass(frozen=True)
class Measured:
    """Hand-overs of threads that work for ``work_ms`` between passes; mean times of a pass and between two (ms)."""

    threads: int
    work_ms: float
    held_ms: float
    idle_ms: float
    found: HandOvers

    @property
    def load(self) -> float:
        """Cores that are busy with the work of all threads."""
        return self.work_ms / (self.held_ms + self.idle_ms)

    @property
    def stays(self) -> bool:
        """Whether waiters wait for the releaser's work to end."""
        return self.work_ms > 0 and self.found.return_share >= STAYS


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


def measure_hand_over() -> list[Figure]:
    """Return how a host hands a lock over, for its part file; some 60 s where nobody else is on the cores.

    Raises :class:`InputError` where the system has no virtual devices, or the program fails.
    """
    return hand_over_figures(measured_passes())


def measured_passes(
    seconds: float = SECONDS, held: Sequence[str] = HELD, shares: Sequence[float] = SHARES
) -> list[Measured]:
    """Measure threads without work, and processes that work between their passes (they share no lock of Python's).

    Parameters
    ----------
    seconds
        For which each of them is measured.
    held
        Networks that hold the mutex.
    shares
        Work between passes, of the time for which one holds it.

    Raises :class:`InputError` where the system has no virtual devices, or the program fails.
    """
    found = []
    for name in held:
        idle = [_measured(name, count, 0.0, seconds) for count in THREADS]
        found += idle + [_measured(name, 2, round(share * idle[0].held_ms, 3), seconds) for share in shares]
    return found


def hand_over_figures(rows: Sequence[Measured]) -> list[Figure]:
    """Return the wake-up time of a lock's waiter, and the load below which it stays on the releaser's core.

    The wake-up is that of waiters on a core of their own. The source also says which share of the hand-overs the
    releaser won. The model takes a half.
    """
    staying = [one.load for one in rows if one.stays]
    leaving = [one.load for one in rows if one.work_ms and not one.stays]
    own = [one for one in rows if bool(one.work_ms) == bool(staying) and not one.stays]
    wakes = [float(median(one.found.woken_ns)) for one in own if one.found.woken_ns]
    shares = ", ".join(f"{one.found.return_share:.0%}" for one in own)
    who = "processes that work between passes" if staying else f"{' and '.join(map(str, THREADS))} threads"
    text = f"{who} that hold a mutex for 0.9 and 2.3 ms; the releaser won {shares}"
    figures = [Figure("lock_wake_ns", median(wakes), min(wakes), max(wakes), text)] if wakes else []
    low, high = sorted([max(staying), min(leaving, default=max(staying))]) if staying else (0.0, 0.0)
    text = "two processes that work between passes: waiters run beside the releaser's work above, behind it below"
    return [*figures, Figure("stay_load", (low + high) / 2, low, high, text)] if staying or leaving else figures


def _measured(network: str, threads: int, work_ms: float, seconds: float) -> Measured:
    work, mode = (f"busy:{work_ms}", "processes") if work_ms else ("none", "threads")
    setup = ThreadSetup(((network, threads),), work, mode)
    with session_of(setup, "") as bench:
        logs, (start_ns, end_ns) = bench.run(seconds)
        check_whole(logs, (start_ns, end_ns), setup.text)
        inside = [one for one in bench.session.passes() if start_ns <= one.asked_ns and one.end_ns <= end_ns]
    passes = sorted(inside, key=lambda one: one.held_ns)
    held_ns = mean(one.end_ns - one.held_ns for one in passes)
    cycle_ns = (passes[-1].held_ns - passes[0].held_ns) / max(1, len(passes) - 1)
    return Measured(threads, work_ms, held_ns / 1e6, (cycle_ns - held_ns) / 1e6, hand_overs(passes))


def main() -> None:
    """Print what is measured."""
    print("threads  held ms  work ms  load  idle a pass, us  releaser next  woken, us")
    rows = measured_passes()
    for one in rows:
        woken_us = median(one.found.woken_ns) / 1e3 if one.found.woken_ns else float("nan")
        print(f"{one.threads:7d}  {one.held_ms:7.2f}  {one.work_ms:7.2f}  {one.load:4.2f}  {1e3 * one.idle_ms:15.0f}"
              f"  {one.found.return_share:13.0%}  {woken_us:9.0f}")  # fmt: skip
    for figure in hand_over_figures(rows):
        print(f"{figure.key} {figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})")


if __name__ == "__main__":
    main()
