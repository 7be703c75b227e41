"""YOLO v2, v3 and v4 as in their Darknet configurations, with leaky activations, raw maps as outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import conv_bn, image, layers, model, resize
from traces.generate.densely_connected import cross_stage

__all__ = ["DEFINITIONS"]

_conv = partial(conv_bn, act="leaky")


def _raw(x: Any, filters: int) -> Any:
    return layers.Conv2D(filters, 1)(x)


def _double(x: Any) -> Any:
    return resize(x, x.shape[1] * 2, x.shape[2] * 2, "nearest")


def _in_turn(x: Any, filters: int, count: int) -> Any:
    """Apply convolutions 1x1 to half of ``filters`` and 3x3 to all of them in turn."""
    for number in range(count):
        x = _conv(x, filters, 3) if number % 2 else _conv(x, filters // 2)
    return x


# YOLOv2

# Channels of 3x3 convolutions, negative for 1x1; 0 is max pooling.
_BEFORE_ROUTE = (32, 0, 64, 0, 128, -64, 128, 0, 256, -128, 256, 0, 512, -256, 512, -256, 512)
_AFTER_ROUTE = (0, 1024, -512, 1024, -512, 1024, 1024, 1024)


def _plain(x: Any, rows: Sequence[int]) -> Any:
    for filters in rows:
        x = _conv(x, abs(filters), 3 if filters > 0 else 1) if filters else layers.MaxPooling2D(2)(x)
    return x


def _yolo_v2(size: int, classes: int) -> Any:
    """Darknet-19, a route whose map is folded into channels, five anchors."""
    x = image(size)
    route = _plain(x, _BEFORE_ROUTE)
    folded = _folded(_conv(route, 64))
    y = layers.Concatenate()([folded, _plain(route, _AFTER_ROUTE)])
    return model(x, _raw(_conv(y, 1024, 3), 5 * (classes + 5)))


def _folded(x: Any) -> Any:
    """Space to depth by 2 (TFLite's SPACE_TO_DEPTH)."""
    import tensorflow as tf

    _, height, width, channels = x.shape
    shape = (height // 2, width // 2, channels * 4)
    return layers.Lambda(lambda t: tf.nn.space_to_depth(t, 2), output_shape=shape)(x)


# YOLOv3


def _darknet_53(x: Any) -> list[Any]:
    """Return the maps at stride 8, 16 and 32."""
    maps, y = [], _conv(x, 32, 3)
    for stage, repeats in enumerate((1, 2, 8, 8, 4)):
        filters = 64 * 2**stage
        y = _conv(y, filters, 3, 2)
        for _ in range(repeats):
            y = layers.Add()([y, _in_turn(y, filters, 2)])
        maps.append(y)
    return maps[2:]


def _yolo_v3(height: int, width: int, classes: int) -> Any:
    x = image(height, width)
    small, middle, large = _darknet_53(x)
    outputs, y = [], large
    for skip, filters in ((None, 1024), (middle, 512), (small, 256)):
        if skip is not None:
            y = layers.Concatenate()([_double(_conv(y, filters // 2)), skip])
        y = _in_turn(y, filters, 5)
        outputs.append(_raw(_conv(y, filters, 3), 3 * (classes + 5)))
    return model(x, outputs)


# YOLOv4


def _csp_darknet_53(x: Any) -> list[Any]:
    maps, y = [], _conv(x, 32, 3)
    for stage, repeats in enumerate((1, 2, 8, 8, 4)):
        filters = 64 * 2**stage
        y = cross_stage(_conv(y, filters, 3, 2), filters, filters // 2 if stage else filters, repeats)
        maps.append(y)
    return maps[2:]


def _pooled(x: Any) -> Any:
    """Three convolutions, spatial pyramid pooling, three convolutions."""
    y = _in_turn(x, 1024, 3)
    y = layers.Concatenate()([*[layers.MaxPooling2D(size, 1, padding="same")(y) for size in (13, 9, 5)], y])
    return _in_turn(y, 1024, 3)


def _yolo_v4(size: int, classes: int) -> Any:
    x = image(size)
    small, middle, large = _csp_darknet_53(x)
    p5 = _pooled(large)
    p4 = _in_turn(layers.Concatenate()([_conv(middle, 256), _double(_conv(p5, 256))]), 512, 5)
    p3 = _in_turn(layers.Concatenate()([_conv(small, 128), _double(_conv(p4, 128))]), 256, 5)
    p4 = _in_turn(layers.Concatenate()([_conv(p3, 256, 3, 2), p4]), 512, 5)
    p5 = _in_turn(layers.Concatenate()([_conv(p4, 512, 3, 2), p5]), 1024, 5)
    heads = ((p3, 256), (p4, 512), (p5, 1024))
    return model(x, [_raw(_conv(y, filters, 3), 3 * (classes + 5)) for y, filters in heads])


def _of(name: str, build: Callable[[], Any], architecture: str, variant: str, source: str) -> Definition:
    return Definition(name, build, "yolo", architecture, variant, "detection", source, heavy=True)


_V3 = "yolov3.cfg; arXiv 1804.02767"
_V4 = "yolov4.cfg with leaky activations; arXiv 2004.10934"

DEFINITIONS = [
    _of("yolov2_voc_448", partial(_yolo_v2, 448, 20), "yolov2", "20 classes, 448", "yolov2-voc.cfg; arXiv 1612.08242"),
    _of("yolov3_voc_416", partial(_yolo_v3, 416, 416, 20), "yolov3", "20 classes, 416", _V3),
    _of("yolov3_416", partial(_yolo_v3, 416, 416, 80), "yolov3", "416", _V3),
    _of("yolov3_bdd_288x512", partial(_yolo_v3, 288, 512, 10), "yolov3", "10 classes, 288x512", _V3),
    *[_of(f"yolov4_{size}", partial(_yolo_v4, size, 80), "yolov4", str(size), _V4) for size in (416, 512)],
]
