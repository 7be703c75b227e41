"""YOLO detectors: tiny-YOLO v3, YOLOv5 n/s/m (release 6, TensorFlow export) and YOLOv8 n/s/m, 80 classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import conv_bn, image, layers, model
from traces.generate.yolo_blocks import CLASSES, Blocks, decoded_v5, decoded_v8, double, raw

__all__ = ["DEFINITIONS"]


def _tiny_yolo_v3(size: int, act: str = "leaky", classes: int = CLASSES) -> Any:
    """Tiny-YOLO v3: seven convolutions with max pooling, two scales of three anchors, raw maps as outputs."""
    x = image(size)
    y, route = x, x
    for filters in (16, 32, 64, 128, 256):
        route = conv_bn(y, filters, 3, act=act)
        y = layers.MaxPooling2D(2, 2, padding="same")(route)
    y = layers.MaxPooling2D(2, 1, padding="same")(conv_bn(y, 512, 3, act=act))
    neck = conv_bn(conv_bn(y, 1024, 3, act=act), 256, act=act)
    coarse = raw(conv_bn(neck, 512, 3, act=act), classes)
    joined = layers.Concatenate()([double(conv_bn(neck, 128, act=act)), route])
    return model(x, [coarse, raw(conv_bn(joined, 256, 3, act=act), classes)])


def _path(x: Any, skip: Any, filters: int, repeats: int, block: Callable[..., Any]) -> Any:
    return block(layers.Concatenate()([x, skip]), filters, repeats, False)


def _yolo_v5(size: int, width: float, depth: float, classes: int = CLASSES, decoded: bool = True) -> Any:
    """YOLOv5 release 6: C3 blocks, PANet with 1x1 laterals, anchors decoded in the graph or raw maps."""
    x, b = image(size), Blocks()
    widths = [int(filters * width) for filters in (64, 128, 256, 512, 1024)]
    depths = [max(1, round(count * depth)) for count in (3, 6, 9, 3)]
    c3, c4, c5 = b.backbone(x, widths, depths, b.c3, 6)
    lateral5 = b.conv(c5, widths[3])
    lateral4 = b.conv(_path(double(lateral5), c4, widths[3], depths[0], b.c3), widths[2])
    p3 = _path(double(lateral4), c3, widths[2], depths[0], b.c3)
    p4 = _path(b.conv(p3, widths[2], 3, 2), lateral4, widths[3], depths[0], b.c3)
    p5 = _path(b.conv(p4, widths[3], 3, 2), lateral5, widths[4], depths[0], b.c3)
    if not decoded:
        return model(x, [raw(p, classes) for p in (p3, p4, p5)])
    return model(x, layers.Concatenate(axis=1)([decoded_v5(p, classes) for p in (p3, p4, p5)]))


def _yolo_v8(size: int, width: float, depth: float, top: int, classes: int = CLASSES) -> Any:
    """YOLOv8: C2f blocks, anchor-free decoupled head with distribution focal loss bins, decoded in the graph."""
    x, b = image(size), Blocks()
    widths = [int(min(filters, top) * width) for filters in (64, 128, 256, 512, 1024)]
    depths = [max(1, round(count * depth)) for count in (3, 6, 6, 3)]
    c3, c4, c5 = b.backbone(x, widths, depths, b.c2f, 3)
    up4 = _path(double(c5), c4, widths[3], depths[0], b.c2f)
    p3 = _path(double(up4), c3, widths[2], depths[0], b.c2f)
    p4 = _path(b.conv(p3, widths[2], 3, 2), up4, widths[3], depths[0], b.c2f)
    p5 = _path(b.conv(p4, widths[3], 3, 2), c5, widths[4], depths[0], b.c2f)
    return model(x, decoded_v8([p3, p4, p5], size, b.branch, b.branch, classes))


def _of(name: str, build: Callable[[], Any], architecture: str, variant: str, source: str) -> Definition:
    return Definition(name, build, "yolo", architecture, variant, "detection", source)


def _v5(letter: str, size: int, width: float, depth: float = 0.33) -> Definition:
    source = f"ultralytics/yolov5 release 6.0, yolov5{letter}.yaml, TensorFlow export"
    build = partial(_yolo_v5, size, width, depth)
    return _of(f"yolov5{letter}_{size}", build, f"yolov5{letter}", str(size), source)


def _raw_v5(letter: str, size: int, width: float, depth: float) -> Definition:
    source = f"ultralytics/yolov5 release 6.0, yolov5{letter}.yaml"
    build = partial(_yolo_v5, size, width, depth, decoded=False)
    variant = f"{size}, without post-processing"
    return _of(f"yolov5{letter}_{size}_no_postprocess", build, f"yolov5{letter}", variant, source)


def _v8(letter: str, size: int, width: float, depth: float = 0.33, top: int = 1024) -> Definition:
    build = partial(_yolo_v8, size, width, depth, top)
    return _of(f"yolov8{letter}_{size}", build, f"yolov8{letter}", str(size), f"ultralytics yolov8{letter}.yaml")


DEFINITIONS = [
    _of("tiny_yolo_v3_416", partial(_tiny_yolo_v3, 416), "tiny_yolo_v3", "416", "yolov3-tiny.cfg; arXiv 1804.02767"),
    _of(
        "tiny_yolo_v3_relu_416",
        partial(_tiny_yolo_v3, 416, "relu"),
        "tiny_yolo_v3",
        "ReLU for the Edge TPU, 416",
        "guichristmann/edge-tpu-tiny-yolo",
    ),
    *[_v5("n", size, 0.25) for size in (320, 416, 640)],
    *[_v5("s", size, 0.5) for size in (96, 192, 224, 320, 416, 640)],
    _v5("m", 640, 0.75, 0.67),
    _raw_v5("n", 640, 0.25, 0.33),
    _raw_v5("l", 640, 1.0, 1.0),
    *[_v8("n", size, 0.25) for size in (320, 512, 640)],
    *[_v8("s", size, 0.5) for size in (320, 512, 640)],
    _v8("m", 640, 0.75, 0.67, 768),
]
