"""Bytes that the compiler makes of a network: parameters as sent and as kept on the chip, inputs, outputs.

Found by locating the filters of plain networks inside the parameters of their compiled twins (google-coral/test_data;
tests/test_twins.py holds the functions against the files): convolutions and dense layers are known to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod

from hwmodels.graph import Layer, Tensor
from hwmodels.instructions import WIDE_SOFTMAX, caching_instruction_bytes, instruction_bytes
from hwmodels.tiles import NARROW_BYTES_PER_TILE, banded_layers, ceil_to, working_set_bytes

__all__ = [
    "allocate", "blob_bytes", "caching_instruction_bytes", "footprint_bytes", "input_bytes", "input_wire_bytes",
    "instruction_bytes", "on_chip_bytes", "output_wire_bytes", "scratch_bytes",
]  # fmt: skip

LANES = 64  # outputs side by side in a row of weights
WAYS = 4  # inputs of each output in a row
#: Beyond its gate matrices an LSTM carries this much, tables presumably (one file: keras_lstm_mnist_ptq).
LSTM_TABLE_BYTES = 29_376


def blob_bytes(layer: Layer, compiler: str = "2021") -> int:
    """Parameter bytes of a layer as they cross the link, cached or streamed.

    Each output lane takes kh kw ceil4(Cin) bytes of weights and a table entry; lanes are ceil16(Cout) up to 64
    outputs, else ceil64(Cout), and 4 for a convolution to one output. A depthwise convolution takes 4 kh kw bytes and
    a table entry per channel. Everything comes in 64-byte lines.

    Parameters
    ----------
    layer
        Its filters say how they were quantised: uint8 holds one scale a tensor, int8 one a channel.
    compiler
        Compilers of 2021 add the tables of a wide softmax.

    Returns
    -------
    int
        Whole lines of 64 bytes; 0 for a layer without parameters.
    """
    lines = sum(ceil_to(_sent_lanes(layer, outputs) * per_lane, LANES) for outputs, per_lane in _filters(layer))
    return lines + _other_bytes(layer, compiler)


def on_chip_bytes(layer: Layer, compiler: str = "2021") -> int:
    """Bytes of a cached layer as the compiler's log counts them: whole rows of 64 lanes x 4 bytes.

    Exact in the logs of the 7x7 stack (918 528 B for 10 layers) and of the 3x3 sweep, but for their unused biases.
    """
    return _rows_bytes(layer, LANES) + _other_bytes(layer, compiler)


def footprint_bytes(layer: Layer, compiler: str = "2021") -> int:
    """Memory that a cached layer occupies.

    As logged; but compilers before 2021 spread dense layers over the 16 tiles, so their outputs take 1024 lanes
    (8.02 MiB hold 79 layers of 100 units, 40 of 200, 20 of 400: jetson_nano_layers.csv).
    """
    spread = layer.op == "FULLY_CONNECTED" and compiler == "2020"
    return _rows_bytes(layer, 16 * LANES if spread else LANES) + _other_bytes(layer, compiler)


def _rows_bytes(layer: Layer, lanes: int) -> int:
    return sum(ceil_to(_kept_lanes(layer, outputs, lanes) * each, LANES * WAYS) for outputs, each in _filters(layer))


def _sent_lanes(layer: Layer, outputs: int) -> int:
    if outputs == 1 and layer.op != "FULLY_CONNECTED":
        return WAYS
    if _is_depthwise(layer):
        return outputs
    return ceil_to(outputs, 16 if outputs <= LANES else LANES)


def _kept_lanes(layer: Layer, outputs: int, lanes: int) -> int:
    single = outputs == 1 and layer.op != "FULLY_CONNECTED"
    return WAYS if single else ceil_to(outputs, lanes)


def _is_depthwise(layer: Layer) -> bool:
    """Whether every channel has its own filter (one input channel is computed as a plain convolution)."""
    return layer.op == "DEPTHWISE_CONV_2D" and layer.input.hwc[2] > 1


def _filters(layer: Layer) -> list[tuple[int, int]]:
    """Return (outputs, bytes per output) of each filter of a layer."""
    describe = _FILTERS.get(layer.op)
    return describe(layer) if describe and layer.weights else []


def _conv_filters(layer: Layer) -> list[tuple[int, int]]:
    outputs, height, width, inputs = ((1,) * 4 + layer.weights[0].shape)[-4:]
    return [(outputs, height * width * ceil_to(inputs, WAYS) + _table_bytes(layer))]


def _depthwise_filters(layer: Layer) -> list[tuple[int, int]]:
    return [(layer.weights[0].shape[-1], WAYS * prod(layer.kernel) + _table_bytes(layer))]


def _dense_filters(layer: Layer) -> list[tuple[int, int]]:
    outputs, inputs = ((1,) * 2 + layer.weights[0].shape)[-2:]
    return [(outputs, ceil_to(inputs, WAYS) + _table_bytes(layer))]


def _lstm_filters(layer: Layer) -> list[tuple[int, int]]:
    return [(w.shape[0], ceil_to(w.shape[1], WAYS)) for w in layer.weights if len(w.shape) == 2]


_FILTERS: dict[str, Callable[[Layer], list[tuple[int, int]]]] = {
    "CONV_2D": _conv_filters,
    "TRANSPOSE_CONV": _conv_filters,
    "DEPTHWISE_CONV_2D": _depthwise_filters,
    "FULLY_CONNECTED": _dense_filters,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm_filters,
}


def _table_bytes(layer: Layer) -> int:
    """Bytes per output beside the weights: 4 for the bias, 8 for the scale of a filter quantised per channel.

    A trace does not say how a dense filter was quantised: converters that quantise it per channel leave an unused
    bias away, older ones never do.
    """
    has_bias = len(layer.weights) > 1
    per_channel = not has_bias if layer.op == "FULLY_CONNECTED" else True
    if layer.weights[0].dtype == "uint8":
        return 4
    return 4 * has_bias + 8 * per_channel


def _other_bytes(layer: Layer, compiler: str) -> int:
    """Parameters that are no filter: tables of an LSTM or softmax, and constant operands of element-wise layers."""
    if layer.op == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        return LSTM_TABLE_BYTES
    if layer.op == "SOFTMAX" and compiler != "2020" and layer.input.hwc[2] in WIDE_SOFTMAX:
        return 3 * 16 * ceil_to(layer.input.hwc[2], WAYS) + LANES  # three dense layers to one output, 16 lanes each
    if layer.op in _FILTERS:
        return 0
    return sum(ceil_to(weight.n_bytes, LANES) for weight in layer.weights)


def allocate(layers: Iterable[Layer], capacity_bytes: int, compiler: str = "2021") -> tuple[bool, ...]:
    """Return which layers keep their parameters on the chip, greedily in order of execution.

    A layer is cached if it still fits; else it streams as a whole and later, smaller ones may still be cached. With
    8.0 MB this gives the number of spilled layers in 156 of 157 logs of villarrubia_synthetic.csv (8.15 MB: all).

    Parameters
    ----------
    layers
        In order of execution.
    capacity_bytes
        See :func:`hwmodels.capacity.parameter_capacity_bytes`, less what networks compiled together before this one
        took.
    compiler
        Compilers before 2021 spread dense layers over the tiles (:func:`footprint_bytes`).

    Returns
    -------
    tuple of bool
        For each layer, whether it is kept; true for layers without parameters.
    """
    cached, free = [], capacity_bytes
    for layer in layers:
        size = footprint_bytes(layer, compiler)
        cached.append(size <= free)
        free -= size if size <= free else 0
    return tuple(cached)


def output_wire_bytes(tensor: Tensor) -> int:
    """Bytes of an output on the wire: channels padded to 4, the whole to 8 (1001 classes: 1008)."""
    height, width, channels = tensor.hwc
    outer = prod(max(1, extent) for extent in tensor.shape[:-3])
    return ceil_to(outer * height * width * ceil_to(channels, WAYS) * _element_bytes(tensor), 8)


def input_wire_bytes(tensor: Tensor) -> int:
    """Bytes of an input on the wire when it is sent in one piece: padded to 8."""
    return ceil_to(tensor.n_bytes, 8)


def _element_bytes(tensor: Tensor) -> int:
    return tensor.n_bytes // tensor.n_elements


def input_bytes(
    layers: Sequence[Layer], inputs: Sequence[Tensor], narrow_bytes_per_tile: int = NARROW_BYTES_PER_TILE
) -> int:
    """Bytes of all inputs of an Edge TPU subgraph on the wire, with the rows that overlapping bands send twice.

    When the first layers do not fit the tiles' memory, the input comes in bands of rows and each band computes the
    network down to the first layer that fits; neighbours share that layer's receptive field: 19 rows to stride 8 and
    43 to stride 16 in 3x3 networks. Exact in the DeepLab and PoseNet twins; of the other banded files
    (BodyPix at 576x768, 1024x768 and 1280x720, MobileNet v2 at 1024x512) the larger ones have a band more.

    Parameters
    ----------
    layers
        Of the subgraph, in order of execution.
    inputs
        Tensors that it reads from outside; only the first one may come in bands.
    narrow_bytes_per_tile
        Memory for activations in a tile.

    Returns
    -------
    int
        Every input padded to 8 bytes, bands with their overlap.
    """
    banded = banded_layers(layers, narrow_bytes_per_tile)
    if not banded or not inputs:
        return sum(input_wire_bytes(tensor) for tensor in inputs)
    bands = -(-working_set_bytes(banded[0]) // narrow_bytes_per_tile)
    row = inputs[0].n_bytes // inputs[0].hwc[0]
    first = sum(ceil_to(rows * row, 8) for rows in _band_rows(inputs[0].hwc[0], banded, bands))
    return first + sum(input_wire_bytes(tensor) for tensor in inputs[1:])


def _band_rows(height: int, layers: Sequence[Layer], bands: int) -> list[int]:
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


def scratch_bytes(layers: Iterable[Layer]) -> int:
    """Bytes of the host buffer that a program always uses: the steps of an LSTM, padded to 8.

    Joined branches may spill too (:func:`hwmodels.tiles.spilled_bytes`). One DeepLab-slim file sends its 33x33x1280
    map, 1 393 920 B, and reads it back six times, though it fits; no rule for that is known, no other file does it.
    """
    return sum(_lstm_scratch(layer.output) for layer in layers if layer.op == "UNIDIRECTIONAL_SEQUENCE_LSTM")


def _lstm_scratch(output: Tensor) -> int:
    _, steps, units = output.hwc
    return steps * ceil_to(units, 8)
