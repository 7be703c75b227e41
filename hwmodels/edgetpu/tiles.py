"""How activations lie on an accelerator's tiles.

Grid and narrow memory are the accelerator's own (Coral: 4 x 4 tiles of 192 KiB).
"""

from __future__ import annotations

from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.networks.graph import Layer, Tensor

__all__ = [
    "LANES", "LANE_GROUP", "WORD", "activation_bytes_per_tile", "ceil_to", "path_fill", "tensor_bytes_per_tile",
]  # fmt: skip

WORD = 4  # channels that lie side by side: maps and rows of weights are padded to it
LANES = 16  # outputs that drain together
LANE_GROUP = 64  # outputs side by side in a row of weights; the compiler broadcasts weights a group at a time


def ceil_to(value: int, multiple: int) -> int:
    """Round up to a multiple."""
    return -(-value // multiple) * multiple


def tensor_bytes_per_tile(tensor: Tensor, accelerator: EdgeTpu) -> int:
    """Narrow memory that a map takes in the fullest tile (bytes).

    Returns
    -------
    int
        ceil(H / tiles_y) x ceil(W / tiles_x) x ceil4(C): the first tile has the most rows and columns.
    """
    height, width, channels = tensor.hwc
    return accelerator.positions_per_tile(height, width) * ceil_to(channels, WORD)


def activation_bytes_per_tile(layer: Layer, accelerator: EdgeTpu) -> int:
    """Narrow memory that all of a layer's inputs and outputs take in the fullest tile (bytes, device-model.md)."""
    return sum(tensor_bytes_per_tile(tensor, accelerator) for tensor in (*layer.inputs, *layer.outputs))


def path_fill(layer: Layer, accelerator: EdgeTpu) -> float:
    """How often a layer's path, its first input and first output, fills a tile's narrow memory.

    Bands run along the path; what else a layer reads counts in :func:`hwmodels.edgetpu.banding.branch_bytes`.
    """
    path = tensor_bytes_per_tile(layer.input, accelerator) + tensor_bytes_per_tile(layer.output, accelerator)
    return path / accelerator.narrow_bytes_per_tile
