"""Cuts: a network in segments for a pipeline, by parameters as the compiler does, by time, or as given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from hwmodels.cache import remembered
from hwmodels.errors import InputError
from hwmodels.networks.graph import LayerGraph, boundary

__all__ = ["cut_by_parameters", "cut_by_time", "in_cutting_order", "part_of", "segment_cuts", "split"]


def split(graph: LayerGraph, cuts: Iterable[int]) -> list[LayerGraph]:
    """Split a network before the layers with the given indices, for a pipeline.

    Raises :class:`InputError` for cuts that are not increasing or not inside the network.
    """
    edges = [0, *cuts, len(graph.layers)]
    if any(a >= b for a, b in pairwise(edges)):
        raise InputError.value(
            "the cuts of --segmentation", edges[1:-1], f"increasing layer numbers from 1 to {len(graph.layers) - 1}"
        )
    parts = list(pairwise(edges))
    return [part_of(graph, a, b, f"{graph.name}_segment_{i}_of_{len(parts)}") for i, (a, b) in enumerate(parts)]


def part_of(graph: LayerGraph, first: int, last: int, name: str) -> LayerGraph:
    """Return the layers of a network from ``first`` to before ``last`` as a network of their own."""
    layers = graph.layers[first:last]
    inputs, outputs = boundary(graph, layers)
    renumbered = tuple(replace(layer, index=index) for index, layer in enumerate(layers))
    return LayerGraph(name, renumbered, tuple(inputs), tuple(outputs))


@remembered(256)
def in_cutting_order(graph: LayerGraph) -> LayerGraph:
    """Return the network with its layers in the order in which cuts count them; a chain stays as it is.

    Google's partitioners follow one branch to its end before they take up another, the last one first, and leave
    outputs to the end (libcoral, ``coral/tools/partitioner``).
    """
    layers = tuple(replace(graph.layers[old], index=new) for new, old in enumerate(_depth_first(graph)))
    return LayerGraph(graph.name, layers, graph.inputs, graph.outputs, graph.meta)


def _depth_first(graph: LayerGraph) -> list[int]:
    readers: list[list[int]] = [[] for _ in graph.layers]
    missing = [0] * len(graph.layers)
    for producer, reader, _ in graph.edges():
        readers[producer].append(reader)
        missing[reader] += 1
    ready = [index for index, count in enumerate(missing) if not count]
    order: list[int] = []
    while ready:
        order.append(ready.pop())
        for reader in sorted(readers[order[-1]]):
            missing[reader] -= 1
            if not missing[reader]:
                ready.insert(len(ready) if readers[reader] else 0, reader)
    return order


def _first_end(graph: LayerGraph) -> int:
    """Number of the first layer whose outputs no other reads: it belongs to the last segment."""
    read = {tensor.id for layer in graph.layers for tensor in layer.inputs}
    ends = (x.index for x in graph.layers if read.isdisjoint(t.id for t in x.outputs))
    return next(ends, len(graph.layers) - 1)


def _cut_evenly(weights: Sequence[float], parts: int) -> list[int]:
    if not 1 <= parts <= len(weights):
        raise InputError.value("--num-segments", parts, f"1 to {len(weights)} for this network")
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

    The last one takes what remains, and everything from the first output on. The rule is that of Google's
    ``ParameterCountBasedPartitioner``; layers count in its order (:func:`in_cutting_order`). So were five equal
    convolutions cut (two and three, or 1, 1, 1 and 2) in every log of villarrubia_synthetic.csv, and so lie the
    boundaries inside the segments of google-coral/test_data
    (tests/test_compiler.py). Raises :class:`InputError` for more segments than layers.
    """
    weights = [layer.parameter_bytes for layer in graph.layers]
    most = _first_end(graph) + 1
    if not 1 <= num_segments <= most:
        raise InputError.value("--num-segments", num_segments, f"1 to {most} for this network")
    share, cuts, filled = sum(weights) // num_segments + 1, [0], 0
    for index, weight in enumerate(weights):
        missing = num_segments - len(cuts)
        is_full = filled + weight > share or most - index == missing
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


def segment_cuts(graph: LayerGraph, num_segments: int, segmentation: str) -> list[int]:
    """Return the layer numbers before which a network is cut: by parameters, or as given.

    ``segmentation`` is ``compiler``, or layer numbers such as ``12,30``; raises :class:`InputError` else.
    """
    if segmentation == "compiler":
        return cut_by_parameters(graph, num_segments)
    try:
        return [int(cut) for cut in segmentation.split(",")]
    except ValueError:
        raise InputError.value(
            "--segmentation", segmentation, "compiler, profiled, best or layer numbers such as 12,30"
        ) from None
