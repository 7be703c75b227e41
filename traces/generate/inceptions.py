"""Inception v1 to v4 and Inception-ResNet v2 as in TF-slim (1001 classes, without the auxiliary head), and Xception.

A branch is written as its convolutions in order: ``(filters, kernel)`` or ``(filters, kernel, stride)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.blocks import SLIM, classifier, conv, keras_application, slim_head
from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, conv_bn, image, layers, model

__all__ = ["DEFINITIONS", "v2_maps"]

Branch = list[tuple[Any, ...]]


def _branch(x: Any, rows: Branch) -> Any:
    """Apply convolutions; those with stride 2 are not padded."""
    for filters, kernel, *stride in rows:
        x = conv_bn(x, filters, kernel, *stride, act="relu", padding="valid" if stride else "same")
    return x


def _mixed(x: Any, *branches: Branch, pooled: int = 0, pool: str = "AveragePooling2D") -> Any:
    """Concatenate branches, and a pooled one with ``pooled`` filters."""
    outputs = [_branch(x, rows) for rows in branches]
    if pooled:
        outputs.append(_branch(getattr(layers, pool)(3, 1, padding="same")(x), [(pooled, 1)]))
    return layers.Concatenate()(outputs)


def _reduction(x: Any, *branches: Branch) -> Any:
    return layers.Concatenate()([*[_branch(x, rows) for rows in branches], layers.MaxPooling2D(3, 2)(x)])


def _same_pool(x: Any, size: int = 3) -> Any:
    return layers.MaxPooling2D(size, 2, padding="same")(x)


def _dense_head(inputs: Any, x: Any) -> Any:
    x = layers.Flatten()(layers.AveragePooling2D(x.shape[1:3], strides=1)(x))
    return model(inputs, layers.Softmax()(layers.Dense(SLIM)(x)))


# 1x1; 3x3 reduced and full; second 3x3 reduced and full; after pooling. A number alone: max pooling of that size.
_V1_ROWS = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), 3,
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), 2,
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip


def _v1(size: int) -> Any:
    x = image(size)
    y = _same_pool(conv_bn(x, 64, 7, 2, "relu"))
    y = _same_pool(_branch(y, [(64, 1), (192, 3)]))
    for row in _V1_ROWS:
        y = _same_pool(y, row) if isinstance(row, int) else _v1_block(y, *row)
    return slim_head(x, y)


def _googlenet(size: int) -> Any:
    """The paper's network, with 5x5 convolutions and 1000 classes; its two normalisations of responses are left out."""
    x = image(size)
    y = _same_pool(conv_bn(x, 64, 7, 2, "relu"))
    y = _same_pool(_branch(y, [(64, 1), (192, 3)]))
    for row in _V1_ROWS:
        y = _same_pool(y) if isinstance(row, int) else _v1_block(y, *row, wide=5)
    return classifier(x, y)


def _v1_block(
    x: Any, one: int, reduced: int, three: int, reduced_2: int, three_2: int, pooled: int, wide: int = 3
) -> Any:
    branches = [(one, 1)], [(reduced, 1), (three, 3)], [(reduced_2, 1), (three_2, wide)]
    return _mixed(x, *branches, pooled=pooled, pool="MaxPooling2D")


def _v2(size: int) -> Any:
    x = image(size)
    y = layers.SeparableConv2D(64, 7, 2, padding="same", depth_multiplier=8, use_bias=False)(x)
    return slim_head(x, v2_maps(activate(layers.BatchNormalization()(y), "relu"))[-1])


def _bn_inception(size: int) -> Any:
    """Inception v2 with a plain first convolution and 1000 classes, as in Caffe."""
    x = image(size)
    return classifier(x, v2_maps(conv_bn(x, 64, 7, 2, "relu"))[-1])


def v2_maps(y: Any) -> list[Any]:
    """Return Inception v2's maps at stride 16 and 32, from the result of its first convolution."""
    y = _same_pool(y)
    y = _same_pool(_branch(y, [(64, 1), (192, 3)]))
    y = _v2_block(y, 64, (64, 64), (64, 96), 32)
    y = _v2_block(y, 64, (64, 96), (64, 96), 64)
    y = _v2_reduction(y, (128, 160), (64, 96))
    y = _v2_block(y, 224, (64, 96), (96, 128), 128)
    y = _v2_block(y, 192, (96, 128), (96, 128), 128)
    y = _v2_block(y, 160, (128, 160), (128, 160), 96)
    fine = y = _v2_block(y, 96, (128, 192), (160, 192), 96)
    y = _v2_reduction(y, (128, 192), (192, 256))
    y = _v2_block(y, 352, (192, 320), (160, 224), 128)
    return [fine, _v2_block(y, 352, (192, 320), (192, 224), 128, "MaxPooling2D")]


def _v2_block(
    x: Any, one: int, three: tuple[int, int], double: tuple[int, int], pooled: int, pool: str = "AveragePooling2D"
) -> Any:
    branches = [(one, 1)], [(three[0], 1), (three[1], 3)], [(double[0], 1), (double[1], 3), (double[1], 3)]
    return _mixed(x, *branches, pooled=pooled, pool=pool)


def _v2_reduction(x: Any, three: tuple[int, int], double: tuple[int, int]) -> Any:
    single = conv_bn(conv_bn(x, three[0], act="relu"), three[1], 3, 2, "relu")
    twice = conv_bn(_branch(x, [(double[0], 1), (double[1], 3)]), double[1], 3, 2, "relu")
    return layers.Concatenate()([single, twice, _same_pool(x)])


def _v3_stem(x: Any) -> Any:
    y = _branch(x, [(32, 3, 2), (32, 3, 1), (64, 3)])
    y = _branch(layers.MaxPooling2D(3, 2)(y), [(80, 1, 1), (192, 3, 1)])
    return layers.MaxPooling2D(3, 2)(y)


_ROW, _COLUMN = (1, 7), (7, 1)


def _v3(size: int) -> Any:
    x = image(size)
    y = _v3_stem(x)
    for pooled in (32, 64, 64):
        y = _mixed(y, [(64, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)], pooled=pooled)
    y = _reduction(y, [(384, 3, 2)], [(64, 1), (96, 3), (96, 3, 2)])
    for inner in (128, 160, 160, 192):
        y = _v3_factorised(y, inner)
    y = _reduction(y, [(192, 1), (320, 3, 2)], [(192, 1), (192, _ROW), (192, _COLUMN), (192, 3, 2)])
    for _ in range(2):
        y = _forked(y, 320, [(384, 1)], [(448, 1), (384, 3)], 384, 192)
    return slim_head(x, y)


def _v3_factorised(x: Any, inner: int) -> Any:
    single = [(inner, 1), (inner, _ROW), (192, _COLUMN)]
    double = [(inner, 1), (inner, _COLUMN), (inner, _ROW), (inner, _COLUMN), (192, _ROW)]
    return _mixed(x, [(192, 1)], single, double, pooled=192)


def _forked(x: Any, one: int, single: Branch, double: Branch, filters: int, pooled: int) -> Any:
    """The widest block: two branches that fork into a 1x3 and a 3x1 convolution."""
    ends = [_branch(x, rows) for rows in (single, double)]
    forks = [_branch(end, [(filters, kernel)]) for end in ends for kernel in ((1, 3), (3, 1))]
    average = _branch(layers.AveragePooling2D(3, 1, padding="same")(x), [(pooled, 1)])
    return layers.Concatenate()([_branch(x, [(one, 1)]), *forks, average])


def _v4(size: int) -> Any:
    x = image(size)
    y = _v4_stem(x)
    for _ in range(4):
        y = _mixed(y, [(96, 1)], [(64, 1), (96, 3)], [(64, 1), (96, 3), (96, 3)], pooled=96)
    y = _reduction(y, [(384, 3, 2)], [(192, 1), (224, 3), (256, 3, 2)])
    for _ in range(7):
        y = _v4_factorised(y)
    y = _reduction(y, [(192, 1), (192, 3, 2)], [(256, 1), (256, _ROW), (320, _COLUMN), (320, 3, 2)])
    for _ in range(3):
        y = _forked(y, 256, [(384, 1)], [(384, 1), (448, (3, 1)), (512, (1, 3))], 256, 256)
    return _dense_head(x, y)


def _v4_stem(x: Any) -> Any:
    y = _reduction(_branch(x, [(32, 3, 2), (32, 3, 1), (64, 3)]), [(96, 3, 2)])
    y = _mixed(y, [(64, 1), (96, 3, 1)], [(64, 1), (64, _ROW), (64, _COLUMN), (96, 3, 1)])
    return _reduction(y, [(192, 3, 2)])


def _v4_factorised(x: Any) -> Any:
    single = [(192, 1), (224, _ROW), (256, _COLUMN)]
    double = [(192, 1), (192, _COLUMN), (224, _ROW), (224, _COLUMN), (256, _ROW)]
    return _mixed(x, [(384, 1)], single, double, pooled=128)


def _resnet_v2(size: int) -> Any:
    x = image(size)
    y = _v3_stem(x)
    y = _mixed(y, [(96, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)], pooled=64)
    for _ in range(10):
        y = _residual(y, 0.17, [(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)])
    y = _reduction(y, [(384, 3, 2)], [(256, 1), (256, 3), (384, 3, 2)])
    for _ in range(20):
        y = _residual(y, 0.1, [(192, 1)], [(128, 1), (160, _ROW), (192, _COLUMN)])
    y = _reduction(y, [(256, 1), (384, 3, 2)], [(256, 1), (288, 3, 2)], [(256, 1), (288, 3), (320, 3, 2)])
    for index in range(10):
        last = index == 9
        rows = [(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]
        y = _residual(y, 1.0 if last else 0.2, *rows, act=None if last else "relu")
    return _dense_head(x, conv_bn(y, 1536, act="relu"))


def _residual(x: Any, scale: float, *branches: Branch, act: str | None = "relu") -> Any:
    y = conv(_mixed(x, *branches), x.shape[-1], act=None)
    y = y if scale == 1.0 else layers.Rescaling(scale)(y)
    return activate(layers.Add()([x, y]), act)


def _of(name: str, build: Callable[[], Any], source: str, family: str = "inception", heavy: bool = False) -> Definition:
    architecture, variant = name.rsplit("_", 1)
    return Definition(name, build, family, architecture, variant, "classification", source, heavy=heavy)


DEFINITIONS = [
    _of("inception_v1_224", partial(_v1, 224), "TF-slim inception_v1.py; arXiv 1409.4842"),
    _of("googlenet_224", partial(_googlenet, 224), "arXiv 1409.4842, table 1"),
    _of("bn_inception_224", partial(_bn_inception, 224), "arXiv 1502.03167, Caffe's 7x7 first convolution"),
    _of("inception_v2_224", partial(_v2, 224), "TF-slim inception_v2.py; arXiv 1502.03167"),
    _of("inception_v3_299", partial(_v3, 299), "TF-slim inception_v3.py; arXiv 1512.00567"),
    _of("inception_v4_299", partial(_v4, 299), "TF-slim inception_v4.py; arXiv 1602.07261", heavy=True),
    _of(
        "inception_resnet_v2_299", partial(_resnet_v2, 299), "TF-slim inception_resnet_v2.py; arXiv 1602.07261",
        heavy=True,
    ),
    _of(
        "xception_299", partial(keras_application, "Xception", 299),
        "keras.applications.Xception; arXiv 1610.02357", "xception",
    ),
]  # fmt: skip
