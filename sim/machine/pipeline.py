"""Pipelines: a network cut into segments, one accelerator and one thread for each, bounded queues between them.

As in pycoral's ``PipelinedModelRunner``, the first queue takes a whole batch and each inner queue one set of tensors.
So a fast segment waits until the next one has taken its result. Chained by hand, segments have one thread and no queue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sim.machine.machine import Machine, Thread
from sim.machine.request import inference
from sim.machine.states import State
from sim.machine.workloads import Completed

if TYPE_CHECKING:
    import simpy

    from sim.machine.clock import Clock

__all__ = ["BoundedQueue", "PipelinePool", "chain", "pipeline", "segments"]

Steps = Generator[Any, Any, None]
#: (machine, threads of the segments, first queue, queue of the results) -> what serves one pipeline.
Stages = Callable[[Machine, list[Thread], "BoundedQueue", "BoundedQueue"], list[Steps]]
INNER_CAPACITY = 1
UNBOUNDED = 1 << 62


class BoundedQueue:
    """A queue that makes whoever puts into it wait while it is full, and whoever takes while it is empty."""

    def __init__(self, env: Clock, capacity: int) -> None:
        self.env, self.capacity = env, capacity
        self.items: deque[Any] = deque()
        self.putters: deque[tuple[simpy.Event, Any]] = deque()
        self.getters: deque[simpy.Event] = deque()

    def put(self, item: Any) -> simpy.Event | None:
        """Put an item in and return None, or return the event that fires when it is in."""
        if self.getters:
            self.getters.popleft().succeed(item)
            return None
        if len(self.items) < self.capacity:
            self.items.append(item)
            return None
        event = self.env.event()
        self.putters.append((event, item))
        return event

    def get(self) -> Generator[Any, Any, Any]:
        """Take the oldest item, waiting for one."""
        if not self.items:
            event = self.env.event()
            self.getters.append(event)
            item = yield event
            return item
        item = self.items.popleft()
        if self.putters:
            event, waiting = self.putters.popleft()
            self.items.append(waiting)
            event.succeed()
        return item


def pipeline(
    machine: Machine, threads: list[Thread], number: int, batch: int, completed: Completed, stages: Stages
) -> list[Steps]:
    """The processes of one pipeline in a closed loop: a source, a stage for each segment, a sink that counts results.

    ``batch`` requests go in at once. The next batch follows when the last result of this one is out. 0 keeps the first
    queue filled. ``completed`` counts a request when it leaves the last segment.
    """
    env = machine.env
    first, out = BoundedQueue(env, UNBOUNDED if batch else INNER_CAPACITY), BoundedQueue(env, UNBOUNDED)
    inside = stages(machine, threads, first, out)
    if batch:
        return [batches(machine, first, out, number, batch, completed), *inside]
    return [stream(machine, first), *inside, sink(machine, out, number, completed)]


def segments(machine: Machine, threads: list[Thread], first: BoundedQueue, out: BoundedQueue) -> list[Steps]:
    """A stage for each segment of one pipeline, between its first queue and the one that takes its results."""
    inner = [BoundedQueue(machine.env, INNER_CAPACITY) for _ in threads[1:]]
    places = zip(threads, [first, *inner], [*inner, out], strict=True)
    return [stage(machine, thread, source, target) for thread, source, target in places]


def chain(machine: Machine, threads: list[Thread], first: BoundedQueue, out: BoundedQueue) -> list[Steps]:
    """One thread that takes each request through all segments, and only then the next (chained by hand)."""
    return [_chained(machine, threads, first, out)]


def _chained(machine: Machine, threads: list[Thread], source: BoundedQueue, target: BoundedQueue) -> Steps:
    env, first = machine.env, threads[0]
    while True:
        request, started, queued = yield from source.get()
        machine.recorder.add(first.component, State.WAIT, queued, env.now, request, first.model, -1)
        for segment in threads:
            yield from inference(machine, segment, request)
        target.put((request, started, env.now))


@dataclass(slots=True)
class _Query:
    """Requests that came together: what fires when the last is done, and how many are not."""

    done: simpy.Event
    left: int = 0


class PipelinePool:
    """Pipelines that take requests from one line, first come, first served: what arrivals see of them."""

    def __init__(self, machine: Machine, rows: list[list[Thread]], completed: Completed, stages: Stages) -> None:
        self.machine, self.completed = machine, completed
        self.threads = [row[0] for row in rows]
        self.first = BoundedQueue(machine.env, UNBOUNDED)
        self.waiting = self.first.items
        machine.queue = self.waiting
        self.queries: dict[int, _Query] = {}
        self.processes: list[Steps] = []
        for number, row in enumerate(rows):
            out = BoundedQueue(machine.env, UNBOUNDED)
            self.processes += [*stages(machine, row, self.first, out), self._sink(out, number)]

    def serve(self, request: int, arrived_ns: int, _model: int = -1) -> Steps:
        """Put a request into the line, and wait until it leaves the last segment."""
        yield from self._serve([request], arrived_ns)

    def serve_together(self, samples: int) -> list[Steps]:
        """A process that serves samples which came at once."""
        return [self._serve(islice(self.machine.requests, samples), self.machine.env.now)]

    def _serve(self, requests: Iterable[int], arrived_ns: int) -> Steps:
        """Put requests into the line, and wait until the last of them is out."""
        query = _Query(self.machine.env.event())
        for request in requests:
            query.left += 1
            self.queries[request] = query
            self.first.put((request, arrived_ns, arrived_ns))
        yield query.done

    def _sink(self, out: BoundedQueue, number: int) -> Steps:
        while True:
            request, started, _ = yield from out.get()
            self.completed(number, 0, started, self.machine.env.now - started)
            query = self.queries.pop(request)
            query.left -= 1
            if not query.left:
                query.done.succeed()


def stage(machine: Machine, thread: Thread, source: BoundedQueue, target: BoundedQueue) -> Steps:
    """One segment's thread: take, infer, hand on. Time in the queue before it counts as waiting."""
    env = machine.env
    while True:
        before = env.now
        request, started, queued = yield from source.get()
        if machine.wake_ns and env.now > before:  # it slept: the operating system has to wake it
            yield env.timeout(machine.wake_ns)
        machine.recorder.add(thread.component, State.WAIT, queued, env.now, request, thread.model, -1)
        yield from inference(machine, thread, request)
        full = target.put((request, started, env.now))
        if full is not None:
            yield full
            if machine.wake_ns:
                yield env.timeout(machine.wake_ns)


def batches(
    machine: Machine, source: BoundedQueue, out: BoundedQueue, number: int, batch: int, completed: Completed
) -> Steps:
    """Push a batch, pop its results, push the next."""
    while True:
        started = machine.env.now
        for _ in range(batch):
            source.put((next(machine.requests), started, started))
        for _ in range(batch):
            yield from out.get()
            completed(number, 0, started, machine.env.now - started)


def stream(machine: Machine, source: BoundedQueue) -> Steps:
    """Keep the first queue filled."""
    while True:
        now = machine.env.now
        full = source.put((next(machine.requests), now, now))
        if full is not None:
            yield full


def sink(machine: Machine, out: BoundedQueue, number: int, completed: Completed) -> Steps:
    """Count results as they leave the last segment."""
    while True:
        _, started, _ = yield from out.get()
        completed(number, 0, started, machine.env.now - started)
