"""What a compiler hands to the runtime: the only thing the simulator knows about a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, pairwise
from typing import Literal, NamedTuple

from hwmodels.cpu import ProgramWork
from hwmodels.networks.graph import Layer, LayerGraph

__all__ = ["MORE_THAN_ONE_SUBGRAPH", "Executable", "LayerPlan", "Pass", "Segment", "Step"]

#: Why a layer stays on the CPU that could run on the accelerator, but follows one that cannot.
MORE_THAN_ONE_SUBGRAPH = "More than one subgraph is not supported"

MOST_STEPS = 4096  # of one pass: no real network has as many streamed layers


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer's place and cost: on the accelerator (``reason`` empty) or on the CPU, and why.

    ``blob_bytes`` as sent over the link once, ``on_chip_bytes`` in padded memory rows, ``streamed_bytes`` what crosses
    the link in every inference (0 when cached), ``cycles`` of the accelerator's core clock. In ``fixed_cycles`` after
    them nothing moves. A layer that is ``joined`` runs in one go with the layer before it.
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
    fixed_cycles: float = 0.0
    joined: bool = False


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

    device: Literal["accelerator", "cpu"]
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

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The program in order: cached layers in a row together but for the last, every streamed layer on its own."""
        return self.file_steps or _joined(tuple(_merged_steps(self.passes)))

    @cached_property
    def passes(self) -> tuple[Pass, ...]:
        """Its layers in order, those that run in one go together."""
        return tuple(_passes(self.plans))

    @cached_property
    def kinds(self) -> tuple[tuple[LayerPlan, int], ...]:
        """One plan of every kind of layer, and how many there are: networks repeat their blocks."""
        found: dict[tuple[object, ...], list[LayerPlan]] = {}
        for plan in self.plans:
            found.setdefault(plan.layer.kind, []).append(plan)
        return tuple((plans[0], len(plans)) for plans in found.values())

    @property
    def opening_layers(self) -> int:
        """How many layers read the input, up to the first with parameters; 0 where layers are not known."""
        known = () if self.file_steps else self.plans
        return next((count for count, plan in enumerate(known, 1) if plan.blob_bytes), 0)

    @property
    def streamed_bytes(self) -> int:
        """Parameter bytes that cross the link in every inference, repeated passes included."""
        return sum(step.streamed_bytes for step in self.steps)


def _merged_steps(passes: Sequence[Pass]) -> Iterator[Step]:
    """Cached layers in a row are one step; the last before a streamed layer stays apart: parameters come under it."""
    runs = [list(run) for _, run in groupby(passes, key=lambda one: one.streamed_bytes > 0)]
    for number, run in enumerate(runs):
        if run[0].streamed_bytes:
            yield from (step for one in run for step in _streamed_steps(one))
            continue
        together, apart = (run, []) if number == len(runs) - 1 else (run[:-1], run[-1:])
        yield from (Step(sum(one.cycles + one.fixed_cycles for one in g), 0) for g in (together, apart) if g)


def _streamed_steps(one: Pass) -> Iterator[Step]:
    yield Step(one.cycles, one.streamed_bytes)
    if one.fixed_cycles:
        yield Step(one.fixed_cycles, 0)


class Pass(NamedTuple):
    """Layers that run in one go, with the sums of what theirs take."""

    plans: tuple[LayerPlan, ...]
    cycles: float
    fixed_cycles: float
    streamed_bytes: int


def _passes(plans: Sequence[LayerPlan]) -> Iterator[Pass]:
    first = [number for number, plan in enumerate(plans) if number == 0 or not plan.joined]
    for start, end in pairwise((*first, len(plans))):
        run = tuple(plans[start:end])
        cycles, fixed = sum(plan.cycles for plan in run), sum(plan.fixed_cycles for plan in run)
        yield Pass(run, cycles, fixed, sum(plan.streamed_bytes for plan in run))


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
    standard deviation of the latency that goes with it. ``work`` is what the program around it does on the host, where
    that is part of every inference.
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
    work: ProgramWork = field(default=ProgramWork())

    @property
    def accelerator_segments(self) -> tuple[Segment, ...]:
        """The segments that run on the accelerator (usually one)."""
        return tuple(segment for segment in self.segments if segment.device == "accelerator")

    @property
    def plans(self) -> tuple[LayerPlan, ...]:
        """Every layer's plan, by layer index."""
        plans = (plan for segment in self.segments for plan in segment.plans)
        return tuple(sorted(plans, key=lambda plan: plan.layer.index))

    def total(self, key: str) -> int:
        """Sum of one byte count over the accelerator's segments."""
        return sum(int(getattr(segment, key)) for segment in self.accelerator_segments)

    @property
    def cycles(self) -> float:
        """Cycles of all layers on the accelerator; 0 where they are not known one by one."""
        return sum(plan.cycles + plan.fixed_cycles for segment in self.accelerator_segments for plan in segment.plans)

    @property
    def macs(self) -> int:
        """Multiply-accumulates on the accelerator in one inference."""
        return sum(plan.macs for segment in self.accelerator_segments for plan in segment.plans)
