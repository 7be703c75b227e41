"""Read .tflite files: a plain network becomes a layer graph, an Edge-TPU-compiled one its executables.

Files are memory-mapped and the pages of filters are never touched: time follows the number of operators.
Format: the TFLite schema through the ``tflite`` package (generated accessors of schema 2.18).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import tflite

from hwmodels.errors import InputError, reason
from hwmodels.networks.graph import MAX_RANK, Layer, LayerGraph, Tensor, check_layer, checked_tensor
from hwmodels.networks.operators import operator

__all__ = ["open_model", "read_graph"]

MAX_OPERATORS = 1_000_000
MOST_SHARED = 4  # times the file's size: tables may share a vector, as writers that find equal ones make them


#: Custom operators that hold a program for another chip -> whose.
FOREIGN = {"ethos-u": "Arm's Ethos-U"}


@contextmanager
def open_model(path: Path) -> Iterator[tuple[Any, mmap.mmap]]:
    """Memory-map a .tflite file and yield its root table and the mapping.

    Raises :class:`InputError` for a file that is missing, empty, not TFLite, truncated or corrupted.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 8:
                raise InputError.problem(
                    str(path), f"holds only {size} bytes", "give a TFLite file (FlatBuffer, identifier TFL3)"
                )
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                if data[4:8] != b"TFL3":
                    raise InputError.problem(
                        str(path),
                        "is no TFLite file, or a damaged one",
                        "give a TFLite file (FlatBuffer, identifier TFL3)",
                    )
                yield tflite.Model.GetRootAsModel(data, 0), data
    except OSError as error:
        raise InputError.problem(
            str(path), f"cannot be read ({reason(error)})", "give a readable .tflite file"
        ) from None
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError.problem(
            str(path), f"is damaged ({type(error).__name__}: {error})", "give a whole, uncorrupted TFLite file"
        ) from None


def read_graph(path: Path, name: str = "") -> LayerGraph:
    """Read the first subgraph of a .tflite file as a layer graph; unknown ops are kept and named.

    A file that is compiled for the Edge TPU is a layer graph of its custom operators; ``meta["path"]`` says where their
    programs are.

    Raises :class:`InputError` for a file that cannot be read or that holds no subgraph.

    Notes
    -----
    Offsets and counts are bounded by the file's size before anything is allocated: a damaged file is one line, quickly.
    """
    with open_model(path) as (model, data):
        if model.SubgraphsLength() < 1:
            raise InputError.problem(str(path), "has no subgraph", "give a model with one subgraph")
        try:
            graph = _Reader(model, len(data)).graph(name or path.stem)
        except ForeignError as error:
            raise InputError.problem(
                str(path), str(error), "give the plain .tflite file that it was made from"
            ) from None
    return replace(graph, meta={"path": str(path)}) if graph.is_compiled else graph


class ForeignError(Exception):
    """A file whose operators are programs for another chip."""


class _Reader:
    """The first subgraph of one mapped file."""

    def __init__(self, model: Any, size: int) -> None:
        self.model, self.size = model, size
        self.spent = 0
        self.subgraph = model.Subgraphs(0)
        codes = self._count(model.OperatorCodesLength(), "operator codes")
        self.names = [self._op_name(model.OperatorCodes(i)) for i in range(codes)]
        self.versions = [max(1, model.OperatorCodes(i).Version()) for i in range(codes)]
        tensors = self._count(self.subgraph.TensorsLength(), "tensors")
        self.tables = [self.subgraph.Tensors(i) for i in range(tensors)]
        self.tensors = [self._tensor(i, table) for i, table in enumerate(self.tables)]

    def _count(self, length: int, what: str) -> int:
        # A corrupted length must not become a loop of 2**31 steps: every entry takes 4 bytes of the file.
        if not 0 <= length <= min(self.size // 4, MAX_OPERATORS):
            raise ValueError(f"{length} {what} in a file of {self.size} bytes")
        self._spend(4 * length)
        return length

    def _spend(self, n_bytes: int) -> None:
        # Many tables may point to one long vector: what they hold together cannot exceed the file by much, either.
        self.spent += n_bytes
        if self.spent > MOST_SHARED * self.size:
            raise ValueError(f"vectors of {self.spent} bytes together in a file of {self.size} bytes")

    def _op_name(self, code: Any) -> str:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if number != tflite.BuiltinOperator.CUSTOM:
            return _names("BuiltinOperator").get(number, f"UNKNOWN_{number}")
        name = code.CustomCode() or b"CUSTOM"
        self._spend(len(name))
        text = str(name.decode("utf-8", "replace"))
        if text.lower() in FOREIGN:
            raise ForeignError(f"is compiled for {FOREIGN[text.lower()]} (operator {text})")
        return text

    def _tensor(self, number: int, table: Any) -> Tensor:
        if table.ShapeLength() > MAX_RANK or table.ShapeSignatureLength() > MAX_RANK:
            rank = max(table.ShapeLength(), table.ShapeSignatureLength())
            raise ValueError(f"a tensor of {rank} extents where at most {MAX_RANK} are possible")
        fixed = [table.Shape(i) for i in range(self._count(table.ShapeLength(), "extents"))]
        signature = [table.ShapeSignature(i) for i in range(self._count(table.ShapeSignatureLength(), "extents"))]
        shape = signature if len(signature) == len(fixed) else fixed
        # A batch left open in the file (-1) runs as 1 unless the caller resizes.
        shape = [1 if extent < 0 and axis == 0 else extent for axis, extent in enumerate(shape)]
        return checked_tensor(number, _dtype_name(table.Type()), shape)

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

    def _layer(self, index: int, entry: Any) -> Layer:
        op = self.names[entry.OpcodeIndex()]
        numbers = [entry.Inputs(i) for i in range(self._count(entry.InputsLength(), "inputs"))]
        constant = [n for n in numbers if n >= 0 and self._is_constant(n)]
        # Input 0 of a transposed convolution is the output's shape.
        held = [] if operator(op).operands_move else constant[op == "TRANSPOSE_CONV" :]
        weights = [self.tensors[n] for n in held]
        options = _options(op, entry)
        layer = Layer(
            index, op, self._activations(entry.Inputs, entry.InputsLength()),
            self._activations(entry.Outputs, entry.OutputsLength()), tuple(weights),
            kernel=_kernel(op, options, weights), stride=_pair(options, "Stride"), dilation=_pair(options, "Dilation"),
            padding=_padding(options), activation=_activation(options), scales=self._scales(held[:1]),
            zero_bias=bool(operator(op).filter) and self._is_zero(held[1:2]),
            version=self.versions[entry.OpcodeIndex()],
        )  # fmt: skip
        return check_layer(layer)

    def _scales(self, filters: list[int]) -> int:
        """Scales by which a filter was quantised."""
        quantised = self.tables[filters[0]].Quantization() if filters else None
        return self._count(quantised.ScaleLength(), "scales") if quantised else 0

    def _is_zero(self, biases: list[int]) -> bool:
        """Whether a bias is zero throughout: the compiler then leaves it out."""
        buffer = self.model.Buffers(self.tables[biases[0]].Buffer()) if biases else None
        if buffer is None:
            return False
        start = buffer._tab.Vector(buffer._tab.Offset(4)) if buffer.DataLength() else 0
        return bool(start) and not any(buffer._tab.Bytes[start : start + buffer.DataLength()])


def _check_order(layers: tuple[Layer, ...]) -> None:
    produced = {tensor.id: layer.index for layer in reversed(layers) for tensor in layer.outputs}
    for layer in layers:
        for tensor in layer.inputs:
            if produced.get(tensor.id, -1) >= layer.index:
                raise ValueError(f"operator {layer.index} reads tensor {tensor.id} before it is written")


@cache
def _names(enum: str) -> dict[int, str]:
    return {value: name for name, value in vars(getattr(tflite, enum)).items() if isinstance(value, int)}


def _dtype_name(number: int) -> str:
    return _names("TensorType").get(number, "variant").lower()


def _options(op: str, entry: Any) -> Any:
    name = operator(op).options
    table = entry.BuiltinOptions() if name else None
    if table is None:
        return None
    options = getattr(tflite, name)()
    options.Init(table.Bytes, table.Pos)
    return options


def _pair(options: Any, what: str) -> tuple[int, int]:
    suffix = {"Stride": "", "Dilation": "Factor"}[what]
    height, width = (getattr(options, f"{what}{axis}{suffix}", None) for axis in "HW")
    return (max(1, height()), max(1, width())) if height and width else (1, 1)


def _kernel(op: str, options: Any, weights: list[Tensor]) -> tuple[int, int]:
    if hasattr(options, "FilterHeight"):
        return max(1, options.FilterHeight()), max(1, options.FilterWidth())
    if operator(op).filter in ("outputs_hwi", "hwc") and weights and len(weights[0].shape) == 4:
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
