"""MobileNet v1, v2, v3 and MobileNet-EdgeTPU as in TF-slim: 1001 classes, 'same' padding, logits by 1x1 convolution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.blocks import SLIM, conv, slim_head, squeeze_excite
from traces.generate.definition import Definition
from traces.generate.dense_prediction import (
    backbone_v1,
    backbone_v2,
    conv_bn,
    depthwise_bn,
    image,
    inverted_residual,
    layers,
    make_divisible,
    model,
)

__all__ = ["DEFINITIONS"]


def _v1(size: int, width: float) -> Any:
    x = image(size)
    return slim_head(x, backbone_v1(x, width)[-1])


def _v1_l2norm(size: int) -> Any:
    """The network of weight imprinting: features of unit length, so that the logits are cosines."""
    import tensorflow as tf

    x = image(size)
    y = backbone_v1(x)[-1]
    y = layers.AveragePooling2D(y.shape[1:3], strides=1)(y)
    y = layers.Lambda(lambda features: tf.nn.l2_normalize(features, axis=-1), output_shape=y.shape[1:])(y)
    return model(x, layers.Softmax()(layers.Reshape((SLIM,))(conv(y, SLIM, act=None))))


def _v2(size: int, width: float, classes: int = SLIM) -> Any:
    x = image(size)
    bottlenecks, _ = backbone_v2(x, width)
    return slim_head(x, conv_bn(bottlenecks[-1], make_divisible(1280 * max(1.0, width))), classes)


# Expanded channels, channels, kernel, stride, squeeze-and-excite, activation.
_V3_SMALL = (
    (16, 16, 3, 2, True, "relu"), (72, 24, 3, 2, False, "relu"), (88, 24, 3, 1, False, "relu"),
    (96, 40, 5, 2, True, "hard_swish"), *[(240, 40, 5, 1, True, "hard_swish")] * 2,
    (120, 48, 5, 1, True, "hard_swish"), (144, 48, 5, 1, True, "hard_swish"),
    (288, 96, 5, 2, True, "hard_swish"), *[(576, 96, 5, 1, True, "hard_swish")] * 2,
)  # fmt: skip
_V3_LARGE = (
    (16, 16, 3, 1, False, "relu"), (64, 24, 3, 2, False, "relu"), (72, 24, 3, 1, False, "relu"),
    (72, 40, 5, 2, True, "relu"), *[(120, 40, 5, 1, True, "relu")] * 2,
    (240, 80, 3, 2, False, "hard_swish"), (200, 80, 3, 1, False, "hard_swish"),
    *[(184, 80, 3, 1, False, "hard_swish")] * 2,
    (480, 112, 3, 1, True, "hard_swish"), (672, 112, 3, 1, True, "hard_swish"),
    (672, 160, 5, 2, True, "hard_swish"), *[(960, 160, 5, 1, True, "hard_swish")] * 2,
)  # fmt: skip
_V3 = {"small": (_V3_SMALL, 576, 1024), "large": (_V3_LARGE, 960, 1280)}


def _v3(size: int, which: str, width: float = 1.0, minimalistic: bool = False) -> Any:
    rows, top, last = _V3[which]
    act = "relu" if minimalistic else "hard_swish"
    x = image(size)
    y, before = conv_bn(x, make_divisible(16 * width), 3, 2, act), 16
    for wide, filters, *row in rows:
        # The expansion factor applies to channels that are already scaled and rounded.
        expanded, before = make_divisible(y.shape[-1] * wide / before), filters
        kernel, stride, squeeze, row_act = (3, row[1], False, "relu") if minimalistic else row
        y = _v3_block(y, expanded, make_divisible(filters * width), kernel, stride, squeeze, row_act)
    y = conv_bn(y, make_divisible(top * width), act=act)
    y = layers.AveragePooling2D(y.shape[1:3], strides=1)(y)
    y = conv(y, make_divisible(last * max(1.0, width)), act=act)
    return model(x, layers.Softmax()(layers.Reshape((SLIM,))(conv(y, SLIM, act=None))))


def _v3_block(x: Any, wide: int, filters: int, kernel: int, stride: int, squeeze: bool, act: str) -> Any:
    y = conv_bn(x, wide, act=act) if wide != x.shape[-1] else x
    y = depthwise_bn(y, kernel, stride, act)
    y = squeeze_excite(y, make_divisible(wide / 4), gate="hard_sigmoid") if squeeze else y
    y = conv_bn(y, filters, act=None)
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == filters else y


# Fused (a full convolution expands), channels, expansion, kernel, stride, residual.
_EDGETPU = (
    (True, 16, 1, 3, 1, False),
    (True, 32, 8, 3, 2, False), *[(True, 32, 4, 3, 1, True)] * 3,
    (True, 48, 8, 3, 2, False), *[(True, 48, 4, 3, 1, True)] * 3,
    (False, 96, 8, 3, 2, False), *[(False, 96, 4, 3, 1, True)] * 3,
    (False, 96, 8, 3, 1, False), *[(False, 96, 4, 3, 1, True)] * 3,
    (False, 160, 8, 5, 2, False), *[(False, 160, 4, 5, 1, True)] * 3,
    (False, 192, 8, 3, 1, False),
)  # fmt: skip


def _edgetpu(size: int, width: float) -> Any:
    x = image(size)
    y = conv_bn(x, make_divisible(32 * width), 3, 2)
    for fused, filters, expansion, kernel, stride, residual in _EDGETPU:
        block = _fused_block if fused else _bottleneck
        z = block(y, make_divisible(filters * width), expansion, kernel, stride)
        y = layers.Add()([z, y]) if residual else z
    return slim_head(x, conv_bn(y, 1280))


def _fused_block(x: Any, filters: int, expansion: int, kernel: int, stride: int) -> Any:
    if expansion == 1:
        return conv_bn(x, filters, act=None)
    return conv_bn(conv_bn(x, x.shape[-1] * expansion, kernel, stride), filters, act=None)


def _bottleneck(x: Any, filters: int, expansion: int, kernel: int, stride: int) -> Any:
    return inverted_residual(x, filters, expansion, kernel, stride, residual=False)[0]


def _of(family: str, variant: str, build: Callable[[], Any], source: str, architecture: str = "") -> Definition:
    return Definition(
        f"{family}_{variant}", build, family.rsplit("_small")[0].rsplit("_large")[0], architecture or family, variant,
        "classification", source,
    )  # fmt: skip


_SLIM = "TF-slim "
_V2_SIZES = ((0.35, 224), (0.5, 224), (0.75, 224), (1.0, 160), (1.0, 192), (1.0, 224), (1.3, 224), (1.4, 224))

DEFINITIONS = [
    *[
        _of("mobilenet_v1", f"{width}_{size}", partial(_v1, size, width), _SLIM + "mobilenet_v1.py; arXiv 1704.04861")
        for width in (0.25, 0.5, 0.75, 1.0)
        for size in (128, 160, 192, 224)
    ],
    _of(
        "mobilenet_v1", "1.0_224_l2norm", partial(_v1_l2norm, 224),
        "TF-slim mobilenet_v1.py with the head of weight imprinting",
        "mobilenet_v1_l2norm",
    ),
    *[
        _of("mobilenet_v2", f"{width}_{size}", partial(_v2, size, width), _SLIM + "mobilenet_v2.py; arXiv 1801.04381")
        for width, size in _V2_SIZES
    ],
    _of(
        "mobilenet_v2", "1.0_224_inat_bird", partial(_v2, 224, 1.0, 965),
        _SLIM + "mobilenet_v2.py, 965 classes of birds",
    ),
    *[
        _of(
            f"mobilenet_v3_{which}", f"{width}_224", partial(_v3, 224, which, width),
            _SLIM + "mobilenet_v3.py; arXiv 1905.02244",
        )
        for which in _V3
        for width in (0.75, 1.0)
    ],
    *[
        _of(
            f"mobilenet_v3_{which}_minimalistic", "1.0_224", partial(_v3, 224, which, minimalistic=True),
            _SLIM + "mobilenet_v3.py; arXiv 1905.02244",
        )
        for which in _V3
    ],
    *[
        _of("mobilenet_edgetpu", f"{width}_224", partial(_edgetpu, 224, width), _SLIM + "mobilenet_v3.py V3_EDGETPU")
        for width in (0.75, 1.0)
    ],
]  # fmt: skip
