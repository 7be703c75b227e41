"""What one layer costs on the accelerator, in cycles of its core clock.

Every function of :data:`OP_COSTS` takes a layer and an accelerator and returns a :class:`Cost`. Per tile,
p = positions of the output map that the tile owns. Forms and constants: a study of published single-inference
latencies (docs/device-model.md); constants live in the part files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

from hwmodels.accelerator import Accelerator, activation_bytes_per_tile
from hwmodels.graph import Layer

__all__ = ["OP_COSTS", "Cost", "OpCost", "bands", "layer_cost", "stream_class", "stream_passes"]

WAYS = 4  # bytes of a narrow-memory word: channels are padded to it
LANES = 16  # output lanes that drain together
GROUP = 64  # outputs of one lane group


@dataclass(frozen=True, slots=True)
class Cost:
    """Cycles on the critical path, multiply-accumulates, and bytes read from wide and moved in narrow memory.

    Attributes
    ----------
    cycles
        Of the core clock, the layer's own overhead included.
    macs
        By the filter's shape, padding not counted.
    wide_bytes
        Rows of weights read from wide memory: multiply-accumulates over those of a cell.
    narrow_bytes
        Inputs read and outputs written.
    """

    cycles: float
    macs: int
    wide_bytes: int
    narrow_bytes: int


OpCost = Callable[[Layer, Accelerator], float]


def _padded(channels: int, lanes: int) -> int:
    return ceil(channels / lanes) * lanes


def _positions(layer: Layer, accelerator: Accelerator) -> int:
    height, width, _ = layer.output.hwc
    return accelerator.positions_per_tile(height, width)


def bands(layer: Layer, accelerator: Accelerator) -> float:
    """Return in how many bands of positions a convolution runs: 1 where all its activations fit a tile.

    Two where inputs and outputs fit, but not with the border that the kernel reads from neighbouring tiles; beyond, the
    part's table. Seen as steps of 15 % of the multiply-accumulates in the 3x3 sweep, at 302 and 392 filters.
    """
    line = stream_class(layer, accelerator)
    if line > 1:
        return accelerator.stream_passes[line - 1][1]
    return 2.0 if _bordered_bytes(layer, accelerator) > accelerator.narrow_bytes_per_tile else 1.0


def _bordered_bytes(layer: Layer, accelerator: Accelerator) -> int:
    """Bytes of a tile's input and output with the kernel's border around both."""
    height, width = (extent - 1 for extent in layer.kernel)
    return sum(
        (ceil(rows / accelerator.tiles_y) + height)
        * (ceil(columns / accelerator.tiles_x) + width)
        * _padded(channels, WAYS)
        for rows, columns, channels in (layer.input.hwc, layer.output.hwc)
    )


def _array_cycles(
    positions: int, row: int, outputs: int, accelerator: Accelerator, lanes: int, n_bands: float = 1
) -> float:
    """Cycles for ``positions`` x ``outputs`` results of ``row`` words of inputs each, ``lanes`` outputs at a time.

    A word's weights are loaded before the positions of a band use it, or read again for every position: the compiler
    takes the cheaper order. The outputs of one position drain while the next computes: the slower of the two counts.
    """
    load = accelerator.weight_load_cycles * lanes / GROUP * n_bands
    overhead = min(load / positions, accelerator.weight_reread_factor - 1)
    step = accelerator.conv_cycles_per_step * row * (1 + overhead)
    full, rest = divmod(outputs, lanes)
    drain = accelerator.drain_cycles_per_output
    last = max(step, drain * _padded(rest, LANES)) if rest else 0.0
    return positions * (full * max(step, drain * lanes) + last)


def _conv_cycles(positions: int, row: int, outputs: int, accelerator: Accelerator, n_bands: float = 1) -> float:
    """Cheaper of two ways to use several lane groups: for more outputs, or for more positions (one group: the same)."""
    lanes = accelerator.cells_per_tile
    groups = max(1, lanes // GROUP)
    wide = _array_cycles(positions, row, outputs, accelerator, lanes, n_bands)
    narrow = _array_cycles(ceil(positions / groups), row, outputs, accelerator, GROUP, n_bands)
    return min(wide, narrow) if groups > 1 else wide


def conv_2d(layer: Layer, accelerator: Accelerator) -> float:
    """Convolution: a cycle takes one word (4 inputs of one tap) to 64 outputs of one position.

    p ceil(Cout/64) max(step w (1 + min(load bands / p, reread)), drain 64), w = kh kw ceil(Cin/4) words.
    """
    row = prod(layer.kernel) * ceil(layer.input.hwc[2] // layer.groups / accelerator.macs_per_cell)
    positions = _positions(layer, accelerator)
    return _conv_cycles(positions, row, layer.output.hwc[2], accelerator, bands(layer, accelerator))


def transpose_conv(layer: Layer, accelerator: Accelerator) -> float:
    """Transposed convolution: as a convolution whose positions are those of the input."""
    height, width, inputs = layer.input.hwc
    row = prod(layer.kernel) * ceil(inputs / accelerator.macs_per_cell)
    return _conv_cycles(accelerator.positions_per_tile(height, width), row, layer.output.hwc[2], accelerator)


def depthwise_conv_2d(layer: Layer, accelerator: Accelerator) -> float:
    """Depthwise convolution: about 3 channel-taps in a cycle and tile, twice the time when activations spill."""
    taps = _positions(layer, accelerator) * prod(layer.kernel) * _padded(layer.output.hwc[2], LANES)
    groups = max(1, accelerator.cells_per_tile // 64)
    spills = activation_bytes_per_tile(layer, accelerator) > accelerator.narrow_bytes_per_tile
    return accelerator.depthwise_cycles_per_tap * taps / groups * (accelerator.spill_factor if spills else 1)


def pool_2d(layer: Layer, accelerator: Accelerator) -> float:
    """Max and average pooling: every channel and tap of a window, a word at a time."""
    taps = _positions(layer, accelerator) * prod(layer.kernel) * layer.output.hwc[2]
    if prod(layer.kernel) >= prod(layer.input.hwc[:2]):
        taps = global_taps(layer, accelerator)
    return accelerator.pool_cycles_per_tap * taps


def global_taps(layer: Layer, accelerator: Accelerator) -> int:
    """Elements that one tile reads when a whole map is reduced: its input positions times the channels."""
    height, width, channels = layer.input.hwc
    return accelerator.positions_per_tile(height, width) * channels


def reduction(layer: Layer, accelerator: Accelerator) -> float:
    """Mean, sum, maximum over a map: as global pooling."""
    return accelerator.pool_cycles_per_tap * global_taps(layer, accelerator)


def fully_connected(layer: Layer, accelerator: Accelerator) -> float:
    """Fully connected: the input is gathered and sent to all tiles word by word, every tile reads its own weights.

    The slower of ``dense_cycles_per_step`` for a word and one row of weights for every round of outputs.
    """
    if not layer.weights:
        return 0.0
    outputs, inputs = layer.weights[0].shape[0], layer.weights[0].shape[-1]
    rounds = ceil(outputs / (accelerator.tiles * accelerator.cells_per_tile))
    words = prod(layer.output.shape[:-1]) * ceil(inputs / accelerator.macs_per_cell)
    return max(accelerator.dense_cycles_per_step, rounds) * words


def _elements(layer: Layer, accelerator: Accelerator) -> int:
    return sum(
        accelerator.positions_per_tile(height, width) * _padded(channels, WAYS)
        for height, width, channels in (tensor.hwc for tensor in layer.outputs)
    )


def elementwise(layer: Layer, accelerator: Accelerator) -> float:
    """Addition, multiplication and their kin: every element of the output, once for each operand."""
    operands = max(1, len(layer.inputs) + len(layer.weights))
    return accelerator.elementwise_cycles_per_element * operands * _elements(layer, accelerator)


def activation(layer: Layer, accelerator: Accelerator) -> float:
    """Logistic, tanh, ReLU and their kin on their own (fused ones cost nothing)."""
    return accelerator.activation_cycles_per_element * _elements(layer, accelerator)


def data_movement(layer: Layer, accelerator: Accelerator) -> float:
    """Concatenation, padding, slicing, resizing: every output element is written again."""
    return accelerator.move_cycles_per_element * _elements(layer, accelerator)


def softmax(layer: Layer, accelerator: Accelerator) -> float:
    """Softmax runs on the scalar core, class after class."""
    return accelerator.softmax_cycles_per_class * layer.output.n_elements


def free(_layer: Layer, _accelerator: Accelerator) -> float:
    """Reshapes and their kin: the same bytes under another shape."""
    return 0.0


def lstm(layer: Layer, accelerator: Accelerator) -> float:
    """Unrolled LSTM: its matrix products, step after step."""
    return layer.macs / (accelerator.cells_per_tile * accelerator.macs_per_cell)


_FAMILIES: dict[OpCost, str] = {
    conv_2d: "CONV_2D",
    transpose_conv: "TRANSPOSE_CONV",
    depthwise_conv_2d: "DEPTHWISE_CONV_2D",
    pool_2d: "MAX_POOL_2D AVERAGE_POOL_2D L2_POOL_2D",
    reduction: "MEAN SUM REDUCE_MAX REDUCE_MIN",
    fully_connected: "FULLY_CONNECTED",
    elementwise: "ADD SUB MUL MAXIMUM MINIMUM SQUARED_DIFFERENCE L2_NORMALIZATION RSQRT DIV",
    activation: "LOGISTIC TANH RELU RELU6 RELU_N1_TO_1 PRELU LEAKY_RELU HARD_SWISH",
    data_movement: """CONCATENATION PAD PADV2 MIRROR_PAD SLICE STRIDED_SLICE SPLIT SPLIT_V PACK UNPACK TRANSPOSE
        SPACE_TO_DEPTH DEPTH_TO_SPACE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR QUANTIZE TILE""",
    softmax: "SOFTMAX",
    free: "RESHAPE SQUEEZE EXPAND_DIMS",
    lstm: "UNIDIRECTIONAL_SEQUENCE_LSTM",
}

#: Cost function of every operator that the accelerator runs; an op that is not here runs on the CPU.
OP_COSTS: dict[str, OpCost] = {op: cost for cost, ops in _FAMILIES.items() for op in ops.split()}


def layer_cost(layer: Layer, accelerator: Accelerator) -> Cost:
    """Return what a layer costs on an accelerator: cycles, MACs, weight rows read, activation bytes moved.

    Parameters
    ----------
    layer
        With its shapes; an operator that is not in :data:`OP_COSTS` costs no cycles, as it runs on the CPU.
    accelerator
        Grid, cells and fitted constants.
    """
    cost = OP_COSTS.get(layer.op)
    cycles = cost(layer, accelerator) + accelerator.layer_cycles if cost else 0.0
    macs = layer.macs
    wide = macs // max(1, accelerator.macs_per_cell)
    narrow = sum(tensor.n_bytes for tensor in (*layer.inputs, *layer.outputs))
    return Cost(cycles, macs, wide, narrow)


def stream_class(layer: Layer, accelerator: Accelerator) -> int:
    """Line of the part's table of passes that a streamed layer falls into, counted from 1 (0: not a convolution)."""
    if layer.op not in ("CONV_2D", "TRANSPOSE_CONV"):
        return 0
    tile_bytes = activation_bytes_per_tile(layer, accelerator)
    limits = [limit for limit, _ in accelerator.stream_passes]
    return next((line for line, limit in enumerate(limits, 1) if tile_bytes <= limit), len(limits))


def stream_passes(layer: Layer, accelerator: Accelerator) -> float:
    """How often a streamed layer's parameters cross the link in one inference.

    Once while inputs and outputs fit a tile's narrow memory; beyond, once per band of positions that does
    (device-model.md: regimes of the streamed convolution sweep; the part's table of tile bytes and passes).
    """
    line = stream_class(layer, accelerator)
    return accelerator.stream_passes[line - 1][1] if line else 1.0
