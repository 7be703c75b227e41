"""Backbones for SSDLite: MobileDet-EdgeTPU, MobileNet-EdgeTPU and MobileNet v3 (detection), each as (C4, C5) maps."""

from __future__ import annotations

from typing import Any

from traces.generate.dense_prediction import activate, conv_bn, depthwise_bn, inverted_residual, layers, make_divisible

__all__ = [
    "fused_bottleneck",
    "mobiledet_edgetpu",
    "mobilenet_edgetpu",
    "mobilenet_v3_detection",
    "mobilenet_v3_dilated",
    "tucker",
]


def fused_bottleneck(
    x: Any, filters: int, expansion: int, kernel: int = 3, stride: int = 1, residual: bool = True
) -> Any:
    """Return a fused inverted bottleneck: a full convolution that expands, then a 1x1 projection."""
    y = conv_bn(x, x.shape[-1] * expansion, kernel, stride)
    y = conv_bn(y, filters, act=None)
    return layers.Add()([y, x]) if residual else y


def tucker(x: Any, filters: int, input_ratio: float, output_ratio: float, residual: bool = True) -> Any:
    """Return MobileDet's Tucker convolution: 1x1 compression, 3x3 convolution, 1x1 expansion."""
    y = conv_bn(x, _ranked(x.shape[-1], input_ratio))
    y = conv_bn(y, _ranked(filters, output_ratio), 3)
    y = conv_bn(y, filters, act=None)
    return layers.Add()([y, x]) if residual else y


def _ranked(filters: int, ratio: float) -> int:
    return max(8, int(filters * ratio / 8 + 0.5) * 8)


# Kind, filters, expansion, kernel, stride, residual.
_MOBILEDET_C4 = (
    ("fused", 16, 8, 3, 2, False), ("fused", 16, 4, 3, 1, True), ("fused", 16, 8, 3, 1, True),
    ("fused", 16, 4, 3, 1, True),
    ("fused", 40, 8, 5, 2, False), *[("fused", 40, 4, 3, 1, True)] * 3,
    ("ibn", 72, 8, 3, 2, False), ("ibn", 72, 8, 3, 1, True), *[("fused", 72, 4, 3, 1, True)] * 2,
    ("ibn", 96, 8, 5, 1, False), ("ibn", 96, 8, 5, 1, True), *[("ibn", 96, 8, 3, 1, True)] * 2,
)  # fmt: skip
_MOBILEDET_C5 = (
    ("ibn", 120, 8, 5, 2, False), ("ibn", 120, 8, 3, 1, True), ("ibn", 120, 4, 5, 1, True),
    ("ibn", 120, 8, 3, 1, True), ("ibn", 384, 8, 5, 1, False),
)  # fmt: skip


def mobiledet_edgetpu(x: Any) -> tuple[Any, Any]:
    """Return the C4 and C5 maps of MobileDet found for the Edge TPU (arXiv 2004.14525)."""
    x = tucker(conv_bn(x, 32, 3, 2), 16, 0.25, 0.75, residual=False)
    c4 = _rows(x, _MOBILEDET_C4)
    return c4, _rows(c4, _MOBILEDET_C5)


def _rows(x: Any, rows: tuple[Any, ...]) -> Any:
    for kind, filters, expansion, kernel, stride, residual in rows:
        if kind == "fused":
            x = fused_bottleneck(x, filters, expansion, kernel, stride, residual)
        else:
            x, _ = inverted_residual(x, filters, expansion, kernel, stride, residual=residual)
    return x


_MOBILENET_EDGETPU_C4 = (
    ("fused", 16, 1, 3, 1, False),
    ("fused", 32, 8, 3, 2, False), *[("fused", 32, 4, 3, 1, True)] * 3,
    ("fused", 48, 8, 3, 2, False), *[("fused", 48, 4, 3, 1, True)] * 3,
    ("ibn", 96, 8, 3, 2, False), *[("ibn", 96, 4, 3, 1, True)] * 3,
    ("ibn", 96, 8, 3, 1, False), *[("ibn", 96, 4, 3, 1, True)] * 2,
)  # fmt: skip
_MOBILENET_EDGETPU_C5 = (
    ("ibn", 160, 8, 5, 2, False), *[("ibn", 160, 4, 5, 1, True)] * 3, ("ibn", 192, 8, 3, 1, False),
)  # fmt: skip


def mobilenet_edgetpu(x: Any) -> tuple[Any, Any]:
    """Return layer 18's expanded map and layer 23 of MobileNet-EdgeTPU, the two that SSDLite reads."""
    x = _rows(conv_bn(x, 32, 3, 2), _MOBILENET_EDGETPU_C4)
    x, c4 = inverted_residual(x, 96, 4)
    return c4, _rows(x, _MOBILENET_EDGETPU_C5)


# Expanded channels, channels, kernel, stride, squeeze-and-excite, activation.
_V3_SMALL = (
    (16, 16, 3, 2, True, "relu"), (72, 24, 3, 2, False, "relu"), (88, 24, 3, 1, False, "relu"),
    (96, 40, 5, 2, True, "hard_swish"), *[(240, 40, 5, 1, True, "hard_swish")] * 2,
    (120, 48, 5, 1, True, "hard_swish"), (144, 48, 5, 1, True, "hard_swish"),
    (288, 48, 5, 2, True, "hard_swish"), *[(288, 48, 5, 1, True, "hard_swish")] * 2,
)  # fmt: skip
_V3_LARGE = (
    (16, 16, 3, 1, False, "relu"), (64, 24, 3, 2, False, "relu"), (72, 24, 3, 1, False, "relu"),
    (72, 40, 5, 2, True, "relu"), *[(120, 40, 5, 1, True, "relu")] * 2,
    (240, 80, 3, 2, False, "hard_swish"), (200, 80, 3, 1, False, "hard_swish"),
    *[(184, 80, 3, 1, False, "hard_swish")] * 2,
    (480, 112, 3, 1, True, "hard_swish"), (672, 112, 3, 1, True, "hard_swish"),
    (672, 80, 5, 2, True, "hard_swish"), *[(480, 80, 5, 1, True, "hard_swish")] * 2,
)  # fmt: skip


def mobilenet_v3_detection(x: Any, size: str) -> tuple[Any, Any]:
    """Return C4 (expanded) and C5 of MobileNet v3 with the last stage's channels halved, as for detection."""
    rows, top = {"small": (_V3_SMALL, 288), "large": (_V3_LARGE, 480)}[size]
    x = conv_bn(x, 16, 3, 2, "hard_swish")
    c4, last = x, max(index for index, row in enumerate(rows) if row[3] == 2)
    for index, row in enumerate(rows):
        x, expanded = _v3_block(x, *row)
        c4 = expanded if index == last else c4
    return c4, conv_bn(x, top, act="hard_swish")


def mobilenet_v3_dilated(x: Any) -> tuple[Any, Any]:
    """Return MobileNet v3 large's maps at stride 8 and (last stage dilated) 16, the latter after the last 1x1."""
    x = conv_bn(x, 16, 3, 2, "hard_swish")
    for row in _V3_LARGE[:6]:
        x, _ = _v3_block(x, *row)
    low = x
    for row in _V3_LARGE[6:12]:
        x, _ = _v3_block(x, *row)
    for wide in (672, 960, 960):
        x, _ = _v3_block(x, wide, 160, 5, 1, True, "hard_swish", rate=2)
    return low, conv_bn(x, 960, act="hard_swish")


def _v3_block(
    x: Any, wide: int, filters: int, kernel: int, stride: int, squeeze: bool, act: str, rate: int = 1
) -> tuple[Any, Any]:
    expanded = conv_bn(x, wide, act=act) if wide != x.shape[-1] else x
    y = depthwise_bn(expanded, kernel, stride, act, dilation_rate=rate)
    y = conv_bn(_squeeze_excite(y) if squeeze else y, filters, act=None)
    return (layers.Add()([x, y]) if y.shape == x.shape else y), expanded


def _squeeze_excite(x: Any) -> Any:
    channels = x.shape[-1]
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = activate(layers.Conv2D(make_divisible(channels / 4), 1)(y), "relu")
    return layers.Multiply()([x, activate(layers.Conv2D(channels, 1)(y), "hard_sigmoid")])
