"""Which layers of a network map to the Edge TPU, by the compiler's published operator rules.

Each operator's own rule is its row's in :mod:`hwmodels.edgetpu.operators`. Reasons are in the words of the compiler's
log; tests/test_twins.py holds them against the CPU operators that remain in compiled files.
"""

from __future__ import annotations

from math import prod

from hwmodels.cache import remembered
from hwmodels.edgetpu.operators import OPERATORS
from hwmodels.executable import MORE_THAN_ONE_SUBGRAPH
from hwmodels.networks.graph import Layer, LayerGraph

__all__ = ["place", "place_each", "unsupported"]

NOT_SUPPORTED = "Operation not supported"
VERSION = "Operation version not supported"
DATA_TYPE = "Operation is working on an unsupported data type"
RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
DYNAMIC = "Operation is working on a dynamic-sized tensor"
LIMITATION = "Operation is otherwise supported, but not mapped due to some unspecified limitation"


def place_each(graph: LayerGraph) -> tuple[str, ...]:
    """Return for each layer why it cannot map by itself, "" if it can: several subgraphs are allowed."""
    return tuple(unsupported(layer) for layer in graph.layers)


@remembered(512)
def place(graph: LayerGraph) -> tuple[str, ...]:
    """Return for each layer "" if it maps to the Edge TPU, else the reason as the compiler's log words it.

    There is one Edge TPU subgraph: what descends from an unsupported operator inside the network stays on the CPU.
    Unsupported operators at its start, such as the quantisation of a float input, only precede the subgraph.

    Parameters
    ----------
    graph
        Every tensor is written before it is read, so one pass in order is enough.

    Returns
    -------
    tuple of str
        One entry for each layer, in the words of the compiler's log.
    """
    reasons = [unsupported(layer) for layer in graph.layers]
    after_mapped: set[int] = set()
    cut_off: set[int] = set()
    for layer in graph.layers:  # every tensor is written before it is read, so one pass in order is enough
        read, written = {t.id for t in layer.inputs}, {t.id for t in layer.outputs}
        follows = not read.isdisjoint(after_mapped)
        if not read.isdisjoint(cut_off):
            reasons[layer.index] = reasons[layer.index] or MORE_THAN_ONE_SUBGRAPH
            cut_off |= written
        elif reasons[layer.index] and follows:
            cut_off |= written
        if follows or not reasons[layer.index]:
            after_mapped |= written
    return tuple(reasons)


def unsupported(layer: Layer) -> str:
    """Return why a layer by itself cannot map, or "" if it can.

    Checked in this order: operator, its version, data type, dynamic shape, rank, limits of the operator (activation
    fused into a pool, dilation, groups, sizes of softmax, transposition and reshape, resize factor and their kin).
    """
    row = OPERATORS.get(layer.op)
    tensors = (*layer.inputs, *layer.outputs)
    if row is None:
        return NOT_SUPPORTED
    if 0 < row.last_version < layer.version:
        return VERSION
    if not all(tensor.dtype in row.dtypes for tensor in tensors):
        return DATA_TYPE
    if any(tensor.is_dynamic for tensor in tensors):
        return DYNAMIC
    if any(prod(tensor.shape[:-3]) != 1 for tensor in tensors):
        return RANK
    is_beyond = row.is_beyond is not None and row.is_beyond(layer)
    return LIMITATION if is_beyond or (layer.activation and not row.fuses) else ""
