"""The compiler model: which layers map, which parameters stay on chip, how many bytes cross the link.

Rules as published for the Edge TPU compiler: one accelerator subgraph, parameters allocated layer by layer in order of
execution, a layer that does not fit streams as a whole (docs/execution.md, docs/compiler.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate, pairwise
from math import sqrt

from hwmodels import memory
from hwmodels.accelerator import Accelerator
from hwmodels.capacity import parameter_capacity_bytes, prefetch_bytes
from hwmodels.errors import InputError
from hwmodels.executable import Executable, LayerPlan, Segment
from hwmodels.graph import Layer, LayerGraph, Tensor, graph_hash
from hwmodels.opcost import layer_cost, stream_passes
from hwmodels.placement import place
from hwmodels.tiles import branch_bytes, spilled_bytes

__all__ = ["COMPILERS", "cocompile", "compile_graph", "cut_by_parameters", "cut_by_time", "segment_cuts", "split"]

COMPILERS = ("2021", "2020")
SPILL_SPREAD = 0.3  # the one measured network with spills, YOLOv8s at 512, went wrong by 0.4 without them
MEASURED_SPILL_BYTES = 1 << 20  # its spill: of larger ones less is known
placement = lru_cache(maxsize=512)(lambda graph: place(graph))


def compile_graph(
    graph: LayerGraph, accelerator: Accelerator, compiler: str = "2021", reserved_bytes: int = 0, token: str = ""
) -> Executable:
    """Compile a layer graph for an accelerator.

    ``reserved_bytes`` of parameter memory belong to networks compiled together with this one before it. Raises
    :class:`InputError` for an unknown compiler generation.

    Parameters
    ----------
    graph
        A plain network, or a compiled file's (then its own bytes count).
    accelerator
        Its memory decides what is cached, its array how long layers take.
    compiler
        Generation, ``2021`` or ``2020``.
    reserved_bytes
        In padded rows (:func:`on_chip_bytes`).
    token
        Of a set compiled together; the network's hash where empty.
    """
    if compiler not in COMPILERS:
        raise InputError("--compiler", compiler, ", ".join(COMPILERS))
    if "compiled_ops" in graph.meta:
        from hwmodels.compiled import executable_from_file  # only compiled files need the readers

        return executable_from_file(graph, accelerator)
    plans = _plan(graph, accelerator, compiler, reserved_bytes)
    segments = tuple(_segment(graph, run, accelerator, compiler) for run in _runs(graph, plans))
    mapped = [plan.layer for plan in plans if not plan.reason]
    spilled = spilled_bytes(mapped, accelerator)
    spread = min(1.0, SPILL_SPREAD * sqrt(spilled / MEASURED_SPILL_BYTES))
    return Executable(
        graph.name, graph, segments, token or graph_hash(graph), spread=spread,
        on_chip_limit_bytes=accelerator.parameter_cache_bytes, notes=_spill_notes(mapped, accelerator, spilled),
    )  # fmt: skip


def _spill_notes(layers: Sequence[Layer], accelerator: Accelerator, spilled: int) -> tuple[str, ...]:
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


def _plan(graph: LayerGraph, accelerator: Accelerator, compiler: str, reserved_bytes: int) -> list[LayerPlan]:
    reasons = placement(graph)
    mapped = [layer for layer, reason in zip(graph.layers, reasons, strict=True) if not reason]
    flags = memory.allocate(mapped, parameter_capacity_bytes(mapped, accelerator) - reserved_bytes, compiler)
    cached = {layer.index for layer, flag in zip(mapped, flags, strict=True) if flag}
    return [
        LayerPlan(layer, reason) if reason else _tpu_plan(layer, layer.index in cached, accelerator, compiler)
        for layer, reason in zip(graph.layers, reasons, strict=True)
    ]


def _tpu_plan(layer: Layer, cached: bool, accelerator: Accelerator, compiler: str) -> LayerPlan:
    cost = layer_cost(layer, accelerator)
    blob = memory.blob_bytes(layer, compiler)
    streamed = 0 if cached else round(blob * stream_passes(layer, accelerator))
    return LayerPlan(
        layer, "", cached, cost.cycles, blob, memory.on_chip_bytes(layer, compiler), streamed,
        cost.macs, cost.wide_bytes, cost.narrow_bytes,
    )  # fmt: skip


def _runs(graph: LayerGraph, plans: list[LayerPlan]) -> list[list[LayerPlan]]:
    """CPU layers that feed the accelerator, the accelerator's one subgraph, and the CPU layers after it."""
    tpu = [plan for plan in plans if not plan.reason]
    needed = _ancestors(graph, {plan.layer.index for plan in tpu})
    before = [plan for plan in plans if plan.reason and plan.layer.index in needed]
    after = [plan for plan in plans if plan.reason and plan.layer.index not in needed]
    return [run for run in (before, tpu, after) if run]


def _ancestors(graph: LayerGraph, targets: set[int]) -> set[int]:
    needed = set(targets)
    for producer, consumer, _ in sorted(graph.edges(), key=lambda edge: -edge[1]):
        if consumer in needed:
            needed.add(producer)
    return needed - targets


def boundary(graph: LayerGraph, layers: Sequence[Layer]) -> tuple[list[Tensor], list[Tensor]]:
    """Tensors that a set of layers reads from outside, and those that it hands to the outside.

    Returns
    -------
    tuple of two lists of Tensor
        Read from outside (the network's inputs among them), and read by layers outside or given as the network's
        outputs.
    """
    inside = {layer.index for layer in layers}
    made = {tensor.id: tensor for layer in layers for tensor in layer.outputs}
    read = {tensor.id: tensor for layer in layers for tensor in layer.inputs}
    used = {t.id for layer in graph.layers if layer.index not in inside for t in layer.inputs}
    used |= {tensor.id for tensor in graph.outputs}
    return [t for i, t in read.items() if i not in made], [t for i, t in made.items() if i in used]


def _segment(graph: LayerGraph, plans: list[LayerPlan], accelerator: Accelerator, compiler: str) -> Segment:
    if plans[0].reason:
        return Segment("cpu", tuple(plans))
    layers = [plan.layer for plan in plans]
    inputs, outputs = boundary(graph, layers)
    cached = sum(plan.blob_bytes for plan in plans if plan.cached)
    main, caching = memory.instruction_bytes(layers, compiler), memory.caching_instruction_bytes(layers, compiler)
    scratch = memory.scratch_bytes(layers) + spilled_bytes(layers, accelerator)
    return Segment(
        "tpu", tuple(plans),
        instruction_bytes=main, caching_instruction_bytes=caching if cached else 0, cached_bytes=cached,
        input_bytes=memory.input_bytes(layers, inputs, accelerator.narrow_bytes_per_tile),
        output_bytes=sum(memory.output_wire_bytes(tensor) for tensor in outputs),
        tensor_output_bytes=sum(tensor.n_bytes for tensor in outputs),
        scratch_out_bytes=scratch, scratch_in_bytes=scratch,
        prefetch_bytes=prefetch_bytes(layers, accelerator),
    )  # fmt: skip


def cocompile(graphs: Sequence[LayerGraph], accelerator: Accelerator, compiler: str = "2021") -> list[Executable]:
    """Compile networks together: one token, and parameter memory goes to the first network first."""
    token = "+".join(graph_hash(graph) for graph in graphs)
    executables: list[Executable] = []
    reserved = 0
    for graph in graphs:
        executables.append(compile_graph(graph, accelerator, compiler, reserved, token))
        reserved += on_chip_bytes(executables[-1])
    return executables


def on_chip_bytes(executable: Executable) -> int:
    """Parameter memory that the cached layers take, in padded rows."""
    return sum(plan.on_chip_bytes for plan in executable.plans if plan.cached)


def split(graph: LayerGraph, cuts: Iterable[int]) -> list[LayerGraph]:
    """Split a network before the layers with the given indices, for a pipeline.

    Raises :class:`InputError` for cuts that are not increasing or not inside the network.
    """
    edges = [0, *cuts, len(graph.layers)]
    if any(a >= b for a, b in pairwise(edges)):
        raise InputError("cuts", edges[1:-1], f"increasing layer numbers between 1 and {len(graph.layers) - 1}")
    parts = [graph.layers[a:b] for a, b in pairwise(edges)]
    return [_part(graph, layers, f"{graph.name}_segment_{i}_of_{len(parts)}") for i, layers in enumerate(parts)]


def _part(graph: LayerGraph, layers: tuple[Layer, ...], name: str) -> LayerGraph:
    inputs, outputs = boundary(graph, layers)
    renumbered = tuple(replace(layer, index=index) for index, layer in enumerate(layers))
    return LayerGraph(name, renumbered, tuple(inputs), tuple(outputs))


def _cut_evenly(weights: Sequence[float], parts: int) -> list[int]:
    if not 1 <= parts <= len(weights):
        raise InputError("--num-segments", parts, f"1 to {len(weights)} for this network")
    total, sums = sum(weights), list(accumulate(weights))
    cuts: list[int] = []
    for k in range(1, parts):
        least = (cuts[-1] if cuts else 0) + 1
        most = len(weights) - (parts - k)
        near = min(range(least, most + 1), key=lambda cut: abs(sums[cut - 1] - total * k / parts))
        cuts.append(near)
    return cuts


def cut_by_parameters(graph: LayerGraph, num_segments: int) -> list[int]:
    """Cut as ``edgetpu_compiler --num_segments`` does: a segment takes layers while they fit its even share of bytes.

    The last one takes what remains. So were five equal convolutions cut (two and three, or 1, 1, 1 and 2) in every log
    of villarrubia_synthetic.csv, and so lie the boundaries inside the segments of google-coral/test_data
    (tests/test_compiler.py). Raises :class:`InputError` for more segments than layers.
    """
    weights = [layer.parameter_bytes for layer in graph.layers]
    if not 1 <= num_segments <= len(weights):
        raise InputError("--num-segments", num_segments, f"1 to {len(weights)} for this network")
    share, cuts, filled = sum(weights) / num_segments, [0], 0
    for index, weight in enumerate(weights):
        missing = num_segments - len(cuts)
        is_full = filled + weight > share or len(weights) - index == missing
        if index and missing and is_full:
            cuts.append(index)
            filled = 0
        filled += weight
    return cuts[1:]


def cut_by_time(weights_ns: Sequence[float], num_segments: int) -> list[int]:
    """Cut into segments whose slowest is as fast as possible (minimax over contiguous runs of layers).

    Parameters
    ----------
    weights_ns
        Time of each layer, in order.
    num_segments
        At most as many as there are layers.

    Returns
    -------
    list of int
        Layer numbers before which to cut, one fewer than segments.

    Notes
    -----
    Bisection over the slowest segment's time with greedy filling; where that fills fewer segments, an even cut is
    taken, which may be a little slower.
    """
    low, high = max(weights_ns), sum(weights_ns)
    while high - low > 1:
        middle = (low + high) / 2
        low, high = (low, middle) if len(_greedy_cuts(weights_ns, middle)) < num_segments else (middle, high)
    cuts = _greedy_cuts(weights_ns, high)
    return cuts if len(cuts) == num_segments - 1 else _cut_evenly(weights_ns, num_segments)


def _greedy_cuts(weights_ns: Sequence[float], limit: float) -> list[int]:
    cuts, filled = [], 0.0
    for index, weight in enumerate(weights_ns):
        if filled + weight > limit and index:
            cuts.append(index)
            filled = 0.0
        filled += weight
    return cuts


def segment_cuts(graph: LayerGraph, accelerator: Accelerator, num_segments: int, segmentation: str) -> list[int]:
    """Return the layer numbers before which a network is cut: by parameters, by profiled time, or as given.

    ``segmentation`` is ``compiler``, ``profiled``, or layer numbers such as ``12,30``; raises :class:`InputError` else.
    """
    if segmentation == "compiler":
        return cut_by_parameters(graph, num_segments)
    if segmentation == "profiled":
        return cut_by_time(layer_weights(graph, accelerator), num_segments)
    try:
        return [int(cut) for cut in segmentation.split(",")]
    except ValueError:
        raise InputError("--segmentation", segmentation, "compiler, profiled, or layer numbers such as 12,30") from None


def layer_weights(graph: LayerGraph, accelerator: Accelerator) -> list[float]:
    """Relative time of every layer with its parameters on the chip, in cycles (1 for what costs nothing)."""
    return [layer_cost(layer, accelerator).cycles + 1 for layer in graph.layers]
