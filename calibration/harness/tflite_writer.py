"""Write a layer graph as an int8 .tflite file with random weights: microbenchmarks without TensorFlow.

A layer ``edgetpu-custom-op`` becomes a compiled operator with the program that is given for it (``darwinn_writer.py``).
Format: the TFLite schema through the builders of the ``tflite`` package. Activations have one scale; filters are
symmetric, as the Edge TPU compiler wants them. Time does not depend on the weights' values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
import tflite

from hwmodels.errors import InputError, either
from hwmodels.files import write_bytes
from hwmodels.networks.graph import EDGETPU_OP, Layer, LayerGraph, Tensor

__all__ = ["SUPPORTED_OPS", "model_bytes", "write_model"]

SCALE, FILTER_SCALE = 0.05, 0.01
CUSTOM = "TFLite_Detection_PostProcess"
TYPES = {"int8": (tflite.TensorType.INT8, np.int8), "int32": (tflite.TensorType.INT32, np.int32),
         "int64": (tflite.TensorType.INT64, np.int64), "float32": (tflite.TensorType.FLOAT32, np.float32)}  # fmt: skip

Builder = Any
Fields = list[tuple[str, Any]]
Options = Callable[[Layer], tuple[str, Fields]]
IntArray = np.ndarray[Any, Any]


class _Quantisation(NamedTuple):
    scale: float
    zero_point: int


def _convolution(layer: Layer, options: str = "Conv2DOptions") -> tuple[str, Fields]:
    fields: Fields = [("Padding", _padding(layer)), ("StrideH", layer.stride[0]), ("StrideW", layer.stride[1])]
    if options == "DepthwiseConv2DOptions":
        fields.append(("DepthMultiplier", layer.output.hwc[2] // layer.input.hwc[2]))
    fields += [("DilationHFactor", layer.dilation[0]), ("DilationWFactor", layer.dilation[1])]
    return options, [*fields, _fused(layer)]


def _pool(layer: Layer) -> tuple[str, Fields]:
    kernel = [("FilterHeight", layer.kernel[0]), ("FilterWidth", layer.kernel[1])]
    stride = [("StrideH", layer.stride[0]), ("StrideW", layer.stride[1])]
    return "Pool2DOptions", [("Padding", _padding(layer)), *stride, *kernel, _fused(layer)]


def _padding(layer: Layer) -> int:
    return int(getattr(tflite.Padding, layer.padding or "SAME"))


def _fused(layer: Layer) -> tuple[str, int]:
    return "FusedActivationFunction", int(getattr(tflite.ActivationFunctionType, layer.activation or "NONE"))


def _joined_axis(layer: Layer) -> int:
    pairs = zip(layer.input.shape, layer.output.shape, strict=True)
    return next((axis for axis, (part, whole) in enumerate(pairs) if part != whole), 0)


def _pad_operand(layer: Layer) -> IntArray:
    before = [1, *layer.input.hwc][-len(layer.input.shape) :]
    return np.array([[0, after - size] for size, after in zip(before, layer.output.shape, strict=True)], np.int32)


def _size_operand(layer: Layer) -> IntArray:
    return np.array(layer.output.hwc[:2], np.int32)


def _fixed(name: str, *fields: tuple[str, Any]) -> Options:
    """Options that are the same for every layer."""
    return lambda _: (name, list(fields))


@dataclass(frozen=True, slots=True)
class Written:
    """How an operator is written.

    Attributes
    ----------
    options
        Its table of options by name, and the fields.
    version
        Of the operator, such that it takes int8 tensors (tensorflow/lite/core/kernels/register.cc).
    operand
        Constant that says how to move data: it is no weight of the graph.
    keeps_scale
        Whether its result has the scale of what it reads.
    range
        Scale and zero point of a result whose range is fixed.
    """

    options: Options
    version: int = 2
    operand: Callable[[Layer], IntArray] | None = None
    keeps_scale: bool = False
    range: tuple[float, int] | None = None


_HALF_PIXELS = ("HalfPixelCenters", True)

#: Every operator that this writer has.
WRITTEN: dict[str, Written] = {
    "CONV_2D": Written(_convolution, 3),
    "DEPTHWISE_CONV_2D": Written(lambda layer: _convolution(layer, "DepthwiseConv2DOptions"), 3),
    "FULLY_CONNECTED": Written(lambda layer: ("FullyConnectedOptions", [_fused(layer)]), 4),
    "MAX_POOL_2D": Written(_pool, keeps_scale=True),
    "AVERAGE_POOL_2D": Written(_pool),
    "ADD": Written(lambda layer: ("AddOptions", [_fused(layer)])),
    "MUL": Written(lambda layer: ("MulOptions", [_fused(layer)])),
    "CONCATENATION": Written(
        lambda layer: ("ConcatenationOptions", [("Axis", _joined_axis(layer)), _fused(layer)]), keeps_scale=True
    ),
    "SOFTMAX": Written(_fixed("SoftmaxOptions", ("Beta", 1.0)), range=(1 / 256, -128)),
    "LOGISTIC": Written(_fixed(""), range=(1 / 256, -128)),
    "HARD_SWISH": Written(_fixed("HardSwishOptions"), 1),
    "MEAN": Written(_fixed("ReducerOptions", ("KeepDims", True)), operand=lambda _: np.array([1, 2], np.int32)),
    "ARG_MAX": Written(
        _fixed("ArgMaxOptions", ("OutputType", tflite.TensorType.INT64)),
        operand=lambda layer: np.array([len(layer.input.shape) - 1], np.int32),
    ),
    "RESIZE_BILINEAR": Written(_fixed("ResizeBilinearOptions", _HALF_PIXELS), operand=_size_operand, keeps_scale=True),
    "RESIZE_NEAREST_NEIGHBOR": Written(
        _fixed("ResizeNearestNeighborOptions", _HALF_PIXELS), operand=_size_operand, keeps_scale=True
    ),
    "PAD": Written(_fixed("PadOptions"), operand=_pad_operand, keeps_scale=True),
    "RESHAPE": Written(
        _fixed("ReshapeOptions"), 1, lambda layer: np.array(layer.output.shape, np.int32), keeps_scale=True
    ),
    "QUANTIZE": Written(_fixed("QuantizeOptions"), 1),
    "DEQUANTIZE": Written(_fixed("DequantizeOptions")),
    CUSTOM: Written(_fixed("")),
    EDGETPU_OP: Written(_fixed("")),
}
SUPPORTED_OPS = tuple(WRITTEN)


def write_model(graph: LayerGraph, path: Path, seed: int = 0, programs: Mapping[int, bytes] | None = None) -> None:
    """Write the graph as a .tflite file; raises :class:`InputError` for an operator that this writer has not."""
    write_bytes(path, model_bytes(graph, seed, programs))


def model_bytes(graph: LayerGraph, seed: int = 0, programs: Mapping[int, bytes] | None = None) -> bytes:
    """Return the graph as the bytes of a .tflite file with random int8 weights (of ``seed``).

    Raises :class:`InputError` for an operator or dtype that this writer has not.

    Parameters
    ----------
    graph, seed
        What to write, and the seed of its weights.
    programs
        Custom options of each layer ``edgetpu-custom-op``, by the layer's index.
    """
    for layer in graph.layers:
        if layer.op not in WRITTEN:
            raise InputError.value(f"{graph.name}: operator {layer.index}", layer.op, either(SUPPORTED_OPS))
    return _Writer(graph, seed, programs or {}).finish()


class _Writer:
    """One file under construction: tensors are numbered in the order in which they are added."""

    def __init__(self, graph: LayerGraph, seed: int, programs: Mapping[int, bytes]) -> None:
        self.graph, self.random, self.programs = graph, np.random.default_rng(seed), programs
        self.builder = flatbuffers.Builder(1 << 16)
        self.buffers = [self._table("Buffer", [])]
        self.tensors: list[int] = []
        self.numbers: dict[int, int] = {}
        self.quantisation: dict[int, _Quantisation] = {}
        self.codes = list(dict.fromkeys(layer.op for layer in graph.layers))

    def finish(self) -> bytes:
        """The file's bytes."""
        for tensor in self.graph.inputs:
            self._activation(tensor, _Quantisation(SCALE, 0))
        operators = [self._operator(layer) for layer in self.graph.layers]
        model = self._model(self._subgraph(operators))
        self.builder.Finish(model, b"TFL3")
        return bytes(self.builder.Output())

    def _table(self, name: str, fields: Sequence[tuple[str, Any]]) -> int:
        getattr(tflite, f"{name}Start")(self.builder)
        for key, value in fields:
            getattr(tflite, f"{name}Add{key}")(self.builder, value)
        return int(getattr(tflite, f"{name}End")(self.builder))

    def _vector(self, start: Callable[[Builder, int], Any], values: Sequence[int]) -> int:
        start(self.builder, len(values))
        for value in reversed(values):
            self.builder.PrependUOffsetTRelative(value)
        return int(self.builder.EndVector())

    def _numbers(self, values: Sequence[float] | Sequence[int], dtype: Any) -> int:
        return int(self.builder.CreateNumpyVector(np.array(values, dtype)))

    def _activation(self, tensor: Tensor, quantisation: _Quantisation) -> None:
        if tensor.id in self.numbers:
            return
        self.numbers[tensor.id] = self._tensor(f"t{tensor.id}", tensor.dtype, tensor.shape, quantisation, 0)
        self.quantisation[tensor.id] = quantisation

    def _tensor(self, name: str, dtype: str, shape: Sequence[int], quantisation: _Quantisation, buffer: int) -> int:
        if dtype not in TYPES:
            raise InputError.value(f"{self.graph.name}: {name}", dtype, either(TYPES))
        text, extents = self.builder.CreateString(name), self._numbers(shape, np.int32)
        fields: Fields = [("Shape", extents), ("Type", TYPES[dtype][0]), ("Buffer", buffer), ("Name", text)]
        if dtype != "float32":
            scale = self._numbers([quantisation.scale], np.float32)
            zero = self._numbers([quantisation.zero_point], np.int64)
            table = self._table("QuantizationParameters", [("Scale", scale), ("ZeroPoint", zero)])
            fields.append(("Quantization", table))
        self.tensors.append(self._table("Tensor", fields))
        return len(self.tensors) - 1

    def _constant(self, name: str, values: np.ndarray[Any, Any], quantisation: _Quantisation) -> int:
        data = self.builder.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8))
        self.buffers.append(self._table("Buffer", [("Data", data)]))
        dtype = str(values.dtype)
        return self._tensor(name, dtype, values.shape, quantisation, len(self.buffers) - 1)

    def _weights(self, layer: Layer) -> list[int]:
        scale = self.quantisation[layer.input.id].scale
        scales = [FILTER_SCALE, scale * FILTER_SCALE]
        return [
            self._constant(f"w{layer.index}_{i}", self._random(weight), _Quantisation(scales[min(i, 1)], 0))
            for i, weight in enumerate(layer.weights)
        ]

    def _random(self, weight: Tensor) -> np.ndarray[Any, Any]:
        if weight.dtype == "float32":
            return self.random.random(weight.shape, np.float32)
        values = self.random.integers(-127, 128, prod(weight.shape), np.int8).astype(TYPES[weight.dtype][1])
        return values.reshape(weight.shape)

    def _operator(self, layer: Layer) -> int:
        row, constants = WRITTEN[layer.op], self._weights(layer)
        if row.operand:
            constants.append(self._constant(f"o{layer.index}", row.operand(layer), _Quantisation(0.0, 0)))
        read = self.quantisation[layer.input.id]
        default = read if row.keeps_scale else _Quantisation(SCALE, 0)
        for tensor in layer.outputs:
            self._activation(tensor, _Quantisation(*(row.range or default)))
        inputs = [self.numbers[tensor.id] for tensor in layer.inputs] + constants
        return self._operator_table(layer, inputs, [self.numbers[tensor.id] for tensor in layer.outputs])

    def _operator_table(self, layer: Layer, inputs: list[int], outputs: list[int]) -> int:
        name, fields = WRITTEN[layer.op].options(layer)
        rows: Fields = [("OpcodeIndex", self.codes.index(layer.op)), ("Inputs", self._numbers(inputs, np.int32))]
        rows.append(("Outputs", self._numbers(outputs, np.int32)))
        if name:
            options = self._table(name, fields)
            rows += [("BuiltinOptionsType", getattr(tflite.BuiltinOptions, name)), ("BuiltinOptions", options)]
        if layer.op in (CUSTOM, EDGETPU_OP):
            custom = _detection_options(layer) if layer.op == CUSTOM else self.programs[layer.index]
            rows.append(("CustomOptions", self.builder.CreateByteVector(custom)))
        return self._table("Operator", rows)

    def _subgraph(self, operators: list[int]) -> int:
        name = self.builder.CreateString("main")
        tensors = self._vector(tflite.SubGraphStartTensorsVector, self.tensors)
        table = self._vector(tflite.SubGraphStartOperatorsVector, operators)
        inputs = self._numbers([self.numbers[t.id] for t in self.graph.inputs], np.int32)
        outputs = self._numbers([self.numbers[t.id] for t in self.graph.outputs], np.int32)
        fields: Fields = [("Tensors", tensors), ("Inputs", inputs), ("Outputs", outputs), ("Operators", table)]
        return self._table("SubGraph", [*fields, ("Name", name)])

    def _model(self, subgraph: int) -> int:
        codes = self._vector(tflite.ModelStartOperatorCodesVector, [self._code(op) for op in self.codes])
        subgraphs = self._vector(tflite.ModelStartSubgraphsVector, [subgraph])
        buffers = self._vector(tflite.ModelStartBuffersVector, self.buffers)
        text = self.builder.CreateString(f"{self.graph.name}, random weights")
        fields: Fields = [("Version", 3), ("OperatorCodes", codes), ("Subgraphs", subgraphs), ("Description", text)]
        return self._table("Model", [*fields, ("Buffers", buffers)])

    def _code(self, op: str) -> int:
        if op in (CUSTOM, EDGETPU_OP):
            text = self.builder.CreateString(op)
            code = tflite.BuiltinOperator.CUSTOM
            return self._table(
                "OperatorCode",
                [("DeprecatedBuiltinCode", code), ("BuiltinCode", code), ("CustomCode", text), ("Version", 1)],
            )
        number = getattr(tflite.BuiltinOperator, op)
        old = min(number, 127)
        fields = [("DeprecatedBuiltinCode", old), ("BuiltinCode", number), ("Version", WRITTEN[op].version)]
        return self._table("OperatorCode", fields)


def _detection_options(layer: Layer) -> bytes:
    """Options of SSD post-processing as in the published detection networks: 10 detections, fast suppression."""
    from flatbuffers import flexbuffers

    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Int("max_detections", layer.outputs[0].shape[1])
        builder.Int("max_classes_per_detection", 1)
        builder.Int("detections_per_class", 100)
        builder.Bool("use_regular_nms", False)
        builder.Int("num_classes", layer.inputs[1].shape[-1] - 1)
        builder.Float("nms_score_threshold", 1e-8)
        builder.Float("nms_iou_threshold", 0.6)
        for key, value in (("y_scale", 10.0), ("x_scale", 10.0), ("h_scale", 5.0), ("w_scale", 5.0)):
            builder.Float(key, value)
    return bytes(builder.Finish())
