"""The clock of a run: whole nanoseconds."""

from __future__ import annotations

from heapq import heappush
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import simpy
from simpy.core import BoundClass
from simpy.events import NORMAL

__all__ = ["Clock", "Sleep", "fire"]


class Sleep(simpy.Timeout):
    """A timeout of whole ns (at least 0) that puts itself on the clock: one call for what an inference does most."""

    def __init__(self, env: Clock, delay: int, value: Any = None) -> None:
        # As simpy.Timeout does in two calls more.
        self.env, self.callbacks, self._value, self._ok, self._delay = env, [], value, True, delay
        heappush(env._queue, (env._now + delay, NORMAL, next(env._eid), self))


def fire(event: simpy.Event) -> None:
    """Let whoever waits for an event go on now, within the present event: one event less than ``event.succeed()``.

    Only a callback may do so: a process that runs would be entered anew.
    """
    event._ok, event._value = True, None
    waiting = event.callbacks
    event.callbacks = None  # type: ignore[assignment]  # as SimPy marks an event that has been processed
    for callback in waiting:
        callback(event)


class Clock(simpy.Environment):
    """SimPy's environment where every delay is a whole number of ns, so that ``now`` is one.

    An inference asks it eight times what time it is. So the answer is read from the field itself, in C.
    """

    if TYPE_CHECKING:

        @property
        def now(self) -> int:
            """The present moment (ns)."""
            ...
    else:
        now = property(attrgetter("_now"), doc="The present moment (ns).")
        timeout = BoundClass(Sleep)
