"""Layers of round numbers, for costs and bytes that are worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hwmodels.edgetpu.accelerator import EdgeTpu, load_accelerator
from hwmodels.networks.graph import Layer, LayerGraph, Tensor

Shape = tuple[int, ...]


def layer(
    op: str, source: Shape, result: Shape, *weights: Shape, index: int = 0, dtype: str = "int8", **options: Any
) -> Layer:
    """One operator from tensor ``index`` to tensor ``index + 1``; weights given as shapes, the first int8, the rest int32."""
    constants = tuple(Tensor(-1, "int32" if i else dtype, shape) for i, shape in enumerate(weights))
    return Layer(index, op, (Tensor(index, dtype, source),), (Tensor(index + 1, dtype, result),), constants, **options)


def conv(size: int, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, **options: Any) -> Layer:
    """A convolution with a bias on a square map."""
    after = -(-size // stride)
    return layer(
        "CONV_2D", (1, size, size, inputs), (1, after, after, outputs), (outputs, kernel, kernel, inputs), (outputs,),
        kernel=(kernel, kernel), stride=(stride, stride), **options,
    )  # fmt: skip


def depthwise(size: int, channels: int, kernel: int = 3, **options: Any) -> Layer:
    """A depthwise convolution with a bias on a square map."""
    shape = (1, size, size, channels)
    weights = (1, kernel, kernel, channels), (channels,)
    return layer("DEPTHWISE_CONV_2D", shape, shape, *weights, kernel=(kernel, kernel), **options)


def dense(inputs: int, outputs: int, **options: Any) -> Layer:
    """A fully connected layer with a bias."""
    return layer("FULLY_CONNECTED", (1, inputs), (1, outputs), (outputs, inputs), (outputs,), **options)


def like(op: str, shape: Shape, operands: int = 1, **options: Any) -> Layer:
    """An operator that keeps its shape, of one or more activations."""
    sources = tuple(Tensor(i, "int8", shape) for i in range(operands))
    return Layer(0, op, sources, (Tensor(operands, "int8", shape),), **options)


def chain(name: str, *layers: Layer) -> LayerGraph:
    """Layers one after the other: numbered, and each reading what the one before it wrote."""
    numbered = tuple(
        replace(
            one, index=i, inputs=(replace(one.inputs[0], id=i), *one.inputs[1:]),
            outputs=(replace(one.outputs[0], id=i + 1), *one.outputs[1:]),
        )
        for i, one in enumerate(layers)
    )  # fmt: skip
    return LayerGraph(name, numbered, numbered[0].inputs[:1], numbered[-1].outputs[:1])


def coral(**numbers: float) -> EdgeTpu:
    """The Coral accelerator with some numbers replaced."""
    return replace(load_accelerator("coral"), **numbers)  # type: ignore[arg-type]  # fields by name


def example(op: str, size: int = 16, channels: int = 32):
    """An operator of a kind on a map of a size."""
    shape = (1, size, size, channels)
    if op == "FULLY_CONNECTED":
        return dense(channels, channels)
    if op == "DEPTHWISE_CONV_2D":
        return depthwise(size, channels)
    if op in ("CONV_2D", "TRANSPOSE_CONV"):
        return replace(conv(size, channels, channels), op=op)
    if op == "PRELU":
        return layer(op, shape, shape, (channels,))
    if op == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        weights = ((channels, channels),) * 8
        return layer(op, (1, size, channels), (1, size, channels), *weights)
    if op.endswith("POOL_2D"):
        return like(op, shape, kernel=(2, 2))
    if op == "SOFTMAX":
        return like(op, (1, channels))
    return like(op, shape)
