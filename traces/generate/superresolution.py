"""Super-resolution and denoising networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, image, layers, model, ops

__all__ = ["DEFINITIONS"]


def _conv(x: Any, filters: int, kernel: int = 3, act: str | None = None, **options: Any) -> Any:
    return activate(layers.Conv2D(filters, kernel, padding="same", **options)(x), act)


def _fsrcnn(height: int, width: int, scale: int = 2) -> Any:
    """FSRCNN (56, 12, 4): shrink, map, expand, 9x9 transposed convolution."""
    x = image(height, width, 1)
    y = _conv(_conv(x, 56, 5, "prelu"), 12, 1, "prelu")
    for _ in range(4):
        y = _conv(y, 12, 3, "prelu")
    y = _conv(y, 56, 1, "prelu")
    return model(x, layers.Conv2DTranspose(1, 9, strides=scale, padding="same")(y))


def _sesr(height: int, width: int, blocks: int, scale: int = 2) -> Any:
    """SESR as it runs: every collapsible linear block collapsed into one convolution, two long residuals."""
    x = image(height, width, 1)
    first = _conv(x, 16, 5, "prelu", use_bias=False)
    y = first
    for _ in range(blocks):
        y = _conv(y, 16, 3, "prelu", use_bias=False)
    y = _conv(layers.Add()([y, first]), scale * scale, 5, use_bias=False)
    return model(x, _shuffled(layers.Add()([y, x]), scale))


def _shuffled(x: Any, scale: int) -> Any:
    import tensorflow as tf

    shape = (x.shape[1] * scale, x.shape[2] * scale, x.shape[3] // scale**2)
    return layers.Lambda(lambda t: tf.nn.depth_to_space(t, scale), output_shape=shape)(x)


def _espcn(height: int, width: int, scale: int = 2) -> Any:
    x = image(height, width, 1)
    y = _conv(_conv(x, 64, 5, "tanh"), 32, 3, "tanh")
    return model(x, _shuffled(_conv(y, scale * scale), scale))


def _edsr(size: int, blocks: int = 16, filters: int = 64) -> Any:
    """EDSR baseline: residual blocks without normalisation, sub-pixel upsampling by two."""
    x = image(size)
    first = _conv(x, filters)
    y = first
    for _ in range(blocks):
        y = layers.Add()([y, _conv(_conv(y, filters, act="relu"), filters)])
    y = layers.Add()([_conv(y, filters), first])
    return model(x, _conv(_shuffled(_conv(y, 4 * filters), 2), 3))


def _abpn(height: int, width: int, scale: int = 3) -> Any:
    """Anchor-based plain network of the Mobile AI 2021 int8 challenge: the input, repeated, is the anchor."""
    x = image(height, width)
    y = _conv(x, 28, act="relu")
    for _ in range(4):
        y = _conv(y, 28, act="relu")
    y = _conv(_conv(y, 3 * scale**2, act="relu"), 3 * scale**2)
    y = layers.Add()([y, layers.Concatenate()([x] * scale**2)])
    return model(x, _shuffled(ops.clip(y, 0.0, 6.0), scale))


def _srcnn(height: int, width: int) -> Any:
    x = image(height, width, 1)
    return model(x, _conv(_conv(_conv(x, 64, 9, "relu"), 32, 1, "relu"), 1, 5))


def _vdsr(size: int) -> Any:
    x = image(size, channels=1)
    y = x
    for _ in range(19):
        y = _conv(y, 64, act="relu", use_bias=False)
    return model(x, layers.Add()([_conv(y, 1, use_bias=False), x]))


def _dncnn(size: int, depth: int = 17) -> Any:
    """DnCNN: the noise is predicted and subtracted."""
    x = image(size, channels=1)
    y = _conv(x, 64, act="relu")
    for _ in range(depth - 2):
        y = activate(layers.BatchNormalization()(_conv(y, 64, use_bias=False)), "relu")
    return model(x, layers.Subtract()([x, _conv(y, 1)]))


def _of(name: str, size: str, build: Callable[[], Any], source: str, task: str = "super_resolution") -> Definition:
    return Definition(f"{name}_{size}", build, name.split("_")[0], name, size, task, source)


_HD = (360, 640)

DEFINITIONS = [
    _of("fsrcnn_x2", "360x640", partial(_fsrcnn, *_HD), "arXiv 1608.00367, FSRCNN(56,12,4)"),
    _of("sesr_m5_x2", "360x640", partial(_sesr, *_HD, 5), "arXiv 2103.09404, SESR-M5 collapsed"),
    _of("sesr_m11_x2", "360x640", partial(_sesr, *_HD, 11), "arXiv 2103.09404, SESR-M11 collapsed"),
    _of("espcn_x2", "360x640", partial(_espcn, *_HD), "arXiv 1609.05158, tanh"),
    _of("edsr_baseline_x2", "128", partial(_edsr, 128), "arXiv 1707.02921, baseline: 16 blocks of 64"),
    _of("abpn_x3", "360x640", partial(_abpn, *_HD), "arXiv 2105.09750"),
    _of("srcnn", "360x640", partial(_srcnn, *_HD), "arXiv 1501.00092, 9-1-5"),
    _of("vdsr", "256", partial(_vdsr, 256), "arXiv 1511.04587"),
    _of("dncnn", "256", partial(_dncnn, 256), "arXiv 1608.03981, DnCNN-S"),
]
