"""The measured window: what a run did between its opening and its closing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sim.machine.machine import FrameLog, Machine
from sim.machine.records import Activity, Recorder
from sim.setup import Setup
from sim.steady import LatencyCounts, batch_means_interval

__all__ = ["Mark", "Window"]

MAX_ENDS = 4096


@dataclass
class Window(Activity):
    """What a run did over the measured window, and the latencies of the requests that ended in it.

    Attributes
    ----------
    start_ns, end_ns
        Of the run's clock.
    gil_ns
        Time for which Python's lock was held.
    latency, invokes
        Latencies, and times of ``invoke()``, by model.
    served
        Threads of which an inference ended in it.
    queries
        Latencies of queries of several samples, where requests are samples.
    interval_ips
        95 % interval of the rate from batch means.
    queue_length
        Requests that waited for a thread when it closed, or when the last one came if that was before.
    last_arrival_ns
        When the last request of an open loop came; None as long as more come.
    periodic
        Whether it is a whole number of periods of a run that repeats itself.
    frames
        What became of the frames of cameras.
    completions, ran_ns
        Inferences and time of the whole run.
    was_raced
        Whether somebody asked for a lock while a woken waiter was on its way to it.
    engine
        What ran it; both give the same.
    """

    start_ns: int = 0
    end_ns: int = 0
    gil_ns: int = 0
    latency: list[LatencyCounts] = field(default_factory=list)
    invokes: list[LatencyCounts] = field(default_factory=list)
    queries: LatencyCounts = field(default_factory=LatencyCounts)
    interval_ips: tuple[float, float] = (0.0, 0.0)
    queue_length: int = 0
    last_arrival_ns: int | None = None
    served: set[int] = field(default_factory=set)
    periodic: bool = False
    frames: FrameLog = field(default_factory=FrameLog)
    completions: int = 0
    ran_ns: int = 0
    was_raced: bool = False
    engine: str = "simpy"

    @property
    def count(self) -> int:
        """Inferences completed in it."""
        return sum(counts.n for counts in self.latency)

    @property
    def throughput_ips(self) -> float:
        """Inferences per second."""
        return self.count * 1e9 / self.elapsed_ns


class Mark:
    """The opening of a measured window: what was counted before it."""

    def __init__(self, now: int, recorder: Recorder, machine: Machine, models: int) -> None:
        self.start_ns, self.recorder, self.machine = now, recorder, machine
        self.before = recorder.so_far()
        self.core_ns, self.gil_ns = machine.cores.busy_ns, _gil_busy(machine)
        self.latency = [LatencyCounts() for _ in range(models)]
        self.invokes = [LatencyCounts() for _ in range(models)]
        self.queries, self.served = LatencyCounts(), set[int]()
        self.frames = machine.frames = machine.frames.followed(now)
        #: (end ns, model, latency ns, ns inside invoke(), thread) of completions that are not counted yet.
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.ends_ns, self.every, self.done = [now], 1, 0

    def flush(self) -> None:
        """Count the rows, a thousand at a time."""
        if not self.rows:
            return
        ends_ns, models, latencies_ns, invokes_ns, numbers = zip(*self.rows, strict=True)
        for model, (latency, invokes) in enumerate(zip(self.latency, self.invokes, strict=True)):
            latency.extend(_of(model, models, latencies_ns))
            invokes.extend(_of(model, models, invokes_ns))
        self.note(ends_ns, numbers)
        self.rows.clear()

    def note(self, ends_ns: Sequence[int], numbers: Iterable[int]) -> None:
        """Note when completions came, thinned out so that memory stays flat, and whose they were."""
        self.served.update(numbers)
        self.ends_ns += ends_ns[self.every - 1 - self.done % self.every :: self.every]
        self.done += len(ends_ns)
        while len(self.ends_ns) > MAX_ENDS:
            self.ends_ns, self.every = self.ends_ns[::2], 2 * self.every

    def window(self, now: int, setup: Setup, is_periodic: bool, completions: int) -> Window:
        """Close the window."""
        self.flush()
        machine = self.machine
        machine.frames = self.frames.followed(now)
        low, high = batch_means_interval(self.ends_ns)
        elapsed_ns = max(1, now - self.start_ns)
        last_arrival_ns, waiting = machine.arrivals_end or (None, len(machine.queue))
        threads, accelerators, links = self.recorder.totals(self.before)
        return Window(
            elapsed_ns=elapsed_ns,
            threads=threads,
            accelerators=accelerators,
            links=links,
            core_ns=setup.core_ns(elapsed_ns, machine.cores.busy_ns - self.core_ns),
            start_ns=self.start_ns,
            end_ns=now,
            gil_ns=elapsed_ns if machine.gil and machine.gil.has_core else _gil_busy(machine) - self.gil_ns,
            latency=self.latency,
            invokes=self.invokes,
            served=self.served,
            queries=self.queries,
            interval_ips=(low * self.every, high * self.every),
            queue_length=waiting,
            last_arrival_ns=last_arrival_ns,
            periodic=is_periodic,
            completions=completions,
            frames=self.frames,
        )


def _of(model: int, models: Sequence[int], values: Sequence[int]) -> Sequence[int]:
    """The values of one model's completions."""
    return [value for one, value in zip(models, values, strict=True) if one == model]


def _gil_busy(machine: Machine) -> int:
    return machine.gil.busy_ns if machine.gil else 0
