"""Networks whose layers read many earlier ones: DenseNet, PeleeNet, VoVNet, HarDNet, DLA, CSPDarkNet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.blocks import classifier, keras_application, stack
from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, conv_bn, image, layers

__all__ = ["DEFINITIONS", "cross_stage"]

_bn = partial(conv_bn, act="relu")


def _peleenet(size: int) -> Any:
    x = image(size)
    y = _pelee_stem(x)
    for stage, (repeats, width) in enumerate(zip((3, 4, 8, 6), (1, 2, 4, 4), strict=True)):
        for _ in range(repeats):
            y = _two_way(y, 16 * width // 4 * 4)
        y = _bn(y, y.shape[-1])
        y = y if stage == 3 else layers.AveragePooling2D(2)(y)
    return classifier(x, y)


def _pelee_stem(x: Any) -> Any:
    y = _bn(x, 32, 3, 2)
    branches = [_bn(_bn(y, 16), 32, 3, 2), layers.MaxPooling2D(2)(y)]
    return _bn(layers.Concatenate()(branches), 32)


def _two_way(x: Any, inner: int) -> Any:
    """A dense layer of growth 32: two branches of 16 channels, one of them with two 3x3 convolutions."""
    inner = x.shape[-1] // 8 * 4 if inner > x.shape[-1] // 2 else inner
    branches = [_bn(_bn(x, inner), 16, 3), stack(x, (inner,), (16, 3), (16, 3))]
    return layers.Concatenate()([x, *branches])


def _vovnet(size: int, inner: tuple[int, ...], outer: tuple[int, ...], blocks: tuple[int, ...]) -> Any:
    x = image(size)
    y = stack(x, (64, 3, 2), (64, 3), (128, 3, 2))
    for stage, (wide, filters, repeats) in enumerate(zip(inner, outer, blocks, strict=True)):
        y = layers.MaxPooling2D(3, 2, padding="same")(y) if stage else y
        for index in range(repeats):
            z = _one_shot(y, wide, filters)
            y = layers.Add()([y, z]) if index else z
    return classifier(x, y)


def _one_shot(x: Any, wide: int, filters: int) -> Any:
    """Five 3x3 convolutions in a row, all of them and the input concatenated once."""
    outputs = [x]
    for _ in range(5):
        outputs.append(_bn(outputs[-1], wide, 3))
    return _bn(layers.Concatenate()(outputs), filters)


# Layers, growth, channels and whether max pooling follows.
_HARDNET_68 = (
    (8, 14, 128, True),
    (16, 16, 256, False),
    (16, 20, 320, True),
    (16, 40, 640, True),
    (4, 160, 1024, False),
)


def _hardnet_68(size: int) -> Any:
    x = image(size)
    y = layers.MaxPooling2D(3, 2, padding="same")(stack(x, (32, 3, 2), (64, 3), act="relu6"))
    for depth, growth, filters, pooled in _HARDNET_68:
        y = conv_bn(_harmonic(y, depth, growth), filters)
        y = layers.MaxPooling2D(2)(y) if pooled else y
    return classifier(x, y)


def _harmonic(x: Any, depth: int, growth: int) -> Any:
    """Layer k reads layer k - 2^n for every n where 2^n divides k; odd layers and the last one leave the block."""
    outputs = [x]
    for layer in range(1, depth + 1):
        links = [outputs[layer - 2**n] for n in range(10) if layer % 2**n == 0]
        filters = int(int(growth * 1.7 ** (len(links) - 1) + 1) / 2) * 2
        outputs.append(conv_bn(_concatenated(links), filters, 3))
    return _concatenated([y for layer, y in enumerate(outputs) if layer % 2 or layer == depth])


def _concatenated(parts: list[Any]) -> Any:
    return layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


def _dla_34(size: int) -> Any:
    x = image(size)
    y = _bn(_bn(_bn(x, 16, 7), 16, 3), 32, 3, 2)
    for filters, depth in ((64, 1), (128, 2), (256, 2), (512, 1)):
        y = _tree(y, filters, depth, 2, keep=filters > 64)
    return classifier(x, y)


def _tree(x: Any, filters: int, depth: int, stride: int, keep: bool = False, children: tuple[Any, ...] = ()) -> Any:
    """Aggregate blocks hierarchically; ``keep`` adds the tree's pooled input to what its root reads."""
    bottom = layers.MaxPooling2D(stride)(x) if stride > 1 else x
    children = (*children, bottom) if keep else children
    if depth > 1:
        first = _tree(x, filters, depth - 1, stride)
        return _tree(first, filters, depth - 1, 1, children=(*children, first))
    shortcut = bottom if x.shape[-1] == filters else conv_bn(bottom, filters, act=None)
    first = _residual(x, filters, stride, shortcut)
    second = _residual(first, filters, 1, first)
    return _bn(layers.Concatenate()([second, first, *children]), filters)


def _residual(x: Any, filters: int, stride: int, shortcut: Any) -> Any:
    y = conv_bn(_bn(x, filters, 3, stride), filters, 3, act=None)
    return activate(layers.Add()([y, shortcut]), "relu")


def _cspdarknet_53(size: int) -> Any:
    x = image(size)
    y = conv_bn(x, 32, 3, act="leaky")
    for stage, repeats in enumerate((1, 2, 8, 8, 4)):
        filters = 64 * 2**stage
        y = conv_bn(y, filters, 3, 2, act="leaky")
        y = cross_stage(y, filters, filters // 2 if stage else filters, repeats)
    return classifier(x, y)


def cross_stage(x: Any, filters: int, half: int, repeats: int) -> Any:
    """Half of the channels pass the residual blocks, the other half goes around them."""
    around, y = conv_bn(x, half, act="leaky"), conv_bn(x, half, act="leaky")
    for _ in range(repeats):
        z = conv_bn(y, filters // 2, act="leaky")
        y = layers.Add()([y, conv_bn(z, half, 3, act="leaky")])
    y = conv_bn(y, half, act="leaky")
    return conv_bn(layers.Concatenate()([y, around]), filters, act="leaky")


def _of(name: str, build: Callable[[], Any], source: str, family: str) -> Definition:
    architecture, variant = name.rsplit("_", 1)
    return Definition(name, build, family, architecture, variant, "classification", source)


_SLIM_27 = ((64, 80, 96, 112), (128, 256, 384, 512), (1, 1, 1, 1))
_VOV_39 = ((128, 160, 192, 224), (256, 512, 768, 1024), (1, 1, 2, 2))

DEFINITIONS = [
    *[
        _of(
            f"densenet_{depth}_224", partial(keras_application, f"DenseNet{depth}", 224),
            f"keras.applications.DenseNet{depth}; arXiv 1608.06993", "densenet",
        )
        for depth in (121, 169, 201)
    ],
    _of("peleenet_224", partial(_peleenet, 224), "arXiv 1804.06882", "peleenet"),
    _of("vovnet_27_slim_224", partial(_vovnet, 224, *_SLIM_27), "arXiv 1904.09730", "vovnet"),
    _of("vovnet_39_224", partial(_vovnet, 224, *_VOV_39), "arXiv 1904.09730", "vovnet"),
    _of("hardnet_68_224", partial(_hardnet_68, 224), "arXiv 1909.00948", "hardnet"),
    _of("dla_34_224", partial(_dla_34, 224), "arXiv 1707.06484", "dla"),
    _of("cspdarknet_53_256", partial(_cspdarknet_53, 256), "arXiv 1911.11929, 2004.10934", "darknet"),
]  # fmt: skip
