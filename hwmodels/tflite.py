"""Read .tflite files: a plain network becomes a layer graph, an Edge-TPU-compiled one its executables.

Files are memory-mapped and weight pages are never touched: time follows the number of operators.
Format: the TFLite schema through the ``tflite`` package (generated accessors of schema 2.18).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import tflite

from hwmodels.errors import InputError
from hwmodels.graph import Layer, LayerGraph, Tensor, check_layer, check_tensor

__all__ = ["EDGETPU_OP", "open_model", "read_graph"]

EDGETPU_OP = "edgetpu-custom-op"
MAX_OPERATORS = 1_000_000

# Constant operands of these ops say how to move data; they are no parameters.
_SHAPE_OPS = frozenset(
    [
        "RESHAPE",
        "PAD",
        "PADV2",
        "MIRROR_PAD",
        "MEAN",
        "SUM",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "REDUCE_PROD",
        "REDUCE_ANY",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "STRIDED_SLICE",
        "SLICE",
        "TRANSPOSE",
        "SPLIT",
        "SPLIT_V",
        "EXPAND_DIMS",
        "SQUEEZE",
        "GATHER",
        "ARG_MAX",
        "ARG_MIN",
        "TILE",
        "TOPK_V2",
        "FILL",
        "RANGE",
        "BROADCAST_TO",
        "SPACE_TO_BATCH_ND",
        "BATCH_TO_SPACE_ND",
        "ONE_HOT",
        "REVERSE_V2",
        "CUMSUM",
        "SHAPE",
        "PACK",
    ]
)

_OPTIONS = {
    "CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "AVERAGE_POOL_2D": "Pool2DOptions",
    "MAX_POOL_2D": "Pool2DOptions", "L2_POOL_2D": "Pool2DOptions", "TRANSPOSE_CONV": "TransposeConvOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions", "ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions",
    "DIV": "DivOptions", "CONCATENATION": "ConcatenationOptions",
}  # fmt: skip


@contextmanager
def open_model(path: Path) -> Iterator[tuple[Any, mmap.mmap]]:
    """Memory-map a .tflite file and yield its root table and the mapping.

    Raises :class:`InputError` for a file that is missing, empty, not TFLite, truncated or corrupted.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 8:
                raise InputError(str(path), f"{size} bytes", "a TFLite file (FlatBuffer, identifier TFL3)")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data[4:8] != b"TFL3":
                    raise InputError(str(path), data[4:8], "a TFLite file (FlatBuffer, identifier TFL3)")
                yield tflite.Model.GetRootAsModel(data, 0), data
    except OSError as error:
        raise InputError(str(path), error.strerror or type(error).__name__, "a readable .tflite file") from None
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), f"{type(error).__name__}: {error}", "a whole, uncorrupted TFLite file") from None


def read_graph(path: Path, name: str = "") -> LayerGraph:
    """Read the first subgraph of a .tflite file as a layer graph; unknown ops are kept and named.

    Raises :class:`InputError` for a file that cannot be read or that holds no subgraph.

    Notes
    -----
    Offsets and counts are bounded by the file's size before anything is allocated: a damaged file is one line, quickly.
    """
    with open_model(path) as (model, data):
        if model.SubgraphsLength() < 1:
            raise InputError(str(path), "no subgraph", "a model with one subgraph")
        return _Reader(model, len(data)).graph(name or path.stem)


class _Reader:
    """The first subgraph of one mapped file."""

    def __init__(self, model: Any, size: int) -> None:
        self.model, self.size = model, size
        self.subgraph = model.Subgraphs(0)
        codes = self._count(model.OperatorCodesLength(), "operator codes")
        self.names = [_op_name(model.OperatorCodes(i)) for i in range(codes)]
        tensors = self._count(self.subgraph.TensorsLength(), "tensors")
        self.tables = [self.subgraph.Tensors(i) for i in range(tensors)]
        self.tensors = [self._tensor(i, table) for i, table in enumerate(self.tables)]

    def _count(self, length: int, what: str) -> int:
        # A corrupted length must not become a loop of 2**31 steps: every entry takes 4 bytes of the file.
        if not 0 <= length <= min(self.size // 4, MAX_OPERATORS):
            raise ValueError(f"{length} {what} in a file of {self.size} bytes")
        return length

    def _tensor(self, number: int, table: Any) -> Tensor:
        fixed = [table.Shape(i) for i in range(self._count(table.ShapeLength(), "extents"))]
        signature = [table.ShapeSignature(i) for i in range(self._count(table.ShapeSignatureLength(), "extents"))]
        shape = signature if len(signature) == len(fixed) else fixed
        # A batch left open in the file (-1) runs as 1 unless the caller resizes.
        shape = [1 if extent < 0 and axis == 0 else extent for axis, extent in enumerate(shape)]
        return check_tensor(Tensor(number, _dtype_name(table.Type()), tuple(shape)))

    def graph(self, name: str) -> LayerGraph:
        """The first subgraph as a layer graph; raises ``ValueError`` where it is damaged."""
        count = self._count(self.subgraph.OperatorsLength(), "operators")
        layers = tuple(self._layer(i, self.subgraph.Operators(i)) for i in range(count))
        inputs = self._activations(self.subgraph.Inputs, self.subgraph.InputsLength())
        outputs = self._activations(self.subgraph.Outputs, self.subgraph.OutputsLength())
        _check_order(layers)
        return LayerGraph(name, layers, inputs, outputs)

    def _activations(self, get: Callable[[int], int], length: int) -> tuple[Tensor, ...]:
        numbers = [get(i) for i in range(self._count(length, "tensors of an operator"))]
        return tuple(self.tensors[number] for number in numbers if number >= 0 and not self._is_constant(number))

    def _is_constant(self, number: int) -> bool:
        buffer = self.model.Buffers(self.tables[number].Buffer())
        return buffer is not None and (buffer.DataLength() > 0 or buffer.Size() > 1)

    def _layer(self, index: int, operator: Any) -> Layer:
        op = self.names[operator.OpcodeIndex()]
        numbers = [operator.Inputs(i) for i in range(self._count(operator.InputsLength(), "inputs"))]
        constant = [self.tensors[n] for n in numbers if n >= 0 and self._is_constant(n)]
        weights = [] if op in _SHAPE_OPS else constant
        if op == "TRANSPOSE_CONV":  # input 0 is the output's shape
            weights = constant[1:]
        options = _options(op, operator)
        layer = Layer(
            index, op, self._activations(operator.Inputs, operator.InputsLength()),
            self._activations(operator.Outputs, operator.OutputsLength()), tuple(weights),
            kernel=_kernel(op, options, weights), stride=_pair(options, "Stride"), dilation=_pair(options, "Dilation"),
            padding=_padding(options), activation=_activation(options),
        )  # fmt: skip
        return check_layer(layer)


def _check_order(layers: tuple[Layer, ...]) -> None:
    produced = {tensor.id: layer.index for layer in reversed(layers) for tensor in layer.outputs}
    for layer in layers:
        for tensor in layer.inputs:
            if produced.get(tensor.id, -1) >= layer.index:
                raise ValueError(f"operator {layer.index} reads tensor {tensor.id} before it is written")


@cache
def _names(enum: str) -> dict[int, str]:
    return {value: name for name, value in vars(getattr(tflite, enum)).items() if isinstance(value, int)}


def _op_name(code: Any) -> str:
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return (code.CustomCode() or b"CUSTOM").decode("utf-8", "replace")
    return _names("BuiltinOperator").get(number, f"UNKNOWN_{number}")


def _dtype_name(number: int) -> str:
    return _names("TensorType").get(number, "variant").lower()


def _options(op: str, operator: Any) -> Any:
    table = operator.BuiltinOptions() if op in _OPTIONS else None
    if table is None:
        return None
    options = getattr(tflite, _OPTIONS[op])()
    options.Init(table.Bytes, table.Pos)
    return options


def _pair(options: Any, what: str) -> tuple[int, int]:
    suffix = {"Stride": "", "Dilation": "Factor"}[what]
    height, width = (getattr(options, f"{what}{axis}{suffix}", None) for axis in "HW")
    return (max(1, height()), max(1, width())) if height and width else (1, 1)


def _kernel(op: str, options: Any, weights: list[Tensor]) -> tuple[int, int]:
    if hasattr(options, "FilterHeight"):
        return max(1, options.FilterHeight()), max(1, options.FilterWidth())
    if op in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV") and weights and len(weights[0].shape) == 4:
        return weights[0].shape[1], weights[0].shape[2]
    return 1, 1


def _padding(options: Any) -> str:
    return _names("Padding").get(options.Padding(), "") if hasattr(options, "Padding") else ""


def _activation(options: Any) -> str:
    name = (
        _names("ActivationFunctionType").get(options.FusedActivationFunction(), "")
        if hasattr(options, "FusedActivationFunction")
        else ""
    )
    return "" if name == "NONE" else name
