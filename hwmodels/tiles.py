"""How activations lie on the 4 x 4 tiles, and which layers run in bands because they do not fit.

Chip structure: docs/hardware.md; 192 KiB of narrow memory per tile.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwmodels.graph import Layer, Tensor

__all__ = ["NARROW_BYTES_PER_TILE", "banded_layers", "ceil_to", "tile_bytes", "working_set_bytes"]

NARROW_BYTES_PER_TILE = 196_608
TILES_EACH_WAY = 4


def ceil_to(value: int, multiple: int) -> int:
    """Round up to a multiple."""
    return -(-value // multiple) * multiple


def tile_bytes(tensor: Tensor) -> int:
    """Bytes of an activation in the largest tile: rows and columns over 4 x 4 tiles, channels padded to 4."""
    height, width, channels = tensor.hwc
    return -(-height // TILES_EACH_WAY) * -(-width // TILES_EACH_WAY) * ceil_to(channels, 4)


def working_set_bytes(layer: Layer) -> int:
    """Bytes per tile of a layer's first input and first output together."""
    return tile_bytes(layer.input) + tile_bytes(layer.output)


def banded_layers(layers: Sequence[Layer], narrow_bytes_per_tile: int = NARROW_BYTES_PER_TILE) -> Sequence[Layer]:
    """Return the layers that run band by band from the network's input: down to the last one that does not fit.

    None if the first layer with a kernel fits.
    """
    spatial = [layer for layer in layers if layer.op not in ("QUANTIZE", "PAD", "RESHAPE")]
    if not spatial or working_set_bytes(spatial[0]) <= narrow_bytes_per_tile:
        return ()
    last = max(i for i, layer in enumerate(spatial) if working_set_bytes(layer) > narrow_bytes_per_tile)
    return spatial[: last + 1]
