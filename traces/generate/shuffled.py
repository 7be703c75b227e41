"""Cheap convolutions: ShuffleNet v1 and v2 (channel shuffle), GhostNet, SqueezeNext, FD-MobileNet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.blocks import classifier, conv, squeeze_excite
from traces.generate.definition import Definition
from traces.generate.dense_prediction import (
    activate,
    backbone_v1,
    conv_bn,
    depthwise_bn,
    image,
    layers,
    make_divisible,
    model,
)

__all__ = ["DEFINITIONS"]


def _shuffle(x: Any, groups: int) -> Any:
    """Interleave the channels of the groups."""
    _, height, width, channels = x.shape
    y = layers.Reshape((height, width, groups, channels // groups))(x)
    return layers.Reshape((height, width, channels))(layers.Permute((1, 2, 4, 3))(y))


def _stem(x: Any, filters: int = 24) -> Any:
    return layers.MaxPooling2D(3, 2, padding="same")(conv_bn(x, filters, 3, 2, "relu"))


def _shufflenet_v1(size: int, groups: int, widths: tuple[int, ...]) -> Any:
    x = image(size)
    y = _stem(x)
    for width, repeats in zip(widths, (4, 8, 4), strict=True):
        for index in range(repeats):
            y = _v1_unit(y, width, groups, first=y.shape[-1] == 24, stride=1 if index else 2)
    return classifier(x, y)


def _v1_unit(x: Any, width: int, groups: int, first: bool, stride: int) -> Any:
    filters = width if stride == 1 else width - x.shape[-1]
    y = conv_bn(x, width // 4, act="relu", groups=1 if first else groups)
    y = depthwise_bn(_shuffle(y, groups), 3, stride, None)
    y = conv_bn(y, filters, act=None, groups=groups)
    if stride == 1:
        return activate(layers.Add()([x, y]), "relu")
    pooled = layers.AveragePooling2D(3, 2, padding="same")(x)
    return activate(layers.Concatenate()([pooled, y]), "relu")


def _shufflenet_v2(size: int, widths: tuple[int, ...], top: int = 1024) -> Any:
    x = image(size)
    y = _stem(x)
    for width, repeats in zip(widths, (4, 8, 4), strict=True):
        for index in range(repeats):
            y = _v2_unit(y) if index else _v2_reduction(y, width)
    return classifier(x, conv_bn(y, top, act="relu"))


def _v2_unit(x: Any) -> Any:
    import keras

    left, right = keras.ops.split(x, 2, axis=-1)
    return _shuffle(layers.Concatenate()([left, _v2_branch(right, x.shape[-1] // 2, 1)]), 2)


def _v2_branch(x: Any, filters: int, stride: int) -> Any:
    y = depthwise_bn(conv_bn(x, filters, act="relu"), 3, stride, None)
    return conv_bn(y, filters, act="relu")


def _v2_reduction(x: Any, width: int) -> Any:
    left = conv_bn(depthwise_bn(x, 3, 2, None), width // 2, act="relu")
    return _shuffle(layers.Concatenate()([left, _v2_branch(x, width // 2, 2)]), 2)


# Kernel, expanded channels, channels, squeeze-and-excite, stride.
_GHOST = (
    (3, 16, 16, False, 1), (3, 48, 24, False, 2), (3, 72, 24, False, 1), (5, 72, 40, True, 2), (5, 120, 40, True, 1),
    (3, 240, 80, False, 2), (3, 200, 80, False, 1), *[(3, 184, 80, False, 1)] * 2, (3, 480, 112, True, 1),
    (3, 672, 112, True, 1), (5, 672, 160, True, 2),
    (5, 960, 160, False, 1), (5, 960, 160, True, 1), (5, 960, 160, False, 1), (5, 960, 160, True, 1),
)  # fmt: skip


def _ghostnet(size: int) -> Any:
    x = image(size)
    y = conv_bn(x, 16, 3, 2, "relu")
    for row in _GHOST:
        y = _ghost_block(y, *row)
    y = layers.GlobalAveragePooling2D(keepdims=True)(conv_bn(y, 960, act="relu"))
    y = layers.Flatten()(conv(y, 1280))
    return model(x, layers.Dense(1000, activation="softmax")(y))


def _ghost(x: Any, filters: int, act: str | None) -> Any:
    """Half of the channels by 1x1 convolution, the other half from those by a depthwise one."""
    primary = conv_bn(x, filters // 2, act=act)
    return layers.Concatenate()([primary, depthwise_bn(primary, 3, 1, act)])


def _ghost_block(x: Any, kernel: int, wide: int, filters: int, squeeze: bool, stride: int) -> Any:
    y = _ghost(x, wide, "relu")
    y = depthwise_bn(y, kernel, stride, None) if stride > 1 else y
    y = squeeze_excite(y, make_divisible(wide / 4, 4), gate="hard_sigmoid") if squeeze else y
    y = _ghost(y, filters, None)
    if x.shape != y.shape:
        x = conv_bn(depthwise_bn(x, kernel, stride, None), filters, act=None)
    return layers.Add()([x, y])


def _squeezenext(size: int) -> Any:
    """1.0-SqNxt-23; every convolution has bias and batch normalisation."""
    x = image(size)
    y = _biased(layers.ZeroPadding2D(1)(x), 64, 7, 2, padding="valid")
    y = layers.MaxPooling2D(3, 2, padding="same")(y)
    for stage, repeats in enumerate((6, 6, 8, 1)):
        for index in range(repeats):
            y = _sqnxt_unit(y, 32 * 2**stage, 2 if stage and not index else 1)
    return classifier(x, _biased(y, 128))


def _biased(x: Any, filters: int, kernel: Any = 1, stride: int = 1, **options: Any) -> Any:
    return conv_bn(x, filters, kernel, stride, "relu", use_bias=True, **options)


def _sqnxt_unit(x: Any, filters: int, stride: int) -> Any:
    channels = x.shape[-1]
    reduced = channels if stride == 2 else channels // (4 if channels > filters else 2)
    shortcut = x if channels == filters else _biased(x, filters, 1, stride)
    y = _biased(_biased(x, reduced, 1, stride), reduced // 2)
    y = _biased(_biased(y, reduced, (1, 3)), reduced, (3, 1))
    return activate(layers.Add()([shortcut, _biased(y, filters)]), "relu")


_FD_ROWS = ((64, 2), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 4, (1024, 1))


def _fd_mobilenet(size: int) -> Any:
    x = image(size)
    return classifier(x, backbone_v1(x, 1.0, _FD_ROWS)[-1])


def _of(name: str, build: Callable[[], Any], source: str, architecture: str, family: str = "") -> Definition:
    variant = name.removeprefix(architecture).strip("_")
    return Definition(name, build, family or architecture, architecture, variant, "classification", source)


_V2_WIDTHS = {"0.5": (48, 96, 192), "1.0": (116, 232, 464)}

DEFINITIONS = [
    _of(
        "shufflenet_v1_1.0_g3_224", partial(_shufflenet_v1, 224, 3, (240, 480, 960)), "arXiv 1707.01083, 3 groups",
        "shufflenet_v1"
    ),
    *[
        _of(
            f"shufflenet_v2_{name}_224", partial(_shufflenet_v2, 224, widths),
            "torchvision shufflenetv2; arXiv 1807.11164", "shufflenet_v2",
        )
        for name, widths in _V2_WIDTHS.items()
    ],
    _of("ghostnet_1.0_224", partial(_ghostnet, 224), "arXiv 1911.11907", "ghostnet"),
    _of("squeezenext_1.0_23_224", partial(_squeezenext, 224), "arXiv 1803.10615", "squeezenext"),
    _of("fd_mobilenet_1.0_224", partial(_fd_mobilenet, 224), "arXiv 1802.03750", "fd_mobilenet"),
]  # fmt: skip
