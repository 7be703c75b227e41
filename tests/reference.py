"""The machine once more, in plain SimPy, written from the documents alone: docs/execution.md and docs/concurrency.md.

Stage times and the host's numbers come from a set-up (:func:`sim.setup.build`); nothing of the engine is used.

The documents leave these points open. Here they are as in the engine, because both answers are possible:

- Instructions and input of a pass cross a shared bus as one transfer. The chunks of a transfer are of equal length,
  where the documents say 1 MiB, and an output crosses in one piece.
- Parameters that have to be sent again go first, before the driver's dispatch.
- Python's part of the call comes after copies and CPU operators. Of pre- and postprocessing the part under the lock
  comes first.
- The switch interval counts from the moment the holder took the lock. Beside busy threads everybody waits in line
  first, and then for them. The part under the lock then runs on their core.
- A slice that finds every core busy pays a context switch. The threads of one interpreter take a core each, wherever
  one is free, and wait for each other after every slice.
- Who puts an item into a queue goes on before the thread that it wakes. Waking takes time only where the reader slept.
- For ``--dispatch`` an accelerator's inference ends with its pass. Of equal accelerators the fastest is taken.
- Of idle threads the one that has been idle longest serves a request. Networks in turn begin with the first one on
  every thread. A request of a pipeline that is kept filled begins when it asks for room in the first queue.
- A woken waiter looks for a core each time somebody's burst or slice ends; whoever computes goes on first. Who had the
  lock last looks for one likewise. On a core, both then go on at once, and who is there starts its next burst later.
- ``--discipline shortest`` compares times on the first accelerator. ``affinity`` counts a batch's requests only while
  others wait.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import count, pairwise
from math import ceil, log
from random import Random
from typing import Any

import numpy as np
import simpy

from hwmodels.stages import AcceleratorStage, StageTimes
from sim.setup import Setup

__all__ = ["Measured", "Reference", "measure"]

Steps = Generator[Any, Any, None]
SLICE_NS = 4_000_000


@dataclass
class Done:
    """A request that is finished."""

    start_ns: int
    end_ns: int


@dataclass
class Item:
    """A request on its way through a pipeline: when it came, and what fires when it is out."""

    start_ns: int
    out: simpy.Event


@dataclass(frozen=True)
class Measured:
    """Rate and mean latency over a stretch of time."""

    throughput_ips: float
    latency_ms: float
    count: int


class Cores:
    """Cores first come, first served; in slices where threads outnumber them."""

    def __init__(self, env: simpy.Environment, number: int, switch_ns: int, crowded: bool) -> None:
        self.env, self.switch_ns, self.crowded = env, switch_ns, crowded
        self.line = simpy.PriorityResource(env, number)
        self.ends: list[int] = []
        self.queued: list[int] = []
        self.slice_end_ns = -1
        self.worked_ns = 0

    def burst(self, ns: int) -> Steps:
        left = ns
        while left > 0:
            part = min(left, SLICE_NS) if self.crowded else left
            left -= part
            yield from self._run(part, self.switch_ns, 1)
            self.slice_end_ns = int(self.env.now) if left else self.slice_end_ns

    def _run(self, ns: int, switch_ns: int, priority: int) -> Steps:
        with self.line.request(priority) as turn:
            if not turn.triggered:
                ns += switch_ns
                self.queued.insert(len(self.queued) if priority else 0, ns)
                yield turn
                self.queued.remove(ns)
            end = int(self.env.now) + ns
            self.ends.append(end)
            self.worked_ns += ns
            yield self.env.timeout(ns)
            self.ends.remove(end)

    def worked_until_now_ns(self) -> int:
        return self.worked_ns - sum(end - int(self.env.now) for end in self.ends)

    def begin_ns(self) -> int:
        """When a burst would begin that asks now, behind all others."""
        free = sorted([*self.ends, *[int(self.env.now)] * (self.line.capacity - len(self.ends))])
        for ns in self.queued:
            free = sorted([free[0] + ns, *free[1:]])
        return free[0]

    def seek(self) -> Steps:
        """Wait for a core behind all others; whoever computes goes on first, unless a slice ended, or lasted as long."""
        since = self.env.now
        while (begin := self.begin_ns()) > self.env.now and not self._had_its_time(since):
            if self.slice_end_ns == self.env.now:
                self.slice_end_ns = -1
                return
            yield self.env.timeout(begin - self.env.now)
            yield from self._settle()

    def wait_for_quiet(self) -> Steps:
        """Wait until nobody computes, for a slice at most; whoever goes on computing does so first."""
        until = self.env.now + SLICE_NS
        yield from self._settle()
        while self.ends and self.env.now < until:
            yield self.env.timeout(min(max(self.ends), until) - self.env.now)
            yield from self._settle()

    def _settle(self) -> Steps:
        """Let events of this moment pass: whoever ends now, and goes on, comes first."""
        for _ in range(4):
            yield self.env.timeout(0)

    def _had_its_time(self, since: float) -> bool:
        return self.crowded and self.env.now - since >= SLICE_NS

    def go_on(self, ns: int) -> Steps:
        """A thread that runs goes on; where all cores are busy, the next burst of the first one to end starts later."""
        if self.begin_ns() <= self.env.now:
            yield from self._run(ns, 0, 0)
            return
        self.env.process(self._run(ns, 0, 0))
        yield self.env.timeout(ns)

    def wide(self, ns: int, width: int) -> Steps:
        """Several threads of one interpreter, each with a core of its own; the last one ends it."""
        while ns > 0:
            part = min(ns, SLICE_NS) if self.crowded else ns
            ns -= part
            yield self.env.all_of([self.env.process(self.burst(part)) for _ in range(width)])
            self.slice_end_ns = int(self.env.now) if ns else self.slice_end_ns


class Bus:
    """One direction of a bus: transfers queue chunk by chunk."""

    def __init__(self, env: simpy.Environment, chunk_bytes: int) -> None:
        self.env, self.chunk_bytes, self.line = env, chunk_bytes, simpy.Resource(env, 1)

    def send(self, n_bytes: int, ns: int) -> Steps:
        """Equal chunks, as few as there may be, one after the other."""
        chunks = max(1, ceil(n_bytes / self.chunk_bytes))
        for chunk in range(chunks):
            with self.line.request() as turn:
                yield turn
                yield self.env.timeout(ns * (chunk + 1) // chunks - ns * chunk // chunks)


class Interpreter:
    """Python's global lock. Whoever holds it lets others in after a switch interval.

    Other threads that always compute are met by everybody who gets it: an interval for each, and a hand-over. The core
    on which they compute is then the holder's.
    """

    def __init__(self, env: simpy.Environment, setup: Setup, cores: Cores) -> None:
        busy = setup.scenario.busy_python_threads
        self.env, self.cores, self.line = env, cores, simpy.Resource(env, 1)
        self.interval_ns = round(setup.scenario.switch_interval_ms * 1e6)
        self.turn_ns = busy * self.interval_ns + round(setup.host.gil_handover_ns) if busy else 0

    def run(self, ns: int) -> Steps:
        while ns > 0:
            part = min(ns, self.interval_ns)
            ns -= part
            with self.line.request() as turn:
                yield turn
                if self.turn_ns:
                    yield self.env.timeout(self.turn_ns + part)
                else:
                    yield from self.cores.burst(part)


@dataclass
class Device:
    """An accelerator: its lock with a waiting line, the token of the parameters that it holds, its buses."""

    number: int
    out: Bus
    back: Bus
    token: str = ""
    loaded: set[tuple[int, int]] = field(default_factory=set)
    in_a_row: int = 0
    held: bool = False
    waking: bool = False
    owed: bool = False
    releases: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)] * 4)  # when, work until then
    in_use: int = 0
    chosen_for: int = 0
    waiting: list[Waiting] = field(default_factory=list)


@dataclass(frozen=True)
class Waiting:
    """Who waits for an accelerator, and what disciplines go by."""

    event: simpy.Event
    model: int
    invoke_ns: int
    token: str


@dataclass
class Worker:
    """A thread: its number, its network, the accelerator that it used last."""

    number: int
    model: int
    home: int


class Reference:
    """A set-up's machine; ``done`` grows while :meth:`until` runs it."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.scenario, self.env = setup, setup.scenario, simpy.Environment()
        self.done: list[Done] = []
        python_core = 1 if self.scenario.busy_python_threads else 0  # one of them always runs
        cores = max(1, setup.cores - python_core)
        widths = [max(times.width for times in row) for row in setup.stage_times]
        runnable = sum(widths[model] for model in setup.thread_models)
        self.cores = Cores(self.env, cores, ceil(setup.host.switch_ns), runnable > cores)
        self.gil = Interpreter(self.env, setup, self.cores) if self._has_one_lock() else None
        self.devices = sorted(self._devices(), key=lambda device: device.number)
        self.order = count()
        self.choose = DISPATCH[self.scenario.dispatch]
        for process in self._workload():
            self.env.process(process)

    def until(self, completions: int, end_ns: float = float("inf")) -> None:
        """Run until so many requests are done, or to a moment."""
        while len(self.done) < completions and self.env.peek() <= end_ns:
            self.env.step()

    def _has_one_lock(self) -> bool:
        compiled = self.scenario.mode == "pipeline" and self.scenario.runner == "pipelined"
        return self.scenario.mode != "processes" and not compiled

    def _devices(self) -> Iterator[Device]:
        """USB accelerators share the host's controller, PCIe ones have a lane each: ``setup.buses`` says which."""
        for bus in self.setup.buses:
            ways = Bus(self.env, bus.channel.chunk_bytes), Bus(self.env, bus.channel.chunk_bytes)
            for number in bus.accelerators:
                yield Device(number, *ways)

    # One inference

    def inference(self, worker: Worker) -> Steps:
        device = self.choose(self, worker)
        device.in_use += 1  # until its pass is over: what follows on the CPU is no load of the accelerator
        times = self.setup.stage_times[worker.model][device.number]
        yield from self.python(times.preprocess_ns, self.setup.host.gil_share)
        for stage in times.stages:
            if isinstance(stage, AcceleratorStage):
                yield from self.accelerate(worker, device, times, stage)
                device.in_use -= 1
                yield from self.copy(stage.copy_ns)
            else:
                yield from self.cores.wide(stage.wide_ns, stage.width)
                yield from self.cores.burst(stage.ops_ns - stage.wide_ns)
        yield from self.python(times.python_ns, 1.0)
        yield from self.python(times.postprocess_ns, self.setup.host.gil_share)
        yield from self.python(times.app.locked_ns, 1.0)
        yield from self.python(times.app.core_ns, 0.0)
        yield self.env.timeout(times.app.wait_ns)
        if not times.accelerator_stages:
            device.in_use -= 1

    def python(self, ns: int, locked_share: float) -> Steps:
        """Work on a core, of which a share holds Python's lock first; native code comes afterwards."""
        locked_ns = round(ns * locked_share) if self.gil else 0
        if self.gil:
            yield from self.gil.run(locked_ns)
        yield from self.cores.burst(ns - locked_ns)

    def accelerate(self, worker: Worker, device: Device, times: StageTimes, stage: AcceleratorStage) -> Steps:
        woken = yield from self.lock(worker, device, times.token)
        if device.token != times.token:
            device.token, device.loaded = times.token, set()
        if (worker.number, worker.model) not in device.loaded:  # every interpreter has its own
            device.loaded.add((worker.number, worker.model))
            yield from device.out.send(stage.load_bytes, stage.load_ns)
        if woken and self.wakes:
            yield from self.cores.go_on(stage.driver_ns)
        else:
            yield from self.cores.burst(stage.driver_ns)
        yield self.env.timeout(stage.latency_ns)
        yield from device.out.send(stage.instruction_bytes + stage.input_bytes, stage.instructions_ns + stage.input_ns)
        for step in stage.steps:
            computing = self.env.timeout(step.compute_ns)
            if step.streamed_bytes:
                yield from device.out.send(step.streamed_bytes, step.parameters_ns)
            if not computing.processed:
                yield computing
        yield from device.back.send(0, stage.output_ns)  # in one piece
        if self.wakes:
            yield from self.cores.seek()
        self.unlock(device)

    def copy(self, ns: int) -> Steps:
        if self.wakes:
            yield from self.cores.go_on(ns)
        else:
            yield from self.cores.burst(ns)

    def lock(self, worker: Worker, device: Device, token: str) -> Generator[Any, Any, bool]:
        """Wait for the lock, and tell whether the thread was woken for it."""
        if not device.held and not (device.waking and device.owed):
            device.held = True
            return False
        event = self.env.event()
        invoke_ns = self.setup.stage_times[worker.model][0].invoke_ns
        device.waiting.append(Waiting(event, worker.model, invoke_ns, token))
        yield event
        return True

    def unlock(self, device: Device) -> None:
        """Without a cost the lock passes on at once; else it is free, or kept for the waiter, until that one wakes."""
        if not self.wakes:
            self.hand_over(device)
            return
        device.held = self.scenario.lock == "fair" and bool(device.waiting)
        device.releases.append((self.env.now, self.cores.worked_until_now_ns()))
        if device.waiting and not device.waking:
            device.waking = True
            self.env.process(self.wake(device, self.stays(device)))

    def stays(self, device: Device) -> bool:
        """Whether a waiter stays on the core of whoever lets go: while little was done in the last four passes."""
        (since, before), (now, done) = device.releases[-5], device.releases[-1]
        is_low = done - before < self.setup.host.stay_load * (now - since)
        return self.cores.line.capacity > 1 and is_low

    def wake(self, device: Device, stays: bool) -> Steps:
        """A waiter that finds the lock taken is owed it the next time."""
        yield self.env.timeout(0 if stays else self.wakes)
        if not device.owed:
            yield from self.cores.wait_for_quiet() if stays else self.cores.seek()
        device.waking = False
        device.owed = device.held and self.scenario.lock != "fair"
        if not device.owed:
            self.hand_over(device)

    @property
    def wakes(self) -> int:
        """Time until a woken waiter runs (ns)."""
        return round(self.setup.host.lock_wake_ns)

    def hand_over(self, device: Device) -> None:
        """The discipline says who is next; of equals whoever came first."""
        device.held = bool(device.waiting)
        if not device.waiting:
            return
        is_over = device.in_a_row >= self.scenario.affinity_batch
        keys: dict[str, Callable[[Waiting], Any]] = {
            "fifo": lambda _: 0,
            "priority": lambda one: one.model,
            "shortest": lambda one: one.invoke_ns,
            "affinity": lambda one: (one.token == device.token) == is_over,
        }
        chosen = min(device.waiting, key=keys[self.scenario.discipline])
        if len(device.waiting) > 1:
            device.in_a_row = device.in_a_row + 1 if chosen.token == device.token else 1
        device.waiting.remove(chosen)
        chosen.event.succeed()

    # When requests start

    def _workload(self) -> Iterator[Steps]:
        workers = [Worker(number, model, number) for number, model in enumerate(self.setup.thread_models)]
        arrivals = self.scenario.arrivals
        if self.setup.pipelines:
            yield from self._pipelines([[workers[number] for number in row] for row in self.setup.pipelines])
        elif arrivals == "closed":
            yield from (self.closed(worker) for worker in workers)
        else:
            pool = simpy.Store(self.env)
            pool.items.extend(workers)
            yield self.arrivals(lambda: self.serve(pool, int(self.env.now)))

    def closed(self, worker: Worker) -> Steps:
        for turn in count():
            if self.setup.turns:
                worker.model = self.setup.turns[turn % len(self.setup.turns)]
            start = int(self.env.now)
            yield from self.inference(worker)
            self.done.append(Done(start, int(self.env.now)))

    def arrivals(self, serve: Callable[[], Steps]) -> Steps:
        kind, _, argument = self.scenario.arrivals.partition(":")
        while kind in ("multistream", "singlestream", "offline"):
            yield self.env.all_of([self.env.process(serve()) for _ in range(int(argument or 1))])
            if kind == "offline":
                return
        for gap in poisson_ns(float(argument), self.scenario.seed) if kind != "trace" else trace_ns(argument):
            yield self.env.timeout(gap)
            self.env.process(serve())

    def serve(self, pool: simpy.Store, arrived: int) -> Steps:
        """A free thread takes the oldest request."""
        worker = yield pool.get()
        yield from self.inference(worker)
        yield pool.put(worker)
        self.done.append(Done(arrived, int(self.env.now)))

    def _pipelines(self, rows: list[list[Worker]]) -> Iterator[Steps]:
        """A source keeps the first queue of each filled, or batches it; requests that come on their own share one."""
        if self.scenario.arrivals != "closed":
            first = simpy.Store(self.env)
            yield self.arrivals(lambda: self.through(first))
            yield from (segment for row in rows for segment in self._segments(row, first))
            return
        for row in rows:
            first = simpy.Store(self.env, self.scenario.batch or 1)
            yield (
                self.batches(first) if self.scenario.batch or self.scenario.runner == "chained" else self.source(first)
            )
            yield from self._segments(row, first)

    def _segments(self, row: list[Worker], first: simpy.Store) -> Iterator[Steps]:
        """One thread a segment, queues of one item between them."""
        queues = [first, *(simpy.Store(self.env, 1) for _ in row[1:]), None]
        if self.scenario.runner == "chained":
            yield self.chain(row, first)
            return
        for worker, (before, after) in zip(row, pairwise(queues), strict=True):
            yield self.segment(worker, before, after)

    def chain(self, row: list[Worker], first: simpy.Store) -> Steps:
        """One thread takes an item through all segments."""
        while True:
            item = yield from at_once(first.get())
            for worker in row:
                yield from self.inference(worker)
            item.out.succeed()
            self.done.append(Done(item.start_ns, int(self.env.now)))

    def source(self, first: simpy.Store) -> Steps:
        while True:
            yield first.put(Item(int(self.env.now), self.env.event()))

    def batches(self, first: simpy.Store) -> Steps:
        while True:
            items = [Item(int(self.env.now), self.env.event()) for _ in range(self.scenario.batch or 1)]
            for item in items:
                yield first.put(item)
            yield self.env.all_of([item.out for item in items])

    def through(self, first: simpy.Store) -> Steps:
        item = Item(int(self.env.now), self.env.event())
        yield first.put(item)
        yield item.out

    @property
    def wake_ns(self) -> int:
        """Somebody has to wake a thread that waited: the system, or Python's queue."""
        host = self.setup.host
        return round(host.thread_wake_ns if self.scenario.runner == "python" else host.switch_ns)

    def segment(self, worker: Worker, before: simpy.Store, after: simpy.Store | None) -> Steps:
        while True:
            slept = not before.items
            item = yield from at_once(before.get())
            if slept:
                yield self.env.timeout(self.wake_ns)
            yield from self.inference(worker)
            if after is not None:
                slept = len(after.items) >= after.capacity
                yield from at_once(after.put(item))
                if slept:
                    yield self.env.timeout(self.wake_ns)
                continue
            item.out.succeed()
            self.done.append(Done(item.start_ns, int(self.env.now)))


def at_once(event: simpy.Event) -> Generator[Any, Any, Any]:
    """Whoever finds an item, or room for one, goes on before anybody whom that wakes."""
    if event.triggered:
        return event.value
    return (yield event)


def bind(machine: Reference, worker: Worker) -> Device:
    return machine.devices[worker.home % len(machine.devices)]


def round_robin(machine: Reference, worker: Worker) -> Device:
    worker.home += 1
    return bind(machine, worker)


def least_loaded(machine: Reference, worker: Worker) -> Device:
    """Of those with the fewest inferences the one that was chosen first; of equals the fastest."""
    times = machine.setup.stage_times[worker.model]
    device = min(machine.devices, key=lambda one: (one.in_use, one.chosen_for, times[one.number].invoke_ns))
    device.chosen_for = next(machine.order) + 1
    return device


def affinity(machine: Reference, worker: Worker) -> Device:
    """An idle accelerator rather than a busy one, then the one with the network's parameters; of equals the fastest."""
    times = machine.setup.stage_times[worker.model]
    token = times[0].token
    return min(machine.devices, key=lambda one: (one.in_use, one.token != token, times[one.number].invoke_ns))


DISPATCH = {"bind": bind, "round_robin": round_robin, "least_loaded": least_loaded, "affinity": affinity}


def poisson_ns(rate: float, seed: int) -> Iterator[int]:
    """The gaps of the documented random stream (``sim.machine.workloads.poisson_gaps_ns``)."""
    stream = Random(f"{seed} arrivals 0")
    while True:
        yield round(-log(1 - stream.random()) / (rate / 1e9))


def trace_ns(path: str) -> Iterator[int]:
    """The gaps between the seconds in a file."""
    times = [0.0, *np.loadtxt(path)]
    return iter([round((b - a) * 1e9) for a, b in pairwise(times)])


def measure(setup: Setup, start_ns: int, period_ns: int, least: int) -> Measured:
    """Rate and mean latency from a moment on, over whole periods until at least so many requests are done."""
    machine, end_ns = Reference(setup), start_ns
    machine.until(10**9, start_ns)
    inside: list[Done] = []
    while len(inside) < least:
        end_ns += period_ns
        machine.until(10**9, end_ns)
        inside = [row for row in machine.done if start_ns < row.end_ns <= end_ns]
        if machine.env.peek() == float("inf"):
            break
    latency_ns = sum(row.end_ns - row.start_ns for row in inside) / max(1, len(inside))
    return Measured(len(inside) * 1e9 / (end_ns - start_ns), latency_ns / 1e6, len(inside))
