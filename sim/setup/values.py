"""What a scenario resolves to: parts, buses, Python's lock, and the networks compiled for each accelerator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from hwmodels.accelerator import Accelerator
from hwmodels.executable import Executable
from hwmodels.host import Host
from hwmodels.link import Channel, Direction, Link, channel, port
from hwmodels.stages import AcceleratorStage, StageTimes
from sim.machine.lock import HandOver
from sim.scenario import Scenario

__all__ = ["ON_CPU", "Bus", "GilRules", "Parts", "Rows", "Setup", "at_divisor", "base_name", "buses_of"]

Rows = tuple[tuple[StageTimes, ...], ...]  # stage times by model, then by accelerator
ON_CPU = " on the CPU"  # ends the name of a network's copy that coexecution runs there


@dataclass(frozen=True)
class Bus:
    """One way from the host to accelerators: what it costs, and the accelerators on it."""

    channel: Channel
    accelerators: tuple[int, ...]

    @property
    def is_shared(self) -> bool:
        """Whether several accelerators wait for each other's transfers."""
        return len(self.accelerators) > 1

    @property
    def is_fluid(self) -> bool:
        """Whether several accelerators contend at every moment for what a memory or a lane gives."""
        return self.is_shared and self.channel.memory_bytes_per_s > 0

    @property
    def is_memory(self) -> bool:
        """Whether it is a memory, to which each of several accelerators has a port of its own."""
        return self.is_fluid and not self.channel.is_lane

    @property
    def takes_turns(self) -> bool:
        """Whether several accelerators wait for each other's transfers, one after the other."""
        return self.is_shared and not self.is_fluid


def buses_of(channels: Sequence[Channel]) -> tuple[Bus, ...]:
    """Return every bus of accelerators' channels: those of one shared link are on one, any other has its own."""
    groups: dict[str | int, list[int]] = {}
    for number, line in enumerate(channels):
        groups.setdefault(line.name if line.shared else number, []).append(number)
    return tuple(Bus(channels[numbers[0]], tuple(numbers)) for numbers in groups.values())


@dataclass(frozen=True)
class GilRules:
    """How the threads of a Python process share its global lock.

    Attributes
    ----------
    interval_ns
        A thread lets others in after so long.
    busy_threads
        Other threads of the process that compute in Python all the time.
    handover_ns
        From asking a busy thread for the lock to having it, on top of the switch interval.
    """

    interval_ns: int
    busy_threads: int
    handover_ns: int

    @property
    def turn_ns(self) -> int:
        """What whoever asks for the lock waits for the busy threads."""
        return self.busy_threads * self.interval_ns + self.handover_ns if self.busy_threads else 0


@dataclass(frozen=True)
class Parts:
    """The parts that a scenario names: a host, and for each accelerator its size and its link."""

    host: Host
    accelerators: tuple[Accelerator, ...]
    links: tuple[Link, ...]

    @cached_property
    def channels(self) -> tuple[Channel, ...]:
        """The links as the host drives them; a memory as each accelerator's own port shows it."""
        lines = (channel(link, self.host) for link in self.links)
        return tuple(
            port(line, part.port_bytes_per_s, number, self.host) if part.port_bytes_per_s else line
            for number, (line, part) in enumerate(zip(lines, self.accelerators, strict=True))
        )

    @cached_property
    def buses(self) -> tuple[Bus, ...]:
        """Every bus with its accelerators."""
        return buses_of(self.channels)

    def clocks_hz(self, state: str) -> tuple[float, ...]:
        """Core clocks of the accelerators in a clock state (``max`` or ``std``)."""
        return tuple(a.at_clock(state, link) for a, link in zip(self.accelerators, self.links, strict=True))


@dataclass(frozen=True)
class Setup:
    """A scenario resolved: accelerators with their channels, the host, and networks compiled for each accelerator.

    ``stage_times[model][accelerator]``, ``executables`` likewise; ``thread_models`` holds one model number for each
    thread; with ``turns`` every thread runs those models in turn; each of ``pipelines`` names the threads of its
    segments.

    Attributes
    ----------
    cores
        Of the host, or as the scenario says.
    channels, clocks_hz
        One for each accelerator.
    executables, stage_times
        By model, then by accelerator.
    warnings
        What a reader of the answer should know: extrapolated sizes, assumptions of compiled files.
    is_server
        Every thread serves every network, as its requests come.
    follows
        Of a cascade whose requests arrive: whether the second network runs after each of them, over and over.
    whole, cutter
        Of a pipeline: the network in one piece on the same accelerators, and what found its cut where that was sought.
    """

    scenario: Scenario
    host: Host
    cores: int
    accelerators: tuple[Accelerator, ...]
    channels: tuple[Channel, ...]
    clocks_hz: tuple[float, ...]
    models: tuple[str, ...]
    executables: tuple[tuple[Executable, ...], ...]
    stage_times: tuple[tuple[StageTimes, ...], ...]
    thread_models: tuple[int, ...]
    warnings: tuple[str, ...] = ()
    turns: tuple[int, ...] = ()
    pipelines: tuple[tuple[int, ...], ...] = ()
    is_server: bool = False
    follows: tuple[bool, ...] = ()
    whole: Setup | None = field(default=None, repr=False)
    cutter: Any = field(default=None, repr=False)  # a sim.setup.cutting.Cutter, which knows of set-ups itself

    @cached_property
    def buses(self) -> tuple[Bus, ...]:
        """Every bus with its accelerators."""
        return buses_of(self.channels)

    @cached_property
    def turn_buses(self) -> tuple[frozenset[int], ...]:
        """Accelerators of each bus on which their transfers take turns."""
        return tuple(frozenset(bus.accelerators) for bus in self.buses if bus.takes_turns)

    @cached_property
    def is_fluid(self) -> bool:
        """Whether several accelerators contend at every moment for a memory or a lane."""
        return any(bus.is_fluid for bus in self.buses)

    @cached_property
    def threads_of(self) -> tuple[tuple[int, ...], ...]:
        """Networks of the threads of each accelerator: thread i belongs to accelerator i modulo their number."""
        return tuple(self.thread_models[number :: len(self.accelerators)] for number in range(len(self.accelerators)))

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """For each accelerator the first that is alike: the same part on the same link, with the same times."""
        columns = [map(id, row) for row in self.stage_times]
        every = zip(map(id, self.accelerators), map(id, self.channels), self.clocks_hz, *columns, strict=True)
        first: dict[tuple[object, ...], int] = {}
        return tuple(first.setdefault(kind, number) for number, kind in enumerate(every))

    @cached_property
    def one_of_each(self) -> tuple[Any, ...]:
        """Part, channel, clock, and by model executable and stage times, of one accelerator of each kind."""
        columns = (self.accelerators, self.channels, self.clocks_hz, *self.executables, *self.stage_times)
        return tuple([column[kind] for kind in dict.fromkeys(self.kinds) for column in columns])

    def with_times(self, rows: Rows, host: Host | None = None) -> Setup:
        """Return the set-up with other stage times, of a host that differs in numbers alone.

        What is known already of its buses, and of which accelerators are alike, stays.
        """
        other = object.__new__(Setup)
        vars(other).update(vars(self), stage_times=rows)
        for name in ("is_crowded", "one_of_each"):
            vars(other).pop(name, None)
        if host is not None and host is not self.host:
            vars(other)["host"] = host
            vars(other).pop("gil", None)
        return other

    @cached_property
    def bus_of(self) -> tuple[Bus, ...]:
        """The bus of each accelerator."""
        place = {number: bus for bus in self.buses for number in bus.accelerators}
        return tuple(place[number] for number in range(len(self.accelerators)))

    @cached_property
    def are_unlike(self) -> bool:
        """Whether accelerators are of several sizes or on several kinds of link."""
        return len(set(map(id, self.accelerators))) > 1 or len(set(self.channels)) > 1

    @cached_property
    def unlike_on_a_bus(self) -> bool:
        """Whether accelerators of several sizes take turns on a bus, each with chunks of its own size."""
        shared = [bus.accelerators for bus in self.buses if bus.takes_turns]
        return any(len({self.accelerators[i].name for i in places}) > 1 for places in shared)

    def bus_ns(self, bus: Bus, spent_ns: Sequence[float], way: Direction = "out") -> float:
        """Return for how long a bus is taken by what each accelerator spends on its own way to it or from it (ns).

        Transfers that take turns add up; of a memory or a lane it is the bytes over what all can carry together.
        """
        if not bus.is_fluid:
            return sum(spent_ns[i] for i in bus.accelerators)
        ports = [self.channels[i].rate(way) for i in bus.accelerators]
        moved = sum(spent_ns[i] * rate for i, rate in zip(bus.accelerators, ports, strict=True))
        return moved / min(bus.channel.memory_bytes_per_s, sum(ports))

    @cached_property
    def gil(self) -> GilRules | None:
        """Python's lock, where threads wait for it.

        Threads of one Python process share it; processes and pycoral's own pipeline threads have no use for it.
        """
        scenario, busy = self.scenario, self.scenario.busy_python_threads
        compiled = bool(self.pipelines) and scenario.runner == "pipelined"
        if scenario.mode == "processes" or compiled or (self.threads == 1 and not busy):
            return None
        interval_ns = max(1, round(scenario.switch_interval_ms * 1e6))
        return GilRules(interval_ns, busy, round(self.host.gil_handover_ns))

    @property
    def is_on_cpu(self) -> bool:
        """Whether every operator runs on the CPU; the accelerator that stands there does nothing and draws no power."""
        return self.scenario.is_on_cpu

    @property
    def powered(self) -> tuple[Accelerator, ...]:
        """Accelerators that draw power: all, or none where everything runs on the CPU."""
        return () if self.is_on_cpu else self.accelerators

    @property
    def has_python_core(self) -> bool:
        """Whether other Python threads compute all the time: one of them, or whoever holds the lock, fills a core."""
        return self.scenario.busy_python_threads > 0

    @property
    def free_cores(self) -> int:
        """Cores for everything but Python under its lock; with a single core, busy threads take turns with it."""
        return max(1, self.cores - self.has_python_core)

    @property
    def core_capacity(self) -> float:
        """Cores' worth of work that these do together."""
        return min(self.free_cores, self.host.parallel_cores or self.free_cores)

    @property
    def native_slowdown(self) -> int:
        """How many times as long work outside the lock takes where busy Python threads share the only core with it."""
        return 2 if self.has_python_core and self.cores == 1 else 1

    def core_ns(self, elapsed_ns: float, busy_ns: float) -> float:
        """Return the time on all cores, given what the inferences took of those that Python does not fill."""
        if not self.has_python_core:
            return busy_ns
        return min(self.cores * elapsed_ns, elapsed_ns + (busy_ns if self.cores > 1 else 0))

    @property
    def hand_over(self) -> HandOver | None:
        """What handing over an accelerator's lock takes, None where nobody measured it on this host."""
        wake_ns = round(self.host.lock_wake_ns)
        if not wake_ns:
            return None
        return HandOver(wake_ns, self.scenario.lock == "fair", round(1000 * self.host.stay_load))

    @property
    def share_a_lock(self) -> bool:
        """Whether several threads of a closed loop queue for one accelerator."""
        closed = self.scenario.arrivals == "closed" and not self.scenario.arrival_process.rates
        return closed and not self.pipelines and len(self.thread_models) > len(self.accelerators)

    @cached_property
    def is_crowded(self) -> bool:
        """Whether runnable threads, those of interpreters included, outnumber cores: they get them in slices."""
        widths = [max(times.width for times in row) for row in self.stage_times]
        if self.is_chained:
            return len(self.pipelines) * max(widths) > self.free_cores
        return sum(widths[model] for model in self.thread_models) > self.free_cores

    @property
    def no_room(self) -> str:
        """That the board's chip is too small for its accelerators, in words; empty where it is not, or unknown."""
        line = self.channels[0].link
        chip = self.host.bus(line.name, *line.bases)[1].dsp if line else 0
        needed = sum(part.area.get("dsp", 0.0) for part in self.accelerators) if chip else 0
        if needed <= chip:
            return ""
        names = ", ".join(dict.fromkeys(part.name for part in self.accelerators))
        return f"{len(self.accelerators)} x {names} need {needed:g} DSP blocks, the chip of {self.host.name} has {chip}"

    @property
    def is_chained(self) -> bool:
        """Whether one thread takes each input through all segments of a pipeline."""
        return bool(self.pipelines) and self.scenario.runner == "chained"

    @property
    def threads(self) -> int:
        """How many threads there are: one takes inputs through all segments of a chain."""
        return len(self.pipelines) if self.is_chained else len(self.thread_models)

    @property
    def batch(self) -> int:
        """Inputs that are in a pipeline at once; 0 keeps it filled."""
        return 1 if self.is_chained else self.scenario.batch

    @property
    def is_baseline(self) -> bool:
        """Whether this is what gains compare with: one network, one thread in a closed loop, one accelerator."""
        alone = len(self.thread_models) == len(self.accelerators) == len(self.models) == 1
        closed = self.scenario.arrival_process.kind == "closed" and not self.is_server
        return alone and closed and not self.pipelines

    @property
    def whole_name(self) -> str:
        """Name of the network that a pipeline runs in pieces."""
        return self.whole.models[0] if self.whole else self.scenario.models

    @property
    def members(self) -> int:
        """How many loops run at once: pipelines, or threads."""
        return len(self.pipelines) or len(self.thread_models)


def base_name(model: str) -> str:
    """Return a network's name, whether it runs on an accelerator or is coexecution's copy on the CPU."""
    return model.removesuffix(ON_CPU)


def at_divisor(setup: Setup, divisor: int) -> Setup:
    """Return the set-up with every accelerator's clock divided (8, 4, 2: gasket's throttle steps).

    Parameters
    ----------
    divisor
        1, 2, 4 or 8; cycles take that many times as long, transfers and host work stay.
    """
    clocks = tuple(clock / divisor for clock in setup.clocks_hz)
    times = tuple(
        tuple(one.with_passes(lambda stage: _slowed(stage, divisor)) for one in row) for row in setup.stage_times
    )
    return replace(setup, clocks_hz=clocks, stage_times=times)


def _slowed(stage: AcceleratorStage, divisor: int) -> AcceleratorStage:
    steps = tuple(replace(step, compute_ns=step.compute_ns * divisor) for step in stage.steps)
    return replace(stage, steps=steps)
