"""Everything that happens is one span; results, energy and timeline are functions of spans.

A recorder either adds a span's length to the totals of its component and state, or also hands the span to a sink.
Both see the same spans, so recording never changes behaviour.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from hwmodels.timing import TpuStage

__all__ = ["BREAKDOWN", "Recorder", "Span", "State"]


class State(IntEnum):
    """What a component is doing: the first twelve partition a request's latency; INVOKE encloses those in between."""

    PREPROCESS = 0
    WAIT = 1
    LOAD_PARAMETERS = 2
    INSTRUCTIONS = 3
    INPUT = 4
    PARAMETERS = 5
    COMPUTE = 6
    OUTPUT = 7
    HOST_COPY = 8
    CPU_OPS = 9
    POSTPROCESS = 10
    GIL_WAIT = 11
    TRANSFER_OUT = 12
    TRANSFER_IN = 13
    INVOKE = 14


#: States that partition a request's latency, in the order of the JSON contract.
BREAKDOWN = tuple(State)[:12]


class Span(NamedTuple):
    """One component in one state: start and end in ns, for which request, model and segment, how many bytes.

    Segment -1 is the time in a queue before a thread takes the request.
    """

    component: str
    state: State
    start_ns: int
    end_ns: int
    request: int
    model: str
    segment: int
    n_bytes: int


SpanSink = Callable[[Span], None]


class Recorder:
    """Totals of time and bytes by component and state; spans go on to a sink if there is one.

    ``components`` names the threads, accelerators and links; other methods take a component's number in that list.
    Passes through an accelerator differ only in how long they wait, so their totals are counted, and multiplied by the
    stage's times when somebody asks: a run without a sink does not pay for spans.
    """

    def __init__(self, components: list[str], models: list[str], sink: SpanSink | None = None) -> None:
        self.components, self.models, self.sink = components, models, sink
        self.time_ns = [[0] * len(State) for _ in components]
        self.n_bytes = [[0] * len(State) for _ in components]
        self.passes: dict[tuple[int, int, int], int] = {}
        self.stages: dict[int, TpuStage] = {}

    def add(
        self, component: int, state: int, start_ns: int, end_ns: int, request: int, model: int,
        segment: int = 0, n_bytes: int = 0,
    ) -> None:  # fmt: skip
        """Record a component in a state from start to end (ns); a span of no length and no bytes is dropped.

        Parameters
        ----------
        component
            Number of a thread, accelerator or link.
        state
            See :class:`State`.
        start_ns, end_ns
            Whole ns; the span belongs to the request's thread or to the device that works for it.
        request, model, segment
            Number of the request, of its network, and of the stage within it.
        n_bytes
            Moved meanwhile.
        """
        if end_ns == start_ns and not n_bytes:
            return
        self.time_ns[component][state] += end_ns - start_ns
        self.n_bytes[component][state] += n_bytes
        if self.sink is not None:
            self.span(component, state, start_ns, end_ns, request, model, segment, n_bytes)

    def span(
        self, component: int, state: int, start_ns: int, end_ns: int, request: int, model: int,
        segment: int, n_bytes: int,
    ) -> None:  # fmt: skip
        """Hand a span to the sink without counting it (its pass is counted)."""
        if self.sink is not None and (end_ns > start_ns or n_bytes):
            name, network = self.components[component], self.models[model]
            self.sink(Span(name, State(state), start_ns, end_ns, request, network, segment, n_bytes))

    def passed(self, component: int, link: int, stage: TpuStage) -> None:
        """Count one pass through an accelerator and over its link."""
        key = (component, link, id(stage))
        if key in self.passes:
            self.passes[key] += 1
        else:
            self.passes[key] = 1
            self.stages[id(stage)] = stage

    def waited(self, component: int, state: int, extra_ns: int) -> None:
        """Add time that a pass spent in a state beyond its stage's own time."""
        self.time_ns[component][state] += extra_ns

    def actions(self) -> list[tuple[int, int, int]]:
        """Return (multiply-accumulates, wide-memory bytes, narrow-memory bytes) of each component's passes."""
        rows = [(0, 0, 0) for _ in self.components]
        for (component, _, key), count in self.passes.items():
            stage, (macs, wide, narrow) = self.stages[key], rows[component]
            rows[component] = (
                macs + count * stage.macs, wide + count * stage.wide_bytes, narrow + count * stage.narrow_bytes,
            )  # fmt: skip
        return rows

    def totals(self) -> tuple[list[list[int]], list[list[int]]]:
        """Return (time in ns, bytes) by component and state, passes included."""
        time_ns, n_bytes = [list(row) for row in self.time_ns], [list(row) for row in self.n_bytes]
        for (component, link, key), count in self.passes.items():
            for place, state, ns, size in pass_rows(self.stages[key]):
                row = component if place == "device" else link
                time_ns[row][state] += count * ns
                n_bytes[row][state] += count * size
        return time_ns, n_bytes


def pass_rows(stage: TpuStage) -> list[tuple[str, State, int, int]]:
    """Where, in which state, how long (ns) and with how many bytes one pass without waiting is."""
    streamed = sum(step.streamed_bytes for step in stage.steps)
    exposed = stage.program_ns - stage.compute_ns
    sent_ns = stage.send_ns + sum(step.parameters_ns for step in stage.steps)
    sent_bytes = stage.instruction_bytes + stage.input_bytes + streamed
    dispatch_ns = stage.driver_ns + stage.latency_ns
    return [
        ("device", State.INSTRUCTIONS, dispatch_ns + stage.instructions_ns, stage.instruction_bytes),
        ("device", State.INPUT, stage.input_ns, stage.input_bytes),
        ("device", State.COMPUTE, stage.compute_ns, 0),
        ("device", State.PARAMETERS, exposed, streamed),
        ("device", State.OUTPUT, stage.output_ns, stage.output_bytes),
        ("link", State.TRANSFER_OUT, sent_ns, sent_bytes),
        ("link", State.TRANSFER_IN, stage.output_ns, stage.output_bytes),
    ]
