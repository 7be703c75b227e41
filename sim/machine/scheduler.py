"""How a lock changes hands on a real host: a plain mutex, whose woken waiter comes late and needs a core.

The driver's lock is a ``std::mutex``. Whoever lets go of it frees it and wakes one waiter. That thread runs only after
``wake_ns``, and only where it gets a core. Until then the lock belongs to whoever asks first. So the accelerator stands
idle while a waiter wakes, and a thread that comes back at once may go on before it. See docs/concurrency.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.machine.accelerator import Discipline, Lock
from sim.machine.clock import Sleep, fire
from sim.machine.host import Cores

if TYPE_CHECKING:
    import simpy

    from sim.machine.clock import Clock

__all__ = ["HandOver", "Mutex"]


@dataclass(frozen=True, slots=True)
class HandOver:
    """What handing a lock over takes on a host.

    Attributes
    ----------
    wake_ns
        From letting go to the woken waiter running, where it gets a core.
    is_fair
        The lock passes to the waiter at once: nobody else may take it while it wakes.
    """

    wake_ns: int
    is_fair: bool = False


class Mutex(Lock):
    """A lock that is free while the next in line wakes.

    A waiter that came too late is owed the lock: when it is woken again, it gets a core at once, and the lock before
    others. On measured hosts it so wins every other race against a thread that comes back at once.
    """

    needs_core = True

    def __init__(self, env: Clock, cores: Cores, costs: HandOver, discipline: Discipline | None) -> None:
        super().__init__(env, discipline)
        self.cores, self.costs = cores, costs
        self.is_waking = self.is_owed = False

    def acquire(self, ticket: Any) -> simpy.Event | None:
        """Take the lock and return None, or queue and return the event that fires when the lock is ours."""
        self.was_raced = self.was_raced or self.is_waking
        if self.held or (self.is_waking and self.is_owed):
            return self._queue(ticket)
        self.held, self.holder = True, ticket
        return None

    def release(self) -> None:
        """Free the lock and wake the next in line, unless one is waking already."""
        self.held = self.costs.is_fair and bool(self.events)
        if self.events and not self.is_waking:
            self.is_waking = True
            Sleep(self.env, self.costs.wake_ns).callbacks.append(self._wake)

    def _wake(self, _: simpy.Event) -> None:
        """Wake the next in line: it takes the lock if that is still free then, else it waits on, still next."""
        wait_ns = 0 if self.is_owed else self.cores.wait_ns(self.env.now)
        if wait_ns:
            Sleep(self.env, wait_ns).callbacks.append(self._wake)
            return
        self.is_waking = False
        self.is_owed = self.held and not self.costs.is_fair
        if not self.is_owed:
            fire(self._next())
