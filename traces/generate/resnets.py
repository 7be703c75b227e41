"""ResNet v1, v1.5, v2 and its relatives: wider, grouped, with squeeze-and-excitation, for CIFAR."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.blocks import (
    IMAGENET,
    SLIM,
    batch_norm,
    classifier,
    conv,
    keras_application,
    slim_head,
    squeeze_excite,
)
from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, conv_bn, image, layers, model

__all__ = ["DEFINITIONS"]

_DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}

Block = Callable[[Any, int, int], Any]


def _basic(x: Any, filters: int, stride: int) -> Any:
    y = conv_bn(conv_bn(x, filters, 3, stride, "relu"), filters, 3, act=None)
    return _joined(x, y, stride)


def _bottleneck(x: Any, filters: int, stride: int, wide: int = 1, groups: int = 1, squeeze: bool = False) -> Any:
    """A bottleneck with the stride in its 3x3 convolution (v1.5); ``wide`` multiplies the inner channels."""
    y = conv_bn(x, filters * wide, act="relu")
    y = conv_bn(y, filters * wide, 3, stride, "relu", groups=groups)
    y = conv_bn(y, filters * 4, act=None)
    return _joined(x, squeeze_excite(y, filters // 4) if squeeze else y, stride)


def _joined(x: Any, y: Any, stride: int) -> Any:
    if x.shape != y.shape:
        x = conv_bn(x, y.shape[-1], 1, stride, None)
    return activate(layers.Add()([x, y]), "relu")


def _imagenet(size: int, depth: int, block: Block) -> Any:
    return classifier(*_maps(size, size, depth, block))


def _features(height: int, width: int, depth: int, block: Block) -> Any:
    """The network without its classifier: means of the last maps."""
    x, y = _maps(height, width, depth, block)
    return model(x, layers.GlobalAveragePooling2D()(y))


def _maps(height: int, width: int, depth: int, block: Block) -> tuple[Any, Any]:
    x = image(height, width)
    y = conv_bn(x, 64, 7, 2, "relu")
    y = layers.MaxPooling2D(3, 2, padding="same")(y)
    for stage, repeats in enumerate(_DEPTHS[depth]):
        for index in range(repeats):
            y = block(y, 64 * 2**stage, 2 if stage and not index else 1)
    return x, y


def _cifar(depth: int) -> Any:
    """The CIFAR-10 network of 6n + 2 layers; shortcuts that halve the map are 1x1 convolutions here."""
    x = image(32)
    y = conv_bn(x, 16, 3, 1, "relu")
    for stage in range(3):
        for index in range((depth - 2) // 6):
            y = _basic(y, 16 * 2**stage, 2 if stage and not index else 1)
    return classifier(x, y, 10)


def _slim_v2(size: int, depth: int) -> Any:
    """TF-slim's pre-activation ResNet: strides at the end of each stage, 1001 classes."""
    x = image(size)
    y = conv(layers.ZeroPadding2D(3)(x), 64, 7, 2, None, padding="valid")
    y = layers.MaxPooling2D(3, 2, padding="same")(y)
    for stage, repeats in enumerate(_DEPTHS[depth]):
        for index in range(repeats):
            y = _preactivated(y, 64 * 2**stage, 2 if stage < 3 and index == repeats - 1 else 1)
    return slim_head(x, batch_norm(y), SLIM)


def _slim_v1(size: int, depth: int) -> Any:
    """TF-slim's ResNet: strides at the end of each stage, in the 3x3 convolution."""
    x = image(size)
    y = conv_bn(layers.ZeroPadding2D(3)(x), 64, 7, 2, "relu", padding="valid")
    y = layers.MaxPooling2D(3, 2, padding="same")(y)
    for stage, repeats in enumerate(_DEPTHS[depth]):
        for index in range(repeats):
            y = _slim_bottleneck(y, 64 * 2**stage, 2 if stage < 3 and index == repeats - 1 else 1)
    return slim_head(x, y, IMAGENET)


def _slim_bottleneck(x: Any, filters: int, stride: int) -> Any:
    if x.shape[-1] != filters * 4:
        shortcut = conv_bn(x, filters * 4, 1, stride, None)
    else:
        shortcut = x if stride == 1 else layers.MaxPooling2D(1, stride)(x)
    y = conv_bn(x, filters, act="relu")
    y = conv_bn(y, filters, 3, act="relu") if stride == 1 else _strided(y, filters)
    return activate(layers.Add()([shortcut, conv_bn(y, filters * 4, act=None)]), "relu")


def _preactivated(x: Any, filters: int, stride: int) -> Any:
    before = batch_norm(x)
    if x.shape[-1] != filters * 4:
        shortcut = conv(before, filters * 4, 1, stride, None)
    else:
        shortcut = x if stride == 1 else layers.MaxPooling2D(1, stride)(x)
    y = conv_bn(before, filters, act="relu")
    y = conv_bn(y, filters, 3, stride, "relu") if stride == 1 else _strided(y, filters)
    return layers.Add()([shortcut, conv(y, filters * 4, act=None)])


def _strided(x: Any, filters: int) -> Any:
    return conv_bn(layers.ZeroPadding2D(1)(x), filters, 3, 2, "relu", padding="valid")


_SELECTED = partial(_bottleneck, squeeze=True)
_KERAS = "keras.applications."
_V1_PAPER, _V2_PAPER = "; arXiv 1512.03385", "; arXiv 1603.05027"


def _of(
    name: str, build: Callable[[], Any], source: str, architecture: str, task: str = "classification"
) -> Definition:
    variant = name.removeprefix(architecture).strip("_")
    heavy = any(depth in name for depth in ("101", "152", "wide"))
    return Definition(name, build, "resnet", architecture, variant, task, source, heavy=heavy)


def _keras(depth: int, version: str, size: int) -> Definition:
    constructor = f"ResNet{depth}{version.replace('v1', '').upper()}"
    source = _KERAS + constructor + (_V2_PAPER if version == "v2" else _V1_PAPER)
    architecture = f"resnet_{depth}_{version}"
    return _of(f"{architecture}_{size}", partial(keras_application, constructor, size), source, architecture)


DEFINITIONS = [
    *[
        _of(
            f"resnet_{depth}_v1_224", partial(_imagenet, 224, depth, _basic), "torchvision resnet" + _V1_PAPER,
            f"resnet_{depth}_v1",
        )
        for depth in (18, 34)
    ],
    *[_keras(depth, version, 224) for version in ("v1", "v2") for depth in (50, 101, 152)],
    *[_keras(50, version, 299) for version in ("v1", "v2")],
    _keras(152, "v2", 299),
    _of(
        "resnet_50_v1.5_224", partial(_imagenet, 224, 50, _bottleneck),
        "torchvision resnet50; MLPerf ResNet-50 v1.5", "resnet_50_v1.5",
    ),
    _of("resnet_101_v2_299", partial(_slim_v2, 299, 101), "TF-slim resnet_v2.py" + _V2_PAPER, "resnet_101_v2"),
    _of(
        "wide_resnet_50_2_224", partial(_imagenet, 224, 50, partial(_bottleneck, wide=2)),
        "torchvision wide_resnet50_2; arXiv 1605.07146", "wide_resnet_50_2",
    ),
    _of(
        "resnext_50_32x4d_224", partial(_imagenet, 224, 50, partial(_bottleneck, wide=2, groups=32)),
        "torchvision resnext50_32x4d; arXiv 1611.05431", "resnext_50_32x4d",
    ),
    _of("se_resnet_50_224", partial(_imagenet, 224, 50, _SELECTED), "arXiv 1709.01507, reduction 16", "se_resnet_50"),
    *[
        _of(
            f"slim_resnet_{depth}_v1_224", partial(_slim_v1, 224, depth), "TF-slim resnet_v1.py" + _V1_PAPER,
            f"slim_resnet_{depth}_v1",
        )
        for depth in (50, 101, 152)
    ],
    _of(
        "resnet_50_v1.5_features_256x128", partial(_features, 256, 128, 50, _bottleneck),
        "torchvision resnet50 without classifier, for images of persons" + _V1_PAPER, "resnet_50_v1.5", task="features",
    ),
    _of(
        "resnet_18_v1_features_176x80", partial(_features, 176, 80, 18, _basic),
        "torchvision resnet18 without classifier, for images of persons" + _V1_PAPER, "resnet_18_v1", task="features",
    ),
    *[
        _of(
            f"cifar_resnet_{depth}_32", partial(_cifar, depth),
            "arXiv 1512.03385, section 4.2, shortcuts of option B", f"cifar_resnet_{depth}",
        )
        for depth in (20, 56)
    ],
]  # fmt: skip
