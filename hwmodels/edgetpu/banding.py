"""What does not fit the tiles: layers that run in bands of rows, and joined branches that leave the chip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.operators import OPERATORS
from hwmodels.edgetpu.tiles import path_fill, tensor_bytes_per_tile
from hwmodels.networks.graph import Layer

__all__ = ["band_rows", "banded_layers", "branch_bytes", "spilled_bytes"]


def banded_layers(layers: Sequence[Layer], accelerator: EdgeTpu) -> list[Layer]:
    """Return the layers that run band by band from the network's input: a chain down to the last one that does not fit.

    Empty if the first layer with a kernel fits. Layers after the first upsampling are not looked at.

    Parameters
    ----------
    layers
        In order of execution; quantisation, padding and reshapes do no work and are passed over.
    accelerator
        Its grid and narrow memory say what fits.

    Returns
    -------
    list of Layer
        From the network's input to the last layer whose input and output exceed the memory, each reading the one
        before.
    """
    encoder = list(takewhile(lambda layer: not _grows(layer), (x for x in layers if _works(x))))
    too_large = [layer for layer in encoder if path_fill(layer, accelerator) > 1]
    if not too_large or too_large[0] is not encoder[0]:
        return []
    return _chain_to(too_large[-1], encoder)


def _works(layer: Layer) -> bool:
    row = OPERATORS.get(layer.op)
    return row is None or row.works


def _grows(layer: Layer) -> bool:
    return layer.output.hwc[0] > layer.input.hwc[0]


def _chain_to(layer: Layer, layers: Sequence[Layer]) -> list[Layer]:
    producer = {tensor.id: other for other in layers for tensor in other.outputs}
    chain = [layer]
    while chain[-1].input.id in producer and producer[chain[-1].input.id].index < chain[-1].index:
        chain.append(producer[chain[-1].input.id])
    return chain[::-1]


def _joins(layer: Layer) -> bool:
    row = OPERATORS.get(layer.op)
    return row is not None and row.joins


def branch_bytes(layers: Sequence[Layer], accelerator: EdgeTpu) -> dict[int, int]:
    """Return by layer index the bytes per tile that element-wise layers which join branches hold at once.

    Their inputs, and an output of its own where every input is still needed later. Such layers cannot run in bands as
    a chain does, so what exceeds a tile's narrow memory has to leave the chip.
    """
    last_use = {tensor.id: layer.index for layer in layers for tensor in layer.inputs}
    found = {}
    for layer in layers:
        if _joins(layer) and layer.output.hwc[0] > 1 and len(layer.inputs) > 1:
            in_place = any(last_use[tensor.id] == layer.index for tensor in layer.inputs)
            held = layer.inputs if in_place else (*layer.inputs, layer.output)
            found[layer.index] = sum(tensor_bytes_per_tile(tensor, accelerator) for tensor in held)
    return found


def spilled_bytes(layers: Sequence[Layer], accelerator: EdgeTpu) -> int:
    """Bytes of activations that leave the chip, and come back, in an inference: the excess of every join, in all tiles.

    YOLOv8s at 512 x 512, the one measured network with such a join (SiLU of a 256x256x32 map, 1 MiB too much), takes
    41 to 52 ms more than without it, on two hosts and at two clocks (ultralytics); this makes 34 and 41 of them.
    """
    limit = accelerator.narrow_bytes_per_tile
    return accelerator.tiles * sum(max(0, held - limit) for held in branch_bytes(layers, accelerator).values())


def band_rows(height: int, layers: Sequence[Layer], bands: int) -> list[int]:
    """Input rows of each band, given the layers that run band by band."""
    field, jump = _receptive_field(layers)
    rows_out = layers[-1].output.hwc[0]
    parts = [rows_out // bands + (band < rows_out % bands) for band in range(bands)]
    rows = [(part - 1) * jump + field for part in parts]
    padding = (rows_out - 1) * jump + field - height
    rows[0] -= padding // 2
    rows[-1] -= padding - padding // 2
    return [min(height, max(1, n)) for n in rows]


def _receptive_field(layers: Iterable[Layer]) -> tuple[int, int]:
    """Input rows that one output row needs, and input rows from one output row to the next."""
    field, jump = 1, 1
    for layer in layers:
        field += (layer.kernel[0] - 1) * layer.dilation[0] * jump
        jump *= layer.stride[0]
    return field, jump
