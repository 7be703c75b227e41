"""What is not certain about a compilation: how much memory there is, what then streams, and whether it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.allocation import allocate, capacity_range_bytes, parameter_capacity_bytes
from hwmodels.edgetpu.banding import branch_bytes
from hwmodels.edgetpu.coefficients import Compiler
from hwmodels.edgetpu.parameters import blob_bytes
from hwmodels.networks.graph import Layer, LayerGraph

__all__ = ["Outlook", "outlook", "refusal_note"]

#: Inputs whose extents are such a multiple of this were refused where others of about their size were not.
STRIDE = 32


@dataclass(frozen=True, slots=True)
class Outlook:
    """Parameter memory of a network by itself and what of it streams (bytes): least, expected, most."""

    capacity_bytes: tuple[int, int, int]
    streamed_bytes: tuple[int, int, int]


def outlook(layers: Sequence[Layer], accelerator: EdgeTpu, compiler: Compiler) -> Outlook:
    """Return the 90 % interval of the memory for the mapped layers of a network, and of the bytes that stream.

    Parameters
    ----------
    layers
        Those that map, in order of execution.
    accelerator
        Its memories.
    compiler
        Its rules, and how far logs lie from them.
    """
    low, high = capacity_range_bytes(layers, accelerator, compiler)
    capacities = (low, parameter_capacity_bytes(layers, accelerator, compiler), high)
    most, expected, least = (_streamed_bytes(layers, size, accelerator, compiler) for size in capacities)
    return Outlook(capacities, (least, expected, most))


def _streamed_bytes(layers: Sequence[Layer], capacity: int, accelerator: EdgeTpu, compiler: Compiler) -> int:
    flags = allocate(layers, capacity, accelerator, compiler)
    return sum(blob_bytes(layer, compiler) for layer, flag in zip(layers, flags, strict=True) if not flag)


def refusal_note(graph: LayerGraph, layers: Sequence[Layer], accelerator: EdgeTpu) -> str:
    """Return a warning where networks like this one were refused for large activation tensors; "" else.

    Seen in networks that join maps with enlarged ones (YOLOv5s) at 352 and 480 pixels, while 320, 384 and 512 compile.
    So the maps are large, and the input is 32 times an odd number: no better rule is known.
    """
    extents = graph.inputs[0].hwc[:2] if graph.inputs else (0, 0)
    is_odd = any(extent and extent % (2 * STRIDE) == STRIDE for extent in extents)
    enlarges = any(layer.op.startswith("RESIZE") for layer in layers)
    held = max(branch_bytes(layers, accelerator).values(), default=0)
    if not (is_odd and enlarges and 2 * held > accelerator.narrow_bytes_per_tile):
        return ""
    sizes = ("x".join(str(e + STRIDE * side * (e % (2 * STRIDE) != 0)) for e in extents) for side in (-1, 1))
    return (
        f"the compiler may refuse it (large activation tensors): joined maps need {held >> 10} of "
        f"{accelerator.narrow_bytes_per_tile >> 10} KiB a tile, and such networks were refused at "
        f"{'x'.join(map(str, extents))} or thereabouts; {' and '.join(sizes)} are safer inputs"
    )
