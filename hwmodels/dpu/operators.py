"""The DPU's operators: one row says what each costs on the array, and which layers the compiler leaves to the CPU.

With P rows, C inputs and C outputs in a cycle, an output of H x W x K from I inputs through kh x kw takes
W ceil(H / P) x kh kw ceil(I / C) x ceil(K / C) cycles. Depthwise layers and pooling run on an ALU of P / 2 rows, sums
of two maps on P / 4. Sources: PG338; UG1414, "Currently Supported Operators"; the padded work in the files of
YOLOX-nano for all eight sizes, which these forms repeat to the last digit (docs/dpu.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from math import ceil, prod

from hwmodels.dpu.accelerator import Dpu
from hwmodels.networks.graph import Layer, Tensor

__all__ = ["OPERATORS", "Kind", "Operator"]

KERNEL, STRIDE, POOL_KERNEL = 16, 8, 256
CHANNELS_AHEAD = 256  # of outputs, and of dilated inputs, for each channel of the parallelism
KERNEL_WORDS = 2048
FIRST_INPUTS = 4  # with so few channels the taps of a row are read as channels ("channel augmentation")

#: (layer, the map it reads, size) -> cycles of the array; or the reason why it stays on the CPU, "" if it does not.
Cost = Callable[[Layer, Tensor, Dpu], int]
Limit = Callable[[Layer, Tensor, Dpu], str]


class Kind(Enum):
    """How an operator runs: in a pass of its own, with the pass before it, or only as bytes that are moved."""

    ARRAY = auto()
    POOL = auto()
    FUSED = auto()
    MOVE = auto()


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator on the DPU: how it runs, its cycles, and its limits (None: it has none)."""

    kind: Kind
    cost: Cost | None = None
    limit: Limit | None = None

    @property
    def multiplies(self) -> bool:
        """Whether it is a convolution or a dense layer: a pooling or a constant factor may be fused into it."""
        return self.cost in (convolution, transposed, depthwise, dense)


# Costs


def _grid(layer: Layer, rows: float) -> int:
    """Positions one after the other: columns, and groups of rows."""
    height, width, _ = layer.output.hwc
    return width * ceil(height / rows)


def convolution(layer: Layer, _source: Tensor, part: Dpu) -> int:
    """Convolution; with up to four inputs the taps of a row stand beside each other."""
    inputs, outputs = layer.weights[0].hwc[2], layer.output.hwc[2]
    height, width = layer.kernel
    words = height * width * ceil(inputs / part.input_parallel)
    if inputs <= FIRST_INPUTS:
        words = height * ceil(width * inputs / part.input_parallel)
    return _grid(layer, part.pixel_parallel) * words * ceil(outputs / part.output_parallel)


def transposed(layer: Layer, source: Tensor, part: Dpu) -> int:
    """Transposed convolution: an output sees only every so many taps."""
    taps = prod(ceil(taps / step) for taps, step in zip(layer.kernel, layer.stride, strict=True))
    words = taps * ceil(source.hwc[2] / part.input_parallel)
    return _grid(layer, part.pixel_parallel) * words * ceil(layer.output.hwc[2] / part.output_parallel)


def dense(layer: Layer, source: Tensor, part: Dpu) -> int:
    """Fully connected: a convolution whose kernel is the whole map that it reads."""
    height, width, inputs = source.hwc
    words = height * width * ceil(inputs / part.input_parallel)
    return words * ceil(layer.output.n_elements / part.output_parallel)


def depthwise(layer: Layer, _source: Tensor, part: Dpu) -> int:
    """Depthwise convolution, on the ALU."""
    groups = ceil(layer.output.hwc[2] / part.output_parallel)
    return _grid(layer, part.pixel_parallel / 2) * prod(layer.kernel) * groups


def scale(layer: Layer, _source: Tensor, part: Dpu) -> int:
    """Batch normalisation on its own, or a resize: one tap for each channel, on the ALU."""
    return _grid(layer, part.pixel_parallel / 2) * ceil(layer.output.hwc[2] / part.output_parallel)


def reduction(_layer: Layer, source: Tensor, part: Dpu) -> int:
    """Mean over a map: pooling with a window as large."""
    height, width, channels = source.hwc
    return height * width * ceil(channels / part.input_parallel)


def elementwise(layer: Layer, _source: Tensor, part: Dpu) -> int:
    """Sum or product of two maps."""
    groups = ceil(layer.output.hwc[2] / part.output_parallel)
    return 2 * _grid(layer, part.pixel_parallel / 4) * groups


# Limits


def _convolution_limit(layer: Layer, source: Tensor, part: Dpu) -> str:
    if not layer.weights:
        return "weights are computed"
    if layer.groups > 1:
        return f"{layer.groups} groups"
    return _kernel_limit(layer) or _channel_limit(layer, layer.kernel, source.hwc[2], part)


def _depthwise_limit(layer: Layer, source: Tensor, part: Dpu) -> str:
    if not layer.weights:
        return "weights are computed"
    return _kernel_limit(layer) or _dilation_limit(layer, source.hwc[2], part)


def _kernel_limit(layer: Layer) -> str:
    if max(layer.kernel) > KERNEL:
        return f"kernel {max(layer.kernel)}, at most {KERNEL}"
    return f"stride {max(layer.stride)}, at most {STRIDE}" if max(layer.stride) > STRIDE else ""


def _channel_limit(layer: Layer, kernel: tuple[int, int], inputs: int, part: Dpu) -> str:
    outputs, most = layer.output.hwc[2], CHANNELS_AHEAD * part.output_parallel
    if outputs > most:
        return f"{outputs} outputs, at most {most}"
    return _word_limit(kernel, inputs, part) or _dilation_limit(layer, inputs, part)


def _word_limit(kernel: tuple[int, int], inputs: int, part: Dpu) -> str:
    words = prod(kernel) * ceil(inputs / part.input_parallel)
    return f"{words} words in a kernel, at most {KERNEL_WORDS}" if words > KERNEL_WORDS else ""


def _dilation_limit(layer: Layer, inputs: int, part: Dpu) -> str:
    spread = max(layer.dilation) * inputs
    most = CHANNELS_AHEAD * part.input_parallel
    return f"{spread} inputs with dilation, at most {most}" if spread > most else ""


def _dense_limit(layer: Layer, source: Tensor, part: Dpu) -> str:
    if not layer.weights or prod(layer.output.shape[:-1]) != 1:
        return "a product of two tensors"
    return _word_limit(source.hwc[:2], source.hwc[2], part)  # more outputs than fit are made in turns


def _pool_limit(layer: Layer, _source: Tensor, _part: Dpu) -> str:
    return f"window {max(layer.kernel)}, at most {POOL_KERNEL}" if max(layer.kernel) > POOL_KERNEL else ""


def _mean_limit(layer: Layer, source: Tensor, _part: Dpu) -> str:
    over_map = layer.output.n_elements == source.hwc[2]
    return "" if over_map else "a mean over channels"


_FUSED = Operator(Kind.FUSED)
_POOL = Operator(Kind.POOL, lambda *given: prod(given[0].kernel) * scale(*given), _pool_limit)
_SUM = Operator(Kind.ARRAY, elementwise)
_RESIZE = Operator(Kind.ARRAY, scale)
_MOVE = Operator(Kind.MOVE)

#: Every operator that the compiler maps, by TFLite's name.
OPERATORS: dict[str, Operator] = {
    "CONV_2D": Operator(Kind.ARRAY, convolution, _convolution_limit),
    "TRANSPOSE_CONV": Operator(Kind.ARRAY, transposed, _convolution_limit),
    "DEPTHWISE_CONV_2D": Operator(Kind.ARRAY, depthwise, _depthwise_limit),
    "FULLY_CONNECTED": Operator(Kind.ARRAY, dense, _dense_limit),
    "MAX_POOL_2D": _POOL,
    "AVERAGE_POOL_2D": _POOL,
    "MEAN": Operator(Kind.POOL, reduction, _mean_limit),
    "ADD": _SUM,
    "MUL": _SUM,
    "RESIZE_NEAREST_NEIGHBOR": _RESIZE,
    "RESIZE_BILINEAR": _RESIZE,
    "SLICE": _MOVE,
    "STRIDED_SLICE": _MOVE,
    "SPLIT": _MOVE,
    "DEPTH_TO_SPACE": _MOVE,
    "SPACE_TO_DEPTH": _MOVE,
    "RELU": _FUSED,
    "RELU6": _FUSED,
    "LEAKY_RELU": _FUSED,
    "PRELU": _FUSED,
    "HARD_SWISH": _FUSED,
    "LOGISTIC": _FUSED,
    "PAD": _FUSED,
    "CONCATENATION": _FUSED,
    "RESHAPE": _FUSED,
    "SQUEEZE": _FUSED,
    "EXPAND_DIMS": _FUSED,
    "QUANTIZE": _FUSED,
}
