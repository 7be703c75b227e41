"""How long every stage of an inference takes on one host, link and accelerator that nobody else uses.

The stages are the driver's (docs/execution.md): dispatch, instructions, input, program with streamed parameters,
output, copies, CPU operators. The simulator replays the same numbers, so one inference alone takes exactly
:attr:`hwmodels.stages.StageTimes.invoke_ns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from hwmodels.cache import remembered
from hwmodels.cpu import cpu_op_ns, cpu_operator, program_ns
from hwmodels.executable import Executable, Segment, Step
from hwmodels.host import Host
from hwmodels.link import Channel, transfer_ns
from hwmodels.stages import AcceleratorStage, CpuStage, StageTimes, StepTime

__all__ = ["cycles_to_ns", "layer_ns", "stage_times", "touched_bytes"]


def cycles_to_ns(cycles: float, clock_hz: float) -> int:
    """Cycles to whole nanoseconds, rounded up: the only place where cycles become time.

    Parameters
    ----------
    cycles
        Of the core clock; may be fractional, as costs are fitted.
    clock_hz
        Core clock at which they run (500 MHz, or 250 MHz with the ``std`` runtime over USB).

    Returns
    -------
    int
        ceil(cycles / clock), less a billionth of a ns, so that a whole number of ns stays what it is.
    """
    return ceil(cycles * 1e9 / clock_hz - 1e-9)


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
        The interpreter's, for CPU segments.

    Returns
    -------
    StageTimes
        Whole ns and bytes, as if nobody else used the host, link or accelerator.
    """
    stages = tuple(
        accelerator_stage(segment, channel, host, clock_hz)
        if segment.device == "accelerator"
        else cpu_stage(segment, host, kernels, num_threads)
        for segment in executable.segments
    )
    before, after = (((CpuStage(ns),) if ns else ()) for ns in program_ns(executable.work, host))
    return StageTimes(
        executable.name, executable.token, (*before, *stages, *after), python_ns=ceil(host.python_call_ns),
        first_touch_ns=ceil(touched_bytes(executable) * host.first_touch_ns_per_byte),
    )  # fmt: skip


@remembered(256)
def touched_bytes(executable: Executable) -> int:
    """Bytes of results that an interpreter's first inference touches for the first time.

    Output tensors of the accelerator, and what the largest CPU operator reads and writes. TFLite lets tensors share
    memory if their operators do not run at the same time.
    """
    on_cpu = [plan.layer for segment in executable.segments if segment.device == "cpu" for plan in segment.plans]
    largest = max((sum(t.n_bytes for t in (*layer.inputs, *layer.outputs)) for layer in on_cpu), default=0)
    return sum(segment.tensor_output_bytes for segment in executable.accelerator_segments) + largest


def cpu_stage(segment: Segment, host: Host, kernels: str, num_threads: int) -> CpuStage:
    """Return the times of a CPU segment. Operators without a threaded kernel run on one core, whatever the threads."""
    width = max(1, min(num_threads, host.cores))
    times = [(one.layer, count * cpu_op_ns(one.layer, host, kernels, num_threads)) for one, count in segment.kinds]
    wide_ns = sum(ns for layer, ns in times if cpu_operator(layer.op).threaded) if width > 1 else 0
    return CpuStage(sum(ns for _, ns in times), wide_ns, width)


def accelerator_stage(segment: Segment, channel: Channel, host: Host, clock_hz: float) -> AcceleratorStage:
    """Return the times of an accelerator segment.

    The driver's CPU time is part of the link's fixed time. held = floor + (instructions + input) / out rate + sum over
    steps of max(compute, streamed) + output / in rate; see docs/execution.md.
    """
    driver_ns = ceil(min(host.driver_cpu_ns, channel.floor_ns))
    loaded = segment.cached_bytes + segment.caching_instruction_bytes if segment.cached_bytes else 0
    extra = ceil(segment.instruction_bytes * channel.instruction_ns_per_byte)
    work = _work(segment)
    return AcceleratorStage(
        driver_ns=driver_ns,
        latency_ns=ceil(channel.floor_ns) - driver_ns,
        load_bytes=loaded,
        load_ns=transfer_ns(loaded, channel, "out"),
        instruction_bytes=segment.instruction_bytes,
        instructions_ns=transfer_ns(segment.instruction_bytes, channel, "out") + extra,
        input_bytes=segment.input_bytes + segment.scratch_in_bytes,
        input_ns=_input_ns(segment, channel, clock_hz),
        steps=_steps(segment, channel, clock_hz),
        output_bytes=segment.output_bytes + segment.scratch_out_bytes,
        output_ns=transfer_ns(segment.output_bytes + segment.scratch_out_bytes, channel, "in"),
        copy_ns=ceil(segment.tensor_output_bytes * host.copy_ns_per_byte),
        macs=work[0],
        wide_bytes=work[1],
        narrow_bytes=work[2],
    )


@remembered(1024)
def _work(segment: Segment) -> tuple[int, int, int]:
    """Multiply-accumulates of a segment, and the bytes that it moves in wide and in narrow memory."""
    plans = segment.plans
    return (
        sum(plan.macs for plan in plans), sum(plan.wide_bytes for plan in plans),
        sum(plan.narrow_bytes for plan in plans),
    )  # fmt: skip


def _input_ns(segment: Segment, channel: Channel, clock_hz: float) -> int:
    """Return how long the input takes before the program begins.

    A chip that pulls part of it computes its first layer meanwhile.
    """
    input_ns = transfer_ns(segment.input_bytes + segment.scratch_in_bytes, channel, "out")
    opening = segment.plans[: segment.opening_layers]
    streamed_ns = transfer_ns(sum(plan.streamed_bytes for plan in opening), channel, "out")
    idle_ns = cycles_to_ns(sum(plan.cycles for plan in opening), clock_hz) - streamed_ns
    return input_ns - min(int(input_ns * channel.overlaps_input), max(0, idle_ns))


@remembered(1024)  # hosts differ in nothing of it: their numbers are moved one by one for an interval
def _steps(segment: Segment, channel: Channel, clock_hz: float) -> tuple[StepTime, ...]:
    """The program's steps, each with the parameter bytes that cross the link under it.

    While a layer computes longer than its own parameters take, the link brings those of the next layer, as far as they
    fit the segment's ``prefetch_bytes``.
    """
    ahead, found = 0, []
    for step, following in pairwise((*segment.steps, Step(0, 0))):
        compute_ns = cycles_to_ns(step.cycles, clock_hz)
        own = step.streamed_bytes - ahead
        idle_ns = max(0, compute_ns - transfer_ns(own, channel, "out"))
        ahead = min(segment.prefetch_bytes, following.streamed_bytes, int(idle_ns * channel.out_bytes_per_s / 1e9))
        found.append(StepTime(compute_ns, transfer_ns(own + ahead, channel, "out"), own + ahead))
    return tuple(found)


def layer_ns(executable: Executable, channel: Channel, clock_hz: float) -> Sequence[tuple[int, int]]:
    """Return (layer index, ns) of every layer on the accelerator, for timelines and profiled segmentation."""
    return [
        (plan.layer.index, max(cycles_to_ns(plan.cycles, clock_hz), transfer_ns(plan.streamed_bytes, channel, "out")))
        for segment in executable.accelerator_segments
        for plan in segment.plans
    ]
