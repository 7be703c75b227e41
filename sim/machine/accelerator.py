"""The accelerator at run time: its lock and waiting line, and whose parameters its memory holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sim.machine.link import SharedLink

if TYPE_CHECKING:
    import simpy

    from sim.machine.clock import Clock

__all__ = ["Lock", "SimAccelerator"]

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


class SimAccelerator:
    """One accelerator: TFLite's lock (one inference at a time) and the parameter-caching token of its memory.

    The driver forgets the whole cached set when the token changes, and sends a network's parameters once for every
    interpreter that registered it (docs/parameter-cache.md).
    """

    def __init__(self, number: int, component: int, lock: Lock, link: SharedLink, link_component: int) -> None:
        self.number, self.component, self.lock = number, component, lock
        self.link, self.link_component = link, link_component
        self.token = ""
        self.loaded: set[Any] = set()
        self.in_use = 0
        self.chosen_for = -1

    def must_load(self, token: str, reference: Any) -> bool:
        """Note which interpreter's network runs next, and return whether its parameters must be sent first."""
        if token != self.token:
            self.token = token
            self.loaded.clear()
        if reference in self.loaded:
            return False
        self.loaded.add(reference)
        return True
