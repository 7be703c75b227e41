"""EfficientNet B0 to B7, Lite 0 to 4, EdgeTPU S/M/L, and version 2."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any

from traces.generate.blocks import SLIM, classifier, squeeze_excite
from traces.generate.definition import Definition
from traces.generate.dense_prediction import conv_bn, depthwise_bn, image, layers, make_divisible

__all__ = ["DEFINITIONS"]

# Repeats, kernel, stride, expansion, channels.
_B = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
# The same and whether the block is fused (a full convolution expands).
_EDGETPU = (
    (1, 3, 1, 4, 24, True), (2, 3, 2, 8, 32, True), (4, 3, 2, 8, 48, True),
    (5, 5, 2, 8, 96, False), (4, 5, 1, 8, 144, False), (2, 5, 2, 8, 192, False),
)  # fmt: skip

#: Width, depth and resolution.
B = (
    (1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 300), (1.4, 1.8, 380), (1.6, 2.2, 456),
    (1.8, 2.6, 528), (2.0, 3.1, 600),
)  # fmt: skip
LITE = ((1.0, 1.0, 224), (1.0, 1.1, 240), (1.1, 1.2, 260), (1.2, 1.4, 280), (1.4, 1.8, 300))
EDGETPU = {"s": (1.0, 1.0, 224), "m": (1.0, 1.1, 240), "l": (1.2, 1.4, 300)}


def _b(width: float, depth: float, size: int) -> Any:
    x = image(size)
    y = conv_bn(x, make_divisible(32 * width), 3, 2, "silu")
    for repeats, kernel, stride, expansion, filters in _B:
        for index in range(ceil(depth * repeats)):
            y = mbconv(y, make_divisible(filters * width), expansion, kernel, 1 if index else stride, "silu", 0.25)
    return classifier(x, conv_bn(y, make_divisible(1280 * width), act="silu"))


def _lite(width: float, depth: float, size: int) -> Any:
    """No squeeze-and-excite, ReLU6, and the first and last stage as in B0."""
    x = image(size)
    y = conv_bn(x, 32, 3, 2)
    for stage, (repeats, kernel, stride, expansion, filters) in enumerate(_B):
        fixed = stage in (0, len(_B) - 1)
        for index in range(repeats if fixed else ceil(depth * repeats)):
            y = mbconv(y, make_divisible(filters * width), expansion, kernel, 1 if index else stride, "relu6")
    return classifier(x, conv_bn(y, 1280))


def mbconv(
    x: Any, filters: int, expansion: float, kernel: int, stride: int, act: str, squeeze: float = 0.0, skip: bool = True
) -> Any:
    """Return the inverted bottleneck; ``squeeze`` is the squeeze-and-excite ratio to the block's input channels."""
    channels = x.shape[-1]
    y = conv_bn(x, int(channels * expansion), act=act) if expansion != 1 else x
    y = depthwise_bn(y, kernel, stride, act)
    y = squeeze_excite(y, max(1, int(channels * squeeze)), act) if squeeze else y
    y = conv_bn(y, filters, act=None)
    return layers.Add()([x, y]) if skip and stride == 1 and channels == filters else y


def _edgetpu(width: float, depth: float, size: int) -> Any:
    """Fused blocks expand by a full convolution and carry the stride in their projection; 1001 classes."""
    x = image(size)
    y = conv_bn(x, make_divisible(32 * width), 3, 2, "relu")
    for repeats, kernel, stride, expansion, filters, fused in _EDGETPU:
        for index in range(ceil(depth * repeats)):
            # The stem has more channels than the search space's first block assumes.
            wide = expansion * (y.shape[-1] if index or filters > 24 else make_divisible(24 * width))
            block = (
                partial(_fused, wide=wide) if fused else partial(mbconv, expansion=expansion, kernel=kernel, act="relu")
            )
            y = block(y, filters=make_divisible(filters * width), stride=1 if index else stride)
    return classifier(x, conv_bn(y, make_divisible(1280 * width), act="relu"), SLIM)


def _fused(x: Any, filters: int, wide: int, stride: int) -> Any:
    y = conv_bn(conv_bn(x, wide, 3, act="relu"), filters, 1, stride, None)
    return layers.Add()([x, y]) if x.shape == y.shape else y


def _v2(variant: str, size: int) -> Any:
    import keras

    network = getattr(keras.applications, f"EfficientNetV2{variant}")
    return network(weights=None, include_preprocessing=False, input_tensor=image(size))


def _of(prefix: str, variant: str, size: int, build: Callable[[], Any], source: str, heavy: bool = False) -> Definition:
    joint = "" if variant.isdigit() else "_"
    architecture = f"{prefix}{joint}{variant}"
    return Definition(
        f"{architecture}_{size}",
        build,
        prefix.removesuffix("_lite"),
        architecture,
        str(size),
        "classification",
        source,
        heavy=heavy,
    )


_PAPER = "tensorflow/tpu efficientnet; arXiv 1905.11946"
_V2_PAPER = "keras.applications.EfficientNetV2{} without preprocessing; arXiv 2104.00298"
_V2_SIZES = (("B0", 224), ("B1", 240), ("B2", 260), ("B3", 300), ("S", 384))

DEFINITIONS = [
    *[_of("efficientnet", f"b{i}", row[2], partial(_b, *row), _PAPER, heavy=i > 4) for i, row in enumerate(B)],
    *[
        _of("efficientnet_lite", str(i), row[2], partial(_lite, *row), "tensorflow/tpu efficientnet-lite")
        for i, row in enumerate(LITE)
    ],
    *[
        _of("efficientnet_edgetpu", size, row[2], partial(_edgetpu, *row), "tensorflow/tpu efficientnet-edgetpu")
        for size, row in EDGETPU.items()
    ],
    *[
        _of("efficientnet_v2", variant.lower(), size, partial(_v2, variant, size), _V2_PAPER.format(variant))
        for variant, size in _V2_SIZES
    ],
]  # fmt: skip
