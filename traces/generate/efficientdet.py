"""EfficientDet-Lite: EfficientNet-Lite backbone, BiFPN with plain sums, shared separable heads (arXiv 1911.09070)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from traces.generate import postprocess
from traces.generate.definition import Definition
from traces.generate.dense_prediction import (
    activate,
    conv_bn,
    image,
    inverted_residual,
    layers,
    make_divisible,
    model,
    resize,
)

__all__ = ["DEFINITIONS", "bifpn_nodes", "efficientnet_lite"]

CLASSES, ANCHORS = 90, 9

# Expansion, channels, kernel, repeats, first stride.
_STAGES = (
    (1, 16, 3, 1, 1), (6, 24, 3, 2, 2), (6, 40, 5, 2, 2), (6, 80, 3, 3, 2),
    (6, 112, 5, 3, 1), (6, 192, 5, 4, 2), (6, 320, 3, 1, 1),
)  # fmt: skip


def efficientnet_lite(x: Any, width: float, depth: float) -> list[Any]:
    """Return the stage outputs of an EfficientNet-Lite; stem and the first and last stages' repeats do not scale."""
    x = conv_bn(x, 32, 3, 2)
    outputs = []
    for index, (expansion, filters, kernel, repeats, stride) in enumerate(_STAGES):
        count = repeats if index in (0, len(_STAGES) - 1) else ceil(repeats * depth)
        for first in (stride, *[1] * (count - 1)):
            x, _ = inverted_residual(x, make_divisible(filters * width), expansion, kernel, first)
        outputs.append(x)
    return outputs


def _resample(x: Any, like: Any, filters: int) -> Any:
    """Bring ``x`` to ``like``'s size: 1x1 convolution where channels differ, then max pooling or nearest resize."""
    if x.shape[-1] != filters:
        x = layers.BatchNormalization()(layers.Conv2D(filters, 1, padding="same")(x))
    return _sized(x, like.shape[1], like.shape[2])


def _sized(x: Any, height: int, width: int) -> Any:
    if x.shape[1] > height:
        stride = (x.shape[1] - 1) // height + 1
        return layers.MaxPooling2D(stride + 1, stride, padding="same")(x)
    return resize(x, height, width, "nearest") if x.shape[1] < height else x


def _coarser(x: Any, filters: int) -> Any:
    y = x if x.shape[-1] == filters else layers.BatchNormalization()(layers.Conv2D(filters, 1)(x))
    return layers.MaxPooling2D(3, 2, padding="same")(y)


def bifpn_nodes(first: int = 3, last: int = 7) -> list[tuple[int, tuple[int, ...]]]:
    """Return a BiFPN cell's nodes as (level, offsets of its inputs): top-down, then bottom-up."""
    ids = {level: [level - first] for level in range(first, last + 1)}
    nodes = []
    down = [(level, (ids[level][-1], level + 1)) for level in range(last - 1, first - 1, -1)]
    for level, (own, above) in down:
        nodes.append((level, (own, ids[above][-1])))
        ids[level].append(last - first + len(nodes))
    for level in range(first + 1, last + 1):
        nodes.append((level, (*ids[level], ids[level - 1][-1])))
        ids[level].append(last - first + len(nodes))
    return nodes


def _cell(features: Sequence[Any], filters: int) -> list[Any]:
    pool = list(features)
    for level, offsets in bifpn_nodes():
        target = features[level - 3]
        y = _resample(pool[offsets[0]], target, filters)
        for offset in offsets[1:]:
            y = layers.Add()([y, _resample(pool[offset], target, filters)])
        y = layers.SeparableConv2D(filters, 3, padding="same")(activate(y, "relu6"))
        pool.append(layers.BatchNormalization()(y))
    newest = {level: number for number, (level, _) in enumerate(bifpn_nodes(), start=len(features))}
    return [pool[newest[level]] for level in range(3, 8)]


def _head(features: Sequence[Any], filters: int, repeats: int, outputs: int) -> list[Any]:
    """Predict on every level with shared convolutions and one batch normalisation for each level."""
    convolutions = [layers.SeparableConv2D(filters, 3, padding="same") for _ in range(repeats)]
    predict = layers.SeparableConv2D(outputs * ANCHORS, 3, padding="same")
    results = []
    for y in features:
        for convolution in convolutions:
            y = activate(layers.BatchNormalization()(convolution(y)), "relu6")
        results.append(layers.Reshape((-1, outputs))(predict(y)))
    return results


@dataclass(frozen=True)
class _Size:
    name: str
    side: int
    width: float
    depth: float
    filters: int
    cells: int
    repeats: int


def _build(size: _Size, classes: int = CLASSES) -> Any:
    x = image(size.side)
    stages = efficientnet_lite(x, size.width, size.depth)
    features = [stages[2], stages[4], stages[6]]
    for _ in range(2):
        features.append(_coarser(features[-1], size.filters))
    for _ in range(size.cells):
        features = _cell(features, size.filters)
    boxes = layers.Concatenate(axis=1)(_head(features, size.filters, size.repeats, 4))
    scores = layers.Concatenate(axis=1)(_head(features, size.filters, size.repeats, classes))
    return model(x, [boxes, layers.Activation("sigmoid")(scores)])


_SIZES = (
    _Size("lite0", 320, 1.0, 1.0, 64, 3, 3),
    _Size("lite1", 384, 1.0, 1.1, 88, 4, 3),
    _Size("lite2", 448, 1.1, 1.2, 112, 5, 3),
    _Size("lite3", 512, 1.2, 1.4, 160, 6, 4),
    _Size("lite3x", 640, 1.2, 1.4, 200, 6, 4),
    _Size("lite4", 640, 1.4, 1.8, 224, 7, 4),
)
_ONES = {"y_scale": 1.0, "x_scale": 1.0, "h_scale": 1.0, "w_scale": 1.0}
_NMS = postprocess.detection(classes=CLASSES, detections=25, iou=0.5, scales=_ONES)
_SOURCE = "google/automl efficientdet, efficientdet-{} (int8 TFLite of Model Maker); arXiv 1911.09070"


def _of(size: _Size, hooks: tuple[Callable[[bytes], bytes], ...], suffix: str = "", note: str = "") -> Definition:
    return Definition(
        f"efficientdet_{size.name}_{size.side}{suffix}", partial(_build, size), "efficientdet",
        f"efficientdet_{size.name}", f"{size.side}{note}", "detection", _SOURCE.format(size.name), hooks,
    )  # fmt: skip


DEFINITIONS = [
    *[_of(size, (_NMS,)) for size in _SIZES],
    _of(_SIZES[0], (), "_no_postprocess", ", without post-processing"),
]
