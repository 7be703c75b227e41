"""Networks found by search: MnasNet, ProxylessNAS, FBNet, Single-Path NAS, MixNet, NASNet, NAS-Bench-201."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.blocks import batch_norm, classifier, keras_application, squeeze_excite
from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, conv_bn, depthwise_bn, image, layers
from traces.generate.efficientnets import mbconv

__all__ = ["DEFINITIONS"]

# Rows: repeats, kernel, stride, expansion, channels, squeeze-and-excite ratio (0 where left out).
Rows = tuple[tuple[Any, ...], ...]
_MNASNET_A1: Rows = (
    (2, 3, 2, 6, 24), (3, 5, 2, 3, 40, 0.25), (4, 3, 2, 6, 80), (2, 3, 1, 6, 112, 0.25), (3, 5, 2, 6, 160, 0.25),
    (1, 3, 1, 6, 320),
)  # fmt: skip
_MNASNET_B1: Rows = (
    (3, 3, 2, 3, 24), (3, 5, 2, 3, 40), (3, 5, 2, 6, 80), (2, 3, 1, 6, 96), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
_PROXYLESS_MOBILE: Rows = (
    (1, 5, 2, 3, 32), (1, 3, 1, 3, 32), (1, 7, 2, 3, 40), (1, 3, 1, 3, 40), (2, 5, 1, 3, 40),
    (1, 7, 2, 6, 80), (3, 5, 1, 3, 80), (1, 5, 1, 6, 96), (3, 5, 1, 3, 96),
    (1, 7, 2, 6, 192), (1, 7, 1, 6, 192), (2, 7, 1, 3, 192), (1, 7, 1, 6, 320),
)  # fmt: skip
_FBNET_C: Rows = (
    (1, 3, 1, 1, 16), (1, 3, 2, 6, 24), (2, 3, 1, 1, 24),
    (1, 5, 2, 6, 32), (1, 5, 1, 3, 32), (1, 5, 1, 6, 32), (1, 3, 1, 6, 32),
    (1, 5, 2, 6, 64), (1, 5, 1, 3, 64), (2, 5, 1, 6, 64), (3, 5, 1, 6, 112), (1, 5, 1, 3, 112),
    (4, 5, 2, 6, 184), (1, 3, 1, 6, 352),
)  # fmt: skip
_SINGLE_PATH: Rows = (
    (3, 3, 2, 3, 24), (1, 5, 2, 6, 40), (3, 3, 1, 3, 40), (1, 5, 2, 6, 80), (3, 3, 1, 3, 80),
    (1, 5, 1, 6, 96), (3, 5, 1, 3, 96), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip


def _mobile(size: int, rows: Rows, stem: int = 32, separable: int = 16, top: int = 1280, act: str = "relu") -> Any:
    """Stem, a separable block without expansion (unless ``separable`` is 0), inverted bottlenecks, 1x1 convolution."""
    x = image(size)
    y = conv_bn(x, stem, 3, 2, act)
    y = conv_bn(depthwise_bn(y, 3, 1, act), separable, act=None) if separable else y
    for repeats, kernel, stride, expansion, filters, *squeeze in rows:
        for index in range(repeats):
            # A block without expansion still has its 1x1 convolution in FBNet, whose channels stay.
            block = partial(_unexpanded if expansion == 1 else mbconv, act=act, squeeze=squeeze[0] if squeeze else 0.0)
            y = block(y, filters, expansion, kernel, 1 if index else stride)
    return classifier(x, conv_bn(y, top, act=act))


def _unexpanded(x: Any, filters: int, expansion: int, kernel: int, stride: int, act: str, squeeze: float) -> Any:
    y = depthwise_bn(conv_bn(x, x.shape[-1], act=act), kernel, stride, act)
    y = conv_bn(y, filters, act=None)
    return layers.Add()([x, y]) if x.shape == y.shape else y


# Kernels, groups of the expanding and of the projecting convolution, stride, expansion, channels, squeeze, activation.
_MIXNET_S = (
    ((3,), 2, 2, 2, 6, 24, 0.0, "relu"), ((3,), 2, 2, 1, 3, 24, 0.0, "relu"),
    ((3, 5, 7), 1, 1, 2, 6, 40, 0.5, "silu"), *[((3, 5), 2, 2, 1, 6, 40, 0.5, "silu")] * 3,
    ((3, 5, 7), 1, 2, 2, 6, 80, 0.25, "silu"), *[((3, 5), 1, 2, 1, 6, 80, 0.25, "silu")] * 2,
    ((3, 5, 7), 2, 2, 1, 6, 120, 0.5, "silu"), *[((3, 5, 7, 9), 2, 2, 1, 3, 120, 0.5, "silu")] * 2,
    ((3, 5, 7, 9, 11), 1, 1, 2, 6, 200, 0.5, "silu"), *[((3, 5, 7, 9), 1, 2, 1, 6, 200, 0.5, "silu")] * 2,
)  # fmt: skip


def _mixnet(size: int) -> Any:
    x = image(size)
    y = conv_bn(x, 16, 3, 2, "relu")
    y = layers.Add()([y, conv_bn(depthwise_bn(y, 3, 1, "relu"), 16, act=None)])
    for row in _MIXNET_S:
        y = _mixed_block(y, *row)
    return classifier(x, conv_bn(y, 1536, act="relu"))


def _mixed_block(
    x: Any,
    kernels: tuple[int, ...],
    wide: int,
    narrow: int,
    stride: int,
    expansion: int,
    filters: int,
    squeeze: float,
    act: str,
) -> Any:
    channels = x.shape[-1]
    y = batch_norm(_split_conv(x, channels * expansion, wide), act)
    y = batch_norm(_mixed_depthwise(y, kernels, stride), act)
    y = squeeze_excite(y, int(channels * squeeze), act) if squeeze else y
    y = batch_norm(_split_conv(y, filters, narrow), None)
    return layers.Add()([x, y]) if x.shape == y.shape else y


def _split(x: Any, sizes: list[int]) -> list[Any]:
    """Split channels into parts of the given sizes."""
    import keras

    ends = [sum(sizes[: index + 1]) for index in range(len(sizes) - 1)]
    return keras.ops.split(x, ends, axis=-1) if ends else [x]


def _split_conv(x: Any, filters: int, groups: int) -> Any:
    parts = _split(x, [x.shape[-1] // groups] * groups)
    return _concatenate([layers.Conv2D(filters // groups, 1, use_bias=False)(part) for part in parts])


def _mixed_depthwise(x: Any, kernels: tuple[int, ...], stride: int) -> Any:
    sizes = [x.shape[-1] // len(kernels)] * len(kernels)
    sizes[0] += x.shape[-1] - sum(sizes)
    options = {"strides": stride, "padding": "same", "use_bias": False}
    parts = [layers.DepthwiseConv2D(k, **options)(part) for part, k in zip(_split(x, sizes), kernels, strict=True)]
    return _concatenate(parts)


def _concatenate(parts: list[Any]) -> Any:
    return layers.Concatenate()(parts) if len(parts) > 1 else parts[0]


# The benchmark's first three cells: operations of the edges 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2.
_CELLS = {
    0: ("avg_pool", "conv_1x1", "skip", "conv_1x1", "skip", "skip"),
    1: ("conv_3x3", "conv_3x3", "avg_pool", "skip", "conv_3x3", "skip"),
    2: ("avg_pool", "conv_3x3", "conv_3x3", "avg_pool", "avg_pool", "avg_pool"),
}


def _nasbench_201(size: int, cell: tuple[str, ...], classes: int) -> Any:
    x = image(size)
    y = conv_bn(x, 16, 3, act=None)
    for filters in (16, 32, 64):
        y = y if filters == 16 else _downsample(y, filters)
        for _ in range(5):
            y = _cell(y, cell)
    return classifier(x, batch_norm(y), classes)


def _cell(x: Any, cell: tuple[str, ...]) -> Any:
    nodes, edges = [x], iter(cell)
    for _ in range(3):
        inputs = [_edge(node, next(edges)) for node in nodes]
        nodes.append(_add([tensor for tensor in inputs if tensor is not None]))
    return nodes[-1]


def _add(tensors: list[Any]) -> Any:
    total = tensors[0]
    for tensor in tensors[1:]:
        total = layers.Add()([total, tensor])
    return total


def _edge(x: Any, op: str) -> Any:
    if op in ("skip", "none"):
        return x if op == "skip" else None
    if op == "avg_pool":
        return layers.AveragePooling2D(3, 1, padding="same")(x)
    return conv_bn(activate(x, "relu"), x.shape[-1], int(op[-1]), act=None)


def _downsample(x: Any, filters: int) -> Any:
    y = conv_bn(activate(x, "relu"), filters, 3, 2, None)
    y = conv_bn(activate(y, "relu"), filters, 3, act=None)
    return layers.Add()([y, layers.Conv2D(filters, 1, use_bias=False)(layers.AveragePooling2D(2)(x))])


def _of(
    name: str, build: Callable[[], Any], source: str, family: str, architecture: str = "", heavy: bool = False
) -> Definition:
    architecture = architecture or name.rsplit("_", 1)[0]
    variant = name.removeprefix(architecture).strip("_")
    return Definition(name, build, family, architecture, variant, "classification", source, heavy=heavy)


_DATASETS = (("cifar10", 32, 10), ("cifar100", 32, 100), ("imagenet16_120", 16, 120))

DEFINITIONS = [
    _of("mnasnet_a1_224", partial(_mobile, 224, _MNASNET_A1), "arXiv 1807.11626", "mnasnet"),
    _of("mnasnet_b1_224", partial(_mobile, 224, _MNASNET_B1), "torchvision mnasnet1_0; arXiv 1807.11626", "mnasnet"),
    _of(
        "proxylessnas_mobile_224", partial(_mobile, 224, _PROXYLESS_MOBILE, act="relu6"), "arXiv 1812.00332",
        "proxylessnas"
    ),
    _of("fbnet_c_224", partial(_mobile, 224, _FBNET_C, 16, 0, 1984), "arXiv 1812.03443", "fbnet"),
    _of("single_path_nas_224", partial(_mobile, 224, _SINGLE_PATH), "arXiv 1904.02877", "single_path_nas"),
    _of("mixnet_s_224", partial(_mixnet, 224), "arXiv 1907.09595", "mixnet"),
    _of(
        "nasnet_mobile_224", partial(keras_application, "NASNetMobile", 224),
        "keras.applications.NASNetMobile; arXiv 1707.07012", "nasnet",
    ),
    _of(
        "nasnet_large_331", partial(keras_application, "NASNetLarge", 331),
        "keras.applications.NASNetLarge; arXiv 1707.07012", "nasnet", heavy=True,
    ),
    *[
        _of(
            f"nasbench201_arch{index}_{dataset}", partial(_nasbench_201, size, cell, classes), "arXiv 2001.00326",
            "nasbench201", f"nasbench201_arch{index}",
        )
        for index, cell in _CELLS.items()
        for dataset, size, classes in _DATASETS
    ],
]  # fmt: skip
