"""The compiler model: which layers map, which parameters stay on chip, how many bytes cross the link.

One accelerator subgraph, parameter memory given out layer by layer, a layer that does not fit streams as a whole
(docs/execution.md, docs/compiler.md). The way in is :mod:`hwmodels.edgetpu.compiler`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from hwmodels.cache import for_each, remembered
from hwmodels.edgetpu import allocation, parameters
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.banding import branch_bytes, spilled_bytes
from hwmodels.edgetpu.coefficients import Compiler
from hwmodels.edgetpu.cost import Cost, layer_cost, stream_passes
from hwmodels.edgetpu.instructions import caching_instruction_bytes, instruction_bytes
from hwmodels.edgetpu.outlook import UNKNOWN_SPREAD, operator_notes, refusal_note, unknown_operators
from hwmodels.edgetpu.placement import place, place_each
from hwmodels.executable import Executable, LayerPlan, Segment
from hwmodels.networks.graph import Layer, LayerGraph, boundary, graph_hash

__all__ = ["Target", "compile_layers", "compile_set", "network_token"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a network is compiled for, and by which version of the compiler; and whether into several subgraphs."""

    accelerator: EdgeTpu
    compiler: Compiler
    many_subgraphs: bool = False


def compile_layers(graph: LayerGraph, target: Target) -> Executable:
    """Compile a plain network by itself."""
    return compile_set([graph], target, network_token(graph))[0]


def compile_set(graphs: Sequence[LayerGraph], target: Target, token: str) -> list[Executable]:
    """Compile plain networks that share parameter memory.

    Parameters
    ----------
    graphs
        Their layers are known; in the order of the command line.
    target
        Accelerator and version of the compiler.
    token
        That they share.
    """
    reasons = [(place_each if target.many_subgraphs else place)(graph) for graph in graphs]
    mapped = [_mapped(graph, why) for graph, why in zip(graphs, reasons, strict=True)]
    kept = allocation.allocate_set(mapped, target.accelerator, target.compiler)
    plans = [
        _plans(graph, why, {x.index for x, flag in zip(layers, flags, strict=True) if flag}, target)
        for graph, why, layers, flags in zip(graphs, reasons, mapped, kept, strict=True)
    ]
    free = allocation.set_capacity_bytes(mapped, target.accelerator, target.compiler) - sum(map(_kept_bytes, plans))
    return [_executable(graph, each, target, token, free) for graph, each in zip(graphs, plans, strict=True)]


def _kept_bytes(plans: list[LayerPlan]) -> int:
    return sum(plan.on_chip_bytes for plan in plans if plan.cached)


def _mapped(graph: LayerGraph, reasons: Sequence[str]) -> list[Layer]:
    return [layer for layer, reason in zip(graph.layers, reasons, strict=True) if not reason]


def _executable(graph: LayerGraph, plans: list[LayerPlan], target: Target, token: str, free: int) -> Executable:
    runs = (_many_runs if target.many_subgraphs else _runs)(graph, plans)
    segments = tuple(_segment(graph, run, target) for run in runs)
    mapped = [plan.layer for plan in plans if not plan.reason]
    accelerator, compiler = target.accelerator, target.compiler
    spilled = spilled_bytes(mapped, accelerator)
    spread = min(1.0, compiler.spill_spread * sqrt(spilled / compiler.measured_spill_bytes))
    refusal = refusal_note(graph, mapped, accelerator)
    notes = (*_spill_notes(mapped, accelerator, spilled), *([refusal] if refusal else []), *operator_notes(plans))
    spread = max(spread, UNKNOWN_SPREAD if unknown_operators(plans) else 0.0)
    return Executable(
        graph.name, graph, segments, token, spread=spread, on_chip_limit_bytes=_kept_bytes(plans) + free, notes=notes
    )  # fmt: skip


@remembered(512)
def network_token(graph: LayerGraph) -> str:
    """Token of a network that is compiled alone."""
    return graph_hash(graph)


def _spill_notes(layers: Sequence[Layer], accelerator: EdgeTpu, spilled: int) -> tuple[str, ...]:
    """A warning where joined branches do not fit narrow memory: the rule for what spills rests on one network."""
    if not spilled:
        return ()
    limit = accelerator.narrow_bytes_per_tile
    held = {index: size for index, size in branch_bytes(layers, accelerator).items() if size > limit}
    worst = next(layer for layer in layers if layer.index == max(held, key=lambda index: held[index]))
    shape = "x".join(map(str, worst.output.hwc))
    return (
        f"{spilled / 1e6:.1f} MB leave the chip and come back in an inference: "
        f"where branches join ({len(held)} times, worst: {worst.op} of {shape}) they need up to "
        f"{max(held.values()) >> 10} of {limit >> 10} KiB a tile. The rule rests on one measured network; a smaller "
        "input avoids it",
    )


def _plans(graph: LayerGraph, reasons: Sequence[str], cached: set[int], target: Target) -> list[LayerPlan]:
    kinds = [kind for kind, reason in zip(graph.alike, reasons, strict=True) if not reason]
    costs = iter(for_each(lambda kind: layer_cost(kind, target.accelerator), kinds))
    return [
        LayerPlan(layer, reason) if reason else _tpu_plan(layer, layer.index in cached, target, next(costs))
        for layer, reason in zip(graph.layers, reasons, strict=True)
    ]


def _tpu_plan(layer: Layer, cached: bool, target: Target, cost: Cost) -> LayerPlan:
    accelerator, compiler = target.accelerator, target.compiler
    blob = parameters.blob_bytes(layer, compiler)
    streamed = 0 if cached else round(blob * stream_passes(layer, accelerator))
    return LayerPlan(
        layer, "", cached, cost.cycles, blob, parameters.on_chip_bytes(layer, compiler), streamed,
        cost.macs, cost.wide_bytes, cost.narrow_bytes,
    )  # fmt: skip


def _runs(graph: LayerGraph, plans: list[LayerPlan]) -> list[list[LayerPlan]]:
    """CPU layers that feed the accelerator, the accelerator's one subgraph, and the CPU layers after it."""
    tpu = [plan for plan in plans if not plan.reason]
    needed = _ancestors(graph, {plan.layer.index for plan in tpu})
    before = [plan for plan in plans if plan.reason and plan.layer.index in needed]
    after = [plan for plan in plans if plan.reason and plan.layer.index not in needed]
    return [run for run in (before, tpu, after) if run]


def _many_runs(graph: LayerGraph, plans: list[LayerPlan]) -> list[list[LayerPlan]]:
    """Layers in turns: those on the CPU that wait for nobody, then as many mapped ones as can run, and so on."""
    turns = [bool(not plan.reason) for plan in plans]  # even turns are the CPU's, odd ones the accelerator's
    stage = [int(mapped) for mapped in turns]
    for producer, reader, _ in sorted(graph.edges(), key=lambda edge: edge[1]):
        after = stage[producer] + (turns[producer] != turns[reader])
        stage[reader] = max(stage[reader], after)
    found = ([plan for plan, turn in zip(plans, stage, strict=True) if turn == t] for t in range(max(stage) + 1))
    return [run for run in found if run]


def _ancestors(graph: LayerGraph, targets: set[int]) -> set[int]:
    needed = set(targets)
    for producer, consumer, _ in sorted(graph.edges(), key=lambda edge: -edge[1]):
        if consumer in needed:
            needed.add(producer)
    return needed - targets


def _segment(graph: LayerGraph, plans: list[LayerPlan], target: Target) -> Segment:
    if plans[0].reason:
        return Segment("cpu", tuple(plans))
    accelerator, compiler = target.accelerator, target.compiler
    layers = [plan.layer for plan in plans]
    inputs, outputs = boundary(graph, layers)
    cached = sum(plan.blob_bytes for plan in plans if plan.cached)
    caching = caching_instruction_bytes(layers, compiler)
    scratch = parameters.scratch_bytes(layers) + spilled_bytes(layers, accelerator)
    return Segment(
        "accelerator", tuple(plans),
        instruction_bytes=instruction_bytes(layers, accelerator, compiler),
        caching_instruction_bytes=caching if cached else 0, cached_bytes=cached,
        input_bytes=parameters.input_bytes(layers, inputs, accelerator),
        output_bytes=sum(parameters.output_wire_bytes(tensor) for tensor in outputs),
        tensor_output_bytes=sum(tensor.n_bytes for tensor in outputs),
        scratch_out_bytes=scratch, scratch_in_bytes=scratch,
        prefetch_bytes=allocation.prefetch_bytes(layers, accelerator, compiler),
    )  # fmt: skip
