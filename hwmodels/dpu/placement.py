"""Which layers of a network run on a DPU: what its operators and limits allow, in as many runs as that takes.

Each operator's own rule is its row's in :mod:`hwmodels.dpu.operators`. A layer that stays on the CPU cuts the network:
what comes after it is another run of the accelerator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import prod

from hwmodels.dpu.accelerator import Dpu
from hwmodels.dpu.operators import OPERATORS, Kind
from hwmodels.networks.graph import Layer, LayerGraph, Tensor

__all__ = ["place", "runs", "sources"]

DTYPES = ("int8", "uint8")
#: Operators that change no element's value or only one by one: whatever reads their result can read their input.
_SAME = frozenset(name for name, row in OPERATORS.items() if row.kind is Kind.FUSED) - {"CONCATENATION"}


def sources(graph: LayerGraph) -> dict[int, Tensor]:
    """Return for each tensor's number the map that its reader takes, before activations, paddings and reshapes."""
    found: dict[int, Tensor] = {tensor.id: tensor for tensor in graph.inputs}
    for layer in graph.layers:
        for tensor in layer.inputs:
            found.setdefault(tensor.id, tensor)
        for tensor in layer.outputs:
            found[tensor.id] = found[layer.input.id] if layer.op in _SAME and layer.inputs else tensor
    return found


def place(graph: LayerGraph, part: Dpu) -> tuple[str, ...]:
    """Return for each layer "" if it runs on the DPU, else the reason why not."""
    read = sources(graph)
    return tuple(_reason(layer, read.get(layer.input.id, layer.input), part) for layer in graph.layers)


def _reason(layer: Layer, source: Tensor, part: Dpu) -> str:
    row = OPERATORS.get(layer.op)
    tensors = (*layer.inputs, *layer.outputs)
    if row is None:
        return "no operator of the DPU"
    if not all(tensor.dtype in DTYPES for tensor in tensors):
        return "not of 8-bit integers"
    if any(tensor.is_dynamic for tensor in tensors):
        return "size is known only at run time"
    if any(prod(tensor.shape[:-3]) != 1 for tensor in tensors):
        return "more than three dimensions"
    return row.limit(layer, source, part) if row.limit else ""


def runs(graph: LayerGraph, reasons: Sequence[str]) -> Iterator[list[Layer]]:
    """Yield the layers run by run, on accelerator and CPU in turn, each after everything that it reads.

    A layer belongs to the earliest run of its device that no run before it must wait for.
    """
    level: dict[int, int] = {}
    levels: list[int] = []
    for layer, reason in zip(graph.layers, reasons, strict=True):
        least = max((level.get(tensor.id, 0) for tensor in layer.inputs), default=0)
        mine = least + (least % 2 != bool(reason))
        levels.append(mine)
        level.update((tensor.id, mine) for tensor in layer.outputs)
    order = sorted(graph.layers, key=lambda layer: (levels[layer.index], layer.index))
    for _, group in groupby(order, key=lambda layer: levels[layer.index]):
        yield list(group)
