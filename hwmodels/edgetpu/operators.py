"""The Edge TPU's operators: one row says what each costs, when the compiler maps it and what program it takes.

To add an operator, add its row to :data:`OPERATORS`, and its cost here where no present one fits. An operator without a
row is never mapped. Sources: costs, docs/device-model.md; what maps, the operator table of the compiler's documentation
(coral.ai), the wording of its logs and the operators found in compiled files, TILE among them, which the table lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from math import ceil, prod

from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.array import bands, conv_cycles, lane_groups, positions
from hwmodels.edgetpu.tiles import LANES, activation_bytes_per_tile, ceil_to, tensor_bytes_per_tile
from hwmodels.networks.graph import Layer

__all__ = ["OPERATORS", "READS", "Operator", "Program"]

OpCost = Callable[[Layer, EdgeTpu], float]
Limit = Callable[[Layer], bool]

#: Most classes of a softmax: documented as 16 000; a file compiled in 2021 maps 16 384.
SOFTMAX_CLASSES = 16_384
#: Most elements of a softmax with rows: 48 384 are mapped (YOLOv8 at 192), 134 400 are not (at 320).
SOFTMAX_ELEMENTS = 100_000
#: Most positions and elements where channels are transposed: 676 and 82 944 are mapped, 900 or 102 400 are not.
TRANSPOSE_POSITIONS, TRANSPOSE_ELEMENTS = 780, 83_000
#: Most elements where a reshape joins rows: 102 000 are mapped (YOLOv5's 3x400x85), 153 600 (3x6400x8) are not.
RESHAPE_ELEMENTS = 120_000
#: Largest factor by which a resize may grow an extent; DeepLab's 1x1 -> 33x33 stays on the CPU (limit inferred).
RESIZE_FACTOR = 4


class Program(Enum):
    """What kind of code the compiler writes for an operator (:mod:`hwmodels.edgetpu.instructions`)."""

    NONE = auto()
    CONVOLUTION = auto()
    DEPTHWISE = auto()
    QUANTIZE = auto()
    RESHAPE = auto()
    DENSE = auto()
    POOL = auto()
    REDUCTION = auto()
    SOFTMAX = auto()
    LSTM = auto()
    CONCATENATION = auto()
    SPLIT = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator on the Edge TPU.

    Attributes
    ----------
    cost
        Cycles of a layer's work, its own overhead not counted.
    program
        Kind of code.
    is_beyond
        Whether a layer is beyond the compiler's limits although the operator maps; None where there are no limits.
    fuses
        Whether an activation may be fused into it.
    broadcasts
        Whether its weights are broadcast to all tiles, once for each band.
    joins
        Whether it works element by element, so that it holds several branches at once.
    streams_constants
        Whether its constant operands are sent in every inference, never kept.
    works
        Whether bands of rows count it as a layer: what only prepares the input is passed over.
    dtypes
        Types that it may read and write.
    last_version
        Of TFLite's schema: files with a newer one of this operator are left on the CPU. 0: none was seen.
    """

    cost: OpCost
    program: Program = Program.OTHER
    is_beyond: Limit | None = None
    fuses: bool = True
    broadcasts: bool = False
    joins: bool = False
    streams_constants: bool = False
    works: bool = True
    dtypes: tuple[str, ...] = ("int8", "uint8")
    last_version: int = 0


# Costs

#: Cost -> the part's cycle costs that it reads; one that is not here may read any.
READS: dict[OpCost, frozenset[str]] = {}


def reads(*numbers: str) -> Callable[[OpCost], OpCost]:
    """Declare which cycle costs of a part a cost reads, and no other: only those make it anew for an interval."""

    def declare(cost: OpCost) -> OpCost:
        """Note what the cost reads."""
        READS[cost] = frozenset(numbers)
        return cost

    return declare


CONV = ("conv_cycles_per_step", "weight_load_cycles", "weight_reread_factor", "drain_cycles_per_output")


@reads(*CONV)
def conv_2d(layer: Layer, accelerator: EdgeTpu) -> float:
    """Convolution: a cycle takes one word (4 inputs of one tap) to 64 outputs of one position.

    p ceil(Cout/64) max(step w (1 + min(load bands / p, reread)), drain 64), w = kh kw ceil(Cin/4) words.
    """
    row = prod(layer.kernel) * ceil(layer.input.hwc[2] // layer.groups / accelerator.macs_per_cell)
    n_bands = bands(layer, accelerator)
    return conv_cycles(positions(layer, accelerator), row, layer.output.hwc[2], accelerator, n_bands)


@reads(*CONV)
def transpose_conv(layer: Layer, accelerator: EdgeTpu) -> float:
    """Transposed convolution: as a convolution whose positions are those of the input."""
    height, width, inputs = layer.input.hwc
    row = prod(layer.kernel) * ceil(inputs / accelerator.macs_per_cell)
    return conv_cycles(accelerator.positions_per_tile(height, width), row, layer.output.hwc[2], accelerator)


@reads("depthwise_cycles_per_tap", "spill_factor")
def depthwise_conv_2d(layer: Layer, accelerator: EdgeTpu) -> float:
    """Depthwise convolution: about 3 channel-taps in a cycle and tile, twice the time when activations spill."""
    taps = positions(layer, accelerator) * prod(layer.kernel) * ceil_to(layer.output.hwc[2], LANES)
    spills = activation_bytes_per_tile(layer, accelerator) > accelerator.narrow_bytes_per_tile
    factor = accelerator.spill_factor if spills else 1
    return accelerator.depthwise_cycles_per_tap * taps / lane_groups(accelerator) * factor


@reads("pool_cycles_per_tap")
def pool_2d(layer: Layer, accelerator: EdgeTpu) -> float:
    """Max and average pooling: every channel and tap of a window, a word at a time."""
    taps = positions(layer, accelerator) * prod(layer.kernel) * layer.output.hwc[2]
    if prod(layer.kernel) >= prod(layer.input.hwc[:2]):
        taps = global_taps(layer, accelerator)
    return accelerator.pool_cycles_per_tap * taps


def global_taps(layer: Layer, accelerator: EdgeTpu) -> int:
    """Elements that one tile reads when a whole map is reduced: its input positions times the channels."""
    height, width, channels = layer.input.hwc
    return accelerator.positions_per_tile(height, width) * channels


@reads("pool_cycles_per_tap")
def reduction(layer: Layer, accelerator: EdgeTpu) -> float:
    """Mean, sum, maximum over a map: as global pooling."""
    return accelerator.pool_cycles_per_tap * global_taps(layer, accelerator)


@reads("dense_cycles_per_step")
def fully_connected(layer: Layer, accelerator: EdgeTpu) -> float:
    """Fully connected: the input is gathered and sent to all tiles word by word, every tile reads its own weights.

    The slower of ``dense_cycles_per_step`` for a word and one row of weights for every round of outputs.
    """
    if not layer.weights:
        return 0.0
    outputs, inputs = layer.weights[0].shape[0], layer.weights[0].shape[-1]
    rounds = ceil(outputs / (accelerator.tiles * accelerator.cells_per_tile))
    words = prod(layer.output.shape[:-1]) * ceil(inputs / accelerator.macs_per_cell)
    return max(accelerator.dense_cycles_per_step, rounds) * words


def _elements(layer: Layer, accelerator: EdgeTpu) -> int:
    return sum(tensor_bytes_per_tile(tensor, accelerator) for tensor in layer.outputs)


@reads("elementwise_cycles_per_element")
def elementwise(layer: Layer, accelerator: EdgeTpu) -> float:
    """Addition, multiplication and their kin: every element of the output, once for each operand."""
    operands = max(1, len(layer.inputs) + len(layer.weights))
    return accelerator.elementwise_cycles_per_element * operands * _elements(layer, accelerator)


@reads("activation_cycles_per_element")
def activation(layer: Layer, accelerator: EdgeTpu) -> float:
    """Logistic and tanh on their own: a table is looked up for every element."""
    return accelerator.activation_cycles_per_element * _elements(layer, accelerator)


@reads("prelu_cycles_per_element")
def prelu(layer: Layer, accelerator: EdgeTpu) -> float:
    """Rectifier with a slope of each channel's own; a plain one is element-wise, and fused ones cost nothing."""
    return accelerator.prelu_cycles_per_element * _elements(layer, accelerator)


@reads("move_cycles_per_element")
def data_movement(layer: Layer, accelerator: EdgeTpu) -> float:
    """Concatenation, padding, slicing, resizing: every output element is written again."""
    return accelerator.move_cycles_per_element * _elements(layer, accelerator)


@reads("softmax_cycles_per_class")
def softmax(layer: Layer, accelerator: EdgeTpu) -> float:
    """Softmax runs on the scalar core, class after class."""
    return accelerator.softmax_cycles_per_class * layer.output.n_elements


@reads("reshape_cycles_per_position")
def reshape(layer: Layer, accelerator: EdgeTpu) -> float:
    """Reshape: the same bytes, but positions that were channels of another are moved to their tiles one by one."""
    before, after = (prod(tensor.hwc[:2]) for tensor in (layer.input, layer.output))
    return accelerator.reshape_cycles_per_position * after if after > before else 0.0


@reads()
def free(_layer: Layer, _accelerator: EdgeTpu) -> float:
    """Squeezes and their kin: the same bytes under another shape."""
    return 0.0


@reads()
def lstm(layer: Layer, accelerator: EdgeTpu) -> float:
    """Unrolled LSTM: its matrix products, step after step."""
    return layer.macs / (accelerator.cells_per_tile * accelerator.macs_per_cell)


# Limits


def _conv_limit(layer: Layer) -> bool:
    # Grouped convolutions came after the compiler's last release; that it refuses them is assumed.
    is_skewed = min(layer.kernel) > 1 and layer.dilation[0] != layer.dilation[1]
    return is_skewed or not layer.weights or layer.groups > 1


def _dense_limit(layer: Layer) -> bool:
    return not layer.weights or prod(layer.output.shape[:-1]) != 1


def _softmax_limit(layer: Layer) -> bool:
    return layer.input.hwc[2] > SOFTMAX_CLASSES or layer.input.n_elements > SOFTMAX_ELEMENTS


def _transpose_limit(layer: Layer) -> bool:
    height, width, channels = layer.input.hwc
    is_large = height * width > TRANSPOSE_POSITIONS or layer.input.n_elements > TRANSPOSE_ELEMENTS
    return is_large and layer.output.hwc[2] != channels


def _reshape_limit(layer: Layer) -> bool:
    before, after = ([extent for extent in t.shape if extent > 1] for t in (layer.input, layer.output))
    joins_rows = len(before) > len(after) > 1 and before[-1] == after[-1]
    return joins_rows and layer.input.n_elements > RESHAPE_ELEMENTS


def _mean_limit(layer: Layer) -> bool:
    channels = layer.input.hwc[2]
    reduces_channels = layer.output.n_elements * channels == layer.input.n_elements and channels > 1
    return reduces_channels and channels % 4 != 0


def _prelu_limit(layer: Layer) -> bool:
    return not layer.weights or layer.weights[0].n_elements not in (1, layer.weights[0].shape[-1])


def _resize_limit(layer: Layer) -> bool:
    pairs = zip(layer.input.hwc[:2], layer.output.hwc[:2], strict=True)
    return any(after > RESIZE_FACTOR * before for before, after in pairs)


def _tile_limit(layer: Layer) -> bool:
    """Seen in compiled files: one position repeated over a map (33 x 33 x 128)."""
    return layer.input.hwc[:2] != (1, 1) or layer.input.hwc[2] != layer.output.hwc[2]


_ELEMENTWISE = Operator(elementwise, streams_constants=True)
_JOIN = Operator(elementwise, joins=True, streams_constants=True)
_RECTIFIER = Operator(elementwise)
_GATE = Operator(activation, joins=True)
_MOVE = Operator(data_movement)
_PREPARATION = Operator(data_movement, works=False)
_RESIZE = Operator(data_movement, is_beyond=_resize_limit)
_REDUCTION = Operator(reduction, Program.REDUCTION)
_POOL = Operator(pool_2d, Program.POOL, fuses=False)
_FREE = Operator(free, Program.NONE)

#: Every operator that the compiler maps, by TFLite's name; the result of DEQUANTIZE is a float, which it refuses.
OPERATORS: dict[str, Operator] = {
    "CONV_2D": Operator(conv_2d, Program.CONVOLUTION, _conv_limit, broadcasts=True),
    "TRANSPOSE_CONV": Operator(transpose_conv, Program.CONVOLUTION, broadcasts=True),
    "DEPTHWISE_CONV_2D": Operator(depthwise_conv_2d, Program.DEPTHWISE, _conv_limit),
    "FULLY_CONNECTED": Operator(fully_connected, Program.DENSE, _dense_limit, last_version=8),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Operator(lstm, Program.LSTM, dtypes=("int8", "uint8", "int16")),
    "SOFTMAX": Operator(softmax, Program.SOFTMAX, _softmax_limit),
    "MAX_POOL_2D": _POOL,
    "AVERAGE_POOL_2D": _POOL,
    "MEAN": Operator(reduction, Program.REDUCTION, _mean_limit),
    "SUM": _REDUCTION,
    "REDUCE_MAX": _REDUCTION,
    "REDUCE_MIN": _REDUCTION,
    "ADD": _JOIN,
    "SUB": _JOIN,
    "MUL": _JOIN,
    "MAXIMUM": _JOIN,
    "MINIMUM": _JOIN,
    "SQUARED_DIFFERENCE": _ELEMENTWISE,
    "L2_NORMALIZATION": _ELEMENTWISE,
    "RSQRT": _ELEMENTWISE,
    "LOGISTIC": _GATE,
    "TANH": _GATE,
    "RELU": _RECTIFIER,
    "RELU6": _RECTIFIER,
    "RELU_N1_TO_1": _RECTIFIER,
    "PRELU": Operator(prelu, is_beyond=_prelu_limit, streams_constants=True),
    "CONCATENATION": Operator(data_movement, Program.CONCATENATION, fuses=False),
    "SPLIT": Operator(data_movement, Program.SPLIT),
    "PAD": _PREPARATION,
    "PADV2": _MOVE,
    "PACK": _MOVE,
    "SLICE": _MOVE,
    "STRIDED_SLICE": _MOVE,
    "TILE": Operator(data_movement, is_beyond=_tile_limit),
    "TRANSPOSE": Operator(data_movement, is_beyond=_transpose_limit),
    "SPACE_TO_DEPTH": _MOVE,
    "RESIZE_BILINEAR": _RESIZE,
    "RESIZE_NEAREST_NEIGHBOR": _RESIZE,
    "QUANTIZE": Operator(data_movement, Program.QUANTIZE, works=False),
    "DEQUANTIZE": _MOVE,
    "RESHAPE": Operator(reshape, Program.RESHAPE, _reshape_limit, works=False),
    "SQUEEZE": _FREE,
    "EXPAND_DIMS": _FREE,
}
