"""MobileDet backbones found for the DSP and the CPU (arXiv 2004.14525), each as (C4, C5) maps."""

from __future__ import annotations

from typing import Any

from traces.generate.dense_prediction import activate, conv_bn, depthwise_bn, inverted_residual, layers
from traces.generate.edgetpu_backbones import fused_bottleneck, tucker

__all__ = ["mobiledet_cpu", "mobiledet_dsp"]

# Kind, filters, then expansion, kernel, stride and residual, or a Tucker convolution's two ratios.
_DSP_C4 = (
    ("fused", 32, 4, 3, 2, False), ("fused", 32, 4, 3, 1, True), ("ibn", 32, 4, 3, 1, True), ("tucker", 32, 0.25, 0.75),
    ("fused", 64, 8, 3, 2, False), ("ibn", 64, 4, 3, 1, True), *[("fused", 64, 4, 3, 1, True)] * 2,
    ("fused", 120, 8, 3, 2, False), ("ibn", 120, 4, 3, 1, True), *[("ibn", 120, 8, 3, 1, True)] * 2,
    ("fused", 144, 8, 3, 1, False), *[("ibn", 144, 8, 3, 1, True)] * 3,
)  # fmt: skip
_DSP_C5 = (
    ("ibn", 160, 4, 3, 2, False), ("ibn", 160, 4, 3, 1, True), ("fused", 160, 4, 3, 1, True),
    ("tucker", 160, 0.75, 0.75), ("ibn", 240, 8, 3, 1, False),
)  # fmt: skip

# Filters, expansion, kernel, stride, residual.
_CPU_C4 = (
    (16, 4, 3, 2, False),
    (32, 8, 3, 2, False), *[(32, 4, 3, 1, True)] * 3,
    (72, 8, 5, 2, False), (72, 8, 3, 1, True), (72, 4, 5, 1, True), (72, 4, 3, 1, True),
    (72, 8, 3, 1, False), *[(72, 8, 3, 1, True)] * 3,
)  # fmt: skip
_CPU_C5 = ((104, 8, 5, 2, False), *[(104, 4, 5, 1, True)] * 2, (104, 4, 3, 1, True), (144, 8, 3, 1, False))


def mobiledet_dsp(x: Any) -> tuple[Any, Any]:
    """Return the C4 and C5 maps of MobileDet found for the DSP: inverted, fused and Tucker bottlenecks."""
    x = conv_bn(depthwise_bn(conv_bn(x, 32, 3, 2)), 24, act=None)
    c4 = _dsp_rows(x, _DSP_C4)
    return c4, _dsp_rows(c4, _DSP_C5)


def _dsp_rows(x: Any, rows: tuple[Any, ...]) -> Any:
    for kind, filters, *form in rows:
        if kind == "tucker":
            x = tucker(x, filters, *form)
        elif kind == "fused":
            x = fused_bottleneck(x, filters, *form)
        else:
            expansion, kernel, stride, residual = form
            x, _ = inverted_residual(x, filters, expansion, kernel, stride, residual=residual)
    return x


def mobiledet_cpu(x: Any) -> tuple[Any, Any]:
    """Return the C4 and C5 maps of MobileDet found for the CPU: squeeze-and-excite and hard swish throughout."""
    x = conv_bn(x, 16, 3, 2, "hard_swish")
    x = conv_bn(_excited(depthwise_bn(x, act="hard_swish")), 8, act=None)
    c4 = _cpu_rows(x, _CPU_C4)
    return c4, _cpu_rows(c4, _CPU_C5)


def _cpu_rows(x: Any, rows: tuple[Any, ...]) -> Any:
    for filters, expansion, kernel, stride, residual in rows:
        y = conv_bn(x, x.shape[-1] * expansion, act="hard_swish")
        y = conv_bn(_excited(depthwise_bn(y, kernel, stride, "hard_swish")), filters, act=None)
        x = layers.Add()([x, y]) if residual else y
    return x


def _excited(x: Any) -> Any:
    channels = x.shape[-1]
    squeezed = max(8, int(channels * 0.25 / 8 + 0.5) * 8)
    y = layers.AveragePooling2D(x.shape[1:3], 1)(x)
    y = activate(layers.Conv2D(squeezed, 1)(y), "hard_swish")
    return layers.Multiply()([activate(layers.Conv2D(channels, 1)(y), "sigmoid"), x])
