"""TFLite's vocabulary: what an operator is, whatever runs it.

One row for each operator of which something must be known; any other name is an operator without multiply-accumulates,
filters and options. What it costs is the business of who runs it: :mod:`hwmodels.cpu` and the accelerators' families.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

__all__ = ["OPERATORS", "Filter", "Operands", "Operator", "ShapeRule", "is_custom", "operator"]

#: Layout of an operator's first constant: outputs, height, width, inputs; one filter a channel (height, width,
#: channels); outputs and inputs; the gates of an LSTM, each outputs and inputs.
Filter = Literal["", "outputs_hwi", "hwc", "outputs_inputs", "gates"]

#: How the shapes of the outputs follow from those of the inputs (:mod:`hwmodels.networks.shapes`).
ShapeRule = Literal[
    "", "best", "blocks", "broadcast", "corresponding", "dense", "fixed", "joined", "padded", "parted", "poses",
    "reduced", "regrouped", "same", "scaled", "transposed", "window",
]  # fmt: skip


class Shaped(Protocol):
    """A tensor, as far as operators look at it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents, batch first and channels last."""

    @property
    def n_elements(self) -> int:
        """Number of elements."""

    @property
    def hwc(self) -> tuple[int, int, int]:
        """Height, width and channels."""


class Operands(Protocol):
    """A layer, as far as operators look at it."""

    @property
    def input(self) -> Shaped:
        """The first activation that it reads."""

    @property
    def inputs(self) -> tuple[Shaped, ...]:
        """All activations that it reads."""

    @property
    def output(self) -> Shaped:
        """The first activation that it writes."""

    @property
    def weights(self) -> tuple[Shaped, ...]:
        """Constants that count as parameters."""

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of its window."""


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator is.

    Attributes
    ----------
    macs
        Multiply-accumulates of one inference by the filter's shape; None where its arithmetic is none.
    filter
        Layout of its first constant.
    options
        Its table of options in the TFLite schema, where something in it is needed.
    operands_move
        Whether its constant operands say how to move data (shapes, axes, paddings): they are no parameters.
    reads_two
        Whether a generated chain feeds it the last tensor twice.
    shapes
        How the shapes of its outputs follow from those of its inputs; "" where nobody needed that yet.
    """

    macs: Callable[[Operands], int] | None = None
    filter: Filter = ""
    options: str = ""
    operands_move: bool = False
    reads_two: bool = False
    shapes: ShapeRule = ""


def _conv_macs(layer: Operands) -> int:
    return layer.output.n_elements * prod(layer.weights[0].shape[1:]) if layer.weights else 0


def _depthwise_macs(layer: Operands) -> int:
    return layer.output.n_elements * prod(layer.kernel)


def _dense_macs(layer: Operands) -> int:
    return layer.output.n_elements * layer.weights[0].shape[-1] if layer.weights else 0


def _transpose_conv_macs(layer: Operands) -> int:
    if not layer.weights or not layer.inputs:
        return 0
    height, width, _ = layer.input.hwc
    return height * width * prod(layer.weights[0].shape)


def _matmul_macs(layer: Operands) -> int:
    return layer.output.n_elements * layer.input.hwc[2] if layer.inputs else 0


def _lstm_macs(layer: Operands) -> int:
    return layer.input.hwc[1] * sum(prod(weight.shape) for weight in layer.weights if len(weight.shape) == 2)


_NOTHING = Operator()
_POOL = Operator(options="Pool2DOptions", shapes="window")
_MOVES = Operator(operands_move=True)
_REDUCTION = Operator(operands_move=True, shapes="reduced")
_RESIZE = Operator(operands_move=True, shapes="scaled")
_PART = Operator(operands_move=True, shapes="parted")
_BROADCAST = Operator(shapes="broadcast")
_BLOCKS = Operator(shapes="blocks")
_SAME = Operator(shapes="same")

#: The vocabulary by TFLite's names, and the custom operators of the zoo.
OPERATORS: dict[str, Operator] = {
    "CONV_2D": Operator(_conv_macs, "outputs_hwi", "Conv2DOptions", shapes="window"),
    "TRANSPOSE_CONV": Operator(_transpose_conv_macs, "outputs_hwi", "TransposeConvOptions", shapes="transposed"),
    "DEPTHWISE_CONV_2D": Operator(_depthwise_macs, "hwc", "DepthwiseConv2DOptions", shapes="window"),
    "FULLY_CONNECTED": Operator(_dense_macs, "outputs_inputs", "FullyConnectedOptions", shapes="dense"),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Operator(_lstm_macs, "gates"),
    "BATCH_MATMUL": Operator(_matmul_macs, shapes="corresponding"),
    "MAX_POOL_2D": _POOL,
    "AVERAGE_POOL_2D": _POOL,
    "L2_POOL_2D": Operator(options="Pool2DOptions"),
    "ADD": Operator(options="AddOptions", reads_two=True, shapes="broadcast"),
    "SUB": Operator(options="SubOptions", shapes="broadcast"),
    "MUL": Operator(options="MulOptions", reads_two=True, shapes="broadcast"),
    "DIV": Operator(options="DivOptions", shapes="broadcast"),
    "CONCATENATION": Operator(options="ConcatenationOptions", reads_two=True, shapes="joined"),
    "RESHAPE": Operator(operands_move=True, shapes="regrouped"),
    "EXPAND_DIMS": _MOVES,
    "SQUEEZE": _MOVES,
    "SHAPE": _MOVES,
    "PAD": Operator(operands_move=True, shapes="padded"),
    "PADV2": _MOVES,
    "MIRROR_PAD": _MOVES,
    "MEAN": _REDUCTION,
    "SUM": _REDUCTION,
    "REDUCE_MAX": _REDUCTION,
    "REDUCE_MIN": _MOVES,
    "REDUCE_PROD": _MOVES,
    "REDUCE_ANY": _MOVES,
    "ARG_MAX": Operator(operands_move=True, shapes="best"),
    "ARG_MIN": _MOVES,
    "TOPK_V2": _MOVES,
    "CUMSUM": _MOVES,
    "RESIZE_BILINEAR": _RESIZE,
    "RESIZE_NEAREST_NEIGHBOR": _RESIZE,
    "SLICE": _PART,
    "STRIDED_SLICE": _PART,
    "SPLIT": _PART,
    "SPLIT_V": _PART,
    "PACK": _MOVES,
    "TRANSPOSE": Operator(operands_move=True, shapes="corresponding"),
    "GATHER": _MOVES,
    "TILE": _MOVES,
    "BROADCAST_TO": _MOVES,
    "REVERSE_V2": _MOVES,
    "FILL": _MOVES,
    "RANGE": _MOVES,
    "ONE_HOT": _MOVES,
    "SPACE_TO_BATCH_ND": _MOVES,
    "BATCH_TO_SPACE_ND": _MOVES,
    "MAXIMUM": _BROADCAST,
    "MINIMUM": _BROADCAST,
    "SQUARED_DIFFERENCE": _BROADCAST,
    "POW": _BROADCAST,
    "FLOOR_DIV": _BROADCAST,
    "LESS": _BROADCAST,
    "DEPTH_TO_SPACE": _BLOCKS,
    "SPACE_TO_DEPTH": _BLOCKS,
    "PosenetDecoderOp": Operator(shapes="poses"),
    "TFLite_Detection_PostProcess": Operator(shapes="fixed"),
    "RELU": _SAME,
    "RELU6": _SAME,
    "LEAKY_RELU": _SAME,
    "PRELU": _SAME,
    "HARD_SWISH": _SAME,
    "LOGISTIC": _SAME,
    "TANH": _SAME,
    "ELU": _SAME,
    "GELU": _SAME,
    "SOFTMAX": _SAME,
    "QUANTIZE": _SAME,
    "DEQUANTIZE": _SAME,
    "CAST": _SAME,
    "NEG": _SAME,
    "RSQRT": _SAME,
    "SQRT": _SAME,
    "ABS": _SAME,
    "EXP": _SAME,
    "L2_NORMALIZATION": _SAME,
}


def is_custom(op: str) -> bool:
    """Whether a name is that of somebody's own operator: TFLite writes its own in capital letters."""
    return re.fullmatch("[A-Z][A-Z0-9_]*", op) is None


def operator(op: str) -> Operator:
    """Return what is known of an operator by name: nothing for one that is not in the vocabulary."""
    return OPERATORS.get(op, _NOTHING)
