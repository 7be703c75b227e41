"""SSD with a feature pyramid and one box predictor for all levels (TF2 object detection API, RetinaNet style).

In training the levels share the predictor's kernels but not its batch normalisation, so that folding leaves a kernel
for each level: here every level has its own from the start. The converted file is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from traces.generate import postprocess
from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, backbone_v1, backbone_v2, conv_bn, image, layers, model, resize

__all__ = ["DEFINITIONS"]

CLASSES, ANCHORS, TOWER = 91, 6, 4


@dataclass(frozen=True)
class _Style:
    """Channels of pyramid and predictor, whether their convolutions are separable, and whether boxes and classes
    share the tower.
    """

    depth: int
    separable: bool
    shared: bool

    def convolution(self, filters: int, stride: int = 1, bias: bool = False) -> Any:
        kind = layers.SeparableConv2D if self.separable else layers.Conv2D
        return kind(filters, 3, strides=stride, padding="same", use_bias=bias)


def _normal(x: Any) -> Any:
    return activate(layers.BatchNormalization()(x), "relu6")


def _pyramid(maps: Sequence[Any], style: _Style) -> list[Any]:
    """Return levels 3 to 7: 1x1 laterals, nearest upsampling, a smoothing convolution, two strided levels on top."""
    level = layers.Conv2D(style.depth, 1)(maps[-1])
    levels = [level]
    for finer in reversed(maps[:-1]):
        level = resize(level, finer.shape[1], finer.shape[2], "nearest")
        level = layers.Add()([level, layers.Conv2D(style.depth, 1)(finer)])
        levels.insert(0, _normal(style.convolution(style.depth)(level)))
    for _ in range(2):
        levels.append(_normal(style.convolution(style.depth, 2)(levels[-1])))
    return levels


def _tower(levels: Sequence[Any], style: _Style) -> list[Any]:
    towers = []
    for y in levels:
        for _ in range(TOWER):
            y = _normal(style.convolution(style.depth)(y))
        towers.append(y)
    return towers


def _predicted(towers: Sequence[Any], style: _Style, values: int) -> Any:
    maps = [style.convolution(ANCHORS * values, bias=True)(y) for y in towers]
    return layers.Concatenate(axis=1)([layers.Reshape((-1, values))(y) for y in maps])


def _build(size: int, backbone: Callable[[Any], Sequence[Any]], style: _Style, classes: int = CLASSES) -> Any:
    x = image(size)
    levels = _pyramid(backbone(x), style)
    boxes = _tower(levels, style)
    tower = boxes if style.shared else _tower(levels, style)
    scores = activate(_predicted(tower, style, classes), "sigmoid")
    return model(x, [_predicted(boxes, style, 4), scores])


def _v1(x: Any) -> Sequence[Any]:
    outputs = backbone_v1(x)
    return [outputs[5], outputs[11], outputs[13]]


def _v2(x: Any) -> Sequence[Any]:
    outputs, _ = backbone_v2(x)
    return [outputs[5], outputs[12], conv_bn(outputs[16], 1280)]


def _resnet_50(x: Any) -> Sequence[Any]:
    import keras

    network = keras.applications.ResNet50(include_top=False, weights=None, input_tensor=x)
    return [network.get_layer(f"conv{stage}_block{blocks}_out").output for stage, blocks in ((3, 4), (4, 6), (5, 3))]


_FULL, _LITE = _Style(256, False, False), _Style(128, True, True)


def _of(name: str, size: int, backbone: Callable[[Any], Sequence[Any]], style: _Style) -> Definition:
    source = f"TF2 object detection API, {name}_{size}x{size}_coco17_tpu-8.config, native nearest resize"
    return Definition(
        f"{name}_{size}", partial(_build, size, backbone, style), "ssd_fpn", name, str(size), "detection", source,
        postprocess.detection(classes=90, detections=100),
    )  # fmt: skip


DEFINITIONS = [
    _of("ssd_mobilenet_v1_fpn", 640, _v1, _FULL),
    Definition(
        "ssd_resnet_50_fpn_640_no_postprocess",
        partial(_build, 640, _resnet_50, _FULL),
        "ssd_fpn",
        "ssd_resnet_50_fpn",
        "640, without post-processing",
        "detection",
        "TF object detection API, ssd_resnet50_v1_fpn_640x640",
        heavy=True,
    ),
    _of("ssd_mobilenet_v2_fpnlite", 320, _v2, _LITE),
    _of("ssd_mobilenet_v2_fpnlite", 640, _v2, _LITE),
]
