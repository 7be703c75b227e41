"""How long every stage of an inference takes on one host, link and accelerator that nobody else uses.

The stages are the driver's (docs/execution.md): dispatch, instructions, input, program with streamed parameters,
output, copies, CPU operators. The simulator replays the same numbers, so one inference alone takes exactly
:attr:`StageTimes.invoke_ns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import ceil

from hwmodels.accelerator import cycles_to_ns
from hwmodels.executable import Executable, Segment, Step
from hwmodels.host import Host, cpu_op_ns
from hwmodels.link import Channel, transfer_ns

__all__ = ["CpuStage", "StageTimes", "StepTime", "TpuStage", "stage_times", "touched_bytes"]


@dataclass(frozen=True, slots=True)
class StepTime:
    """Part of the program: time of its cycles, and time and bytes of the parameters that stream under them.

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


@dataclass(frozen=True)
class TpuStage:
    """One pass through the accelerator: integer ns and bytes of each stage.

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
        Actions that cost energy.
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
    def held_ns(self) -> int:
        """Time for which the accelerator is held, parameters being cached."""
        return self.driver_ns + self.latency_ns + self.send_ns + self.program_ns + self.output_ns

    @cached_property
    def invoke_ns(self) -> int:
        """Held time and the copy into the caller's tensors."""
        return self.held_ns + self.copy_ns


@dataclass(frozen=True, slots=True)
class CpuStage:
    """Operators that the interpreter runs on the CPU, inside the same invoke and outside the accelerator's lock."""

    ops_ns: int

    @property
    def invoke_ns(self) -> int:
        """Their time on a free core."""
        return self.ops_ns


@dataclass(frozen=True, slots=True)
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
    """

    name: str
    token: str
    stages: tuple[TpuStage | CpuStage, ...]
    python_ns: int = 0
    preprocess_ns: int = 0
    postprocess_ns: int = 0
    first_touch_ns: int = 0

    @property
    def invoke_ns(self) -> int:
        """One inference alone, parameters cached: what benchmark scripts time."""
        return self.python_ns + sum(stage.invoke_ns for stage in self.stages)

    @property
    def load_ns(self) -> int:
        """Sending all cached parameters."""
        return sum(stage.load_ns for stage in self.stages if isinstance(stage, TpuStage))

    @property
    def first_invoke_ns(self) -> int:
        """One inference alone that finds the accelerator's parameter memory empty or foreign."""
        return self.load_ns + self.invoke_ns

    @property
    def cold_invoke_ns(self) -> int:
        """The first inference of a new interpreter: parameters are sent, and result memory is touched first."""
        return self.first_invoke_ns + self.first_touch_ns

    @property
    def latency_ns(self) -> int:
        """One request alone, pre- and postprocessing included."""
        return self.preprocess_ns + self.invoke_ns + self.postprocess_ns


def stage_times(
    executable: Executable,
    channel: Channel,
    host: Host,
    clock_hz: float,
    kernels: str = "xnnpack",
    num_threads: int = 1,
) -> StageTimes:
    """Return the stage times of an executable; pre- and postprocessing are left at 0 (see ``sim.setup``).

    Parameters
    ----------
    executable
        Segments with their bytes and cycles.
    channel
        The link as the host drives it.
    host
        Costs of CPU operators, copies and calls.
    clock_hz
        Core clock of the accelerator.
    kernels, num_threads
        Of the interpreter, for CPU segments.

    Returns
    -------
    StageTimes
        Whole ns and bytes, nobody else using anything.
    """
    stages = tuple(
        tpu_stage(segment, channel, host, clock_hz)
        if segment.device == "tpu"
        else cpu_stage(segment, host, kernels, num_threads)
        for segment in executable.segments
    )
    return StageTimes(
        executable.name, executable.token, stages, python_ns=ceil(host.python_call_ns),
        first_touch_ns=ceil(touched_bytes(executable) * host.first_touch_ns_per_byte),
    )  # fmt: skip


def touched_bytes(executable: Executable) -> int:
    """Bytes of results that an interpreter's first inference touches for the first time.

    Output tensors of the accelerator, and what the largest CPU operator reads and writes: TFLite lays the tensors of
    operators that do not run at once over each other.
    """
    on_cpu = [plan.layer for segment in executable.segments if segment.device == "cpu" for plan in segment.plans]
    largest = max((sum(t.n_bytes for t in (*layer.inputs, *layer.outputs)) for layer in on_cpu), default=0)
    return sum(segment.tensor_output_bytes for segment in executable.tpu_segments) + largest


def cpu_stage(segment: Segment, host: Host, kernels: str, num_threads: int) -> CpuStage:
    """Time of a CPU segment."""
    return CpuStage(sum(cpu_op_ns(plan.layer, host, kernels, num_threads) for plan in segment.plans))


def tpu_stage(segment: Segment, channel: Channel, host: Host, clock_hz: float) -> TpuStage:
    """Time of an accelerator segment: the driver's CPU time is part of the link's fixed time of an inference.

    held = floor + (instructions + input) / out rate + sum over steps of max(compute, streamed) + output / in rate; see
    docs/execution.md.
    """
    driver_ns = ceil(min(host.driver_cpu_ns, channel.floor_ns))
    loaded = segment.cached_bytes + segment.caching_instruction_bytes if segment.cached_bytes else 0
    extra = ceil(segment.instruction_bytes * channel.instruction_ns_per_byte)
    steps = tuple(_steps(segment, channel, clock_hz))
    return TpuStage(
        driver_ns=driver_ns,
        latency_ns=ceil(channel.floor_ns) - driver_ns,
        load_bytes=loaded,
        load_ns=transfer_ns(loaded, channel, "out"),
        instruction_bytes=segment.instruction_bytes,
        instructions_ns=transfer_ns(segment.instruction_bytes, channel, "out") + extra,
        input_bytes=segment.input_bytes + segment.scratch_in_bytes,
        input_ns=_input_ns(segment, channel, clock_hz),
        steps=steps,
        output_bytes=segment.output_bytes + segment.scratch_out_bytes,
        output_ns=transfer_ns(segment.output_bytes + segment.scratch_out_bytes, channel, "in"),
        copy_ns=ceil(segment.tensor_output_bytes * host.copy_ns_per_byte),
        macs=sum(plan.macs for plan in segment.plans),
        wide_bytes=sum(plan.wide_bytes for plan in segment.plans),
        narrow_bytes=sum(plan.narrow_bytes for plan in segment.plans),
    )


def _input_ns(segment: Segment, channel: Channel, clock_hz: float) -> int:
    """Time of the input before the program begins: a chip that pulls part of it computes its first layer meanwhile."""
    input_ns = transfer_ns(segment.input_bytes + segment.scratch_in_bytes, channel, "out")
    opening = segment.plans[: segment.opening_layers]
    streamed_ns = transfer_ns(sum(plan.streamed_bytes for plan in opening), channel, "out")
    idle_ns = cycles_to_ns(sum(plan.cycles for plan in opening), clock_hz) - streamed_ns
    return input_ns - min(int(input_ns * channel.overlaps_input), max(0, idle_ns))


def _steps(segment: Segment, channel: Channel, clock_hz: float) -> Iterator[StepTime]:
    """The program's steps, each with the parameter bytes that cross the link under it.

    While a layer computes longer than its own parameters take, the link brings those of the next layer, as far as they
    fit the segment's ``prefetch_bytes``.
    """
    ahead = 0
    for step, following in pairwise((*segment.steps, Step(0, 0))):
        compute_ns = cycles_to_ns(step.cycles, clock_hz)
        own = step.streamed_bytes - ahead
        idle_ns = max(0, compute_ns - transfer_ns(own, channel, "out"))
        ahead = min(segment.prefetch_bytes, following.streamed_bytes, int(idle_ns * channel.out_bytes_per_s / 1e9))
        yield StepTime(compute_ns, transfer_ns(own + ahead, channel, "out"), own + ahead)


def layer_ns(executable: Executable, channel: Channel, clock_hz: float) -> Sequence[tuple[int, int]]:
    """Return (layer index, ns) of every layer on the accelerator, for timelines and profiled segmentation."""
    return [
        (plan.layer.index, max(cycles_to_ns(plan.cycles, clock_hz), transfer_ns(plan.streamed_bytes, channel, "out")))
        for segment in executable.tpu_segments
        for plan in segment.plans
    ]
