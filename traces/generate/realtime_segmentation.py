"""Small segmentation networks for street scenes: ENet, ESPNet, Fast-SCNN, BiSeNet v2, HRNet-W18-Small, LR-ASPP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import (
    activate,
    conv_bn,
    depthwise_bn,
    image,
    inverted_residual,
    layers,
    model,
    resize,
)
from traces.generate.edgetpu_backbones import mobilenet_v3_dilated

__all__ = ["DEFINITIONS"]

CITYSCAPES = 19


def _like(x: Any, target: Any) -> Any:
    return resize(x, target.shape[1], target.shape[2])


def _scaled(x: Any, factor: int) -> Any:
    return resize(x, x.shape[1] * factor, x.shape[2] * factor)


def _norm(x: Any, act: str | None) -> Any:
    return activate(layers.BatchNormalization()(x), act)


# ENet (arXiv 1606.02147)


def _enet(height: int, width: int, classes: int) -> Any:
    x = image(height, width)
    y = layers.Concatenate()([layers.Conv2D(13, 3, strides=2, padding="same")(x), layers.MaxPooling2D()(x)])
    y = _enet_down(_norm(y, "prelu"), 64)
    for _ in range(4):
        y = _enet_block(y, partial(_plain, rate=1))
    y = _enet_down(y, 128)
    for _ in range(2):
        for inner in _ENET_STAGE:
            y = _enet_block(y, inner)
    y = _enet_up(y, 64)
    y = _enet_block(_enet_block(y, _plain, "relu"), _plain, "relu")
    y = _enet_block(_enet_up(y, 16), _plain, "relu")
    return model(x, layers.Conv2DTranspose(classes, 2, strides=2, padding="same")(y))


def _plain(x: Any, rate: int = 1) -> Any:
    return layers.Conv2D(x.shape[-1], 3, padding="same", dilation_rate=rate)(x)


def _asymmetric(x: Any) -> Any:
    y = layers.Conv2D(x.shape[-1], (5, 1), padding="same", use_bias=False)(x)
    return layers.Conv2D(x.shape[-1], (1, 5), padding="same")(y)


_ENET_STAGE: tuple[Callable[[Any], Any], ...] = (
    _plain, partial(_plain, rate=2), _asymmetric, partial(_plain, rate=4),
    _plain, partial(_plain, rate=8), _asymmetric, partial(_plain, rate=16),
)  # fmt: skip


def _enet_block(x: Any, inner: Callable[[Any], Any], act: str = "prelu") -> Any:
    """Apply a regular bottleneck: 1x1 to a quarter, ``inner``, 1x1 back, sum with the input."""
    y = conv_bn(x, x.shape[-1] // 4, act=act)
    y = conv_bn(_norm(inner(y), act), x.shape[-1], act=None)
    return activate(layers.Add()([x, y]), act)


def _enet_down(x: Any, filters: int) -> Any:
    """Halve the map: 2x2 strided bottleneck beside max pooling whose missing channels are zeros."""
    y = conv_bn(x, x.shape[-1] // 4, 2, 2, "prelu")
    y = conv_bn(_norm(_plain(y), "prelu"), filters, act=None)
    pooled = layers.MaxPooling2D()(x)
    return activate(layers.Add()([_more_channels(pooled, filters), y]), "prelu")


def _more_channels(x: Any, filters: int) -> Any:
    import tensorflow as tf

    paddings = [[0, 0], [0, 0], [0, 0], [0, filters - x.shape[-1]]]
    shape = (*x.shape[1:3], filters)
    return layers.Lambda(lambda t: tf.pad(t, paddings), output_shape=shape)(x)


def _enet_up(x: Any, filters: int) -> Any:
    """Double the map; bilinear resize stands for max unpooling, which TFLite has not."""
    y = conv_bn(x, x.shape[-1] // 4, act="relu")
    y = _norm(layers.Conv2DTranspose(y.shape[-1], 3, strides=2, padding="same")(y), "relu")
    skip = _scaled(conv_bn(x, filters, act=None), 2)
    return activate(layers.Add()([skip, conv_bn(y, filters, act=None)]), "relu")


# ESPNet (arXiv 1803.06815)


def _espnet(height: int, width: int, classes: int, second: int = 2, third: int = 8) -> Any:
    x = image(height, width)
    half = _halved(x)
    quarter = _halved(half)
    level1 = _norm(layers.Concatenate()([conv_bn(x, 16, 3, 2, "prelu"), half]), "prelu")
    level2 = _esp_level(level1, 64, second, [quarter])
    level3 = _esp_level(level2, 128, third, [])
    top = _norm(layers.Conv2D(classes, 1, use_bias=False)(level3), None)
    top = layers.Conv2DTranspose(classes, 2, strides=2, use_bias=False)(top)
    joined = layers.Concatenate()([layers.Conv2D(classes, 1, use_bias=False)(level2), top])
    joined = _esp(_norm(joined, "prelu"), classes, residual=False)
    joined = _norm(layers.Conv2DTranspose(classes, 2, strides=2, use_bias=False)(joined), "prelu")
    y = conv_bn(layers.Concatenate()([joined, level1]), classes, 3, act="prelu")
    return model(x, layers.Conv2DTranspose(classes, 2, strides=2, use_bias=False)(y))


def _halved(x: Any) -> Any:
    return layers.AveragePooling2D(3, 2, padding="same")(x)


def _esp_level(x: Any, filters: int, repeats: int, extra: Sequence[Any]) -> Any:
    first = y = _esp(x, filters, stride=2, residual=False)
    for _ in range(repeats):
        y = _esp(y, filters)
    return _norm(layers.Concatenate()([y, first, *extra]), "prelu")


def _esp(x: Any, filters: int, stride: int = 1, residual: bool = True) -> Any:
    """Apply an efficient spatial pyramid: reduce, five dilated convolutions, hierarchical sums, concatenation."""
    narrow = filters // 5
    reduced = layers.Conv2D(narrow, 3 if stride > 1 else 1, strides=stride, padding="same", use_bias=False)(x)
    dilated = partial(layers.Conv2D, kernel_size=3, padding="same", use_bias=False)
    parts = [dilated(filters - 4 * narrow)(reduced)]
    branches = [dilated(narrow, dilation_rate=rate)(reduced) for rate in (2, 4, 8, 16)]
    parts.append(branches[0])
    for branch in branches[1:]:
        parts.append(layers.Add()([parts[-1], branch]))
    y = layers.Concatenate()(parts)
    return _norm(layers.Add()([x, y]) if residual else y, "prelu")


# Fast-SCNN (arXiv 1902.04502)


def _light(x: Any, filters: int, stride: int = 1) -> Any:
    return conv_bn(depthwise_bn(x, 3, stride, None), filters, act="relu")


def _fast_scnn(height: int, width: int, classes: int) -> Any:
    x = image(height, width)
    high = _light(_light(conv_bn(x, 32, 3, 2, "relu"), 48, 2), 64, 2)
    y = high
    for filters, stride in ((64, 2), (96, 2), (128, 1)):
        for step in range(3):
            y, _ = inverted_residual(y, filters, 6, 3, stride if step == 0 else 1, act="relu")
    fused = _fast_fusion(high, _pyramid_pool(y, 128, (1, 2, 3, 6)), 128)
    y = layers.Conv2D(classes, 1)(_light(_light(fused, 128), 128))
    return model(x, _scaled(y, 8))


def _pyramid_pool(x: Any, filters: int, bins: Sequence[int]) -> Any:
    levels = [x]
    for count in bins:
        size = (x.shape[1] // count, x.shape[2] // count)
        pooled = layers.AveragePooling2D(size, size)(x)
        levels.append(_like(conv_bn(pooled, x.shape[-1] // len(bins), act="relu"), x))
    return conv_bn(layers.Concatenate()(levels), filters, act="relu")


def _fast_fusion(high: Any, low: Any, filters: int) -> Any:
    deep = depthwise_bn(_like(low, high), 3, act="relu")
    deep = _norm(layers.Conv2D(filters, 1)(deep), None)
    return activate(layers.Add()([_norm(layers.Conv2D(filters, 1)(high), None), deep]), "relu")


# BiSeNet v2 (arXiv 2004.02147)


def _bisenet_v2(height: int, width: int, classes: int) -> Any:
    x = image(height, width)
    y = _aggregated(_detail(x), _semantic(x))
    y = layers.Conv2D(classes, 1)(conv_bn(y, 1024, 3, act="relu"))
    return model(x, _scaled(y, 8))


def _detail(x: Any) -> Any:
    for filters, count in ((64, 1), (64, 2), (128, 2)):
        x = conv_bn(x, filters, 3, 2, "relu")
        for _ in range(count):
            x = conv_bn(x, filters, 3, act="relu")
    return x


def _semantic(x: Any) -> Any:
    x = conv_bn(x, 16, 3, 2, "relu")
    left = conv_bn(conv_bn(x, 8, act="relu"), 16, 3, 2, "relu")
    right = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = conv_bn(layers.Concatenate()([left, right]), 16, 3, act="relu")
    for filters, repeats in ((32, 1), (64, 1), (128, 3)):
        x = _gather_down(x, filters)
        for _ in range(repeats):
            x = _gather(x)
    mean = _norm(layers.GlobalAveragePooling2D(keepdims=True)(x), None)
    return conv_bn(layers.Add()([x, conv_bn(mean, 128, act="relu")]), 128, 3, act=None)


def _gather(x: Any, expansion: int = 6) -> Any:
    y = conv_bn(x, x.shape[-1], 3, act="relu")
    y = depthwise_bn(y, 3, act=None, depth_multiplier=expansion)
    return activate(layers.Add()([x, conv_bn(y, x.shape[-1], act=None)]), "relu")


def _gather_down(x: Any, filters: int, expansion: int = 6) -> Any:
    y = conv_bn(x, x.shape[-1], 3, act="relu")
    y = depthwise_bn(y, 3, 2, None, depth_multiplier=expansion)
    y = conv_bn(depthwise_bn(y, 3, act=None), filters, act=None)
    shortcut = conv_bn(depthwise_bn(x, 3, 2, None), filters, act=None)
    return activate(layers.Add()([y, shortcut]), "relu")


def _aggregated(detail: Any, semantic: Any) -> Any:
    """Guide each branch by a gate from the other, at both resolutions."""
    fine = layers.Conv2D(128, 1, use_bias=False)(depthwise_bn(detail, 3, act=None))
    coarse = layers.AveragePooling2D(3, 2, padding="same")(conv_bn(detail, 128, 3, 2, None))
    gate = _scaled(conv_bn(semantic, 128, 3, act=None), 4)
    low = layers.Conv2D(128, 1, use_bias=False)(depthwise_bn(semantic, 3, act=None))
    left = layers.Multiply()([fine, activate(gate, "sigmoid")])
    right = layers.Multiply()([coarse, activate(low, "sigmoid")])
    return conv_bn(layers.Add()([left, _scaled(right, 4)]), 128, 3, act=None)


# HRNet-W18-Small v1 (arXiv 1904.04514)


def _hrnet(height: int, width: int, classes: int) -> Any:
    x = image(height, width)
    y = conv_bn(conv_bn(x, 64, 3, 2, "relu"), 64, 3, 2, "relu")
    streams = [_wide(y, 32)]
    for widths in ((16, 32), (16, 32, 64), (16, 32, 64, 128)):
        streams = _transition(streams, widths)
        streams = _exchange([_basics(s, 2) for s in streams])
    y = layers.Concatenate()([streams[0], *[_like(s, streams[0]) for s in streams[1:]]])
    y = activate(layers.BatchNormalization()(layers.Conv2D(y.shape[-1], 1)(y)), "relu")
    return model(x, _scaled(layers.Conv2D(classes, 1)(y), 4))


def _wide(x: Any, filters: int) -> Any:
    y = conv_bn(conv_bn(x, filters, act="relu"), filters, 3, act="relu")
    y = conv_bn(y, 4 * filters, act=None)
    return activate(layers.Add()([y, conv_bn(x, 4 * filters, act=None)]), "relu")


def _basics(x: Any, count: int) -> Any:
    for _ in range(count):
        y = conv_bn(conv_bn(x, x.shape[-1], 3, act="relu"), x.shape[-1], 3, act=None)
        x = activate(layers.Add()([x, y]), "relu")
    return x


def _transition(streams: Sequence[Any], widths: Sequence[int]) -> list[Any]:
    kept = [
        s if s.shape[-1] == width else conv_bn(s, width, 3, act="relu")
        for s, width in zip(streams, widths, strict=False)
    ]
    return [*kept, conv_bn(streams[-1], widths[-1], 3, 2, "relu")]


def _exchange(streams: Sequence[Any]) -> list[Any]:
    return [_fused(streams, index) for index in range(len(streams))]


def _fused(streams: Sequence[Any], index: int) -> Any:
    target, parts = streams[index], []
    for other, stream in enumerate(streams):
        if other > index:
            stream = _like(conv_bn(stream, target.shape[-1], act=None), target)
        parts.append(_reduced(stream, target.shape[-1], index - other) if other < index else stream)
    y = parts[0]
    for part in parts[1:]:
        y = layers.Add()([y, part])
    return activate(y, "relu")


def _reduced(x: Any, filters: int, halvings: int) -> Any:
    for _ in range(halvings - 1):
        x = conv_bn(x, x.shape[-1], 3, 2, "relu")
    return conv_bn(x, filters, 3, 2, None)


# LR-ASPP on MobileNet v3 large (arXiv 1905.02244)


def _lraspp(size: int, classes: int = 21, depth: int = 128) -> Any:
    x = image(size)
    low, high = mobilenet_v3_dilated(x)
    gate = layers.Conv2D(depth, 1, use_bias=False)(layers.GlobalAveragePooling2D(keepdims=True)(high))
    y = layers.Multiply()([conv_bn(high, depth, act="relu"), activate(gate, "sigmoid")])
    y = layers.Add()([layers.Conv2D(classes, 1)(low), layers.Conv2D(classes, 1)(_like(y, low))])
    return model(x, resize(y, size, size))


def _of(name: str, size: str, build: Callable[[], Any], source: str) -> Definition:
    return Definition(f"{name}_{size}", build, name.split("_")[0], name, size, "segmentation", source)


_STREET = (512, 1024, CITYSCAPES)

DEFINITIONS = [
    _of("enet", "512", partial(_enet, 512, 512, CITYSCAPES), "arXiv 1606.02147; bilinear resize for max unpooling"),
    _of("espnet", "512", partial(_espnet, 512, 512, 20), "arXiv 1803.06815, sacmehta/ESPNet p=2 q=8"),
    _of("fast_scnn", "512x1024", partial(_fast_scnn, *_STREET), "arXiv 1902.04502"),
    _of("bisenet_v2", "512x1024", partial(_bisenet_v2, *_STREET), "arXiv 2004.02147"),
    _of("hrnet_w18_small_v1", "512x1024", partial(_hrnet, *_STREET), "arXiv 1904.04514, HRNetV2-W18-Small-v1"),
    _of("lraspp_mobilenet_v3_large", "520", partial(_lraspp, 520), "arXiv 1905.02244; torchvision lraspp"),
]
