"""Custom operators that Keras cannot emit, appended to a converted flatbuffer.

TFLite_Detection_PostProcess (box decoding and non-max suppression) and PosenetDecoderOp run on the host; their
inputs are the network's outputs. Shapes are those of the published .tflite files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

__all__ = ["deferred", "detection", "pose"]

Hook = Callable[[bytes], bytes]

_BOX_CODER = {"y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0}


def detection(classes: int, detections: int = 20, iou: float = 0.6, scales: Mapping[str, float] | None = None) -> Hook:
    """Return the hook that appends DEQUANTIZE and TFLite_Detection_PostProcess.

    The network's outputs are boxes (1, N, 4) and scores (1, N, classes or classes + 1); the file's are the boxes,
    classes and scores of ``detections`` objects and their count. ``scales`` defaults to the SSD box coder.
    """
    options = {
        "max_detections": detections,
        "max_classes_per_detection": 1,
        "detections_per_class": 100,
        "use_regular_nms": False,
        "nms_score_threshold": 1e-8,
        "nms_iou_threshold": iou,
        "num_classes": classes,
    }
    return partial(_append_detection, options=options | dict(scales or _BOX_CODER))


def pose(stride: int, outputs: Sequence[Sequence[int]], consumed: Sequence[int], maximum: int = 10) -> Hook:
    """Return the hook that appends PosenetDecoderOp on the network outputs whose channel counts are ``consumed``.

    Outputs that the operator does not read stay outputs of the file, after the decoded poses (``outputs`` shapes).
    """
    options = {"max_detections": maximum, "score_threshold": 0.2, "stride": stride, "nms_radius": 10.0}
    return partial(_append_pose, options=options, shapes=outputs, consumed=consumed)


def deferred(*names: str) -> Hook:
    """Return the hook that moves the operators ``names``, and all that depend on them, behind the other operators.

    The order of independent branches is the converter's whim; published files have the convolutions of every head
    before the decoding on the host.
    """
    return partial(_defer, names=frozenset(names))


def _defer(data: bytes, names: frozenset[str]) -> bytes:
    file = _File(data)
    late: set[int] = set()
    first, last = [], []
    for operator in file.graph.operators:
        if file.name(operator) in names or late.intersection(operator.inputs):
            late.update(operator.outputs)
            last.append(operator)
        else:
            first.append(operator)
    file.graph.operators = first + last
    return file.to_bytes()


def _append_detection(data: bytes, options: Mapping[str, Any]) -> bytes:
    file = _File(data)
    boxes, scores = sorted(file.graph.outputs, key=lambda i: file.shape(i)[-1] != 4)
    anchors = file.constant("anchors", (file.shape(boxes)[1], 4))
    inputs = [file.dequantized(scores), file.dequantized(boxes)]
    count = options["max_detections"]
    outputs = [
        file.float_tensor(f"detections_{i}", s) for i, s in enumerate([(1, count, 4), (1, count), (1, count), (1,)])
    ]
    file.custom("TFLite_Detection_PostProcess", [inputs[1], inputs[0], anchors], outputs, options)
    file.graph.outputs = outputs
    return file.to_bytes()


def _append_pose(
    data: bytes, options: Mapping[str, Any], shapes: Sequence[Sequence[int]], consumed: Sequence[int]
) -> bytes:
    file = _File(data)
    left = list(file.graph.outputs)
    inputs = [_take(file, left, channels) for channels in consumed]
    outputs = [file.float_tensor(f"poses_{i}", shape) for i, shape in enumerate(shapes)]
    file.custom("PosenetDecoderOp", inputs, outputs, options)
    file.graph.outputs = [*outputs, *left]
    return file.to_bytes()


def _take(file: _File, tensors: list[int], channels: int) -> int:
    number = next(i for i in tensors if file.shape(i)[-1] == channels)
    tensors.remove(number)
    return number


class _File:
    """A TFLite model as objects, with the few edits that appending an operator needs."""

    def __init__(self, data: bytes) -> None:
        from tensorflow.lite.python import schema_py_generated as schema
        from tensorflow.lite.tools import flatbuffer_utils

        self.schema, self.tools = schema, flatbuffer_utils
        self.model = flatbuffer_utils.convert_bytearray_to_object(bytearray(data))
        self.graph = self.model.subgraphs[0]
        self.model.signatureDefs = []

    def to_bytes(self) -> bytes:
        return bytes(self.tools.convert_object_to_bytearray(self.model))

    def name(self, operator: Any) -> str:
        code = self.model.operatorCodes[operator.opcodeIndex]
        return self.tools.opcode_to_name(self.model, operator.opcodeIndex) if not code.customCode else ""

    def shape(self, number: int) -> tuple[int, ...]:
        return tuple(int(extent) for extent in self.graph.tensors[number].shape)

    def float_tensor(self, name: str, shape: Sequence[int], data: bytes | None = None) -> int:
        buffer, tensor = self.schema.BufferT(), self.schema.TensorT()
        buffer.data = data
        self.model.buffers.append(buffer)
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), self.schema.TensorType.FLOAT32
        tensor.buffer, tensor.quantization = len(self.model.buffers) - 1, self.schema.QuantizationParametersT()
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, name: str, shape: tuple[int, int]) -> int:
        import numpy as np

        return self.float_tensor(name, shape, np.full(shape, 0.5, np.float32).tobytes())

    def dequantized(self, number: int) -> int:
        """Return ``number`` as a float tensor, through a DEQUANTIZE operator when it is quantised."""
        if self.graph.tensors[number].type == self.schema.TensorType.FLOAT32:
            return number
        output = self.float_tensor(f"dequantized_{number}", self.shape(number))
        self._operator(self._code(self.schema.BuiltinOperator.DEQUANTIZE), [number], [output])
        return output

    def custom(self, name: str, inputs: list[int], outputs: list[int], options: Mapping[str, Any]) -> None:
        code = self._code(self.schema.BuiltinOperator.CUSTOM, name.encode())
        self._operator(code, inputs, outputs).customOptions = list(_flexbuffer(options))

    def _code(self, builtin: int, custom: bytes | None = None) -> int:
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.customCode, code.version = builtin, builtin, custom, 1
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def _operator(self, code: int, inputs: list[int], outputs: list[int]) -> Any:
        operator = self.schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
        self.graph.operators.append(operator)
        return operator


def _flexbuffer(options: Mapping[str, Any]) -> bytearray:
    from flatbuffers import flexbuffers

    return flexbuffers.Dumps(dict(options))
