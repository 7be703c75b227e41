"""The wired machine that inferences run on, and the threads that run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from hwmodels.stages import StageTimes
from sim.machine.policies import Dispatch
from sim.machine.records import Recorder

if TYPE_CHECKING:
    from sim.machine.accelerator import SimAccelerator
    from sim.machine.clock import Clock
    from sim.machine.host import Cores, Gil

__all__ = ["FrameLog", "Machine", "Thread"]


@dataclass(slots=True)
class Thread:
    """One application thread: its component number, its model, and its network's stage times on each accelerator.

    Attributes
    ----------
    stage_times
        By accelerator number: its size or link may differ.
    gil
        Shared by the threads of one Python process; None where there is none to wait for.
    home
        Where ``--dispatch`` starts from: the bound accelerator, or the last one taken.
    reference
        Identity of its interpreter, for the parameters that it registered.
    served_by
        The accelerator of its last inference.
    priority
        Lower goes first under ``--discipline priority``.
    """

    component: int
    model: int
    stage_times: list[StageTimes]
    gil: Gil | None
    home: int
    reference: Any
    priority: int = 0
    served_by: int = 0


@dataclass(slots=True)
class FrameLog:
    """What became of frames: how many came, how many were dropped, and how old each result was (ns).

    ``before`` is the log that this one followed, at ``since_ns``.
    """

    frames: int = 0
    skipped: int = 0
    ages_ns: list[int] = field(default_factory=list)
    since_ns: int = -1
    before: FrameLog | None = None

    def ended(self, now: int, taken_ns: int) -> None:
        """Note a frame whose last inference ended: it belongs to where that was counted, before this log began."""
        log = self.before if self.before is not None and now == self.since_ns else self
        log.ages_ns.append(now - taken_ns)

    def followed(self, now: int) -> FrameLog:
        """Return the log of what comes from now on."""
        self.before = None
        return FrameLog(since_ns=now, before=self)

    @property
    def skipped_share(self) -> float:
        """Share of the frames that were dropped."""
        return self.skipped / max(1, self.frames)


@dataclass(slots=True)
class Machine:
    """The wired machine that inferences run on.

    Attributes
    ----------
    dispatch
        Chooses an accelerator for each inference (:data:`sim.machine.policies.DISPATCHES`).
    gil_share
        Share of pre- and postprocessing that holds the GIL.
    requests
        Numbers requests from 0.
    queue
        What waits for a free thread in an open loop.
    arrivals_end
        When the last request of an open loop came (ns), and how many waited then; None as long as more come.
    jitter
        Factors of a pass (mean 1), or None for none.
    answered
        Called with the start (ns) of a query whose last sample is done.
    frames
        What became of the frames of cameras.
    wake_ns
        From putting into a queue to its reader running, in Python.
    """

    env: Clock
    recorder: Recorder
    cores: Cores
    accelerators: list[SimAccelerator]
    dispatch: Dispatch
    gil: Gil | None = None
    gil_share: float = 1.0
    requests: Iterator[int] = field(default_factory=count)
    queue: Sized = ()
    arrivals_end: tuple[int, int] | None = None
    jitter: Iterator[float] | None = None
    wake_ns: int = 0
    answered: Callable[[int], None] = lambda _start_ns: None
    frames: FrameLog = field(default_factory=FrameLog)
