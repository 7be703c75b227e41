"""SpaghettiNet-EdgeTPU S, M and L of the TF1 object detection API: a searched graph of bottleneck nodes and edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from traces.generate import postprocess
from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, conv_bn, depthwise_bn, image, layers, model, ops, resize
from traces.generate.ssd import ssd_head

__all__ = ["DEFINITIONS"]


@dataclass(frozen=True)
class _Node:
    """A node: its pyramid level, channels, layers as text, and the nodes that feed it.

    A layer reads ``kind kernel x expansion``, ``/2`` where it strides and ``+`` where it has a residual:
    ``f3`` and ``f4`` are fused bottlenecks in 3 and 4 groups, ``i`` inverted bottlenecks, ``s`` separable ones.
    """

    level: int
    filters: int
    layers: str
    inputs: tuple[str, ...]


_STEM = "f3:3x8/2"

_S = {
    "n0": _Node(2, 48, _STEM, ("stem",)),
    "n1": _Node(3, 64, "f4:3x4/2 f4:3x4+ f4:3x4+", ("n0",)),
    "n2": _Node(4, 72, "i:3x8/2 f4:3x8+ i:3x8+ i:3x4+", ("n1",)),
    "n3": _Node(5, 88, "i:3x8/2 i:3x8+ i:3x4+ i:3x4+", ("n2",)),
    "n4": _Node(6, 88, "i:3x8/2 s:5+ s:5+ s:5+", ("n3",)),
    "n5": _Node(7, 88, "s:5/2 s:3+", ("n4",)),
    "c0": _Node(5, 144, "i:3x4 i:3x4+ i:3x4+ i:3x4+", ("n3", "n4")),
    "c1": _Node(4, 120, "i:3x8 i:3x4+ i:3x4+ i:3x4+", ("n2", "c0")),
    "c2": _Node(5, 168, "i:3x4", ("c1", "c0")),
    "c3": _Node(6, 136, "i:3x4 s:3+", ("n5", "c0")),
    "c4": _Node(7, 136, "i:3x4", ("n5", "c0")),
    "c5": _Node(8, 64, "s:3 s:3+", ("c4",)),
}
_M = _S | {
    "n1": _Node(3, 64, "f4:3x8/2 f4:3x4+ f4:3x4+ f4:3x4+", ("n0",)),
    "n2": _Node(4, 72, "i:3x8/2 f4:3x8+ i:3x8+ i:3x8+", ("n1",)),
    "n3": _Node(5, 96, "i:3x8/2 i:3x8+ i:3x8+ i:3x4+", ("n2",)),
    "n4": _Node(6, 104, "i:3x8/2 i:3x4+ s:5+ i:3x4+", ("n3",)),
    "n5": _Node(7, 56, "s:5/2 s:3+", ("n4",)),
    "c0": _Node(5, 152, "i:3x8 i:3x4+ i:3x4+ i:3x4+", ("n3", "n4")),
    "c2": _Node(5, 168, "i:3x4 s:3+", ("c1", "c0")),
    "c3": _Node(6, 136, "s:3 s:3+ s:3+", ("n5", "c0")),
    "c4": _Node(7, 136, "i:3x4 s:5+", ("n5", "c0")),
}
_L = _S | {
    "n1": _Node(3, 64, "f4:3x8/2 f4:3x8+ f4:3x8+ f4:3x4+", ("n0",)),
    "n2": _Node(4, 80, "i:3x8/2 i:3x8+ i:3x8+ i:3x4+", ("n1",)),
    "n3": _Node(5, 104, "i:3x8/2 i:3x8+ i:3x8+ i:3x8+", ("n2",)),
    "n4": _Node(6, 88, "i:3x8/2 i:5x4+ i:3x4+ i:3x8+", ("n3",)),
    "n5": _Node(7, 56, "i:5x4/2 s:5+", ("n4",)),
    "c0": _Node(5, 160, "i:3x8 i:3x4+ i:3x4+ i:3x4+", ("n3", "n4")),
    "c1": _Node(4, 120, "i:3x8 i:3x4+ i:3x4+ i:3x8+", ("n2", "c0")),
    "c2": _Node(5, 168, "i:3x4 i:3x4+ i:3x4+ i:3x4+", ("c1", "c0")),
    "c3": _Node(6, 112, "i:3x8 i:3x4+ s:3+", ("n5", "c0")),
    "c4": _Node(7, 128, "i:3x4 i:3x4+", ("n5", "c0")),
    "c5": _Node(8, 64, "s:5 s:5+", ("c4",)),
}
_OUTPUTS = ("c1", "c2", "c3", "c4", "c5")


def _features(x: Any, nodes: Mapping[str, _Node]) -> list[Any]:
    built = {"stem": conv_bn(x, 24, 5, 2)}
    for name, node in nodes.items():
        y = _joined(node, nodes, built)
        for text in node.layers.split():
            y = _layer(y, node.filters, text)
        built[name] = y
    return [built[name] for name in _OUTPUTS]


def _joined(node: _Node, nodes: Mapping[str, _Node], built: Mapping[str, Any]) -> Any:
    if len(node.inputs) == 1:
        return built[node.inputs[0]]
    edges = [_edge(built[name], node, nodes[name].level) for name in node.inputs]
    side = edges[min(range(len(edges)), key=lambda i: nodes[node.inputs[i]].level)].shape[1]
    return activate(layers.Add()([_cropped(edge, side) for edge in edges]), "relu6")


def _edge(x: Any, node: _Node, level: int) -> Any:
    """Bring a node's output to ``node``'s level: nearest resize after, or max pooling before, a 1x1 convolution."""
    if level < node.level:
        ratio = 2 ** (node.level - level)
        x = layers.MaxPooling2D(ratio + 1, ratio, padding="same")(x)
    y = conv_bn(x, node.filters, act=None)
    scale = 2 ** max(0, level - node.level)
    return y if scale == 1 else resize(y, y.shape[1] * scale, y.shape[2] * scale, "nearest")


def _cropped(x: Any, side: int) -> Any:
    return x if x.shape[1] <= side else layers.Cropping2D(((0, x.shape[1] - side), (0, x.shape[2] - side)))(x)


def _layer(x: Any, filters: int, text: str) -> Any:
    kind, form = text.rstrip("+").split(":")
    form, _, stride = form.partition("/")
    kernel, _, expansion = form.partition("x")
    build = {"i": _inverted, "s": _separable, "f": partial(_fused, groups=int(kind[1:] or 1))}[kind[0]]
    y = build(x, filters, int(kernel), int(expansion or 1), int(stride or 1))
    return layers.Add()([y, x]) if text.endswith("+") else y


def _inverted(x: Any, filters: int, kernel: int, expansion: int, stride: int) -> Any:
    """Expand by the node's own channel count, as the reference does, not by the input's."""
    y = depthwise_bn(conv_bn(x, filters * expansion), kernel, stride)
    return conv_bn(y, filters, act=None)


def _separable(x: Any, filters: int, kernel: int, expansion: int, stride: int) -> Any:
    return conv_bn(layers.DepthwiseConv2D(kernel, strides=stride, padding="same")(x), filters)


def _fused(x: Any, filters: int, kernel: int, expansion: int, stride: int, groups: int) -> Any:
    """Slice the channels into groups, expand each by a full convolution, join, project."""
    width = x.shape[-1] // groups
    shape = (*x.shape[:3], width)
    slices = [ops.slice(x, (0, 0, 0, i * width), shape) for i in range(groups)]
    y = layers.Concatenate()([conv_bn(part, width * expansion, kernel, stride) for part in slices])
    return conv_bn(y, filters, act=None)


def _build(nodes: Mapping[str, _Node]) -> Any:
    x = image(320)
    return model(x, ssd_head(_features(x, nodes), 91, depthwise=True))


_NMS = (postprocess.detection(classes=90),)
_SOURCE = "TF1 object detection API, ssd_spaghettinet_feature_extractor.py, spaghettinet_edgetpu_"


def _of(letter: str, nodes: Mapping[str, _Node]) -> Sequence[Definition]:
    name = f"spaghettinet_edgetpu_{letter}"
    make = partial(Definition, build=partial(_build, nodes), family="spaghettinet", architecture=name)
    bare = make(
        f"{name}_320_no_postprocess", variant="320, without post-processing", task="detection", source=_SOURCE + letter
    )
    return make(f"{name}_320", variant="320", task="detection", source=_SOURCE + letter, postprocess=_NMS), bare


DEFINITIONS = [*_of("s", _S), *_of("m", _M), *_of("l", _L)]
