"""The measured window: what a run did between its opening and its closing."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.machine.machine import FrameLog
from sim.machine.records import Activity
from sim.steady import LatencyCounts

__all__ = ["Window"]


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

    @property
    def count(self) -> int:
        """Inferences completed in it."""
        return sum(counts.n for counts in self.latency)

    @property
    def throughput_ips(self) -> float:
        """Inferences per second."""
        return self.count * 1e9 / self.elapsed_ns
