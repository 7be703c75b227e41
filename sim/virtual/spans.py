"""A session's passes as the spans of a simulation, for the same timeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hwmodels.stages import AcceleratorStage
from sim.machine.records import Span
from sim.machine.states import State
from sim.views.timeline import TimelineWriter
from sim.virtual.plan import Planned
from sim.virtual.records import PassRecord, by_thread, steady_window

__all__ = ["pass_spans", "write_timeline"]


def write_timeline(path: Path, planned: Planned, passes: Sequence[PassRecord]) -> int:
    """Write a Perfetto trace of a session and return the number of its slices.

    Raises
    ------
    InputError
        For a file that cannot be written.
    """
    with TimelineWriter(path) as write:
        if passes:
            start_ns = min(one.asked_ns for one in passes)
            threads = {thread: number for number, thread in enumerate(by_thread(passes))}
            for request, one in enumerate(passes):
                for span in pass_spans(planned, one, threads[one.thread], request):
                    write(span._replace(start_ns=span.start_ns - start_ns, end_ns=span.end_ns - start_ns))
            window = steady_window(passes)
            write.mark("measured window", window.start_ns - start_ns, window.end_ns - start_ns)
    return write.slices


def pass_spans(planned: Planned, one: PassRecord, thread: int, request: int) -> Iterator[Span]:
    """Yield the spans of one pass, those of no length left out: its thread's, its device's and its link's.

    What a pass waited for the bus is at the end of the stage that waited; late waking is in the output.
    """
    stage = planned.stage(one.operator, one.device)
    operator = planned.plan.operators[one.operator]
    setup = planned.setups[operator.network]
    device = f"{setup.accelerators[one.device].name} {one.device}"
    link = f"{setup.channels[one.device].name} {one.device}"
    sent_bytes = stage.instruction_bytes + stage.input_bytes
    rows = [
        (f"thread {thread}", State.WAIT, one.asked_ns, one.held_ns, 0),
        *((device, *row) for row in _device_rows(stage, one)),
        (link, State.TRANSFER_OUT, one.sent_ns - stage.send_ns, one.sent_ns, sent_bytes),
        (link, State.TRANSFER_IN, one.computed_ns, one.end_ns, stage.output_bytes),
        (f"thread {thread}", State.INVOKE, one.asked_ns, one.end_ns, 0),
    ]  # fmt: skip
    name = planned.plan.networks[operator.network]
    for component, state, start_ns, end_ns, n_bytes in rows:
        if end_ns > start_ns:
            yield Span(component, state, start_ns, end_ns, request, name, operator.position, n_bytes)


def _device_rows(stage: AcceleratorStage, one: PassRecord) -> Iterator[tuple[State, int, int, int]]:
    """State, start, end (ns) and bytes of what the device does, in order and without gaps."""
    begun = one.held_ns
    instructed = max(begun, one.sent_ns - stage.input_ns)
    if one.loaded:
        begun = min(one.held_ns + stage.load_ns, instructed)
        yield State.LOAD_PARAMETERS, one.held_ns, begun, stage.load_bytes
    yield State.INSTRUCTIONS, begun, instructed, stage.instruction_bytes
    yield State.INPUT, instructed, one.sent_ns, stage.input_bytes
    now = one.sent_ns
    for step in stage.steps:
        computed = min(now + step.compute_ns, one.computed_ns)
        yield State.COMPUTE, now, computed, 0
        now = min(now + step.ns, one.computed_ns)
        yield State.PARAMETERS, computed, now, step.streamed_bytes
    yield State.PARAMETERS, now, one.computed_ns, 0
    yield State.OUTPUT, one.computed_ns, one.end_ns, stage.output_bytes
