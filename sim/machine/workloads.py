"""Workloads: when requests start.

A workload starts the SimPy processes of a run. Closed loops keep every thread busy; open ones draw arrivals and hand
them to the first free thread. The MLPerf scenarios follow LoadGen. SingleStream issues a query when the last one
is done, and MultiStream does so with N samples a query. Server draws Poisson arrivals. Offline hands over all samples
at once.

To add an arrival process: a function of the type :data:`Workload` and its line with its traits in :data:`PROCESSES`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from functools import cache
from itertools import count as naturals
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hwmodels.errors import InputError, either, nearest, reason
from hwmodels.files import read_text
from hwmodels.numerals import exact_number
from sim.machine.cameras import Cameras, camera_processes
from sim.machine.chance import lognormal_factor, random_stream
from sim.machine.machine import Machine, Thread
from sim.machine.request import inference
from sim.machine.states import State

if TYPE_CHECKING:
    import simpy

__all__ = [
    "PROCESSES", "ArrivalProcess", "Arrivals", "Completed", "ThreadPool", "Workload", "mixed_loop", "parse_arrivals",
    "poisson_gaps_ns",
]  # fmt: skip

#: Called at the end of each inference: thread number, model, start ns, invoke ns.
Completed = Callable[[int, int, int, int], None]
Steps = Generator[Any, Any, None]


class Pool(Protocol):
    """What serves requests: threads, or pipelines."""

    machine: Machine
    threads: list[Thread]
    completed: Completed

    @property
    def waiting(self) -> Sized:
        """Requests that wait for a thread."""

    def serve(self, request: int, arrived_ns: int, model: int = -1) -> Steps:
        """Serve one request from its arrival to its end; ``model`` is the network that it asks for, -1 for any."""

    def serve_together(self, samples: int) -> list[Steps]:
        """Return processes that serve samples which came at once."""


#: (what serves, arrivals, seed) -> the processes of the workload.
Workload = Callable[[Pool, "Arrivals", int], list[Steps]]

MAX_RATE = 1e6
MIN_RATE = 1e-6
MAX_TIME_S = 1e9
MAX_TIMES = 1_000_000
JITTER_STEP = 1 / 1024
MOST_WAITING = 200_000  # ten times what a run of an open loop completes


@dataclass(frozen=True, slots=True)
class ArrivalProcess:
    """An arrival process: what starts it in a run, and what is true of it.

    Attributes
    ----------
    start
        Returns its SimPy processes.
    argument
        What follows the kind on the command line: ``RATE``, ``N``, ``FILE`` or nothing.
    is_open
        Requests do not wait for others to end.
    is_even
        They come at equal distances: below capacity nobody waits for a thread.
    repeats
        Requests follow from the ends of others, so a deterministic run must repeat itself in the end.
    is_finite
        It runs out of requests, and all of them count.
    has_queries
        Requests are the samples of queries, and a latency is a query's.
    sheds
        What comes too fast is dropped, so that no line grows without end.
    """

    start: Workload
    argument: str = ""
    is_open: bool = False
    is_even: bool = False
    repeats: bool = False
    is_finite: bool = False
    has_queries: bool = False
    sheds: bool = False


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When requests come: an arrival process with its argument (rate in requests/s, number of samples, or file).

    ``rates`` are those of each network, where networks have their own; ``rate_ips`` is then their sum. ``cameras`` are
    those of ``--cameras``. ``follow_ups`` is the share of requests after which a second network runs: it counts in
    ``rate_ips`` and ``rates``.
    """

    kind: str
    rate_ips: float = 0.0
    count: int = 0
    path: str = ""
    rates: tuple[float, ...] = ()
    cameras: Cameras | None = None
    follow_ups: float = 0.0

    @property
    def request_ips(self) -> float:
        """Requests a second, inferences that follow from them left out."""
        return self.rate_ips / (1 + self.follow_ups)

    def followed(self, share: float) -> Arrivals:
        """Return these arrivals where a second network runs after a share of the requests."""
        rates = (self.rate_ips, self.rate_ips * share) if self.rate_ips else ()
        return replace(self, rate_ips=sum(rates), rates=rates, follow_ups=share)

    @property
    def process(self) -> ArrivalProcess:
        """The process with its traits."""
        return CAMERAS if self.cameras else PROCESSES[self.kind]

    @property
    def is_even(self) -> bool:
        """Whether requests come at equal distances, so that below capacity nobody waits for a thread."""
        return self.cameras.is_even if self.cameras else self.process.is_even

    def offered_ips(self, most: int = 0) -> float:
        """Return the requests per second that come: of a file, those up to its last time, ``most`` of them.

        0 where requests wait for others to end. Raises :class:`InputError` for a file that cannot be read.
        """
        if not self.path:
            return self.rate_ips
        gaps_ns = list(trace_gaps_ns(Path(self.path)))[: most or None]
        return (1 + self.follow_ups) * len(gaps_ns) * 1e9 / max(1, sum(gaps_ns))


def closed(pool: Pool, _arrivals: Arrivals, _seed: int) -> list[Steps]:
    """Every thread starts its next inference as soon as the last one is done."""
    return [closed_loop(pool.machine, number, thread, pool.completed) for number, thread in enumerate(pool.threads)]


def closed_loop(machine: Machine, number: int, thread: Thread, completed: Completed) -> Steps:
    """One thread's loop."""
    env = machine.env
    while True:
        start = env.now
        invoked = yield from inference(machine, thread, next(machine.requests))
        completed(number, thread.model, start, invoked)


def mixed_loop(machine: Machine, number: int, threads: list[Thread], completed: Completed) -> Steps:
    """One thread that runs several models in turn."""
    env = machine.env
    for thread in cycle(threads):
        start = env.now
        invoked = yield from inference(machine, thread, next(machine.requests))
        completed(number, thread.model, start, invoked)


class WaitingLines:
    """Requests that wait for a thread, a line for each network (-1: any thread will do), oldest first."""

    def __init__(self) -> None:
        self.lines: dict[int, deque[tuple[int, simpy.Event]]] = {}
        self.came, self.length = 0, 0

    def __len__(self) -> int:
        """Requests in all lines."""
        return self.length

    def add(self, event: simpy.Event, model: int) -> None:
        """Put a request at the end of a network's line."""
        self.lines.setdefault(model, deque()).append((self.came, event))
        self.came, self.length = self.came + 1, self.length + 1

    def take(self, *models: int) -> simpy.Event | None:
        """Take the oldest request out of some networks' lines; None where nobody waits there."""
        found = [line for line in map(self.lines.get, models) if line]
        if not found:
            return None
        self.length -= 1
        return min(found, key=lambda line: line[0][0]).popleft()[1]


class ThreadPool:
    """Threads that take requests first come, first served.

    A request for any network gets that of the thread which takes it. One for a network goes to the threads of that
    network, or to any thread of a server, whose threads can run them all (``servers``: one row of threads for each,
    by network). In a cascade requests are for the first network, and ``follows`` says after which of them the
    same thread also runs the second.
    """

    def __init__(
        self, machine: Machine, threads: list[Thread], completed: Completed, servers: list[list[Thread]] | None = None,
        follows: Sequence[bool] = (),
    ) -> None:  # fmt: skip
        self.follows = cycle(follows) if follows else None
        self.machine, self.threads, self.completed, self.servers = machine, threads, completed, servers
        self.free = deque(range(len(servers or threads)))
        self.waiting = WaitingLines()
        machine.queue = self.waiting

    def serve(self, request: int, arrived_ns: int, model: int = -1) -> Steps:
        """Wait for a free thread, run the inference on it, give it to the next in line."""
        env = self.machine.env
        number = next((i for i in self.free if self._can(i, model)), -1)
        if number >= 0:
            self.free.remove(number)
        else:
            event = env.event()
            self.waiting.add(event, -1 if self.servers else model)
            number = yield event
        thread, now = self.servers[number][max(0, model)] if self.servers else self.threads[number], env.now
        if now > arrived_ns:
            self.machine.recorder.add(thread.component, State.WAIT, arrived_ns, now, request, thread.model, -1)
        invoked = yield from inference(self.machine, thread, request)
        if self.follows is not None and self.servers and next(self.follows):
            self.completed(number, thread.model, arrived_ns, invoked)
            thread, arrived_ns = self.servers[number][1], env.now
            invoked = yield from inference(self.machine, thread, request)
        self._next(number)
        self.completed(number, thread.model, arrived_ns, invoked)

    def _can(self, number: int, model: int) -> bool:
        """Whether a thread runs that network."""
        return model < 0 or self.servers is not None or self.threads[number].model == model

    def _next(self, number: int) -> None:
        """Give a thread to the first in line that it can serve."""
        event = self.waiting.take(-1, *(() if self.servers else (self.threads[number].model,)))
        if event is None:
            self.free.append(number)
        else:
            event.succeed(number)

    def serve_together(self, samples: int) -> list[Steps]:
        """Processes that serve samples which came at once: one for each thread, so that memory stays flat."""
        left, now = islice(self.machine.requests, samples), self.machine.env.now
        return [self._serve_in_turn(left, now) for _ in self.threads[:samples]]

    def _serve_in_turn(self, requests: Iterator[int], arrived_ns: int) -> Steps:
        for request in requests:
            yield from self.serve(request, arrived_ns)


def open_loop(pool: Pool, gaps_ns: Iterator[int], model: int = -1) -> Steps:
    """Requests that arrive whether or not a thread is free.

    The waiting line of an overloaded machine ends at ``MOST_WAITING`` requests. Later ones are turned away, a thousand
    of them in one event. ``model`` is the network that is asked for, -1 for any.
    """
    machine, env = pool.machine, pool.machine.env
    for gap in gaps_ns:
        if len(pool.waiting) >= MOST_WAITING:
            yield env.timeout(1000 * gap)
            continue
        yield env.timeout(gap)
        env.process(pool.serve(next(machine.requests), env.now, model))
    machine.arrivals_end = env.now, len(pool.waiting)


def poisson(pool: Pool, arrivals: Arrivals, seed: int) -> list[Steps]:
    """Poisson arrivals of RATE requests/s; networks with rates of their own have streams of their own."""
    if not arrivals.rates or arrivals.follow_ups:
        return [open_loop(pool, poisson_gaps_ns(arrivals.request_ips, seed))]
    streams = (poisson_gaps_ns(rate, seed, model) for model, rate in enumerate(arrivals.rates))
    return [open_loop(pool, gaps, model) for model, gaps in enumerate(streams)]


def periodic(pool: Pool, arrivals: Arrivals, _seed: int) -> list[Steps]:
    """A request every 1/RATE seconds, as of a camera."""
    return [open_loop(pool, periodic_gaps_ns(arrivals.request_ips))]


def trace(pool: Pool, arrivals: Arrivals, _seed: int) -> list[Steps]:
    """Arrivals at the seconds in a file, one a line."""
    return [open_loop(pool, trace_gaps_ns(Path(arrivals.path)))]


def multi_stream(pool: Pool, arrivals: Arrivals, _seed: int) -> list[Steps]:
    """Queries of N samples, the next one when all samples of the last are done (MLPerf MultiStream)."""
    return [query_loop(pool, arrivals.count)]


def single_stream(pool: Pool, _arrivals: Arrivals, _seed: int) -> list[Steps]:
    """Queries of one sample, the next one when the last is done (MLPerf SingleStream)."""
    return [query_loop(pool, 1)]


def query_loop(pool: Pool, samples: int) -> Steps:
    """Issue a query, wait for its last sample, issue the next."""
    env = pool.machine.env
    while True:
        issued = env.now
        yield env.all_of([env.process(steps) for steps in pool.serve_together(samples)])
        pool.machine.answered(issued)


def offline(pool: Pool, arrivals: Arrivals, _seed: int) -> list[Steps]:
    """All N samples at once (MLPerf Offline)."""
    return [offline_query(pool, arrivals.count)]


def offline_query(pool: Pool, samples: int) -> Steps:
    """One query of all samples."""
    env = pool.machine.env
    yield env.all_of([env.process(steps) for steps in pool.serve_together(samples)])
    pool.machine.answered(0)


PROCESSES: dict[str, ArrivalProcess] = {
    "closed": ArrivalProcess(closed, repeats=True),
    "poisson": ArrivalProcess(poisson, "RATE", is_open=True),
    "periodic": ArrivalProcess(periodic, "RATE", is_open=True, is_even=True),
    "trace": ArrivalProcess(trace, "FILE", is_open=True, is_finite=True),
    "singlestream": ArrivalProcess(single_stream, repeats=True),
    "multistream": ArrivalProcess(multi_stream, "N", repeats=True, has_queries=True),
    "server": ArrivalProcess(poisson, "RATE", is_open=True),
    "offline": ArrivalProcess(offline, "N", is_finite=True, has_queries=True),
}


def recorder(pool: Pool, arrivals: Arrivals, seed: int) -> list[Steps]:
    """Cameras of a recorder, which keep two frames and drop late ones."""
    assert arrivals.cameras is not None
    return camera_processes(pool, arrivals.cameras, seed)


#: The process of ``--cameras``, which ``--arrivals`` does not name.
CAMERAS = ArrivalProcess(recorder, "NxFPS", is_open=True, sheds=True)


@cache
def parse_arrivals(text: str) -> Arrivals:
    """Parse a value of ``--arrivals`` such as ``poisson:30``.

    Raises :class:`InputError` for an unknown kind, or one whose argument is missing, superfluous or out of range.
    """
    kind, _, argument = text.partition(":")
    wanted = PROCESSES[kind].argument if kind in PROCESSES else ""
    if kind not in PROCESSES or bool(argument) != bool(wanted):
        hint = nearest(kind, PROCESSES) if kind not in PROCESSES else ""
        raise InputError.value("--arrivals", text, either(forms()), hint)
    rate = positive("the rate in --arrivals", argument) if wanted == "RATE" else 0.0
    count = whole(argument) if wanted == "N" else 0
    return Arrivals(kind, rate, count, argument if wanted == "FILE" else "")


def forms() -> list[str]:
    """How each arrival process is written on the command line."""
    return [f"{kind}:{process.argument}" if process.argument else kind for kind, process in PROCESSES.items()]


def positive(where: str, text: str) -> float:
    """Return a rate in requests/s. Raises :class:`InputError` unless it is from 1e-6 to 1e6."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError.value(
            where, text, f"requests per second from {exact_number(MIN_RATE)} to {exact_number(MAX_RATE)}"
        )
    return rate


def whole(text: str) -> int:
    """Return a count of samples. Raises :class:`InputError` unless it is a whole number from 1 to a million."""
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MAX_RATE:
        raise InputError.value("the count in --arrivals", text, "a whole number from 1 to 1000000")
    return int(text)


def periodic_gaps_ns(rate_per_s: float) -> Iterator[int]:
    """Equal gaps between arrivals, in whole ns that keep the rate; the first request comes after one of them."""
    for number in naturals():
        yield round((number + 1) * 1e9 / rate_per_s) - round(number * 1e9 / rate_per_s)


def poisson_gaps_ns(rate_per_s: float, seed: int, source: int = 0) -> Iterator[int]:
    """Exponential gaps between arrivals, in ns, with a mean of ``rate_per_s`` arrivals a second.

    ``seed`` is the scenario's. Arrivals have a stream of their own, which other randomness does not move, and so has
    each ``source`` by its number.
    """
    stream = random_stream(seed, "arrivals", source)
    while True:
        yield round(stream.expovariate(rate_per_s / 1e9))


def jitter(variation: float, seed: int) -> Iterator[float]:
    """Lognormal factors of mean 1 and the given coefficient of variation, from a random stream of their own.

    They come in steps of :data:`JITTER_STEP`, so that stages of the same length are made once. ``variation`` is that of
    an accelerator's pass (the host's ``jitter_cv``), ``seed`` the scenario's; the stream is not that of the arrivals.
    """
    stream = random_stream(seed, "jitter")
    while True:
        yield JITTER_STEP * max(1, round(lognormal_factor(stream, variation) / JITTER_STEP))


def trace_gaps_ns(path: Path) -> Iterator[int]:
    """Gaps between the arrival times (seconds, one a line, not decreasing) of a file, in ns.

    Raises :class:`InputError` for a file that cannot be read, is empty, or whose times decrease.
    """
    try:
        lines = read_text(path).split(maxsplit=MAX_TIMES)
        times = [float(line) for line in lines[:MAX_TIMES]]
    except (OSError, ValueError) as error:
        raise InputError.problem(
            f"--arrivals trace:{path}", f"cannot be read ({reason(error)})", "give a file of seconds, one a line"
        ) from None
    if len(lines) > MAX_TIMES:
        raise InputError.problem(
            f"--arrivals trace:{path}", f"has more than {MAX_TIMES} times", f"give at most {MAX_TIMES}"
        )
    edges = [0.0, *times]
    if not times or any(not a <= b <= MAX_TIME_S for a, b in zip(edges, times, strict=False)):
        what = f"has times that decrease or are not from 0 to {exact_number(MAX_TIME_S)}" if times else "has no times"
        raise InputError.problem(
            f"--arrivals trace:{path}", what, f"give seconds from 0 to {exact_number(MAX_TIME_S)} that do not decrease"
        )
    return iter([round((b - a) * 1e9) for a, b in zip(edges, times, strict=False)])
