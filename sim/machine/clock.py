"""The clock of a run: whole nanoseconds."""

from __future__ import annotations

from collections.abc import Generator
from heapq import heappop, heappush
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
    event.callbacks = None  # type: ignore[assignment]  # as SimPy marks what has been processed
    for callback in waiting:
        callback(event)


class Task(simpy.Process):
    """A process that waits for one event after the other, is never interrupted, and whose errors end the run.

    SimPy keeps more for interrupts and for processes that wait for failures; nothing here needs it, and every event of
    a run comes by.
    """

    def __init__(self, env: Clock, generator: Generator[Any, Any, Any]) -> None:
        send = generator.send

        def resume(event: simpy.Event) -> None:
            """Let the process go on with the value of an event that has come, up to the next one that has not."""
            try:
                while (callbacks := (event := send(event._value)).callbacks) is None:
                    pass
            except StopIteration as end:
                self._ok, self._value = True, end.value
                env.schedule(self)
            else:
                callbacks.append(resume)

        self._resume = resume  # type: ignore[method-assign]  # what SimPy calls to begin
        super().__init__(env, generator)


class Clock(simpy.Environment):
    """SimPy's environment where every delay is a whole number of ns, so that ``now`` is one.

    An inference asks it eight times what time it is. So the answer is read from the field itself, in C.
    """

    def count(self) -> int:
        """Return how many events were put on the clock so far. Asking takes a number, which changes no order."""
        return next(self._eid)

    if TYPE_CHECKING:

        @property
        def now(self) -> int:
            """The present moment (ns)."""
            ...
    else:
        now = property(attrgetter("_now"), doc="The present moment (ns).")
        timeout = BoundClass(Sleep)
        process = BoundClass(Task)

    def run(self, until: Any = None) -> Any:
        """Run until an event has come, as SimPy does, with a call less for each event on the way."""
        if not isinstance(until, simpy.Event):
            return super().run(until)
        goal: Any = until
        queue = self._queue
        while goal.callbacks is not None:
            if not queue:
                raise RuntimeError(f"nothing is left to happen, and {until} has not")
            self._now, _, _, event = heappop(queue)
            callbacks = event.callbacks
            event.callbacks = None  # type: ignore[assignment]  # as SimPy marks what has been processed
            for callback in callbacks:
                callback(event)
        return goal.value
