"""Workloads: when requests start.

A workload starts the SimPy processes of a run. Closed loops keep every thread busy; open ones draw arrivals and hand
them to the first free thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import cycle
from typing import Any

from hwmodels.errors import InputError
from sim.accelerator import Lock
from sim.request import Machine, Thread, inference

__all__ = ["Completed", "closed_loop", "mixed_loop", "open_loop", "poisson_gaps_ns"]

#: Called at the end of each inference: thread number, model, start ns, invoke ns.
Completed = Callable[[int, int, int, int], None]
Steps = Generator[Any, Any, None]


def closed_loop(machine: Machine, number: int, thread: Thread, completed: Completed) -> Steps:
    """A thread that starts its next inference as soon as the last one is done."""
    env = machine.env
    while True:
        start = int(env.now)
        invoked = yield from inference(machine, thread, next(machine.requests))
        completed(number, thread.model, start, invoked)


def mixed_loop(machine: Machine, number: int, threads: list[Thread], completed: Completed) -> Steps:
    """One thread that runs several models in turn."""
    env = machine.env
    for thread in cycle(threads):
        start = int(env.now)
        invoked = yield from inference(machine, thread, next(machine.requests))
        completed(number, thread.model, start, invoked)


def open_loop(machine: Machine, threads: list[Thread], gaps_ns: Iterator[int], completed: Completed) -> Steps:
    """Requests that arrive whether or not a thread is free; the queue is served first come, first served.

    A request's model is that of the thread that takes it.
    """
    env = machine.env
    pool = _Pool(machine, threads, completed)
    for gap in gaps_ns:
        yield env.timeout(gap)
        env.process(pool.serve(next(machine.requests), int(env.now)))


class _Pool:
    """Worker threads that take requests first come, first served."""

    def __init__(self, machine: Machine, threads: list[Thread], completed: Completed) -> None:
        self.machine, self.threads, self.completed = machine, threads, completed
        self.free = list(range(len(threads)))[::-1]
        self.waiting = Lock(machine.env)

    def serve(self, request: int, arrived_ns: int) -> Steps:
        """Wait for a free thread, run the inference on it, give it to the next in line."""
        if self.free:
            number = self.free.pop()
        else:
            event = self._queue(request)
            number = yield event
        thread = self.threads[number]
        invoked = yield from inference(self.machine, thread, request)
        self.completed(number, thread.model, arrived_ns, invoked)
        if self.waiting.events:
            self.waiting.tickets.popleft()
            self.waiting.events.popleft().succeed(number)
        else:
            self.free.append(number)

    def _queue(self, request: int) -> Any:
        self.waiting.held = True
        return self.waiting.acquire(request)


def poisson_gaps_ns(rate_per_s: float, seed: int) -> Iterator[int]:
    """Exponential gaps between arrivals, in ns, from their own random stream.

    Raises :class:`InputError` for a rate that is not positive.
    """
    import numpy as np

    if not rate_per_s > 0:
        raise InputError("--arrivals", f"poisson:{rate_per_s}", "poisson:RATE with RATE in requests/s above 0")
    stream = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    while True:
        yield from (int(gap) for gap in np.rint(stream.exponential(1e9 / rate_per_s, 1024)))
