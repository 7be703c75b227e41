"""Locks: who waits, who is next, and how a lock changes hands on a real host.

There it is a plain mutex, whose woken waiter comes late and needs a core. The driver's lock is a ``std::mutex``.
Whoever lets go of it frees it and wakes one waiter. That thread runs only after ``wake_ns``, and only where it gets a
core. Until then the lock belongs to whoever asks first. So the accelerator stands idle while a waiter wakes, and a
thread that comes back at once may go on before it. See docs/concurrency.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sim.machine.clock import Sleep, fire

if TYPE_CHECKING:
    import simpy

    from sim.machine.clock import Clock

__all__ = ["LOAD_PASSES", "HandOver", "Lock", "Mutex", "Places"]

LOAD_PASSES = 4  # over which a kernel's view of the load is taken

#: (waiting tickets) -> position of the one who is next.
Discipline = Callable[[deque[Any], Any], int]


class Lock:
    """A mutex with a waiting line.

    Taking it while it is free costs no event. ``discipline`` picks from the tickets that wait (first come, first served
    if None); it is given the ticket that held the lock last.

    Attributes
    ----------
    needs_core
        Whether who holds it has to get a core again before letting go.
    was_raced
        Whether somebody asked for it while a woken waiter was on its way to it.
    """

    needs_core = False
    was_raced = False

    def __init__(self, env: Clock, discipline: Discipline | None = None) -> None:
        self.env, self.discipline = env, discipline
        self.held = False
        self.holder: Any = None
        self.tickets: deque[Any] = deque()
        self.events: deque[simpy.Event] = deque()

    def acquire(self, ticket: Any) -> simpy.Event | None:
        """Take the lock and return None, or queue and return the event that fires when the lock is ours.

        Parameters
        ----------
        ticket
            Who asks. The discipline chooses among tickets.

        Returns
        -------
        simpy.Event or None
            None where the lock was free and is now held; else an event to wait for, after which it is held.
        """
        if not self.held:
            self.held, self.holder = True, ticket
            return None
        return self._queue(ticket)

    def _queue(self, ticket: Any) -> simpy.Event:
        event = self.env.event()
        self.tickets.append(ticket)
        self.events.append(event)
        return event

    def release(self) -> None:
        """Give the lock to the next in line, or free it."""
        if self.events:
            self._next().succeed()
        else:
            self.held = False

    def _next(self) -> simpy.Event:
        """Hold the lock for whoever is next, and return the event that this thread waits for."""
        self.held = True
        position = self.discipline(self.tickets, self.holder) if self.discipline and len(self.tickets) > 1 else 0
        self.holder = self.tickets[position]
        event = self.events[position]
        del self.tickets[position], self.events[position]
        return event


@dataclass(frozen=True, slots=True)
class HandOver:
    """What handing a lock over takes on a host.

    Attributes
    ----------
    wake_ns
        From letting go to the woken waiter running, where it gets a core.
    is_fair
        The lock passes to the waiter at once: nobody else may take it while it wakes.
    stay_permille
        Thousandths of a core. While less is busy, a woken waiter stays on the core of whoever let go, though others are
        idle: it runs when that thread stops, or at once where it is owed the lock. 0: it never stays.
    """

    wake_ns: int
    is_fair: bool = False
    stay_permille: int = 0


class Places(Protocol):
    """What a lock asks of the cores (:class:`sim.machine.host.Cores`)."""

    def wait_ns(self, now_ns: int, since_ns: int) -> int:
        """How long a thread that was woken at ``since_ns`` still has to wait for a core."""

    def end_ns(self, now_ns: int, since_ns: int) -> int:
        """How long it has to wait until nobody computes."""

    def done_ns(self, now_ns: int) -> int:
        """Work of all cores until now."""

    def are_several(self) -> bool:
        """Whether there are others beside the one that a thread runs on."""


class Mutex(Lock):
    """A lock that is free while the next in line wakes.

    A waiter that came too late is owed the lock: when it is woken again, it gets a core at once, and the lock before
    others. On measured hosts it so wins every other race against a thread that comes back at once.

    The load that decides whether a waiter stays where it was woken is that of the last ``LOAD_PASSES`` passes.
    """

    needs_core = True

    def __init__(self, env: Clock, cores: Places, costs: HandOver, discipline: Discipline | None) -> None:
        super().__init__(env, discipline)
        self.cores, self.costs = cores, costs
        self.is_waking = self.is_owed = self.stays = False
        self.woken_ns = -1
        self.seen = ((0, 0),) * LOAD_PASSES  # moments of the last releases, and work of all cores until then

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
        is_low = self.costs.stay_permille > 0 and self._is_load_low(self.env.now)
        if self.events and not self.is_waking:
            self.is_waking, self.stays = True, is_low
            Sleep(self.env, 0 if is_low else self.costs.wake_ns).callbacks.append(self._wake)

    def _is_load_low(self, now_ns: int) -> bool:
        """Whether a waiter stays where it is woken now; note the load for the next times."""
        (then_ns, then_done_ns), *later = self.seen
        done_ns = self.cores.done_ns(now_ns)
        self.seen = (*later, (now_ns, done_ns))
        is_low = 1000 * (done_ns - then_done_ns) < self.costs.stay_permille * (now_ns - then_ns)
        return is_low and self.cores.are_several()

    def _wake(self, _: simpy.Event) -> None:
        """Wake the next in line: it takes the lock if that is still free then, else it waits on, still next."""
        now_ns = self.env.now
        if self.woken_ns < 0:
            self.woken_ns = now_ns
        place_ns = self.cores.end_ns if self.stays else self.cores.wait_ns
        wait_ns = 0 if self.is_owed else place_ns(now_ns, self.woken_ns)
        if wait_ns:
            Sleep(self.env, wait_ns).callbacks.append(self._wake)
            return
        self.is_waking, self.woken_ns = False, -1
        self.is_owed = self.held and not self.costs.is_fair
        if not self.is_owed:
            fire(self._next())
