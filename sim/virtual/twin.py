"""A twin: the network before compilation, which the CPU computes while the virtual device takes its time.

Device code: standard library only, and the program's own interpreter with its NumPy; Python 3.8 or newer.
"""

from __future__ import annotations

import ctypes as c
import importlib
from typing import Any

from . import abi

__all__ = ["Twin"]

INTERPRETERS = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


class Twin:
    """An interpreter of the plain file; it gets the inputs of a compiled operator and gives its outputs.

    Raises :class:`ImportError` where the program has no interpreter.
    """

    def __init__(self, path: str) -> None:
        self.numpy = importlib.import_module("numpy")
        self.interpreter = _module().Interpreter(model_path=path)
        self.interpreter.allocate_tensors()
        self.inputs = self.interpreter.get_input_details()
        self.outputs = self.interpreter.get_output_details()

    def compute(self, context: int, node: Any) -> None:
        """Read the node's input tensors, compute, and write its output tensors: in order, and byte by byte."""
        for i, tensor in enumerate(abi.tensors_of(context, node.inputs)):
            detail = self.inputs[i]
            content = c.string_at(tensor.data, tensor.bytes)
            values = self.numpy.frombuffer(content, detail["dtype"]).reshape(detail["shape"])
            self.interpreter.set_tensor(detail["index"], values)
        self.interpreter.invoke()
        for i, tensor in enumerate(abi.tensors_of(context, node.outputs)):
            content = self.interpreter.get_tensor(self.outputs[i]["index"]).tobytes()
            c.memmove(tensor.data, content, min(len(content), tensor.bytes))


def _module() -> Any:
    """The interpreter that the program uses, or whichever is there."""
    for name in INTERPRETERS:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError("no TFLite interpreter for a twin")
