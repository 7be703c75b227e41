"""Everything that happens is one span; results, energy and timeline are functions of spans.

A recorder either adds a span's length to the totals of its component and state, or also hands the span to a sink.
Both see the same spans, so recording never changes behaviour.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

__all__ = ["BREAKDOWN", "Recorder", "Span", "State"]


class State(IntEnum):
    """What a component is doing; the first twelve partition a request's latency."""

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


#: States that partition a request's latency, in the order of the JSON contract.
BREAKDOWN = tuple(State)[:12]


class Span(NamedTuple):
    """One component in one state: start and end in ns, for which request, model and segment, how many bytes."""

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

    ``components`` names the threads, accelerators and links; ``add`` takes a component's number in that list.
    """

    def __init__(self, components: list[str], models: list[str], sink: SpanSink | None = None) -> None:
        self.components, self.models, self.sink = components, models, sink
        self.time_ns = [[0] * len(State) for _ in components]
        self.n_bytes = [[0] * len(State) for _ in components]

    def add(
        self, component: int, state: int, start_ns: int, end_ns: int, request: int, model: int,
        segment: int = 0, n_bytes: int = 0,
    ) -> None:  # fmt: skip
        """Record a component in a state from start to end (ns); a span of no length and no bytes is dropped."""
        if end_ns == start_ns and not n_bytes:
            return
        self.time_ns[component][state] += end_ns - start_ns
        self.n_bytes[component][state] += n_bytes
        if self.sink is not None:
            name, network = self.components[component], self.models[model]
            self.sink(Span(name, State(state), start_ns, end_ns, request, network, segment, n_bytes))
