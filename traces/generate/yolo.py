"""YOLO detectors: tiny-YOLO v3, YOLOv5 n/s (release 6, TensorFlow export) and YOLOv8 n/s, 80 classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, conv_bn, image, layers, model, ops, resize

__all__ = ["DEFINITIONS"]

CLASSES = 80


def _double(x: Any) -> Any:
    return resize(x, x.shape[1] * 2, x.shape[2] * 2, "nearest")


# Tiny-YOLO v3


def _tiny_yolo_v3(size: int, act: str = "leaky") -> Any:
    """Tiny-YOLO v3: seven convolutions with max pooling, two scales of three anchors, raw maps as outputs."""
    x = image(size)
    y, route = x, x
    for filters in (16, 32, 64, 128, 256):
        route = conv_bn(y, filters, 3, act=act)
        y = layers.MaxPooling2D(2, 2, padding="same")(route)
    y = layers.MaxPooling2D(2, 1, padding="same")(conv_bn(y, 512, 3, act=act))
    neck = conv_bn(conv_bn(y, 1024, 3, act=act), 256, act=act)
    coarse = _raw(conv_bn(neck, 512, 3, act=act))
    joined = layers.Concatenate()([_double(conv_bn(neck, 128, act=act)), route])
    return model(x, [coarse, _raw(conv_bn(joined, 256, 3, act=act))])


def _raw(x: Any) -> Any:
    return layers.Conv2D(3 * (CLASSES + 5), 1)(x)


# Blocks of YOLOv5 and YOLOv8


def _conv(x: Any, filters: int, kernel: int = 1, stride: int = 1) -> Any:
    """Convolution with the symmetric padding of the reference where it strides, and SiLU."""
    if stride == 1:
        return conv_bn(x, filters, kernel, act="silu")
    padded = layers.ZeroPadding2D(2 if kernel == 6 else kernel // 2)(x)
    return conv_bn(padded, filters, kernel, stride, "silu", padding="valid")


def _bottleneck(x: Any, filters: int, shortcut: bool, first: int) -> Any:
    y = _conv(_conv(x, filters, first), filters, 3)
    return layers.Add()([x, y]) if shortcut else y


def _c3(x: Any, filters: int, repeats: int, shortcut: bool = True) -> Any:
    y, bypass = _conv(x, filters // 2), _conv(x, filters // 2)
    for _ in range(repeats):
        y = _bottleneck(y, filters // 2, shortcut, 1)
    return _conv(layers.Concatenate()([y, bypass]), filters)


def _c2f(x: Any, filters: int, repeats: int, shortcut: bool = True) -> Any:
    parts = list(ops.split(_conv(x, filters), 2, axis=-1))
    for _ in range(repeats):
        parts.append(_bottleneck(parts[-1], filters // 2, shortcut, 3))
    return _conv(layers.Concatenate()(parts), filters)


def _sppf(x: Any, filters: int) -> Any:
    pools = [_conv(x, x.shape[-1] // 2)]
    for _ in range(3):
        pools.append(layers.MaxPooling2D(5, 1, padding="same")(pools[-1]))
    return _conv(layers.Concatenate()(pools), filters)


Block = Callable[..., Any]


def _backbone(x: Any, widths: Sequence[int], depths: Sequence[int], block: Block, stem: int) -> list[Any]:
    """Return the maps at stride 8, 16 and 32."""
    maps = []
    x = _conv(x, widths[0], stem, 2)
    for filters, repeats in zip(widths[1:], depths, strict=True):
        x = block(_conv(x, filters, 3, 2), filters, repeats)
        maps.append(x)
    return [*maps[1:3], _sppf(x, widths[-1])]


def _path(x: Any, skip: Any, filters: int, repeats: int, block: Block) -> Any:
    return block(layers.Concatenate()([x, skip]), filters, repeats, False)


# YOLOv5


def _yolo_v5(size: int, width: float, depth: float) -> Any:
    """YOLOv5 release 6: C3 blocks, PANet with 1x1 laterals, anchors decoded in the graph."""
    x = image(size)
    widths = [int(filters * width) for filters in (64, 128, 256, 512, 1024)]
    depths = [max(1, round(count * depth)) for count in (3, 6, 9, 3)]
    c3, c4, c5 = _backbone(x, widths, depths, _c3, 6)
    lateral5 = _conv(c5, widths[3])
    lateral4 = _conv(_path(_double(lateral5), c4, widths[3], depths[0], _c3), widths[2])
    p3 = _path(_double(lateral4), c3, widths[2], depths[0], _c3)
    p4 = _path(_conv(p3, widths[2], 3, 2), lateral4, widths[3], depths[0], _c3)
    p5 = _path(_conv(p4, widths[3], 3, 2), lateral5, widths[4], depths[0], _c3)
    return model(x, layers.Concatenate(axis=1)([_decoded_v5(p) for p in (p3, p4, p5)]))


def _decoded_v5(x: Any) -> Any:
    """Decode one scale as the TensorFlow export does: sigmoid, grid offset, squared anchor sizes."""
    height, width = x.shape[1:3]
    y = layers.Reshape((height * width, 3, CLASSES + 5))(_raw(x))
    y = layers.Activation("sigmoid")(layers.Permute((2, 1, 3))(y))
    centers = (y[..., 0:2] * 2.0 + _grid(height, width)) / height
    sides = (y[..., 2:4] * 2.0) ** 2 * _anchor_sizes()
    joined = layers.Concatenate()([centers, sides, y[..., 4:]])
    return layers.Reshape((3 * height * width, CLASSES + 5))(joined)


def _grid(height: int, width: int) -> Any:
    import numpy as np

    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return (np.stack([columns, rows], -1).reshape(1, 1, -1, 2) - 0.5).astype(np.float32)


def _anchor_sizes() -> Any:
    import numpy as np

    return np.linspace(0.05, 0.5, 6, dtype=np.float32).reshape(1, 3, 1, 2)


# YOLOv8

REGRESSION = 16


def _yolo_v8(size: int, width: float, depth: float, top: int) -> Any:
    """YOLOv8: C2f blocks, anchor-free decoupled head with distribution focal loss bins, decoded in the graph."""
    x = image(size)
    widths = [int(min(filters, top) * width) for filters in (64, 128, 256, 512, 1024)]
    depths = [max(1, round(count * depth)) for count in (3, 6, 6, 3)]
    c3, c4, c5 = _backbone(x, widths, depths, _c2f, 3)
    up4 = _path(_double(c5), c4, widths[3], depths[0], _c2f)
    p3 = _path(_double(up4), c3, widths[2], depths[0], _c2f)
    p4 = _path(_conv(p3, widths[2], 3, 2), up4, widths[3], depths[0], _c2f)
    p5 = _path(_conv(p4, widths[3], 3, 2), c5, widths[4], depths[0], _c2f)
    return model(x, _decoded_v8([p3, p4, p5], size))


def _decoded_v8(maps: Sequence[Any], size: int) -> Any:
    box, score = max(16, maps[0].shape[-1] // 4, 4 * REGRESSION), max(maps[0].shape[-1], min(CLASSES, 100))
    joined = [layers.Concatenate()([_branch(p, box, 4 * REGRESSION), _branch(p, score, CLASSES)]) for p in maps]
    flat = layers.Concatenate(axis=1)([layers.Reshape((-1, y.shape[-1]))(y) for y in joined])
    bins, scores = flat[..., : 4 * REGRESSION], flat[..., 4 * REGRESSION :]
    boxes = _corners_to_box(_expected(bins), [p.shape[1:3] for p in maps], size)
    return layers.Concatenate()([boxes, activate(scores, "sigmoid")])


def _branch(x: Any, filters: int, outputs: int) -> Any:
    return layers.Conv2D(outputs, 1)(_conv(_conv(x, filters, 3), filters, 3))


def _expected(bins: Any) -> Any:
    """Return the expected distance of every side: softmax over the bins, then the fixed 1x1 convolution."""
    y = layers.Reshape((bins.shape[1], 4, REGRESSION))(bins)
    y = layers.Conv2D(1, 1, use_bias=False)(layers.Softmax()(y))
    return layers.Reshape((bins.shape[1], 4))(y)


def _corners_to_box(distances: Any, shapes: Sequence[tuple[int, int]], size: int) -> Any:
    """Return centre and size of the boxes from the distances of their sides to the cells' centres."""
    import numpy as np

    points = np.concatenate([_grid(*shape)[0] + 1.0 for shape in shapes], axis=1)
    strides = np.concatenate([np.full((1, h * w, 1), size / h, np.float32) for h, w in shapes], axis=1)
    near, far = distances[..., :2], distances[..., 2:]
    return layers.Concatenate()([(far - near) / 2.0 + points, near + far]) * (strides / size)


def _of(name: str, build: Callable[[], Any], architecture: str, variant: str, source: str) -> Definition:
    return Definition(name, build, "yolo", architecture, variant, "detection", source)


def _v5(letter: str, size: int, width: float) -> Definition:
    source = f"ultralytics/yolov5 release 6.0, yolov5{letter}.yaml, TensorFlow export"
    build = partial(_yolo_v5, size, width, 0.33)
    return _of(f"yolov5{letter}_{size}", build, f"yolov5{letter}", str(size), source)


def _v8(letter: str, size: int, width: float) -> Definition:
    build = partial(_yolo_v8, size, width, 0.33, 1024)
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
    *[_v8("n", size, 0.25) for size in (320, 512, 640)],
    *[_v8("s", size, 0.5) for size in (320, 512, 640)],
]
