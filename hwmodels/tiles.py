"""How activations lie on the 4 x 4 tiles, and which layers run in bands because they do not fit.

Chip structure: libedgetpu ``beagle_chip_structures.h``; 192 KiB of narrow memory per tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from hwmodels.graph import Layer, Tensor

__all__ = [
    "NARROW_BYTES_PER_TILE", "TILES_EACH_WAY", "banded_layers", "branch_bytes", "ceil_to", "tile_bytes",
    "working_set_bytes",
]  # fmt: skip

NARROW_BYTES_PER_TILE = 196_608
TILES_EACH_WAY = 4
_NO_WORK = frozenset(["QUANTIZE", "PAD", "RESHAPE"])
_ELEMENTWISE = frozenset(["ADD", "SUB", "MUL", "LOGISTIC", "TANH", "HARD_SWISH", "MAXIMUM", "MINIMUM"])


def ceil_to(value: int, multiple: int) -> int:
    """Round up to a multiple."""
    return -(-value // multiple) * multiple


def tile_bytes(tensor: Tensor) -> int:
    """Bytes of an activation in the largest tile: rows and columns over 4 x 4 tiles, channels padded to 4.

    Returns
    -------
    int
        ceil(H / 4) x ceil(W / 4) x ceil4(C): the first tile has the most rows and columns.
    """
    height, width, channels = tensor.hwc
    return -(-height // TILES_EACH_WAY) * -(-width // TILES_EACH_WAY) * ceil_to(channels, 4)


def working_set_bytes(layer: Layer) -> int:
    """Bytes per tile of a layer's first input and first output together."""
    return tile_bytes(layer.input) + tile_bytes(layer.output)


def banded_layers(layers: Sequence[Layer], narrow_bytes_per_tile: int = NARROW_BYTES_PER_TILE) -> list[Layer]:
    """Return the layers that run band by band from the network's input: a chain down to the last one that does not fit.

    Empty if the first layer with a kernel fits. Layers after the first upsampling are not looked at.

    Parameters
    ----------
    layers
        In order of execution; quantisation, padding and reshapes do no work and are passed over.
    narrow_bytes_per_tile
        Memory for activations in a tile.

    Returns
    -------
    list of Layer
        From the network's input to the last layer whose input and output exceed the memory, each reading the one
        before.
    """
    encoder = list(takewhile(lambda layer: not _grows(layer), (x for x in layers if x.op not in _NO_WORK)))
    too_large = [layer for layer in encoder if working_set_bytes(layer) > narrow_bytes_per_tile]
    if not too_large or too_large[0] is not encoder[0]:
        return []
    return _chain_to(too_large[-1], encoder)


def _grows(layer: Layer) -> bool:
    return layer.output.hwc[0] > layer.input.hwc[0]


def _chain_to(layer: Layer, layers: Sequence[Layer]) -> list[Layer]:
    producer = {tensor.id: other for other in layers for tensor in other.outputs}
    chain = [layer]
    while chain[-1].input.id in producer and producer[chain[-1].input.id].index < chain[-1].index:
        chain.append(producer[chain[-1].input.id])
    return chain[::-1]


def branch_bytes(layers: Sequence[Layer]) -> dict[int, int]:
    """Return by layer index the bytes per tile that element-wise layers on maps hold at once.

    Inputs, and an output of its own where every input is still needed later. Such layers join branches: they cannot
    run in bands as a chain does, so what exceeds a tile's narrow memory has to leave the chip.
    """
    last_use = {tensor.id: layer.index for layer in layers for tensor in layer.inputs}
    found = {}
    for layer in layers:
        in_place = any(last_use[tensor.id] == layer.index for tensor in layer.inputs)
        is_chain = in_place and len(layer.inputs) == 1
        if layer.op in _ELEMENTWISE and layer.output.hwc[0] > 1 and not is_chain:
            found[layer.index] = sum(map(tile_bytes, layer.inputs)) + (0 if in_place else tile_bytes(layer.output))
    return found
