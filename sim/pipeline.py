"""Pipelines: a network cut into segments, one accelerator and one thread for each, bounded queues between them.

As pycoral's PipelinedModelRunner: the first queue takes a whole batch, the inner ones hold one tensor set each, so a
fast segment waits until the next one has taken what it made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any

import simpy

from sim.records import State
from sim.request import Machine, Thread, inference
from sim.workloads import Completed

__all__ = ["BoundedQueue", "pipeline"]

Steps = Generator[Any, Any, None]
INNER_CAPACITY = 1


class BoundedQueue:
    """A queue that makes whoever puts into it wait while it is full, and whoever takes while it is empty."""

    def __init__(self, env: simpy.Environment, capacity: int) -> None:
        self.env, self.capacity = env, capacity
        self.items: deque[Any] = deque()
        self.putters: deque[tuple[simpy.Event, Any]] = deque()
        self.getters: deque[simpy.Event] = deque()

    def put(self, item: Any) -> simpy.Event | None:
        """Put an item in (None), or return the event that fires when it is in."""
        if self.getters:
            self.getters.popleft().succeed(item)
            return None
        if len(self.items) < self.capacity:
            self.items.append(item)
            return None
        event = simpy.Event(self.env)
        self.putters.append((event, item))
        return event

    def get(self) -> Generator[Any, Any, Any]:
        """Take the oldest item, waiting for one."""
        if not self.items:
            event = simpy.Event(self.env)
            self.getters.append(event)
            item = yield event
            return item
        item = self.items.popleft()
        if self.putters:
            event, waiting = self.putters.popleft()
            self.items.append(waiting)
            event.succeed()
        return item


def pipeline(machine: Machine, threads: list[Thread], number: int, batch: int, completed: Completed) -> list[Steps]:
    """The processes of one pipeline: a source of batches, a stage for each segment, a sink that counts results.

    ``batch`` requests go in at once, the next batch when the last result of this one is out; 0 keeps the first queue
    filled. ``completed`` counts a request when it leaves the last segment.
    """
    env = machine.env
    unbounded = 1 << 62
    queues = [BoundedQueue(env, unbounded if batch else INNER_CAPACITY)]
    queues += [BoundedQueue(env, INNER_CAPACITY) for _ in threads[1:]]
    out = BoundedQueue(env, unbounded)
    stages = [
        stage(machine, thread, source, target)
        for thread, source, target in zip(threads, queues, [*queues[1:], out], strict=True)
    ]
    first = batches(machine, queues[0], out, number, batch, completed) if batch else stream(machine, queues[0])
    return [first, *stages] if batch else [first, *stages, sink(machine, out, number, completed)]


def stage(machine: Machine, thread: Thread, source: BoundedQueue, target: BoundedQueue) -> Steps:
    """One segment's thread: take, infer, hand on. Time in the queue before it counts as waiting."""
    env = machine.env
    while True:
        before = int(env.now)
        request, started, queued = yield from source.get()
        if machine.wake_ns and int(env.now) > before:  # it slept: the operating system has to wake it
            yield env.timeout(machine.wake_ns)
        machine.recorder.add(thread.component, State.WAIT, queued, int(env.now), request, thread.model, -1)
        yield from inference(machine, thread, request)
        full = target.put((request, started, int(env.now)))
        if full is not None:
            yield full


def batches(
    machine: Machine, source: BoundedQueue, out: BoundedQueue, number: int, batch: int, completed: Completed
) -> Steps:
    """Push a batch, pop its results, push the next."""
    while True:
        started = int(machine.env.now)
        for _ in range(batch):
            source.put((next(machine.requests), started, started))
        for _ in range(batch):
            yield from out.get()
            completed(number, 0, started, int(machine.env.now) - started)


def stream(machine: Machine, source: BoundedQueue) -> Steps:
    """Keep the first queue filled."""
    while True:
        now = int(machine.env.now)
        full = source.put((next(machine.requests), now, now))
        if full is not None:
            yield full


def sink(machine: Machine, out: BoundedQueue, number: int, completed: Completed) -> Steps:
    """Count results as they leave the last segment."""
    while True:
        _, started, _ = yield from out.get()
        completed(number, 0, started, int(machine.env.now) - started)
