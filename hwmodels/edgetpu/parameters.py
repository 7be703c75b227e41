"""Bytes that the compiler makes of a network: parameters as sent and as kept on the chip, inputs, outputs.

Found by locating the filters of plain networks inside the parameters of their compiled twins (google-coral/test_data
and 15 public repositories; tests/test_twins.py holds the functions against the files): exact to the byte for nearly
all. What is kept on the chip is the business of :mod:`hwmodels.edgetpu.allocation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil, prod

from hwmodels.cache import remembered
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.banding import band_rows, banded_layers
from hwmodels.edgetpu.coefficients import Compiler
from hwmodels.edgetpu.operators import OPERATORS
from hwmodels.edgetpu.tiles import LANE_GROUP, LANES, WORD, ceil_to, path_fill
from hwmodels.networks.graph import Layer, Tensor
from hwmodels.networks.operators import operator

__all__ = [
    "blob_bytes",
    "footprint_bytes",
    "has_parameters",
    "input_bytes",
    "input_wire_bytes",
    "is_dense",
    "is_depthwise",
    "on_chip_bytes",
    "output_wire_bytes",
    "scratch_bytes",
    "selection_blocks",
    "weights_per_output",
]  # fmt: skip

LINE = 64  # bytes in which parameters are sent


@remembered(8192)
def blob_bytes(layer: Layer, compiler: Compiler) -> int:
    """Parameter bytes of a layer as they cross the link, cached or streamed.

    Each output lane takes kh kw ceil4(Cin) bytes of weights and a table entry. Lanes are 4 for a convolution to at most
    4 outputs, ceil16(Cout) up to 64 outputs, else ceil64(Cout). A depthwise convolution takes 4 kh kw bytes and a table
    entry for each of ceil4(C) channels. Everything comes in 64-byte lines.

    Parameters
    ----------
    layer
        Its filters say how they were quantised: uint8 holds one scale a tensor, int8 one a channel.
    compiler
        Tables of a softmax and the taking out of padding differ by version.

    Returns
    -------
    int
        Whole lines of 64 bytes; 0 for a layer without parameters.
    """
    filters = _filters(layer, compiler)
    lines = sum(ceil_to(_sent_lanes(layer, outputs) * per_lane, LINE) for outputs, per_lane in filters)
    return lines + _other_bytes(layer, compiler)


def has_parameters(layer: Layer, compiler: Compiler) -> bool:
    """Whether anything of a layer crosses the link as a parameter."""
    return blob_bytes(layer, compiler) > 0


def on_chip_bytes(layer: Layer, compiler: Compiler) -> int:
    """Bytes of a cached layer as the compiler's log counts them: whole rows of 64 lanes x 4 bytes.

    Exact in the logs of the 7x7 stack (918 528 B for 10 layers) and of the 3x3 and dense sweeps (to 0.1 %).
    """
    return _rows_bytes(layer, compiler, LANE_GROUP) + _other_bytes(layer, compiler)


def footprint_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Memory that a cached layer occupies.

    As logged; but early compilers spread dense layers over all tiles, so on Coral's 16 their outputs take 1024 lanes.
    """
    least = compiler.spread_dense_inputs
    is_spread = layer.op == "FULLY_CONNECTED" and 0 < least <= layer.weights[0].shape[-1] if layer.weights else False
    lanes = accelerator.tiles * LANE_GROUP if is_spread else LANE_GROUP
    return _rows_bytes(layer, compiler, lanes) + _other_bytes(layer, compiler)


@remembered(8192)
def _rows_bytes(layer: Layer, compiler: Compiler, lanes: int) -> int:
    row = LANE_GROUP * WORD
    return sum(ceil_to(_kept_lanes(layer, outputs, lanes) * each, row) for outputs, each in _filters(layer, compiler))


def _sent_lanes(layer: Layer, outputs: int) -> int:
    if is_depthwise(layer):
        return ceil_to(outputs, WORD)
    if _is_narrow(layer, outputs):
        return WORD
    return ceil_to(outputs, LANES if outputs <= LANE_GROUP else LANE_GROUP)


def _kept_lanes(layer: Layer, outputs: int, lanes: int) -> int:
    return WORD if _is_narrow(layer, outputs) else ceil_to(outputs, lanes)


def _is_narrow(layer: Layer, outputs: int) -> bool:
    """Whether the outputs of a convolution fit one word."""
    return outputs <= WORD and operator(layer.op).filter == "outputs_hwi"


def is_depthwise(layer: Layer) -> bool:
    """Whether every channel has its own filter (one input channel is computed as a plain convolution)."""
    return layer.op == "DEPTHWISE_CONV_2D" and layer.input.hwc[2] > 1


def is_dense(layer: Layer) -> bool:
    """Whether a layer is computed as a dense one: fully connected, or a convolution of a single position."""
    single = layer.input.hwc[:2] == (1, 1) == layer.output.hwc[:2]
    return layer.op == "FULLY_CONNECTED" or (layer.op == "CONV_2D" and single)


def _filters(layer: Layer, compiler: Compiler) -> list[tuple[int, int]]:
    """Return (outputs, bytes per output) of each filter of a layer, the matrices that take out padding among them."""
    describe = _FILTERS.get(operator(layer.op).filter)
    if describe and layer.weights:
        return describe(layer)
    return [(outputs, span + WORD) for outputs, span in selection_blocks(layer, compiler)]


def weights_per_output(layer: Layer, compiler: Compiler) -> int:
    """Bytes of weights of one output of a dense layer or of a matrix that takes out padding; 0 for all others."""
    if layer.op == "FULLY_CONNECTED" and layer.weights:
        return ceil_to(layer.weights[0].shape[-1], WORD)
    return max((span for _, span in selection_blocks(layer, compiler)), default=0)


def selection_blocks(layer: Layer, compiler: Compiler) -> Iterator[tuple[int, int]]:
    """Yield (outputs, inputs) of the matrices by which the padding of a map's channels is taken out.

    Channels lie padded to 4. To flatten a map whose channels are no multiple of 4, its bytes pass a dense layer of ones
    and zeros. From 15 on it is cut into blocks of outputs, each with the padded inputs that it spans.
    """
    height, width, channels = layer.input.hwc
    is_flat = layer.op == "RESHAPE" and layer.output.shape[-1:] == (layer.input.n_elements,)
    if not is_flat or height * width == 1 or channels == 1 or channels % WORD == 0:
        return
    outputs, padded = layer.input.n_elements, ceil_to(channels, WORD)
    block = compiler.selection_outputs or outputs
    for first in range(0, outputs, block):
        last = min(outputs, first + block) - 1
        ends = [at // channels * padded + at % channels for at in (first, last)]
        yield last + 1 - first, ceil_to(ends[1] + 1 - ends[0], WORD)


def _conv_filters(layer: Layer) -> list[tuple[int, int]]:
    outputs, height, width, inputs = ((1,) * 4 + layer.weights[0].shape)[-4:]
    return [(outputs, height * width * ceil_to(inputs, WORD) + _table_bytes(layer))]


def _depthwise_filters(layer: Layer) -> list[tuple[int, int]]:
    return [(layer.weights[0].shape[-1], WORD * prod(layer.kernel) + _table_bytes(layer))]


def _dense_filters(layer: Layer) -> list[tuple[int, int]]:
    outputs, inputs = ((1,) * 2 + layer.weights[0].shape)[-2:]
    return [(outputs, ceil_to(inputs, WORD) + _table_bytes(layer))]


def _lstm_filters(layer: Layer) -> list[tuple[int, int]]:
    return [(w.shape[0], ceil_to(w.shape[1], WORD)) for w in layer.weights if len(w.shape) == 2]


_FILTERS: dict[str, Callable[[Layer], list[tuple[int, int]]]] = {
    "outputs_hwi": _conv_filters,
    "hwc": _depthwise_filters,
    "outputs_inputs": _dense_filters,
    "gates": _lstm_filters,
}


def _table_bytes(layer: Layer) -> int:
    """Bytes per output beside the weights: 4 for a bias that is not all zero, 8 for a scale of the output's own."""
    if layer.weights[0].dtype == "uint8":
        return 4
    has_bias = len(layer.weights) > 1 and not layer.zero_bias
    return 4 * has_bias + 8 * _is_per_channel(layer)


def _is_per_channel(layer: Layer) -> bool:
    """Whether every output has a scale of its own.

    A trace does not say so: convolutions are quantised that way, dense layers only by converters that leave an unused
    bias away.
    """
    if layer.scales:
        return layer.scales > 1
    return len(layer.weights) == 1 if layer.op == "FULLY_CONNECTED" else True


def _other_bytes(layer: Layer, compiler: Compiler) -> int:
    """Parameters that are no filter: tables of an LSTM or softmax, and constant operands of element-wise layers."""
    if layer.op == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        return compiler.lstm_table_bytes
    if compiler.has_tables(layer):
        # Three dense layers to one output, 16 lanes each.
        return 3 * LANES * ceil_to(layer.input.hwc[2], WORD) + LINE * compiler.is_wide(layer)
    if layer.op == "CONCATENATION" and all(tensor.hwc[2] == 1 for tensor in layer.inputs):
        return 3 * LANES * ceil_to(layer.output.hwc[2], WORD)  # two files: single channels are put together likewise
    if operator(layer.op).filter:
        return 0
    row = OPERATORS.get(layer.op)
    is_operand = row is not None and row.streams_constants
    return sum(ceil_to(_constant_bytes(one, layer) if is_operand else one.n_bytes, LINE) for one in layer.weights)


def _constant_bytes(operand: Tensor, layer: Layer) -> int:
    """Bytes of a constant operand: none for one number, 16 a channel, else a padded map (one channel unpadded).

    A map of one row that serves several is written once for each (the grids of YOLOv5).
    """
    height, width, channels = operand.hwc
    if operand.n_elements == 1:
        return 0
    if operand.n_elements == channels:
        return LANES * ceil_to(channels, WORD)
    rows = layer.output.hwc[0] if height == 1 and width == layer.output.hwc[1] else height
    return rows * width * (1 if channels == 1 else ceil_to(channels, WORD))


def output_wire_bytes(tensor: Tensor) -> int:
    """Bytes of an output on the wire: channels padded to 4, the whole to 8 (1001 classes: 1008)."""
    height, width, channels = tensor.hwc
    outer = prod(max(1, extent) for extent in tensor.shape[:-3])
    return ceil_to(outer * height * width * ceil_to(channels, WORD) * _element_bytes(tensor), 8)


def input_wire_bytes(tensor: Tensor) -> int:
    """Bytes of an input on the wire when it is sent in one piece: padded to 8."""
    return ceil_to(tensor.n_bytes, 8)


def _element_bytes(tensor: Tensor) -> int:
    return tensor.n_bytes // tensor.n_elements


def input_bytes(layers: Sequence[Layer], inputs: Sequence[Tensor], accelerator: EdgeTpu) -> int:
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
    accelerator
        Its grid and narrow memory say how many bands there are.

    Returns
    -------
    int
        Every input padded to 8 bytes, bands with their overlap.
    """
    banded = banded_layers(layers, accelerator)
    if not banded or not inputs:
        return sum(input_wire_bytes(tensor) for tensor in inputs)
    bands = ceil(path_fill(banded[0], accelerator))
    row = inputs[0].n_bytes // inputs[0].hwc[0]
    first = sum(ceil_to(rows * row, 8) for rows in band_rows(inputs[0].hwc[0], banded, bands))
    return first + sum(input_wire_bytes(tensor) for tensor in inputs[1:])


def scratch_bytes(layers: Iterable[Layer]) -> int:
    """Bytes of the host buffer that a program always uses: the steps of an LSTM, padded to 8.

    Joined branches may spill too (:func:`hwmodels.edgetpu.banding.spilled_bytes`). One DeepLab-slim file sends its
    33x33x1280 map, 1 393 920 B, and reads it back six times, though it fits; no rule for that is known, no other file
    does it.
    """
    return sum(_lstm_scratch(layer.output) for layer in layers if layer.op == "UNIDIRECTIONAL_SEQUENCE_LSTM")


def _lstm_scratch(output: Tensor) -> int:
    _, steps, units = output.hwc
    return steps * ceil_to(units, 8)
