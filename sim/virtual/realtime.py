"""The machine's own clock: a pass really waits, first asleep and then in a loop.

Device code: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from .memory import Memory, lock, unlock, wake_exactly

__all__ = ["RealClock", "Visit"]

LEAST_NS = 2_000  # a copy that is shorter is over before it could be waited for
now_ns = time.monotonic_ns


class Visit:
    """One pass under way: who asks for which operator on which device, and when (ns) what happened."""

    __slots__ = (
        "asked_ns", "computed_ns", "contended", "copy_ns", "device", "end_ns", "held_ns", "loaded",
        "operator", "planned_ns", "reference", "sent_ns", "slot",
    )  # fmt: skip

    def __init__(self, device: int, operator: int, reference: int) -> None:
        self.device, self.operator, self.reference = device, operator, reference
        self.asked_ns = self.held_ns = self.sent_ns = self.computed_ns = self.end_ns = 0
        self.planned_ns = self.copy_ns = 0
        self.loaded = self.contended = False
        self.slot = -1

    def advance(self, own_ns: int) -> None:
        """Let the device be done sooner by what this code itself takes, and never before it was held."""
        self.sent_ns = max(self.held_ns, self.sent_ns - own_ns)
        self.computed_ns = max(self.held_ns, self.computed_ns - own_ns)
        self.end_ns = max(self.held_ns, self.end_ns - own_ns)


def wait_until(end_ns: int, spin_ns: int) -> None:
    """Sleep until shortly before a time, and spin the rest: a sleep alone ends 20 to 90 us late."""
    left_ns = end_ns - now_ns()
    if left_ns > spin_ns:
        wake_exactly(True)
        time.sleep((left_ns - spin_ns) / 1e9)
        wake_exactly(False)
    while now_ns() < end_ns:
        pass


class RealClock:
    """Real time: devices and buses are mutexes that whoever uses them holds for as long as the plan says.

    ``before_ns`` and ``after_ns`` are what this code itself takes ahead of and behind the device's time: the wait is
    that much shorter.
    """

    def __init__(self, memory: Memory, spin_ns: int) -> None:
        self.memory, self.spin_ns = memory, spin_ns
        self.before_ns = self.after_ns = 0

    def join(self) -> int:
        """Nothing to do: threads meet at the devices' mutexes."""
        return 0

    def acquire(self, visit: Visit) -> None:
        """Take the device; whoever dies with it leaves it closed, with nothing in its parameter memory."""
        state = self.memory.state.devices[visit.device]
        visit.asked_ns = now_ns()
        visit.contended, died = lock(state.mutex)
        if died:
            state.abandoned += 1
            state.token = state.n_loaded = 0
        visit.held_ns = now_ns()

    def work(self, at_ns: int, driver_ns: int) -> int:
        """Spend the driver's time on a core; the spin at the end of the wait is part of it."""
        if driver_ns > self.spin_ns:
            wait_until(now_ns() + driver_ns - self.spin_ns, driver_ns)
        return at_ns + driver_ns

    def enter(self, visit: Visit, at_ns: int, bus: Any) -> None:
        """Wait for a time and take a shared bus."""
        del visit  # the caller's mutex says enough
        wait_until(at_ns, self.spin_ns // 3)
        lock(bus.mutex)

    def leave(self, bus: Any) -> None:
        """Let go of a shared bus."""
        unlock(bus.mutex)

    def release(self, visit: Visit) -> None:
        """Wait for the end of the pass, log it, let go of the device, and spend the copy to the caller's tensors.

        Between the end and letting go is as little as can be: others wait.
        """
        visit.advance(self.after_ns if visit.contended else self.before_ns + self.after_ns)
        state = self.memory.state.devices[visit.device]
        event = log(self.memory, state, visit)
        wait_until(visit.end_ns, self.spin_ns)
        event.late_ns = now_ns() - visit.end_ns
        state.passes += 1
        unlock(state.mutex)
        if visit.copy_ns > LEAST_NS:
            wait_until(now_ns() + visit.copy_ns, visit.copy_ns)


def log(memory: Memory, state: Any, visit: Visit) -> Any:
    """Write a pass into its device's log, where it counts once ``state.passes`` says so; return its place."""
    event = memory.event(visit.device, state.passes)
    event.asked_ns, event.held_ns, event.sent_ns = visit.asked_ns, visit.held_ns, visit.sent_ns
    event.computed_ns, event.end_ns, event.late_ns = visit.computed_ns, visit.end_ns, 0
    event.planned_ns, event.operator, event.device = visit.planned_ns, visit.operator, visit.device
    event.pid, event.tid, event.loaded = os.getpid(), threading.get_native_id(), visit.loaded
    return event
