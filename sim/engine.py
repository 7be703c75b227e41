"""Wire a machine, start its workload, run until steady, collect: ``simulate(scenario) -> Results``.

A deterministic closed loop repeats itself in the end: it runs until a period was seen three times, and the window is
one more of them (:mod:`sim.steady`). Everything random, and every open loop, runs for a number of completions with the
first part left out; its interval comes from batch means.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import simpy

from sim.accelerator import Lock, SimAccelerator
from sim.effort import SLICE_NS, check_effort, most_inferences
from sim.host import Cores, Gil
from sim.link import SharedLink
from sim.pipeline import pipeline
from sim.policies import DISCIPLINES, DISPATCHES, policy
from sim.records import Recorder, SpanSink
from sim.request import Machine, Thread
from sim.results import Results, Window, power_of, summarise
from sim.scenario import Scenario
from sim.setup import Setup, at_divisor, build
from sim.steady import LatencyCounts, batch_means_interval, period
from sim.thermal import ambient_c, steady_clock
from sim.workloads import WORKLOADS, deviations, mixed_loop, parse_arrivals

__all__ = ["Run", "one_thread", "run", "simulate", "wire"]

REPEATING = ("closed", "singlestream", "multistream")
MAX_OPEN = 20_000
FIRST_CHECK = 64
MAX_PERIODIC = 16_384  # completions after which a deterministic run counts as not periodic
MAX_RANDOM = 200_000
MAX_ENDS = 4096
ROWS = 1024
WARM_UP = 0.25  # most of a run that may be left out as warm-up
SETTLED = 0.005  # relative width of the interval at which a run without a period stops


def simulate(scenario: Scenario, sink: SpanSink | None = None, compare: bool = True) -> Results:
    """Simulate a scenario until it is steady (or for its ``inferences`` or ``duration_s``) and summarise it.

    ``sink`` receives every span; ``compare`` adds the gains over the same scenario with one thread and one accelerator.
    Raises :class:`InputError` for a scenario that cannot be built.

    Parameters
    ----------
    scenario
        Every option in the words of the command line.
    sink
        Called with each :class:`sim.records.Span` when it ends; recording never changes behaviour.
    compare
        Also run the same networks with one thread on one accelerator, for the gains.

    Returns
    -------
    Results
        ``summary`` is the answer of ``edgetpusim run --json``; times in ms, rates in 1/s, powers in W, energies in mJ.

    Raises
    ------
    InputError
        For a network, part or policy that cannot be loaded, and for options that do not fit together.
    """
    started = time.perf_counter()
    setup = cooled(build(scenario))
    window = run(setup, sink)
    alone = run(one_thread(setup)) if compare and not _is_one_thread(setup) else window
    results = summarise(setup, window, alone, one_thread(setup))
    results.summary["wall_s"] = time.perf_counter() - started
    return results


def one_thread(setup: Setup) -> Setup:
    """Return the set-up with one thread and its first accelerator; a mix of models runs in turn on it.

    What the gains of an answer are measured against: the same parts and options, nobody else in the way.
    """
    models = tuple(range(len(setup.models)))
    return replace(
        setup,
        accelerators=setup.accelerators[:1], channels=setup.channels[:1], clocks_hz=setup.clocks_hz[:1],
        networks=tuple(row[:1] for row in setup.networks), executables=tuple(row[:1] for row in setup.executables),
        thread_models=models[:1], turns=models,
    )  # fmt: skip


def cooled(setup: Setup) -> Setup:
    """Return the set-up at the clock that its steady temperature allows (``--thermal``; only PCIe throttles).

    The steady temperature depends on the power, the power on the clock: the machine runs at each step of the clock, and
    the fastest one that stays below its trip point is taken.
    """
    ambient = ambient_c(setup.scenario.thermal)
    if ambient is None or any(bus.header_bytes for bus in setup.channels):
        return setup
    rows = {divisor: at_divisor(setup, divisor) for divisor in (1, 2, 4, 8)}
    powers = {d: power_of(row, run(row)).accelerators_w / len(row.accelerators) for d, row in rows.items()}
    divisor, temperature = steady_clock(ambient, powers)
    note = f"steady at {temperature:.0f} C: clock divided by {divisor}"
    return replace(rows[divisor], warnings=(*setup.warnings, note))


def _is_one_thread(setup: Setup) -> bool:
    return len(setup.thread_models) == len(setup.accelerators) == len(setup.models) == 1


def run(setup: Setup, sink: SpanSink | None = None) -> Window:
    """Run a set-up's machine and return what was measured in its steady window.

    Parameters
    ----------
    setup
        A scenario resolved (:func:`sim.setup.build`).
    sink
        Called with each span when it ends.

    Returns
    -------
    Window
        Totals of time (ns), bytes and actions between the opening and the closing of the measured window.
    """
    run = Run(setup, sink)
    return run.until_steady()


def wire(setup: Setup, recorder: Recorder) -> tuple[Machine, list[Thread]]:
    """Build the machine and its threads for a set-up.

    Returns
    -------
    tuple of Machine and list of Thread
        Components are numbered threads first, then accelerators, then links, as the recorder's names are.
    """
    env, scenario = simpy.Environment(), setup.scenario
    count, threads = len(setup.accelerators), len(setup.thread_models)
    crowded = threads > setup.cores
    cores = Cores(setup.cores, SLICE_NS if crowded else 1 << 62, round(setup.host.switch_ns))
    buses = _links(setup)
    discipline = policy("--discipline", scenario.discipline, DISCIPLINES)
    accelerators = [
        SimAccelerator(
            i, threads + i, Lock(env, None if scenario.discipline == "fifo" else discipline), bus, threads + count + i
        )
        for i, bus in enumerate(buses)
    ]
    dispatch = policy("--dispatch", scenario.dispatch, DISPATCHES)
    machine = Machine(env, recorder, cores, accelerators, dispatch, min(scenario.num_threads, setup.cores))
    gil = _gil(env, setup)
    machine.gil, machine.gil_share, machine.jitter = gil, setup.host.gil_share, _jitter(setup)
    machine.wake_ns = round(setup.host.thread_wake_ns) if scenario.runner == "python" else 0
    return machine, [_thread(setup, i, model, gil) for i, model in enumerate(setup.thread_models)]


def _thread(setup: Setup, number: int, model: int, gil: Gil | None) -> Thread:
    return Thread(number, model, list(setup.networks[model]), gil, number, (number, model), priority=model)


def _gil(env: simpy.Environment, setup: Setup) -> Gil | None:
    """Threads of one Python process share its lock; processes and pycoral's own pipeline threads have no use for it."""
    scenario, busy = setup.scenario, setup.scenario.busy_python_threads
    compiled = scenario.mode == "pipeline" and scenario.runner == "pipelined"
    if scenario.mode == "processes" or compiled or (len(setup.thread_models) == 1 and not busy):
        return None
    return Gil(env, max(1, round(scenario.switch_interval_ms * 1e6)), busy, round(setup.host.gil_handover_ns))


def _jitter(setup: Setup) -> Iterator[float] | None:
    """Relative deviations of an accelerator pass (mean 0, lognormal) with the host's published spread."""
    if setup.scenario.jitter == "none":
        return None
    return deviations(setup.host.jitter_cv, setup.scenario.seed)


def _links(setup: Setup) -> list[SharedLink]:
    """USB accelerators of one speed share the host's controller; PCIe ones have a lane each."""
    names = [bus.name for bus in setup.channels]
    shared: dict[str, SharedLink] = {}
    links = []
    for bus in setup.channels:
        own = names.count(bus.name) == 1 or bus.header_bytes == 0
        link = SharedLink(not own, bus.chunk_bytes)
        links.append(link if own else shared.setdefault(bus.name, link))
    return links


@dataclass
class Run:
    """One run of a set-up: completions as they come, and the window over which results are measured."""

    setup: Setup
    sink: SpanSink | None = None
    history: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Wire the machine and start its workload."""
        setup = self.setup
        count = len(setup.accelerators)
        names = [f"thread {i}" for i in range(len(setup.thread_models))]
        names += [f"{a.name} {i}" for i, a in enumerate(setup.accelerators)]
        names += [f"{c.name} {i}" for i, c in enumerate(setup.channels[:count])]
        self.recorder = Recorder(names, list(setup.models), self.sink)
        self.machine, self.threads = wire(setup, self.recorder)
        self.env = self.machine.env
        self.last_ns = 0
        self.completions = 0
        first = max(FIRST_CHECK, 4 * len(self.threads))
        self.limit = setup.scenario.inferences or self._most(first)
        self.check_at = min(first, self.limit)
        check_effort(setup, self.check_at)
        self.stop: simpy.Event = self.env.event()
        self.opened = _Mark(0, self.recorder, self.machine, len(setup.models))
        self.is_warm = setup.scenario.arrivals.startswith("offline")  # all of a finite workload counts
        self.is_periodic = False
        self.closed: Window | None = None
        self._start()

    def _start(self) -> None:
        for process in self._processes():
            self.env.process(process)

    def _processes(self) -> list[Generator[Any, Any, None]]:
        setup, machine, threads = self.setup, self.machine, self.threads
        if setup.turns:
            turns = [_thread(setup, 0, model, threads[0].gil) for model in setup.turns]
            return [mixed_loop(machine, 0, turns, self.completed)]
        if setup.pipelines:
            batch = setup.scenario.batch
            rows = [[threads[i] for i in row] for row in setup.pipelines]
            return [p for i, row in enumerate(rows) for p in pipeline(machine, row, i, batch, self.completed)]
        kind, argument = parse_arrivals(setup.scenario.arrivals)
        return WORKLOADS[kind](machine, threads, argument, setup.scenario.seed, self.completed)

    def until_steady(self) -> Window:
        """Run to the end of the measured window."""
        duration_ns = round(self.setup.scenario.duration_s * 1e9)
        ends = [self.stop, self.env.timeout(duration_ns)] if duration_ns else [self.stop]
        try:
            self.env.run(until=self.env.any_of(ends))
        except RuntimeError:  # SimPy's word for: a finite workload has run out of events
            if self.completions == 0:
                raise
        return self.closed or self._close()

    def completed(self, number: int, model: int, start_ns: int, invoked_ns: int) -> None:
        """Note one finished inference; open, close or go on measuring."""
        if self.closed is not None:
            return
        now = int(self.env.now)
        self.completions += 1
        self.opened.add(now, model, now - start_ns, invoked_ns)
        if len(self.history) < MAX_PERIODIC and not self.is_periodic:
            # Time since anybody's last completion tells the phases of threads that do not meet.
            self.history.append((number, model, now - start_ns, now - self.last_ns))
            self.last_ns = now
        if self.completions >= self.check_at:
            self._check(now)

    def _check(self, now: int) -> None:
        if self.is_periodic or self.completions >= self.limit or self._is_settled():
            # Close the window now: others may complete at this same instant, before the stop takes effect.
            self.closed = self._close()
            self.stop.succeed()
            return
        length = period(self.history, len(self.threads)) if self._may_repeat() else 0
        if length and self._has_everyone(length):
            self.is_periodic = True
            self._open(now)
        elif not self.is_warm and self.completions <= WARM_UP * self.limit:
            self._open(now)
        again = self.completions + length if self.is_periodic else 2 * self.completions
        self.check_at = again if self.is_periodic else min(again, self.limit)

    def _has_everyone(self, length: int) -> bool:
        """Whether every thread is in the period: one that still loads its parameters is missing from it."""
        members = 1 if self.setup.turns else len(self.setup.pipelines) or len(self.threads)
        return len({row[0] for row in self.history[-length:]}) == members

    def _may_repeat(self) -> bool:
        return self._is_closed() and self.machine.jitter is None and self.completions <= MAX_PERIODIC

    def _most(self, first: int) -> int:
        """Completions after which a run ends that nobody limited."""
        kind, argument = parse_arrivals(self.setup.scenario.arrivals)
        if kind == "offline":
            return int(argument)
        return most_inferences(self.setup, first, MAX_RANDOM if self._is_closed() else MAX_OPEN)

    def _is_closed(self) -> bool:
        """Whether requests wait for others to end, so that a deterministic run must repeat itself in the end."""
        return bool(self.setup.turns) or self.setup.scenario.arrivals.split(":")[0] in REPEATING

    def _is_settled(self) -> bool:
        """Whether a closed loop without a short period has been measured well enough."""
        if not self._is_closed() or self.completions < MAX_PERIODIC:
            return False
        self.opened.flush()
        low, high = batch_means_interval(self.opened.ends_ns)
        return bool(high - low <= SETTLED * low) and not self.setup.scenario.inferences

    def _open(self, now: int) -> None:
        self.is_warm = True
        self.opened = _Mark(now, self.recorder, self.machine, len(self.setup.models))

    def _close(self) -> Window:
        return self.opened.window(int(self.env.now), self.recorder, self.machine, self)


class _Mark:
    """The opening of a measured window: totals so far, to take differences of."""

    def __init__(self, now: int, recorder: Recorder, machine: Machine, models: int) -> None:
        self.start_ns = now
        self.time_ns, self.n_bytes = recorder.totals()
        self.actions = recorder.actions()
        self.core_ns, self.gil_ns = machine.cores.busy_ns, _gil_busy(machine)
        self.latency = [LatencyCounts() for _ in range(models)]
        self.invoke = LatencyCounts()
        self.rows: list[tuple[int, int, int, int]] = []
        self.ends_ns, self.every, self.count = [now], 1, 0

    def add(self, now: int, model: int, latency_ns: int, invoked_ns: int) -> None:
        """Note a completion; rows are counted a thousand at a time."""
        self.rows.append((now, model, latency_ns, invoked_ns))
        if len(self.rows) >= ROWS:
            self.flush()

    def flush(self) -> None:
        """Count the rows; times of completion are kept thinned out, so that memory stays flat."""
        for model, counts in enumerate(self.latency):
            counts.extend([row[2] for row in self.rows if row[1] == model])
        self.invoke.extend([row[3] for row in self.rows])
        for now, *_ in self.rows:
            self.count += 1
            if self.count % self.every == 0:
                self.ends_ns.append(now)
        self.rows.clear()
        while len(self.ends_ns) > MAX_ENDS:
            self.ends_ns, self.every = self.ends_ns[::2], 2 * self.every

    def window(self, now: int, recorder: Recorder, machine: Machine, run: Run) -> Window:
        """Close the window."""
        self.flush()
        low, high = batch_means_interval(self.ends_ns)
        time_ns, n_bytes = recorder.totals()
        return Window(
            start_ns=self.start_ns,
            end_ns=now,
            time_ns=_difference(time_ns, self.time_ns),
            n_bytes=_difference(n_bytes, self.n_bytes),
            actions=_difference(recorder.actions(), self.actions),
            core_ns=machine.cores.busy_ns - self.core_ns,
            gil_ns=_gil_busy(machine) - self.gil_ns,
            latency=self.latency,
            invoke=self.invoke,
            interval_ips=(low * self.every, high * self.every),
            queue_length=len(machine.queue),
            periodic=run.is_periodic,
            completions=run.completions,
        )


def _gil_busy(machine: Machine) -> int:
    return machine.gil.busy_ns if machine.gil else 0


def _difference(after: Sequence[Sequence[int]], before: Sequence[Sequence[int]]) -> list[list[int]]:
    return [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(after, before, strict=True)]
