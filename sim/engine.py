"""Wire a machine, start its workload, run until steady, collect: ``simulate(scenario) -> Results``.

A deterministic closed loop repeats itself in the end: it runs until a period was seen three times, and the window is
one more of them (:mod:`sim.steady`). Everything random, and every open loop, runs for a number of completions with the
first part left out; its interval comes from batch means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import simpy

from hwmodels.cache import still
from hwmodels.errors import InputError
from hwmodels.thermal import SHUTDOWN_C, ambient_c, steady_clock
from sim.answer import Results, cannot_keep_up, latencies, merged, power_of, summarise
from sim.budget import check_effort, events, most_inferences
from sim.closed_form.bounds import throughput_bound
from sim.machine.accelerator import RankedAccelerator, SimAccelerator
from sim.machine.cameras import Cameras
from sim.machine.clock import Clock
from sim.machine.host import SLICE_NS, Cores, Gil
from sim.machine.link import SharedLink
from sim.machine.lock import Lock, Mutex
from sim.machine.machine import Machine, Thread
from sim.machine.pipeline import PipelinePool, chain, pipeline, segments
from sim.machine.policies import DISCIPLINES, DISPATCHES, Discipline, DispatchPolicy, own_discipline, policy
from sim.machine.records import Components, Recorder, SpanSink
from sim.machine.workloads import ThreadPool, jitter, mixed_loop
from sim.scenario import Scenario
from sim.setup import Bus, Setup, at_divisor, build, with_best_cut
from sim.steady import batch_means_interval, first_check, period
from sim.trust.lock_ends import add_lock_ends
from sim.window import Mark, Window

__all__ = ["Run", "Runner", "components", "run", "settled", "simulate", "wire"]

MAX_OPEN = 20_000
MAX_PERIODIC = 16_384  # completions after which a deterministic run counts as not periodic
LEAST_FLUID = 512  # completions after which a run over a shared memory may count as settled
MAX_RANDOM = 200_000
MAX_OVERLOADED = 4_096  # completions of an open loop that cannot keep up: it has a rate, and no latency
MAX_EVEN = 8_192  # completions of an open loop whose requests come at equal distances
FILLED = 4  # times that waiting frames could have filled up before a run that nobody limited ends
SCENES = 50  # of each camera, after which a run that nobody limited may end
ROWS = 1024
WARM_UP = 0.25  # most of a run that may be left out as warm-up
MOST_TWICE = 500_000  # events of a run that is repeated for the other end of a lock's fairness
SETTLED = 0.005  # relative width of the interval at which a run without a period stops

#: Runs a set-up as :func:`run` does.
Runner = Callable[..., Window]


@still()
def simulate(
    scenario: Scenario, sink: SpanSink | None = None, compare: bool = True, by: Runner | None = None, trust: bool = True
) -> Results:
    """Simulate a scenario until it is steady (or for its ``inferences`` or ``duration_s``) and summarise it.

    ``sink`` receives every span; ``compare`` adds the gains over the same scenario with one thread and one accelerator.
    Raises :class:`InputError` for a scenario that cannot be built.

    Parameters
    ----------
    scenario
        Every option in the words of the command line.
    sink
        Called with each :class:`sim.machine.records.Span` when it ends; recording never changes behaviour.
    compare
        Also say what one thread on one accelerator would do, for the gains.
    by
        What runs set-ups in place of :func:`run` (:mod:`sim.fast.choice`).
    trust
        Also say how far to trust the answer, and which changes help; not for what only compares figures.

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
    by = by or run
    setup = settled(scenario, by)
    window = by(setup, sink)
    _check_any(setup, window)
    results = summarise(setup, window, compare, trust)
    if compare:
        _compare_locks(results, by)
    results.summary["wall_s"] = time.perf_counter() - started
    return results


def _check_any(setup: Setup, window: Window) -> None:
    """Raise :class:`InputError` for a run that ends before its first inference: there is nothing to say of it."""
    duration_s = setup.scenario.duration_s
    if duration_s and not window.completions and not window.frames.skipped:
        raise InputError.problem(f"--duration {duration_s:g}", "ends before the first inference", "give a longer one")


def _compare_locks(results: Results, by: Runner) -> None:
    """Add what the other kind of lock gives, where threads share an accelerator and the run is short enough."""
    setup, window = results.setup, results.window
    is_short = window.completions * events(setup) <= MOST_TWICE
    if not is_short or setup.hand_over is None or not setup.share_a_lock:
        return
    other = {"mutex": "fair", "fair": "mutex"}[setup.scenario.lock]
    then = by(replace(setup, scenario=replace(setup.scenario, lock=other))) if window.was_raced else window
    add_lock_ends(results.summary, _of_a_lock(setup, window), _of_a_lock(setup, then), other)


def _of_a_lock(setup: Setup, window: Window) -> dict[str, float]:
    """What has an interval, and percentiles of the latency."""
    latency_ms, invoke_ms = latencies(window).summary_ms(), merged(window.invokes).summary_ms()
    return {
        "throughput_ips": window.throughput_ips,
        "latency_mean_ms": latency_ms["mean"], "latency_p50_ms": latency_ms["p50"], "latency_p99_ms": latency_ms["p99"],
        "invoke_mean_ms": invoke_ms["mean"], "energy_mj_per_inference": power_of(setup, window).energy_mj,
    }  # fmt: skip


def settled(scenario: Scenario, by: Runner | None = None) -> Setup:
    """Return the set-up that a scenario runs: its pipeline cut where that is fastest, its clock as the heat allows.

    Raises :class:`InputError` for a scenario that cannot be built.
    """
    by = by or run
    return _cooled(with_best_cut(build(scenario), lambda setup: by(setup).throughput_ips), by)


def _cooled(setup: Setup, by: Runner) -> Setup:
    """Return the set-up at the clock that its steady temperature allows (``--thermal``; where the driver throttles).

    The steady temperature depends on the power, the power on the clock: the machine runs at each step of the clock, and
    the fastest one that stays below its trip point is taken.
    """
    ambient = ambient_c(setup.scenario.thermal)
    if ambient is None:
        return setup
    if not any(line.throttles for line in setup.channels):
        return replace(setup, warnings=(*setup.warnings, *_warmth(setup, ambient, by)))
    if not all(line.throttles for line in setup.channels):
        note = "the PCIe driver lowers the clock of some accelerators only: heat is left out (--thermal)"
        return replace(setup, warnings=(*setup.warnings, note))
    rows = {divisor: at_divisor(setup, divisor) for divisor in (1, 2, 4, 8)}
    powers = {d: power_of(row, by(row)).power.accelerators_w / len(row.accelerators) for d, row in rows.items()}
    c_per_w = _c_per_w(setup)
    divisor, temperature = steady_clock(ambient, c_per_w, powers)
    clock = f"clock divided by {divisor}" if divisor > 1 else "the clock stays as it is"
    notes = [f"steady at {temperature:.0f} C: {clock}", *_too_hot(temperature)]
    return replace(rows[divisor], warnings=(*setup.warnings, *notes))


def _c_per_w(setup: Setup) -> float:
    return max((part.energies.heat_c_per_w for part in setup.powered), default=0.0)


def _warmth(setup: Setup, ambient: float, by: Runner) -> list[str]:
    """How warm accelerators get whose clock no driver lowers; nothing where no accelerator's heat is known."""
    if not _c_per_w(setup):
        return []
    power_w = power_of(setup, by(setup)).power.accelerators_w / len(setup.powered)
    links = " and ".join(dict.fromkeys(line.name for line in setup.channels))
    temperature = ambient + _c_per_w(setup) * power_w
    return [f"steady at {temperature:.0f} C; over {links} no driver lowers the clock", *_too_hot(temperature)]


def _too_hot(temperature: float) -> list[str]:
    """Say where the accelerator shuts down by itself."""
    words = f"too hot: at {SHUTDOWN_C:.0f} C the accelerator shuts down, whatever its clock"
    return [words] if temperature >= SHUTDOWN_C else []


def run(setup: Setup, sink: SpanSink | None = None, most: int = 0) -> Window:
    """Run a set-up's machine and return what was measured in its steady window.

    Parameters
    ----------
    setup
        A scenario resolved (:func:`sim.setup.build`).
    sink
        Called with each span when it ends.
    most
        Completions after which it ends, steady or not; 0 leaves that to the kind of workload.

    Returns
    -------
    Window
        Totals of time (ns), bytes and actions between the opening and the closing of the measured window.
    """
    run = Run(setup, sink, most)
    return run.until_steady()


def wire(setup: Setup, recorder: Recorder) -> tuple[Machine, list[Thread]]:
    """Build the machine and its threads for a set-up.

    Returns
    -------
    tuple of Machine and list of Thread
        Components have the recorder's numbers.
    """
    env, scenario = Clock(), setup.scenario
    quantum_ns = SLICE_NS if setup.is_crowded else 1 << 62
    host = setup.host
    cores = Cores(setup.free_cores, quantum_ns, round(host.switch_ns), setup.native_slowdown, host.parallel_cores)
    dispatch = policy("--dispatch", scenario.dispatch, DISPATCHES, DispatchPolicy)
    kind = RankedAccelerator if dispatch.ranks(len(setup.accelerators)) else SimAccelerator
    accelerators = _accelerators(setup, env, recorder, cores, kind)
    machine = Machine(
        env, recorder, cores, accelerators, dispatch.chooser(accelerators),
        gil_share=host.gil_share, jitter=_jitter(setup),
        gil=Gil(env, setup.gil.interval_ns, setup.gil.turn_ns) if setup.gil else None,
        wake_ns=round(host.thread_wake_ns if scenario.runner == "python" else host.switch_ns),
    )  # fmt: skip
    return machine, [_thread(setup, machine, i, model) for i, model in enumerate(setup.thread_models)]


def _accelerators(
    setup: Setup, env: Clock, recorder: Recorder, cores: Cores, kind: type[SimAccelerator]
) -> list[SimAccelerator]:  # fmt: skip
    """The accelerators with their locks, each on its bus."""
    discipline = policy("--discipline", setup.scenario.discipline, DISCIPLINES, own_discipline)
    links = {id(bus): _link(bus, env) for bus in setup.buses}
    place, most = recorder.components, setup.scenario.affinity_batch
    return [
        kind(i, place.accelerator(i), _lock(setup, env, cores, discipline.order(most)), links[id(bus)], place.link(i))
        for i, bus in enumerate(setup.bus_of)
    ]


def _lock(setup: Setup, env: Clock, cores: Cores, discipline: Discipline | None) -> Lock:
    """An accelerator's lock: a mutex with the host's hand-over, one without cost where nobody measured that."""
    costs = setup.hand_over
    return Mutex(env, cores, costs, discipline) if costs else Lock(env, discipline)


def _link(bus: Bus, env: Clock) -> SharedLink:
    """The way to accelerators: a memory or lane that they contend for, or a bus on which transfers take turns."""
    line = bus.channel
    if bus.is_fluid:
        from sim.machine.memory import LaneLink, MemoryLink, SharedMemory  # only boards and lanes need it

        memory = SharedMemory(env, line.memory_bytes_per_s)
        if not line.is_lane:
            return MemoryLink(memory)
        return LaneLink((memory, SharedMemory(env, line.memory_bytes_per_s)), (line.rate("out"), line.rate("in")))
    return SharedLink(bus.is_shared, line.chunk_bytes)


def _thread(setup: Setup, machine: Machine, number: int, model: int) -> Thread:
    times = list(setup.stage_times[model])
    return Thread(number, model, times, machine.gil, number, (number, model), priority=model)


def _jitter(setup: Setup) -> Iterator[float] | None:
    """Factors of an accelerator pass (mean 1, lognormal) with the host's published spread."""
    if setup.scenario.jitter == "none":
        return None
    return jitter(setup.host.jitter_cv, setup.scenario.seed)


def components(setup: Setup) -> Components:
    """Return the names of a set-up's components."""
    return Components(
        [f"thread {i}" for i in range(len(setup.thread_models))],
        [f"{part.name} {i}" for i, part in enumerate(setup.accelerators)],
        [f"{line.name} {i}" for i, line in enumerate(setup.channels)],
    )


@dataclass
class Run:
    """One run of a set-up: completions as they come, and the window over which results are measured."""

    setup: Setup
    sink: SpanSink | None = None
    most: int = 0
    history: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Wire the machine and start its workload."""
        setup = self.setup
        self.arrivals = setup.scenario.arrival_process
        self.recorder = Recorder(components(setup), setup.models, self.sink)
        self.machine, self.threads = wire(setup, self.recorder)
        self.env = self.machine.env
        self.machine.answered = self._answered
        self.last_ns = 0
        self.completions = 0
        self.duration_ns = round(setup.scenario.duration_s * 1e9)
        # The end of a duration stops a run, unless that takes too many completions.
        self.wanted = setup.scenario.inferences or (MAX_RANDOM if self.duration_ns else 0)
        first = first_check(len(self.threads))
        self.limit = setup.scenario.inferences or self.most or self._most(first)
        self.check_at = min(first, self.limit)
        check_effort(setup, self.check_at, setup.scenario.inferences)
        self.stop: simpy.Event = self.env.event()
        self.opened = Mark(0, self.recorder, self.machine, len(setup.models))
        self.is_periodic = False
        self.closed: Window | None = None
        self._start()

    def _start(self) -> None:
        for process in self._processes():
            self.env.process(process)

    def _processes(self) -> list[Generator[Any, Any, None]]:
        setup, machine, threads, seed = self.setup, self.machine, self.threads, self.setup.scenario.seed
        if setup.turns:
            each = [[_thread(setup, machine, i, model) for model in setup.turns] for i in range(len(threads))]
            return [mixed_loop(machine, i, turns, self.completed) for i, turns in enumerate(each)]
        if setup.pipelines:
            return self._pipelines([[threads[i] for i in row] for row in setup.pipelines])
        pool = ThreadPool(machine, threads, self.completed, self._servers() if setup.is_server else None, setup.follows)
        return self.arrivals.process.start(pool, self.arrivals, seed)

    def _servers(self) -> list[list[Thread]]:
        """The threads of a server: each can run every network, on one interpreter for each network."""
        rows = [[_thread(self.setup, self.machine, i, m) for m in range(len(self.setup.models))]
                for i in range(len(self.threads))]  # fmt: skip
        for row in rows:
            for thread in row:
                thread.reference = thread.model
        return rows

    def _pipelines(self, rows: list[list[Thread]]) -> list[Generator[Any, Any, None]]:
        """Pipelines that keep themselves filled, or that serve what arrives."""
        setup, machine = self.setup, self.machine
        stages = chain if setup.is_chained else segments
        if self.arrivals.kind == "closed":
            each = (pipeline(machine, row, i, setup.batch, self.completed, stages) for i, row in enumerate(rows))
            return [process for processes in each for process in processes]
        pool = PipelinePool(machine, rows, self.completed, stages)
        return [*pool.processes, *self.arrivals.process.start(pool, self.arrivals, setup.scenario.seed)]

    def until_steady(self) -> Window:
        """Run to the end of the measured window, and at least as long as was asked for."""
        ends = [self.stop, self.env.timeout(self.duration_ns)] if self.duration_ns else [self.stop]
        try:
            self.env.run(until=self.env.any_of(ends))
        except RuntimeError:  # SimPy's word for: a finite workload has run out of events
            if self.completions == 0:
                raise
        window = self.closed or self._close()
        window.completions, window.ran_ns, window.was_raced = self.completions, self.now, self.was_raced
        return window

    @property
    def now(self) -> int:
        """The present moment (ns)."""
        return self.env.now

    @property
    def was_raced(self) -> bool:
        """Whether somebody asked for a lock while a woken waiter was on its way to it."""
        return any(accelerator.lock.was_raced for accelerator in self.machine.accelerators)

    def completed(self, number: int, model: int, start_ns: int, invoked_ns: int) -> None:
        """Note one finished inference; open, close or go on measuring; stop when enough was seen."""
        self.completions += 1
        if self.closed is not None:
            self._stop_if_enough()
            return
        now = self.env.now
        rows = self.opened.rows
        rows.append((now, model, now - start_ns, invoked_ns, number))
        if len(rows) >= ROWS:
            self.opened.flush()
        if len(self.history) < MAX_PERIODIC and not self.is_periodic:
            # Time since anybody's last completion tells the phases of threads that do not meet; who served it, whose
            # turn it is under a dispatch that takes turns.
            served = 0 if self.setup.pipelines or self.setup.turns else self.threads[number].served_by
            self.history.append((number, model, now - start_ns, now - self.last_ns, served))
            self.last_ns = now
        if self.completions >= self.check_at:
            self._check(now)

    def _stop_if_enough(self) -> None:
        if self.completions >= self.wanted and not self.stop.triggered:
            self.stop.succeed()

    def _answered(self, start_ns: int) -> None:
        """Note the end of a query's last sample."""
        if self.closed is None:
            self.opened.queries.add(self.env.now - start_ns)

    def _check(self, now: int) -> None:
        if self.is_periodic or self.completions >= self.limit or self._is_settled():
            # Close the window now: others may complete at this same instant, before the stop takes effect.
            self.closed = self._close()
            self._stop_if_enough()
            return
        whole = len(self.threads) * max(1, len(self.setup.turns))  # every thread runs all that it runs in turn
        length = period(self.history, whole) if self._may_repeat() else 0
        if length and self._has_everyone(length):
            self.is_periodic = True
            self._open(now)
        elif self.completions <= WARM_UP * self.limit and not self.arrivals.process.is_finite:
            self._open(now)
        again = self.completions + length if self.is_periodic else 2 * self.completions
        self.check_at = again if self.is_periodic else min(again, self.limit)

    def _has_everyone(self, length: int) -> bool:
        """Whether every thread is in the period: one that still loads its parameters is missing from it."""
        return len({row[0] for row in self.history[-length:]}) == self.setup.members

    def _may_repeat(self) -> bool:
        waits = self.arrivals.process.has_queries and not self.opened.queries.n  # for the end of a query
        return self._is_closed() and self.machine.jitter is None and self.completions <= MAX_PERIODIC and not waits

    def _most(self, first: int) -> int:
        """Completions after which a run ends that nobody limited."""
        if self.arrivals.process.is_finite and self.arrivals.count:
            return self.arrivals.count
        most = most_inferences(self.setup, first, MAX_RANDOM if self._is_closed() else self._open_most())
        return max(most, self.arrivals.count + 1)  # a query of many samples has to end

    def _open_most(self) -> int:
        """Completions after which an open loop ends: few tell a rate without a latency, or times without chance."""
        if cannot_keep_up(self.setup):
            return MAX_OVERLOADED
        cameras = self.arrivals.cameras
        least = round(max(SCENES * cameras.inferences_per_scene, self._until_full(cameras))) if cameras else 0
        is_even = self.arrivals.is_even and self.machine.jitter is None and not self.setup.follows
        return min(MAX_RANDOM, max(MAX_EVEN if is_even else MAX_OPEN, least))

    def _until_full(self, cameras: Cameras) -> float:
        """Completions after which cameras that ask for too much have long kept as many frames as they keep."""
        most_ips = throughput_bound(self.setup)
        late_ips = cameras.inferences_per_s - most_ips
        return FILLED * cameras.kept_inferences * most_ips / late_ips if late_ips > 0 else 0.0

    def _is_closed(self) -> bool:
        """Whether requests wait for others to end, so that a deterministic run must repeat itself in the end."""
        return self.arrivals.process.repeats

    def _is_settled(self) -> bool:
        """Whether a closed loop without a short period has been measured well enough.

        Transfers that share a memory at every moment hardly ever repeat themselves to the nanosecond.
        """
        least = LEAST_FLUID if self.setup.is_fluid else MAX_PERIODIC
        least = max(least, self.arrivals.count + 1)
        if not self._is_closed() or self.completions < least:
            return False
        self.opened.flush()
        low, high = batch_means_interval(self.opened.ends_ns)
        return bool(high - low <= SETTLED * low) and not self.setup.scenario.inferences

    def _open(self, now: int) -> None:
        self.opened = Mark(now, self.recorder, self.machine, len(self.setup.models))

    def _close(self) -> Window:
        return self.opened.window(self.now, self.setup, self.is_periodic, self.completions)
