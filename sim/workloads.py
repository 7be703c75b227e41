"""Workloads: when requests start.

A workload starts the SimPy processes of a run. Closed loops keep every thread busy; open ones draw arrivals and hand
them to the first free thread. The MLPerf scenarios are those of LoadGen: SingleStream issues a query when the last one
is done, MultiStream queries of N samples likewise, Server draws Poisson arrivals, Offline has all samples at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import simpy

from hwmodels.errors import InputError, nearest
from hwmodels.files import read_text
from sim.records import State
from sim.request import Machine, Thread, inference

__all__ = ["WORKLOADS", "Completed", "ThreadPool", "Workload", "mixed_loop", "parse_arrivals", "poisson_gaps_ns"]

#: Called at the end of each inference: thread number, model, start ns, invoke ns.
Completed = Callable[[int, int, int, int], None]
Steps = Generator[Any, Any, None]
#: (machine, threads, argument, seed, completed) -> the processes of the workload.
Workload = Callable[[Machine, list[Thread], str, int, Completed], list[Steps]]

MAX_RATE = 1e6
MIN_RATE = 1e-6
MAX_TIME_S = 1e9
MAX_TIMES = 1_000_000
MOST_WAITING = 200_000  # ten times what a run of an open loop completes


def closed(machine: Machine, threads: list[Thread], _argument: str, _seed: int, completed: Completed) -> list[Steps]:
    """Every thread starts its next inference as soon as the last one is done."""
    return [closed_loop(machine, number, thread, completed) for number, thread in enumerate(threads)]


def closed_loop(machine: Machine, number: int, thread: Thread, completed: Completed) -> Steps:
    """One thread's loop."""
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


class ThreadPool:
    """Threads that take requests first come, first served; a request's model is that of the thread that takes it."""

    def __init__(self, machine: Machine, threads: list[Thread], completed: Completed) -> None:
        self.machine, self.threads, self.completed = machine, threads, completed
        self.free = deque(range(len(threads)))
        self.waiting: deque[simpy.Event] = deque()
        machine.queue = self.waiting

    def serve(self, request: int, arrived_ns: int) -> Steps:
        """Wait for a free thread, run the inference on it, give it to the next in line."""
        env = self.machine.env
        if self.free:
            number = self.free.popleft()
        else:
            event = simpy.Event(env)
            self.waiting.append(event)
            number = yield event
        thread, now = self.threads[number], int(env.now)
        if now > arrived_ns:
            self.machine.recorder.add(thread.component, State.WAIT, arrived_ns, now, request, thread.model, -1)
        invoked = yield from inference(self.machine, thread, request)
        if self.waiting:
            self.waiting.popleft().succeed(number)
        else:
            self.free.append(number)
        self.completed(number, thread.model, arrived_ns, invoked)

    def serve_together(self, samples: int) -> list[Steps]:
        """Processes that serve samples which came at once: one for each thread, so that memory stays flat."""
        left, now = islice(self.machine.requests, samples), int(self.machine.env.now)
        return [self._serve_in_turn(left, now) for _ in self.threads[:samples]]

    def _serve_in_turn(self, requests: Iterator[int], arrived_ns: int) -> Steps:
        for request in requests:
            yield from self.serve(request, arrived_ns)


def open_loop(machine: Machine, pool: ThreadPool, gaps_ns: Iterator[int]) -> Steps:
    """Requests that arrive whether or not a thread is free.

    An overloaded machine's waiting line ends at ``MOST_WAITING``: whoever comes then is turned away.
    One event stands for a thousand of them.
    """
    env = machine.env
    for gap in gaps_ns:
        if len(pool.waiting) >= MOST_WAITING:
            yield env.timeout(1000 * gap)
            continue
        yield env.timeout(gap)
        env.process(pool.serve(next(machine.requests), int(env.now)))


def poisson(machine: Machine, threads: list[Thread], rate: str, seed: int, completed: Completed) -> list[Steps]:
    """Poisson arrivals of RATE requests/s."""
    return [open_loop(machine, ThreadPool(machine, threads, completed), poisson_gaps_ns(positive(rate), seed))]


def trace(machine: Machine, threads: list[Thread], path: str, _seed: int, completed: Completed) -> list[Steps]:
    """Arrivals at the seconds in a file, one a line."""
    return [open_loop(machine, ThreadPool(machine, threads, completed), trace_gaps_ns(Path(path)))]


def multi_stream(machine: Machine, threads: list[Thread], count: str, _seed: int, completed: Completed) -> list[Steps]:
    """Queries of N samples, the next one when all samples of the last are done (MLPerf MultiStream)."""
    return [query_loop(machine, threads, whole(count), completed)]


def single_stream(machine: Machine, threads: list[Thread], _none: str, _seed: int, completed: Completed) -> list[Steps]:
    """Queries of one sample, the next one when the last is done (MLPerf SingleStream)."""
    return [query_loop(machine, threads, 1, completed)]


def query_loop(machine: Machine, threads: list[Thread], samples: int, completed: Completed) -> Steps:
    """Issue a query, wait for its last sample, issue the next."""
    env, pool = machine.env, ThreadPool(machine, threads, completed)
    while True:
        yield env.all_of([env.process(steps) for steps in pool.serve_together(samples)])


def offline(machine: Machine, threads: list[Thread], count: str, _seed: int, completed: Completed) -> list[Steps]:
    """All N samples at once (MLPerf Offline)."""
    return ThreadPool(machine, threads, completed).serve_together(whole(count))


WORKLOADS: dict[str, Workload] = {
    "closed": closed, "poisson": poisson, "trace": trace, "singlestream": single_stream,
    "multistream": multi_stream, "server": poisson, "offline": offline,
}  # fmt: skip
ARGUMENTS = {"poisson": "RATE", "trace": "FILE", "multistream": "N", "server": "RATE", "offline": "N"}
#: Workloads whose requests do not wait for the last one's end.
OPEN = ("poisson", "trace", "server")


def parse_arrivals(arrivals: str) -> tuple[str, str]:
    """Split ``poisson:RATE`` and its kin into kind and argument.

    Raises :class:`InputError` for an unknown kind, or one whose argument is missing, superfluous or out of range.

    Returns
    -------
    tuple of str
        Kind (a key of :data:`WORKLOADS`) and its argument, empty where it takes none.
    """
    kind, _, argument = arrivals.partition(":")
    forms = ", ".join(f"{name}:{ARGUMENTS[name]}" if name in ARGUMENTS else name for name in WORKLOADS)
    if kind not in WORKLOADS or bool(argument) != (kind in ARGUMENTS):
        raise InputError("--arrivals", arrivals, forms, nearest(kind, WORKLOADS) if kind not in WORKLOADS else "")
    if ARGUMENTS.get(kind) == "RATE":
        positive(argument)
    if ARGUMENTS.get(kind) == "N":
        whole(argument)
    return kind, argument


def positive(text: str) -> float:
    """A rate in requests/s; raises :class:`InputError` unless it is from 1e-6 to 1e6."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError("--arrivals: RATE", text, f"requests per second from {MIN_RATE:g} to {MAX_RATE:g}")
    return rate


def whole(text: str) -> int:
    """A count of samples; raises :class:`InputError` unless it is a whole number from 1 to a million."""
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MAX_RATE:
        raise InputError("--arrivals: N", text, "a whole number from 1 to 1000000")
    return int(text)


def poisson_gaps_ns(rate_per_s: float, seed: int) -> Iterator[int]:
    """Exponential gaps between arrivals, in ns, from a random stream of their own.

    Parameters
    ----------
    rate_per_s
        Mean arrivals per second.
    seed
        Of the scenario; arrivals have a stream of their own, so other randomness does not move them.
    """
    import numpy as np

    stream = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    while True:
        yield from (int(gap) for gap in np.rint(stream.exponential(1e9 / rate_per_s, 1024)))


def deviations(variation: float, seed: int) -> Iterator[float]:
    """Lognormal factors of mean 1 and the given coefficient of variation, less 1, from a random stream of their own.

    Parameters
    ----------
    variation
        Coefficient of variation of an accelerator pass (the host's ``jitter_cv``).
    seed
        Of the scenario; the stream is not that of the arrivals.
    """
    import numpy as np

    stream = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    sigma = np.sqrt(np.log1p(variation**2))
    while True:
        yield from (float(factor) - 1 for factor in stream.lognormal(-(sigma**2) / 2, sigma, 1024))


def trace_gaps_ns(path: Path) -> Iterator[int]:
    """Gaps between the arrival times (seconds, one a line, not decreasing) of a file, in ns.

    Raises :class:`InputError` for a file that cannot be read, is empty, or whose times decrease.
    """
    try:
        lines = read_text(path).split(maxsplit=MAX_TIMES)
        times = [float(line) for line in lines[:MAX_TIMES]]
    except (OSError, ValueError) as error:
        raise InputError(f"--arrivals trace:{path}", str(error), "a file of seconds, one a line") from None
    if len(lines) > MAX_TIMES:
        raise InputError(f"--arrivals trace:{path}", "more times than that", f"at most {MAX_TIMES}")
    edges = [0.0, *times]
    if not times or any(not a <= b <= MAX_TIME_S for a, b in zip(edges, times, strict=False)):
        raise InputError(
            f"--arrivals trace:{path}", "no times, or times that decrease", "seconds from 0, not decreasing"
        )
    return iter([round((b - a) * 1e9) for a, b in zip(edges, times, strict=False)])
