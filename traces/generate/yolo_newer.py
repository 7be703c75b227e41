"""YOLOv6 n, YOLOv7-tiny, YOLOv9 t/s, YOLO11 n and YOLOX-tiny, 80 classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from traces.generate.blocks import conv
from traces.generate.definition import Definition
from traces.generate.dense_prediction import conv_bn, depthwise_bn, image, layers, model, ops
from traces.generate.yolo_blocks import (
    CLASSES,
    Blocks,
    corners_to_box,
    decoded_v5,
    decoded_v8,
    double,
    flat,
)

__all__ = ["DEFINITIONS"]


def _join(*parts: Any) -> Any:
    return layers.Concatenate()(list(parts))


# YOLOv6 n, release 3, deployed form: every RepVGG block is one 3x3 convolution with ReLU


def _yolo_v6(size: int, classes: int = CLASSES) -> Any:
    x, b = image(size), Blocks("relu")
    c2, c3, c4, c5 = _efficient_rep(b, x)
    top = b.conv(c5, 64)
    p4 = _rep(b, _fused(b, top, c4, c3, 64), 64, 4)
    middle = b.conv(p4, 32)
    p3 = _rep(b, _fused(b, middle, c3, c2, 32), 32, 4)
    n3 = _rep(b, _join(b.conv(p3, 32, 3, 2), middle), 64, 4)
    n4 = _rep(b, _join(b.conv(n3, 64, 3, 2), top), 128, 4)
    return model(x, _decoded_v6([p3, n3, n4], size, classes))


def _efficient_rep(b: Blocks, x: Any) -> list[Any]:
    """Return the maps at stride 4, 8, 16 and 32."""
    y, maps = b.conv(x, 16, 3, 2), []
    for filters, repeats in ((32, 2), (64, 4), (128, 6), (256, 2)):
        y = _rep(b, b.conv(y, filters, 3, 2), filters, repeats)
        maps.append(y)
    return [*maps[:3], _csp_sppf(b, y, 256)]


def _rep(b: Blocks, x: Any, filters: int, repeats: int) -> Any:
    for _ in range(repeats):
        x = conv(x, filters, 3, act=b.act)
    return x


def _csp_sppf(b: Blocks, x: Any, filters: int) -> Any:
    inner = filters // 2
    y, bypass = b.conv(b.conv(b.conv(x, inner), inner, 3), inner), b.conv(x, inner)
    pools = [y]
    for _ in range(3):
        pools.append(layers.MaxPooling2D(5, 1, padding="same")(pools[-1]))
    return b.conv(_join(bypass, b.conv(b.conv(_join(*pools), inner), inner, 3)), filters)


def _fused(b: Blocks, coarse: Any, same: Any, fine: Any, filters: int) -> Any:
    """Join three scales at the middle one: transposed convolution, 1x1, 1x1 and strided 3x3."""
    up = layers.Conv2DTranspose(filters, 2, strides=2)(coarse)
    down = b.conv(b.conv(fine, filters), filters, 3, 2)
    return b.conv(_join(up, b.conv(same, filters), down), filters)


def _decoded_v6(maps: Sequence[Any], size: int, classes: int) -> Any:
    """Sides and classes of every cell; the export's constant objectness is left out."""
    b, sides, scores = Blocks("silu"), [], []
    for y in maps:
        stem = b.conv(y, y.shape[-1])
        scores.append(flat(layers.Conv2D(classes, 1, activation="sigmoid")(b.conv(stem, y.shape[-1], 3))))
        sides.append(flat(layers.Conv2D(4, 1)(b.conv(stem, y.shape[-1], 3))))
    boxes = corners_to_box(layers.Concatenate(axis=1)(sides), [y.shape[1:3] for y in maps], size)
    return layers.Concatenate()([boxes, layers.Concatenate(axis=1)(scores)])


# YOLOv7-tiny


def _yolo_v7_tiny(size: int, act: str, classes: int = CLASSES) -> Any:
    x, b = image(size), Blocks(act)
    y = _elan_tiny(b, b.conv(b.conv(x, 32, 3, 2), 64, 3, 2), 32)
    maps = []
    for filters in (64, 128, 256):
        y = _elan_tiny(b, layers.MaxPooling2D(2)(y), filters)
        maps.append(y)
    top = _spp_tiny(b, y)
    p4 = _elan_tiny(b, _join(b.conv(maps[1], 128), double(b.conv(top, 128))), 64)
    p3 = _elan_tiny(b, _join(b.conv(maps[0], 64), double(b.conv(p4, 64))), 32)
    n4 = _elan_tiny(b, _join(b.conv(p3, 128, 3, 2), p4), 64)
    n5 = _elan_tiny(b, _join(b.conv(n4, 256, 3, 2), top), 128)
    heads = [b.conv(y, filters, 3) for y, filters in ((p3, 128), (n4, 256), (n5, 512))]
    return model(x, layers.Concatenate(axis=1)([decoded_v5(y, classes) for y in heads]))


def _elan_tiny(b: Blocks, x: Any, filters: int) -> Any:
    first, second = b.conv(x, filters), b.conv(x, filters)
    third = b.conv(second, filters, 3)
    return b.conv(_join(b.conv(third, filters, 3), third, second, first), 2 * filters)


def _spp_tiny(b: Blocks, x: Any) -> Any:
    bypass, y = b.conv(x, 256), b.conv(x, 256)
    pools = [layers.MaxPooling2D(kernel, 1, padding="same")(y) for kernel in (13, 9, 5)]
    return b.conv(_join(b.conv(_join(*pools, y), 256), bypass), 256)


# YOLOv9 t and s, deployed form: the 3x3 and 1x1 branches of its bottlenecks are one convolution


def _yolo_v9(size: int, w: int, act: str, classes: int = CLASSES) -> Any:
    """YOLOv9 with channels in multiples of ``w``: 16 is t, 32 is s."""
    x, b = image(size), Blocks(act)
    y = _elan_1(b, b.conv(b.conv(x, w, 3, 2), 2 * w, 3, 2), 2 * w)
    maps = []
    for share in (4, 6, 8):
        y = _rep_elan(b, _shrunk(b, y, share * w), share * w)
        maps.append(y)
    top = b.sppf(y, 8 * w, 4 * w)
    p4 = _rep_elan(b, _join(double(top), maps[1]), 6 * w)
    p3 = _rep_elan(b, _join(double(p4), maps[0]), 4 * w)
    n4 = _rep_elan(b, _join(_shrunk(b, p3, 3 * w), p4), 6 * w)
    n5 = _rep_elan(b, _join(_shrunk(b, n4, 4 * w), top), 8 * w)
    return model(x, decoded_v8([p3, n4, n5], size, b.branch, b.branch, classes))


def _shrunk(b: Blocks, x: Any, filters: int) -> Any:
    return b.conv(layers.AveragePooling2D(2, 1)(x), filters, 3, 2)


def _elan_1(b: Blocks, x: Any, filters: int) -> Any:
    parts = list(ops.split(b.conv(x, filters), 2, axis=-1))
    for _ in range(2):
        parts.append(b.conv(parts[-1], filters // 2, 3))
    return b.conv(_join(*parts), filters)


def _rep_elan(b: Blocks, x: Any, filters: int, repeats: int = 3) -> Any:
    parts = list(ops.split(b.conv(x, filters), 2, axis=-1))
    for _ in range(2):
        parts.append(b.conv(b.c3(parts[-1], filters // 2, repeats, first=3), filters // 2, 3))
    return b.conv(_join(*parts), filters)


# YOLO11 n


def _yolo_11(size: int, classes: int = CLASSES) -> Any:
    x, b = image(size), Blocks()
    y = b.conv(x, 16, 3, 2)
    y = _c3k2(b, b.conv(y, 32, 3, 2), 64, 0.25)
    c3 = _c3k2(b, b.conv(y, 64, 3, 2), 128, 0.25)
    c4 = _c3k2(b, b.conv(c3, 128, 3, 2), 128, 0.5, True)
    y = _c3k2(b, b.conv(c4, 256, 3, 2), 256, 0.5, True)
    top = _psa(b, b.sppf(y, 256))
    p4 = _c3k2(b, _join(double(top), c4), 128)
    p3 = _c3k2(b, _join(double(p4), c3), 64)
    n4 = _c3k2(b, _join(b.conv(p3, 64, 3, 2), p4), 128)
    n5 = _c3k2(b, _join(b.conv(n4, 128, 3, 2), top), 256, 0.5, True)
    return model(x, decoded_v8([p3, n4, n5], size, b.branch, partial(_light_branch, b), classes))


def _c3k2(b: Blocks, x: Any, filters: int, share: float = 0.5, nested: bool = False) -> Any:
    inner = int(filters * share)
    parts = list(ops.split(b.conv(x, 2 * inner), 2, axis=-1))
    y = parts[-1]
    parts.append(b.c3(y, inner, 2, first=3) if nested else b.bottleneck(y, inner, True, 3, 0.5))
    return b.conv(_join(*parts), filters)


def _light_branch(b: Blocks, x: Any, filters: int, outputs: int) -> Any:
    for _ in range(2):
        x = b.conv(b.depthwise(x), filters)
    return layers.Conv2D(outputs, 1)(x)


def _psa(b: Blocks, x: Any) -> Any:
    """Half of the channels through attention and a feed-forward network, each with a shortcut."""
    inner = x.shape[-1] // 2
    bypass, y = ops.split(b.conv(x, 2 * inner), 2, axis=-1)
    y = layers.Add()([y, _attention(b, y, inner // 64)])
    y = layers.Add()([y, b.conv(b.conv(y, 2 * inner), inner, act=False)])
    return b.conv(_join(bypass, y), x.shape[-1])


def _attention(b: Blocks, x: Any, heads: int) -> Any:
    """Attention over the cells, with a depthwise convolution of the values as position encoding."""
    _, height, width, channels = x.shape
    size = channels // heads
    mixed = b.conv(x, 2 * channels, act=False)
    mixed = layers.Reshape((height * width, heads, 2 * size))(mixed)
    query, key, value = (mixed[..., a:z] for a, z in ((0, size // 2), (size // 2, size), (size, 2 * size)))
    scores = ops.matmul(layers.Permute((2, 1, 3))(query), layers.Permute((2, 3, 1))(key)) * (size // 2) ** -0.5
    mixed = ops.matmul(layers.Softmax()(scores), layers.Permute((2, 1, 3))(value))
    mixed = layers.Reshape(x.shape[1:])(layers.Permute((2, 1, 3))(mixed))
    places = b.depthwise(layers.Reshape(x.shape[1:])(value), act=False)
    return b.conv(layers.Add()([mixed, places]), channels, act=False)


# YOLOX-tiny


def _yolox(size: int, w: int, classes: int = CLASSES, deep: int = 1, act: str = "silu") -> Any:
    """YOLOX with ``w`` channels after its stem and blocks ``deep`` times as deep; boxes are decoded on the host."""
    x, b = image(size), Blocks(act)
    slices = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    maps = _maps_x(b, b.conv(_join(*slices), w, 3), w, deep)
    return model(x, layers.Concatenate(axis=1)([_head_x(b, y, 4 * w, classes) for y in maps]))


def _maps_x(b: Blocks, y: Any, w: int, deep: int) -> list[Any]:
    """Return the three maps that YOLOX's heads read, from its stem's result."""
    maps = []
    for share, repeats in ((2, 1), (4, 3), (8, 3)):
        y = b.c3(b.conv(y, share * w, 3, 2), share * w, deep * repeats)
        maps.append(y)
    y = _spp(b, b.conv(y, 16 * w, 3, 2))
    lateral5 = b.conv(b.c3(y, 16 * w, deep, False), 8 * w)
    lateral4 = b.conv(b.c3(_join(double(lateral5), maps[2]), 8 * w, deep, False), 4 * w)
    p3 = b.c3(_join(double(lateral4), maps[1]), 4 * w, deep, False)
    n4 = b.c3(_join(b.conv(p3, 4 * w, 3, 2), lateral4), 8 * w, deep, False)
    n5 = b.c3(_join(b.conv(n4, 8 * w, 3, 2), lateral5), 16 * w, deep, False)
    return [p3, n4, n5]


class _Light(Blocks):
    """Every 3x3 convolution is a depthwise and a pointwise one."""

    def conv(self, x: Any, filters: int, kernel: int = 1, stride: int = 1, act: bool = True) -> Any:
        """As of plain blocks where the kernel is 1x1."""
        if kernel == 1:
            return super().conv(x, filters, kernel, stride, act)
        y = x if stride == 1 else layers.ZeroPadding2D(kernel // 2)(x)
        padding = "same" if stride == 1 else "valid"
        return super().conv(depthwise_bn(y, kernel, stride, self.act, padding=padding), filters, act=act)


def _yolox_nano(size: int, w: int = 16, classes: int = CLASSES) -> Any:
    """YOLOX-nano with a plain first convolution in place of slices, and raw maps, as compiled for the DPU."""
    x, b = image(size), _Light("relu")
    return model(
        x, [head for y in _maps_x(b, conv_bn(x, w, 3, 2, b.act), w, 1) for head in _raw_heads_x(b, y, 4 * w, classes)]
    )


def _raw_heads_x(b: Blocks, x: Any, filters: int, classes: int) -> list[Any]:
    stem = b.conv(x, filters)
    scores, y = (b.conv(b.conv(stem, filters, 3), filters, 3) for _ in range(2))
    return [layers.Conv2D(outputs, 1)(z) for z, outputs in ((scores, classes), (y, 4), (y, 1))]


def _spp(b: Blocks, x: Any) -> Any:
    y = b.conv(x, x.shape[-1] // 2)
    pools = [layers.MaxPooling2D(kernel, 1, padding="same")(y) for kernel in (5, 9, 13)]
    return b.conv(_join(y, *pools), x.shape[-1])


def _head_x(b: Blocks, x: Any, filters: int, classes: int) -> Any:
    stem = b.conv(x, filters)
    scores = b.branch(stem, filters, classes)
    y = b.conv(b.conv(stem, filters, 3), filters, 3)
    parts = [layers.Conv2D(4, 1)(y), layers.Conv2D(1, 1, activation="sigmoid")(y)]
    return flat(_join(*parts, layers.Activation("sigmoid")(scores)))


def _of(name: str, build: Callable[[], Any], source: str, variant: str = "") -> Definition:
    architecture, size = name.rsplit("_", 1)
    return Definition(name, build, "yolo", architecture, variant + size, "detection", source)


_V7, _V9 = "WongKinYiu/yolov7 cfg/deploy/yolov7-tiny.yaml", "ultralytics yolov9{}.yaml, deployed form"
_RELU = ", ReLU for the Edge TPU"

DEFINITIONS = [
    _of("yolov6n_640", partial(_yolo_v6, 640), "meituan/YOLOv6 release 0.3, configs/yolov6n.py, deployed form"),
    _of("yolov7_tiny_640", partial(_yolo_v7_tiny, 640, "leaky"), _V7),
    _of("yolov7_tiny_relu_640", partial(_yolo_v7_tiny, 640, "relu"), _V7 + _RELU, "ReLU for the Edge TPU, "),
    *[
        _of(f"yolov9{letter}_640", partial(_yolo_v9, 640, width, "silu"), _V9.format(letter))
        for letter, width in (("t", 16), ("s", 32))
    ],
    *[
        _of(
            f"yolov9{letter}_relu_640", partial(_yolo_v9, 640, width, "relu"), _V9.format(letter) + _RELU,
            "ReLU for the Edge TPU, ",
        )
        for letter, width in (("t", 16), ("s", 32))
    ],
    *[_of(f"yolo11n_{size}", partial(_yolo_11, size), "ultralytics yolo11.yaml, scale n") for size in (320, 640)],
    _of(
        "yolox_nano_416", partial(_yolox_nano, 416),
        "Megvii-BaseDetection/YOLOX, depth 0.33, width 0.25, as in Vitis AI: ReLU, no slices", "raw maps, ",
    ),
    _of(
        "yolox_m_signs_640", partial(_yolox, 640, 48, 45, 2),
        "Megvii-BaseDetection/YOLOX, depth 0.67, width 0.75, 45 traffic signs", "45 classes, ",
    ),
    _of("yolox_tiny_416", partial(_yolox, 416, 24), "Megvii-BaseDetection/YOLOX, depth 0.33, width 0.375"),
]  # fmt: skip
