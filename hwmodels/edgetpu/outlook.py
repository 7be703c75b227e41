"""What is not certain about a compilation: how much memory there is, what then streams, and whether it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwmodels.cpu import is_known
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.allocation import allocate, capacity_range_bytes, parameter_capacity_bytes
from hwmodels.edgetpu.banding import branch_bytes
from hwmodels.edgetpu.coefficients import Compiler
from hwmodels.edgetpu.parameters import blob_bytes
from hwmodels.executable import LayerPlan
from hwmodels.networks.graph import Layer, LayerGraph

__all__ = ["UNKNOWN_SPREAD", "Outlook", "operator_notes", "outlook", "refusal_note", "unknown_operators"]

#: Inputs whose extents are such a multiple of this were refused where others of about their size were not.
STRIDE = 32
#: Relative standard deviation of a latency of which an operator of unknown cost is a part.
UNKNOWN_SPREAD = 1.0
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"


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


def unknown_operators(plans: Sequence[LayerPlan]) -> list[str]:
    """Return the custom operators on the CPU of which nobody says what they cost."""
    return sorted({plan.layer.op for plan in plans if plan.reason and not is_known(plan.layer.op)})


def operator_notes(plans: Sequence[LayerPlan]) -> list[str]:
    """Return what to mind of operators of unknown cost, and of one that the driver refuses over USB."""
    notes = [
        f"nobody says what {op} costs on the CPU: it counts as an element-wise operator, within a wide interval"
        for op in unknown_operators(plans)
    ]
    if any(plan.layer.op == LSTM and not plan.reason for plan in plans):
        notes.append("over USB the driver does not run an LSTM unless it is told to: the times hold over PCIe")
    return notes
