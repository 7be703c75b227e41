"""The stages of an inference with their times and bytes, and what follows from them by arithmetic.

:mod:`hwmodels.timing` makes them; the simulator replays them, the closed forms add them up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple

__all__ = ["AcceleratorStage", "AppWork", "CpuStage", "StageTimes", "StepTime", "Visit", "stretch"]


@dataclass(frozen=True, slots=True)
class StepTime:
    """A step of the program: the time of its cycles, and the time and bytes of the parameters that stream meanwhile.

    Attributes
    ----------
    compute_ns
        Its cycles at the core clock.
    parameters_ns
        Its streamed bytes with the link to itself.
    streamed_bytes
        0 where everything that it needs is on the chip.
    """

    compute_ns: int
    parameters_ns: int
    streamed_bytes: int

    @property
    def ns(self) -> int:
        """The longer of the two: parameters stream while their consumer computes."""
        return max(self.compute_ns, self.parameters_ns)


class Visit(NamedTuple):
    """Part of a pass: in which state the accelerator or its link is, for how long, with how many bytes.

    States are named as in ``time_breakdown_ms`` of the answers; a link's are ``transfer_out`` and ``transfer_in``.
    """

    state: str
    ns: int
    n_bytes: int
    on_device: bool = True


@dataclass(frozen=True)
class AcceleratorStage:
    """One pass through the accelerator, with the time (whole ns) and bytes of each of its phases.

    Attributes
    ----------
    driver_ns, latency_ns
        CPU time of dispatch and completion, and what is left of the link's fixed time.
    load_bytes, load_ns
        Cached parameters with their program: sent only after another network's token.
    instruction_bytes, instructions_ns, input_bytes, input_ns
        Sent before the program starts; spilled activations come back with the input.
    steps
        The program in order.
    output_bytes, output_ns
        Sent back after the program.
    copy_ns
        Result buffer to the caller's tensors, on a core and outside the lock.
    macs, wide_bytes, narrow_bytes
        Multiply-accumulates, bytes read from wide memory and bytes moved in narrow memory: what costs energy.
    """

    driver_ns: int
    latency_ns: int
    load_bytes: int
    load_ns: int
    instruction_bytes: int
    instructions_ns: int
    input_bytes: int
    input_ns: int
    steps: tuple[StepTime, ...]
    output_bytes: int
    output_ns: int
    copy_ns: int
    macs: int = 0
    wide_bytes: int = 0
    narrow_bytes: int = 0
    #: No operator of a pass runs on the CPU.
    ops_ns: ClassVar[int] = 0
    core_ns: ClassVar[int] = 0
    width: ClassVar[int] = 1

    @cached_property
    def send_ns(self) -> int:
        """Instructions and input, one after the other."""
        return self.instructions_ns + self.input_ns

    @cached_property
    def program_ns(self) -> int:
        """The program with its streamed parameters."""
        return sum(step.ns for step in self.steps)

    @cached_property
    def compute_ns(self) -> int:
        """The program's cycles alone."""
        return sum(step.compute_ns for step in self.steps)

    @cached_property
    def dispatch_ns(self) -> int:
        """The link's fixed time of an inference: the driver's time on a core and the remaining latency."""
        return self.driver_ns + self.latency_ns

    @cached_property
    def streamed_bytes(self) -> int:
        """Parameters that cross the link in every inference."""
        return sum(step.streamed_bytes for step in self.steps)

    @cached_property
    def sent_ns(self) -> int:
        """Everything sent over the link in an inference: instructions, input, streamed parameters."""
        return self.send_ns + sum(step.parameters_ns for step in self.steps)

    @cached_property
    def held_ns(self) -> int:
        """Time for which a pass holds the accelerator if its parameters are cached."""
        return self.dispatch_ns + self.send_ns + self.program_ns + self.output_ns

    @cached_property
    def invoke_ns(self) -> int:
        """Held time and the copy into the caller's tensors."""
        return self.held_ns + self.copy_ns

    @cached_property
    def visits(self) -> tuple[Visit, ...]:
        """The states of a pass that waits for nobody, in order. Those of the accelerator add up to ``held_ns``."""
        sent_bytes = self.instruction_bytes + self.input_bytes + self.streamed_bytes
        return (
            Visit("instructions", self.dispatch_ns + self.instructions_ns, self.instruction_bytes),
            Visit("input", self.input_ns, self.input_bytes),
            Visit("compute", self.compute_ns, 0),
            Visit("parameters", self.program_ns - self.compute_ns, self.streamed_bytes),
            Visit("output", self.output_ns, self.output_bytes),
            Visit("transfer_out", self.sent_ns, sent_bytes, on_device=False),
            Visit("transfer_in", self.output_ns, self.output_bytes, on_device=False),
        )

    def scaled(self, factor: float) -> AcceleratorStage:
        """Return the stage with every time but the copy's ``factor`` times as long. Bytes and actions stay."""
        if factor not in self._scales:
            self._scales[factor] = self._scaled(factor)
        return self._scales[factor]

    @cached_property
    def _scales(self) -> dict[float, AcceleratorStage]:
        return {}

    def _scaled(self, factor: float) -> AcceleratorStage:
        steps = tuple(
            StepTime(round(s.compute_ns * factor), round(s.parameters_ns * factor), s.streamed_bytes)
            for s in self.steps
        )
        times = ("driver_ns", "latency_ns", "instructions_ns", "input_ns", "output_ns")
        return replace(self, steps=steps, **{key: round(getattr(self, key) * factor) for key in times})

    def stretched(self, factor: float) -> AcceleratorStage:
        """The stage with its work on the host's cores, dispatch and copy, ``factor`` times as long."""
        return replace(self, driver_ns=round(self.driver_ns * factor), copy_ns=round(self.copy_ns * factor))


@dataclass(frozen=True, slots=True)
class CpuStage:
    """Operators that the interpreter runs on the CPU, inside the same invoke and outside the accelerator's lock.

    Attributes
    ----------
    ops_ns
        Their time with free cores.
    wide_ns, width
        The part of it that runs on several cores at once, and on how many; the rest runs on one.
    """

    ops_ns: int
    wide_ns: int = 0
    width: int = 1

    @property
    def invoke_ns(self) -> int:
        """Their time with free cores."""
        return self.ops_ns

    @property
    def core_ns(self) -> int:
        """Time on cores, all of them together."""
        return self.ops_ns + self.wide_ns * (self.width - 1)

    def stretched(self, factor: float) -> CpuStage:
        """The stage ``factor`` times as long."""
        return replace(self, ops_ns=round(self.ops_ns * factor), wide_ns=round(self.wide_ns * factor))


@dataclass(frozen=True, slots=True)
class AppWork:
    """What the user's own program does with a result (ns): on a core, under Python's lock, or waiting for something."""

    core_ns: int = 0
    locked_ns: int = 0
    wait_ns: int = 0

    @property
    def busy_ns(self) -> int:
        """Time on a core."""
        return self.core_ns + self.locked_ns

    @property
    def ns(self) -> int:
        """All of it."""
        return self.busy_ns + self.wait_ns

    def stretched(self, factor: float) -> AppWork:
        """The work with its time on a core ``factor`` times as long."""
        return AppWork(round(self.core_ns * factor), round(self.locked_ns * factor), self.wait_ns)


@dataclass(frozen=True)
class StageTimes:
    """A network's stages in order, its caching token, and its host work around invoke (ns).

    Attributes
    ----------
    token
        Networks with the same token keep their parameters on the chip together.
    python_ns
        Python's own part of the call, under the GIL.
    preprocess_ns, postprocess_ns
        Host work around ``invoke()``; 0 unless a scenario asks for it.
    first_touch_ns
        What an interpreter's first inference pays for result memory that nobody used before.
    app
        The user's own program, after the result; nothing unless a scenario names it.
    """

    name: str
    token: str
    stages: tuple[AcceleratorStage | CpuStage, ...]
    python_ns: int = 0
    preprocess_ns: int = 0
    postprocess_ns: int = 0
    first_touch_ns: int = 0
    app: AppWork = AppWork()

    @cached_property
    def accelerator_stages(self) -> tuple[AcceleratorStage, ...]:
        """The passes through the accelerator, in order."""
        return tuple(stage for stage in self.stages if isinstance(stage, AcceleratorStage))

    def total(self, key: str) -> int:
        """Return the sum over all passes of one of their numbers, such as ``held_ns``."""
        if key not in self._totals:
            self._totals[key] = sum(getattr(stage, key) for stage in self.accelerator_stages)
        return self._totals[key]

    @cached_property
    def _totals(self) -> dict[str, int]:
        return {}

    def with_passes(self, change: Callable[[AcceleratorStage], AcceleratorStage]) -> StageTimes:
        """Return the times with every pass through the accelerator changed; what the CPU does stays."""
        stages = tuple(change(stage) if isinstance(stage, AcceleratorStage) else stage for stage in self.stages)
        return replace(self, stages=stages)

    @cached_property
    def ops_ns(self) -> int:
        """Operators on the CPU."""
        return sum(stage.ops_ns for stage in self.stages)

    @cached_property
    def width(self) -> int:
        """Cores that its operators take at most at once."""
        return max((stage.width for stage in self.stages), default=1)

    @cached_property
    def op_core_ns(self) -> int:
        """Operators on the CPU: time on cores, all of them together."""
        return sum(stage.core_ns for stage in self.stages)

    @property
    def host_python_ns(self) -> int:
        """What the application's thread does on a core: pre- and postprocessing, the call itself, its own work."""
        return self.preprocess_ns + self.python_ns + self.postprocess_ns + self.app.busy_ns

    @cached_property
    def alone_ns(self) -> dict[str, int]:
        """One request alone by state, parameters cached; the times add up to ``latency_ns``."""
        ns = {"preprocess": self.preprocess_ns}
        for stage in self.accelerator_stages:
            for visit in stage.visits:
                if visit.on_device:
                    ns[visit.state] = ns.get(visit.state, 0) + visit.ns
        ns["host_copy"] = self.total("copy_ns") + self.python_ns
        ns |= {"cpu_ops": self.ops_ns, "postprocess": self.postprocess_ns}
        return ns | {"app": self.app.busy_ns, "app_wait": self.app.wait_ns}

    @cached_property
    def invoke_ns(self) -> int:
        """One inference alone, parameters cached: what benchmark scripts time."""
        return self.python_ns + sum(stage.invoke_ns for stage in self.stages)

    @property
    def load_ns(self) -> int:
        """Sending all cached parameters."""
        return self.total("load_ns")

    @property
    def first_invoke_ns(self) -> int:
        """One inference alone that finds the accelerator's parameter memory empty or foreign."""
        return self.load_ns + self.invoke_ns

    @property
    def cold_invoke_ns(self) -> int:
        """The first inference of a new interpreter: parameters are sent, and result memory is touched first."""
        return self.first_invoke_ns + self.first_touch_ns

    @cached_property
    def latency_ns(self) -> int:
        """One request alone, pre- and postprocessing and the program's own work included."""
        return self.preprocess_ns + self.invoke_ns + self.postprocess_ns + self.app.ns

    def stretched(self, factor: float) -> StageTimes:
        """Return the times with all work on the host's cores ``factor`` times as long (:func:`stretch`).

        What the link and the accelerator do stays.
        """
        if factor == 1:
            return self
        return replace(
            self, stages=tuple(stage.stretched(factor) for stage in self.stages),
            python_ns=round(self.python_ns * factor), preprocess_ns=round(self.preprocess_ns * factor),
            postprocess_ns=round(self.postprocess_ns * factor), app=self.app.stretched(factor),
        )  # fmt: skip


def stretch(background_load: float) -> float:
    """Return how many times as long host work takes beside other programs that take this share of the cores' time.

    Under processor sharing a burst of work x on a core that is busy for a share b of the time takes x / (1 - b) on
    average, whatever the other bursts look like (Kleinrock, *Queueing Systems* vol. 2, 1976, section 4.4).
    """
    return 1 / (1 - background_load)
