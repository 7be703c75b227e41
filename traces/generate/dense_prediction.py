"""Blocks shared by the detection, segmentation, pose and super-resolution networks.

Keras is imported on first use, so that reading the definitions needs no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

__all__ = [
    "V1",
    "activate",
    "argmax",
    "backbone_v1",
    "backbone_v2",
    "conv_bn",
    "depthwise_bn",
    "fixed_pad",
    "image",
    "inverted_residual",
    "layers",
    "make_divisible",
    "model",
    "ops",
    "resize",
    "separable_bn",
]


class _Lazy:
    """A submodule of Keras, imported when an attribute of it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        import keras

        return getattr(getattr(keras, self._name), attribute)


layers: Any = _Lazy("layers")
ops: Any = _Lazy("ops")


def image(height: int, width: int | None = None, channels: int = 3) -> Any:
    """Return the network's input: one image, batch fixed to 1."""
    import keras

    return keras.Input(batch_shape=(1, height, width or height, channels))


def model(inputs: Any, outputs: Any) -> Any:
    """Return the Keras model from ``inputs`` to ``outputs``."""
    import keras

    return keras.Model(inputs, outputs)


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round ``value`` to a multiple of ``divisor``, never more than 10 % down (the MobileNet rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def activate(x: Any, name: str | None) -> Any:
    """Apply the named activation; ``None`` leaves ``x`` as it is."""
    if name is None:
        return x
    if name == "prelu":
        return layers.PReLU(shared_axes=[1, 2])(x)
    if name == "leaky":
        return layers.LeakyReLU(negative_slope=0.1)(x)
    return layers.ReLU(6.0)(x) if name == "relu6" else layers.Activation(name)(x)


def conv_bn(x: Any, filters: int, kernel: Any = 1, stride: Any = 1, act: str | None = "relu6", **options: Any) -> Any:
    """Apply convolution without bias, batch normalisation, activation."""
    options = {"padding": "same", "use_bias": False} | options
    x = layers.Conv2D(filters, kernel, strides=stride, **options)(x)
    return activate(layers.BatchNormalization()(x), act)


def depthwise_bn(x: Any, kernel: Any = 3, stride: int = 1, act: str | None = "relu6", **options: Any) -> Any:
    """Apply depthwise convolution without bias, batch normalisation, activation."""
    options = {"padding": "same", "use_bias": False} | options
    x = layers.DepthwiseConv2D(kernel, strides=stride, **options)(x)
    return activate(layers.BatchNormalization()(x), act)


def separable_bn(
    x: Any, filters: int, kernel: int = 3, stride: int = 1, act: str | None = "relu6", rate: int = 1
) -> Any:
    """Apply depthwise and pointwise convolution, each with batch normalisation and activation."""
    return conv_bn(depthwise_bn(x, kernel, stride, act, dilation_rate=rate), filters, act=act)


def fixed_pad(x: Any, kernel: int = 3) -> Any:
    """Pad as TensorFlow's object detection does explicitly: (k - 1) / 2 pixels on every side."""
    return layers.ZeroPadding2D((kernel - 1) // 2)(x)


def resize(x: Any, height: int, width: int, how: str = "bilinear") -> Any:
    """Resize the map to ``height`` x ``width`` (TFLite's RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR)."""
    import tensorflow as tf

    shape = (height, width, x.shape[-1])
    return layers.Lambda(lambda t: tf.image.resize(t, (height, width), method=how), output_shape=shape)(x)


def argmax(x: Any) -> Any:
    """Return the index of the largest channel as int64 (TFLite's ARG_MAX; Keras' own argmax emits more operators)."""
    import tensorflow as tf

    return layers.Lambda(lambda t: tf.argmax(t, axis=-1, output_type=tf.int64), output_shape=x.shape[1:-1])(x)


def inverted_residual(
    x: Any,
    filters: int,
    expansion: int,
    kernel: int = 3,
    stride: int = 1,
    rate: int = 1,
    act: str = "relu6",
    residual: bool | None = None,
    explicit_padding: bool = False,
) -> tuple[Any, Any]:
    """Return an inverted bottleneck's output and its expanded input.

    ``residual`` defaults to MobileNet v2's rule: stride 1 and equal channels.
    """
    shortcut, channels = x, x.shape[-1]
    expanded = conv_bn(x, channels * expansion, act=act) if expansion > 1 else x
    padded = fixed_pad(expanded, kernel) if explicit_padding else expanded
    padding = "valid" if explicit_padding else "same"
    x = conv_bn(depthwise_bn(padded, kernel, stride, act, dilation_rate=rate, padding=padding), filters, act=None)
    if residual if residual is not None else stride == 1 and channels == filters:
        x = layers.Add()([shortcut, x])
    return x, expanded


#: Channels and strides of MobileNet v1's 13 depthwise separable blocks.
V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))

#: Expansion, channels, repeats and first stride of MobileNet v2's stages.
_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def backbone_v1(x: Any, width: float = 1.0, rows: Sequence[tuple[int, int]] = V1) -> list[Any]:
    """Return the outputs of MobileNet v1's first convolution and its depthwise separable blocks."""
    scale = partial(_scaled, width=width)
    outputs = [conv_bn(x, scale(32), 3, 2)]
    for filters, stride in rows:
        outputs.append(separable_bn(outputs[-1], scale(filters), 3, stride))
    return outputs


def _scaled(filters: int, width: float) -> int:
    return max(8, int(filters * width))


def backbone_v2(
    x: Any, width: float = 1.0, output_stride: int = 32, explicit_padding: bool = False, divisor: int = 8
) -> tuple[list[Any], list[Any]]:
    """Return the outputs and the expanded inputs of MobileNet v2's 17 bottlenecks (the last: 320 channels).

    Beyond ``output_stride`` strides become dilation, as in DeepLab; channels are multiples of ``divisor``.
    """
    padded = fixed_pad(x) if explicit_padding else x
    x = conv_bn(padded, make_divisible(32 * width, divisor), 3, 2, padding="valid" if explicit_padding else "same")
    outputs, expanded = [], []
    for expansion, filters, stride, rate in _strided(_V2, output_stride):
        depth = make_divisible(filters * width, divisor)
        x, wide = inverted_residual(x, depth, expansion, 3, stride, rate, explicit_padding=explicit_padding)
        outputs.append(x)
        expanded.append(wide)
    return outputs, expanded


def _strided(stages: Sequence[Any], output_stride: int) -> list[tuple[int, int, int, int]]:
    rows, reached, rate = [], 2, 1
    for expansion, filters, repeats, first in stages:
        for stride in (first, *[1] * (repeats - 1)):
            use_rate = rate
            if reached * stride > output_stride:
                stride, rate = 1, rate * stride
            reached *= stride
            rows.append((expansion, filters, stride, use_rate))
    return rows
