"""What a session's devices did: the passes of their logs, and the times of each thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from sim.virtual.memory import Memory
from sim.virtual.planfile import Plan

__all__ = ["PassRecord", "ThreadKey", "Window", "percentiles_ms", "read_passes", "steady_window", "token_changes"]

#: Threads with fewer passes than this share of the busiest one's only warmed something up.
LEAST_SHARE = 0.05
#: A window in which all threads run must be at least this share of the whole time.
LEAST_WINDOW = 0.25

ThreadKey = tuple[int, int]


class PassRecord(NamedTuple):
    """One pass: process and thread, operator and device, and its times in ns.

    ``end_ns`` is when the holder really let go; ``planned_ns`` the time on the device with the link to itself.
    """

    pid: int
    tid: int
    operator: int
    device: int
    asked_ns: int
    held_ns: int
    sent_ns: int
    computed_ns: int
    end_ns: int
    late_ns: int
    planned_ns: int
    loaded: bool

    @property
    def thread(self) -> ThreadKey:
        """Process and thread."""
        return self.pid, self.tid


@dataclass(frozen=True)
class Window:
    """A stretch of time (ns) in which all threads ran."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return max(1, self.end_ns - self.start_ns) / 1e9

    def of(self, passes: Iterable[PassRecord]) -> list[PassRecord]:
        """The passes that ended in it."""
        return [one for one in passes if self.start_ns < one.end_ns <= self.end_ns]


def read_passes(memory: Memory, devices: int) -> list[PassRecord]:
    """Return the passes that the devices' logs hold, in order of their ends."""
    found = [_record(event) for device in range(devices) for event in memory.events(device)]
    return sorted(found, key=lambda one: (one.end_ns, one.device))


def _record(event: object) -> PassRecord:
    late_ns: int = max(0, getattr(event, "late_ns"))  # noqa: B009 - mypy knows no fields of a ctypes structure
    fields = {name: int(getattr(event, name)) for name in PassRecord._fields if name not in ("late_ns", "loaded")}
    fields["end_ns"] += late_ns
    return PassRecord(**fields, late_ns=late_ns, loaded=bool(getattr(event, "loaded")))  # noqa: B009 - as above


def by_thread(passes: Iterable[PassRecord]) -> dict[ThreadKey, list[PassRecord]]:
    """Passes of each thread, threads in order of their first pass."""
    rows: dict[ThreadKey, list[PassRecord]] = {}
    for one in passes:
        rows.setdefault(one.thread, []).append(one)
    return rows


def working_threads(passes: Iterable[PassRecord]) -> dict[ThreadKey, list[PassRecord]]:
    """The threads that did the work: those that only warmed up are left out."""
    rows = by_thread(passes)
    most = max((len(row) for row in rows.values()), default=0)
    return {thread: row for thread, row in rows.items() if len(row) >= LEAST_SHARE * most}


def steady_window(passes: Sequence[PassRecord]) -> Window:
    """Return the time in which all working threads ran, after each has sent its parameters once.

    That is from the latest end of a first pass to the earliest end of a last one.

    Over such a window Little's law holds for the number of threads. Where it is too short, threads took turns or came
    and went: then it is the whole time from the first request to the last end.
    """
    whole = Window(min(one.asked_ns for one in passes), max(one.end_ns for one in passes))
    rows = working_threads(passes).values()
    together = Window(max(row[0].end_ns for row in rows), min(row[-1].end_ns for row in rows))
    return together if together.end_ns - together.start_ns >= LEAST_WINDOW * whole.seconds * 1e9 else whole


def token_changes(passes: Iterable[PassRecord], plan: Plan) -> int:
    """How often a device went on with another network's token: its whole parameter memory was sent anew."""
    rows: dict[int, list[int]] = {}
    for one in passes:
        operator = plan.operators[one.operator]
        if operator.passes[one.device].load_bytes:
            rows.setdefault(one.device, []).append(operator.token)
    return sum(a != b for row in rows.values() for a, b in pairwise(row))


def percentiles_ms(times_ns: Sequence[int]) -> dict[str, float]:
    """Mean, percentiles by nearest rank and maximum of times in ns, in ms; zeros of nothing."""
    marks = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
    if not times_ns:
        return dict.fromkeys(("mean", *marks), 0.0)
    ordered = sorted(times_ns)
    ranks = {name: ordered[max(1, ceil(mark * len(ordered))) - 1] / 1e6 for name, mark in marks.items()}
    return {"mean": sum(ordered) / len(ordered) / 1e6, **ranks}
