"""Layer by layer on several cores: a layer takes its compute time, or its bytes over its share of the memory.

Cycles follow from the array's pixel, input and output parallelism (PG338: a depthwise layer uses half the pixels),
bytes from weights and feature maps. Calibrated on one and two cores (:mod:`calibration.boards.layers`), it predicts 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from hwmodels.dpu.board import Board
from hwmodels.dpu.operators import OPERATORS, Cost, Kind, convolution, dense, depthwise
from hwmodels.networks.graph import Layer, LayerGraph

__all__ = ["Phase", "compute_scale", "network_s", "phases"]

#: (layer, board) -> cycles of the array.
Form = Callable[[Layer, Board], int]


@dataclass(frozen=True, slots=True)
class Phase:
    """One layer: cycles of one core, bytes to and from memory, and whether it only streams weights."""

    cycles: int
    n_bytes: float
    weights_only: bool


def phases(graph: LayerGraph, board: Board) -> list[Phase]:
    """Return a network's layers as phases; reshapes, pads, concatenations and the final softmax cost nothing.

    Parameters
    ----------
    graph
        Layers that the accelerator fuses or that only change shapes are passed over.
    board
        Its array's pixel, input and output parallelism, and how often a feature map crosses the memory.
    """
    forms = ((layer, _form(layer)) for layer in graph.layers)
    return [_phase(layer, board, form(layer, board)) for layer, form in forms if form]


def _phase(layer: Layer, board: Board, cycles: int) -> Phase:
    features = sum(t.n_bytes for t in (*layer.inputs, *layer.outputs))
    if layer.op == "ADD":  # fused with the convolution before it: only the other operand is read
        features = layer.input.n_bytes
    n_bytes = layer.parameter_bytes + features * board.feature_bytes_factor
    return Phase(cycles, n_bytes, layer.op == "FULLY_CONNECTED")


def _conv(layer: Layer, board: Board) -> int:
    height, width, channels = layer.output.hwc
    taps = layer.weights[0].shape[1] * layer.weights[0].shape[2]
    inputs = ceil(layer.input.hwc[2] / board.input_parallel)
    return height * ceil(width / board.pixel_parallel) * inputs * ceil(channels / board.output_parallel) * taps


def _depthwise(layer: Layer, board: Board) -> int:
    height, width, channels = layer.output.hwc
    pixels = ceil(2 * height * width / board.pixel_parallel)
    return pixels * ceil(channels / board.output_parallel) * layer.kernel[0] * layer.kernel[1]


def _dense(layer: Layer, board: Board) -> int:
    outputs, inputs = layer.weights[0].shape[0], layer.weights[0].shape[-1]
    return ceil(inputs / board.input_parallel) * ceil(outputs / board.output_parallel)


def _free(_layer: Layer, _board: Board) -> int:
    return 0


_FORMS: dict[Cost, Form] = {convolution: _conv, depthwise: _depthwise, dense: _dense}


def _form(layer: Layer) -> Form | None:
    """A layer's cycles on a board; None for what is passed over."""
    row = OPERATORS.get(layer.op)
    if row is None or row.cost is None:
        return None
    return _free if row.kind is Kind.POOL or layer.op == "ADD" else _FORMS.get(row.cost)


def network_s(layers: Sequence[Phase], board: Board, cores: int, scale: float, port_factor: float = 1.0) -> float:
    """Time of one inference on one of ``cores`` busy cores, in s.

    ``scale`` multiplies the compute cycles of this network, ``port_factor`` the port's rate.

    Parameters
    ----------
    layers
        See :func:`phases`.
    board
        Clock (Hz) and rates (bytes/s) of ports and memory.
    cores
        How many run the same network at once; they share the memory evenly.

    Returns
    -------
    float
        Sum over layers of max(cycles / clock, bytes / share), in s.
    """
    port = board.port_bytes_per_s * port_factor
    share = min(port, board.layer_memory_bytes_per_s / cores)
    weights = min(port, board.layer_weights_bytes_per_s / cores)
    return sum(
        max(layer.cycles * scale / board.clock_hz, layer.n_bytes / (weights if layer.weights_only else share))
        for layer in layers
    )


def compute_scale(layers: Sequence[Phase], board: Board, measured_s: float, port_factor: float = 1.0) -> float:
    """Return the factor on compute cycles that makes one core take ``measured_s`` (by bisection, 0.02 to 8)."""
    low, high = 0.02, 8.0
    for _ in range(60):
        middle = (low + high) / 2
        if network_s(layers, board, 1, middle, port_factor) < measured_s:
            low = middle
        else:
            high = middle
    return (low + high) / 2
