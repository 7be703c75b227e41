"""How activations lie on the 4 x 4 tiles, and which layers run in bands because they do not fit.

Chip structure: libedgetpu ``beagle_chip_structures.h``; 192 KiB of narrow memory per tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from hwmodels.accelerator import Accelerator, tensor_bytes_per_tile
from hwmodels.graph import Layer, Tensor

__all__ = [
    "NARROW_BYTES_PER_TILE", "TILES_EACH_WAY", "banded_layers", "branch_bytes", "ceil_to", "spilled_bytes",
    "tile_bytes", "working_set_bytes",
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


def branch_bytes(layers: Sequence[Layer], accelerator: Accelerator) -> dict[int, int]:
    """Return by layer index the bytes per tile that element-wise layers which join branches hold at once.

    Their inputs, and an output of its own where every input is still needed later. Such layers cannot run in bands as
    a chain does, so what exceeds a tile's narrow memory has to leave the chip.
    """
    last_use = {tensor.id: layer.index for layer in layers for tensor in layer.inputs}
    found = {}
    for layer in layers:
        if layer.op in _ELEMENTWISE and layer.output.hwc[0] > 1 and len(layer.inputs) > 1:
            in_place = any(last_use[tensor.id] == layer.index for tensor in layer.inputs)
            held = layer.inputs if in_place else (*layer.inputs, layer.output)
            found[layer.index] = sum(tensor_bytes_per_tile(tensor, accelerator) for tensor in held)
    return found


def spilled_bytes(layers: Sequence[Layer], accelerator: Accelerator) -> int:
    """Bytes of activations that leave the chip, and come back, in an inference: the excess of every join, in all tiles.

    YOLOv8s at 512 x 512, the one measured network with such a join (SiLU of a 256x256x32 map, 1 MiB too much), takes
    41 to 52 ms more than without it, on two hosts and at two clocks (ultralytics); this makes 34 and 41 of them.
    """
    limit = accelerator.narrow_bytes_per_tile
    return accelerator.tiles * sum(max(0, held - limit) for held in branch_bytes(layers, accelerator).values())
