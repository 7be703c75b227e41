"""What a compiler hands to the runtime: the only thing the simulator knows about a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, NamedTuple

from hwmodels.graph import Layer, LayerGraph

__all__ = ["Executable", "LayerPlan", "Segment", "Step"]

MOST_STEPS = 4096  # of one pass: no real network has as many streamed layers


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer's place and cost: on the accelerator (``reason`` empty) or on the CPU, and why.

    ``blob_bytes`` as sent over the link once, ``on_chip_bytes`` in padded memory rows, ``streamed_bytes`` what crosses
    the link in every inference (0 when cached), ``cycles`` of the accelerator's core clock.
    """

    layer: Layer
    reason: str = ""
    cached: bool = False
    cycles: float = 0.0
    blob_bytes: int = 0
    on_chip_bytes: int = 0
    streamed_bytes: int = 0
    macs: int = 0
    wide_bytes: int = 0
    narrow_bytes: int = 0


class Step(NamedTuple):
    """Part of the accelerator's program: cycles, and parameter bytes streamed under them."""

    cycles: float
    streamed_bytes: int


@dataclass(frozen=True)
class Segment:
    """A run of layers on one kind of device, with the bytes that cross the link for it (0 on the CPU).

    Attributes
    ----------
    instruction_bytes, input_bytes, output_bytes
        On the wire, in every inference.
    tensor_output_bytes
        What is copied into the caller's tensors, without padding.
    cached_bytes, caching_instruction_bytes
        Sent once, until another token comes.
    scratch_out_bytes, scratch_in_bytes
        Activations that spill to the host and come back.
    prefetch_bytes
        Streamed parameters that may come during the layer before their own.
    file_steps
        Of a compiled file, whose layers are not known.
    """

    device: Literal["tpu", "cpu"]
    plans: tuple[LayerPlan, ...]
    instruction_bytes: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    tensor_output_bytes: int = 0
    cached_bytes: int = 0
    caching_instruction_bytes: int = 0
    scratch_out_bytes: int = 0
    scratch_in_bytes: int = 0
    prefetch_bytes: int = 0
    file_steps: tuple[Step, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """The program in order: cached layers in a row together but for the last, every streamed layer on its own."""
        return self.file_steps or _joined(tuple(_merged_steps(self.plans)))

    @property
    def opening_layers(self) -> int:
        """How many layers read the input, up to the first with parameters; 0 where layers are not known."""
        known = () if self.file_steps else self.plans
        return next((count for count, plan in enumerate(known, 1) if plan.blob_bytes), 0)

    @property
    def streamed_bytes(self) -> int:
        """Parameter bytes that cross the link in every inference, repeated passes included."""
        return sum(step.streamed_bytes for step in self.steps)


def _merged_steps(plans: tuple[LayerPlan, ...]) -> Iterator[Step]:
    """Cached layers in a row are one step; the last before a streamed layer stays apart: parameters come under it."""
    runs = [list(run) for _, run in groupby(plans, key=lambda plan: plan.streamed_bytes > 0)]
    for number, run in enumerate(runs):
        if run[0].streamed_bytes:
            yield from (Step(plan.cycles, plan.streamed_bytes) for plan in run)
            continue
        together, apart = (run, []) if number == len(runs) - 1 else (run[:-1], run[-1:])
        yield from (Step(sum(plan.cycles for plan in group), 0) for group in (together, apart) if group)


def _joined(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Neighbours together where there are more steps than events that a simulation can bear."""
    size = -(-len(steps) // MOST_STEPS)
    groups = (steps[i : i + size] for i in range(0, len(steps), size or 1))
    return (
        steps if size <= 1 else tuple(Step(sum(s.cycles for s in g), sum(s.streamed_bytes for s in g)) for g in groups)
    )


@dataclass(frozen=True)
class Executable:
    """A network compiled for one accelerator: its segments in order and its parameter-caching token.

    ``source`` is ``modelled`` or ``file``; ``compute_source`` says where the cycles come from, ``spread`` the relative
    standard deviation of the latency that goes with it.
    """

    name: str
    graph: LayerGraph
    segments: tuple[Segment, ...]
    token: str
    source: Literal["modelled", "file"] = "modelled"
    compute_source: str = "layer graph"
    spread: float = 0.0
    on_chip_limit_bytes: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def tpu_segments(self) -> tuple[Segment, ...]:
        """The segments that run on the accelerator (usually one)."""
        return tuple(segment for segment in self.segments if segment.device == "tpu")

    @property
    def plans(self) -> tuple[LayerPlan, ...]:
        """Every layer's plan, by layer index."""
        plans = (plan for segment in self.segments for plan in segment.plans)
        return tuple(sorted(plans, key=lambda plan: plan.layer.index))

    def total(self, key: str) -> int:
        """Sum of one byte count over the accelerator's segments."""
        return sum(int(getattr(segment, key)) for segment in self.tpu_segments)

    @property
    def macs(self) -> int:
        """Multiply-accumulates on the accelerator in one inference."""
        return sum(plan.macs for segment in self.tpu_segments for plan in segment.plans)
