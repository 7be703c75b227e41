"""Further networks of the DPU boards' model zoo whose definitions are public; raw maps as outputs.

Their results are decoded by the program that runs them, as on the boards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import (
    activate,
    backbone_v1,
    backbone_v2,
    conv_bn,
    image,
    layers,
    model,
    resize,
)

__all__ = ["DEFINITIONS"]

CITYSCAPES = 19
_relu = partial(conv_bn, act="relu")


def _conv(x: Any, filters: int, kernel: int = 3, stride: int = 1, act: str | None = "relu", rate: int = 1) -> Any:
    y = layers.Conv2D(filters, kernel, strides=stride, padding="same", dilation_rate=rate)(x)
    return activate(y, act)


# Faces and points


def _sphereface(blocks: Sequence[int]) -> Any:
    """SphereFace: four stages of residual blocks with PReLU, and a layer of 512 features."""
    x = y = image(112, 96)
    for stage, repeats in enumerate(blocks):
        filters = 64 * 2**stage
        y = _conv(y, filters, 3, 2, "prelu")
        for _ in range(repeats):
            y = layers.Add()([y, _conv(_conv(y, filters, act="prelu"), filters, act="prelu")])
    return model(x, layers.Dense(512)(layers.Flatten()(y)))


def _superpoint(height: int, width: int) -> Any:
    """SuperPoint: a shared encoder of VGG's kind, maps of points (65) and of descriptors (256)."""
    x = y = image(height, width, 1)
    for number, filters in enumerate((64, 64, 128, 128)):
        y = layers.MaxPooling2D(2)(y) if number else y
        y = _conv(_conv(y, filters), filters)
    points = _conv(_conv(y, 256), 65, 1, act=None)
    return model(x, [points, _conv(_conv(y, 256), 256, 1, act=None)])


def _retinaface(height: int, width: int) -> Any:
    """RetinaFace on MobileNet v1 of width 0.25: a pyramid of 64 channels, context modules, three heads a level."""
    x = image(height, width)
    outputs = backbone_v1(x, 0.25)
    fine, middle, coarse = (_relu(outputs[i], 64) for i in (5, 11, 13))
    middle = _relu(layers.Add()([middle, _like(coarse, middle)]), 64, 3)
    fine = _relu(layers.Add()([fine, _like(middle, fine)]), 64, 3)
    levels = [_context(y) for y in (fine, middle, coarse)]
    return model(x, [_conv(y, 2 * values, 1, act=None) for y in levels for values in (2, 4, 10)])


def _context(x: Any) -> Any:
    """Three receptive fields beside each other."""
    wide, first = conv_bn(x, 32, 3, act=None), _relu(x, 16, 3)
    second = conv_bn(first, 16, 3, act=None)
    third = conv_bn(_relu(first, 16, 3), 16, 3, act=None)
    return activate(layers.Concatenate()([wide, second, third]), "relu")


def _like(x: Any, target: Any) -> Any:
    return resize(x, target.shape[1], target.shape[2], "nearest")


# Detectors


def _resnet_34_maps(x: Any) -> Any:
    """ResNet-34 up to its third stage, which keeps the resolution (MLPerf's SSD)."""
    y = layers.MaxPooling2D(3, 2, padding="same")(_relu(x, 64, 7, 2))
    for filters, repeats, first in ((64, 3, 1), (128, 4, 2), (256, 6, 1)):
        for index in range(repeats):
            y = basic_block(y, filters, 1 if index else first)
    return y


def basic_block(x: Any, filters: int, stride: int) -> Any:
    """Two 3x3 convolutions and a shortcut."""
    y = conv_bn(_relu(x, filters, 3, stride), filters, 3, act=None)
    shortcut = x if x.shape == y.shape else conv_bn(x, filters, 1, stride, None)
    return activate(layers.Add()([shortcut, y]), "relu")


def _ssd_resnet_34(size: int, classes: int = 81) -> Any:
    """MLPerf's large SSD: six maps, heads of 3x3 with strides 3, 3, 2, 2, 2, 2."""
    x = image(size)
    maps = [_resnet_34_maps(x)]
    for inner, filters, stride in ((256, 512, 2), (256, 512, 2), (128, 256, 2), (128, 256, 2), (128, 256, 1)):
        padding = "same" if stride == 2 else "valid"
        y = _conv(maps[-1], inner, 1)
        maps.append(activate(layers.Conv2D(filters, 3, strides=stride, padding=padding)(y), "relu"))
    outputs = []
    for y, anchors, stride in zip(maps, (4, 6, 6, 6, 4, 4), (3, 3, 2, 2, 2, 2), strict=True):
        outputs += [_conv(y, anchors * values, 3, stride, None) for values in (4, classes)]
    return model(x, outputs)


# YOLOv4-CSP

_leaky = partial(conv_bn, act="leaky")


def _yolo_v4_csp(size: int, classes: int = 80) -> Any:
    """YOLOv4-CSP with leaky activations in place of Mish, raw maps."""
    x = image(size)
    y = _halves(_leaky(_leaky(x, 32, 3), 64, 3, 2), 64, 1, 32)
    maps = []
    for filters, repeats in ((128, 2), (256, 8), (512, 8), (1024, 4)):
        y = _cross_stage(_leaky(y, filters, 3, 2), filters, repeats)
        maps.append(y)
    top = _pyramid_cross_stage(maps[3], 512)
    p4 = _flat_cross_stage(_joined_up(top, maps[2], 256), 256)
    p3 = _flat_cross_stage(_joined_up(p4, maps[1], 128), 128)
    n4 = _flat_cross_stage(layers.Concatenate()([_leaky(p3, 256, 3, 2), p4]), 256)
    n5 = _flat_cross_stage(layers.Concatenate()([_leaky(n4, 512, 3, 2), top]), 512)
    heads = ((p3, 256), (n4, 512), (n5, 1024))
    return model(x, [_conv(_leaky(y, filters, 3), 3 * (classes + 5), 1, act=None) for y, filters in heads])


def _halves(x: Any, filters: int, repeats: int, inner: int, shortcut: bool = True) -> Any:
    for _ in range(repeats):
        y = _leaky(_leaky(x, inner), filters, 3)
        x = layers.Add()([x, y]) if shortcut else y
    return x


def _cross_stage(x: Any, filters: int, repeats: int) -> Any:
    half = filters // 2
    y = layers.Conv2D(half, 1, use_bias=False)(_halves(_leaky(x, half), half, repeats, half))
    return _leaky(_normal(layers.Concatenate()([y, layers.Conv2D(half, 1, use_bias=False)(x)])), filters)


def _flat_cross_stage(x: Any, filters: int, repeats: int = 2) -> Any:
    x = _leaky(x, filters)
    around = layers.Conv2D(filters, 1, use_bias=False)(x)
    y = _halves(x, filters, repeats, filters, shortcut=False)
    return _leaky(_normal(layers.Concatenate()([y, around])), filters)


def _pyramid_cross_stage(x: Any, filters: int) -> Any:
    around = layers.Conv2D(filters, 1, use_bias=False)(x)
    y = _leaky(_leaky(_leaky(x, filters), filters, 3), filters)
    y = layers.Concatenate()([y, *[layers.MaxPooling2D(kernel, 1, padding="same")(y) for kernel in (5, 9, 13)]])
    y = _leaky(_leaky(y, filters), filters, 3)
    return _leaky(_normal(layers.Concatenate()([y, around])), filters)


def _normal(x: Any) -> Any:
    return activate(layers.BatchNormalization()(x), "leaky")


def _joined_up(x: Any, skip: Any, filters: int) -> Any:
    return layers.Concatenate()([_leaky(skip, filters), _like(_leaky(x, filters), skip)])


# Lanes and streets


def _residual_18(x: Any) -> list[Any]:
    """Return ResNet-18's four maps."""
    y, maps = layers.MaxPooling2D(3, 2, padding="same")(_relu(x, 64, 7, 2)), []
    for stage in range(4):
        for index in range(2):
            y = basic_block(y, 64 * 2**stage, 2 if stage and not index else 1)
        maps.append(y)
    return maps


def _lanes(height: int, width: int) -> Any:
    """Ultra Fast Lane Detection on ResNet-18: 201 cells, 18 rows, 4 lanes, by two dense layers."""
    x = image(height, width)
    y = _conv(_residual_18(x)[-1], 8, 1, act=None)
    y = layers.Dense(2048, activation="relu")(layers.Flatten()(y))
    return model(x, layers.Dense(201 * 18 * 4)(y))


def _deeplab_street(height: int, width: int) -> Any:
    """DeepLab on MobileNet v2 at an output stride of 8, without spatial pyramid."""
    x = image(height, width)
    outputs, _ = backbone_v2(x, output_stride=8)
    y = _relu(_relu(outputs[-1], 256), 256)  # the pyramid's one branch, and the projection of it
    y = layers.Conv2D(CITYSCAPES, 1)(y)
    return model(x, resize(y, height, width))


def _erfnet(height: int, width: int, classes: int = CITYSCAPES + 1) -> Any:
    """ERFNet: downsampling by convolution and pooling, factorised residual blocks with dilation, transposed layers."""
    x = image(height, width)
    y = _shrunk(_shrunk(x, 16), 64)
    for _ in range(5):
        y = _factorised(y, 64)
    y = _shrunk(y, 128)
    for rate in (2, 4, 8, 16) * 2:
        y = _factorised(y, 128, rate)
    for filters in (64, 16):
        y = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", use_bias=False)(y)
        y = activate(layers.BatchNormalization()(y), "relu")
        for _ in range(2):
            y = _factorised(y, filters)
    return model(x, layers.Conv2DTranspose(classes, 2, strides=2)(y))


def _shrunk(x: Any, filters: int) -> Any:
    y = layers.Conv2D(filters - x.shape[-1], 3, strides=2, padding="same")(x)
    y = layers.Concatenate()([y, layers.MaxPooling2D(2)(x)])
    return activate(layers.BatchNormalization()(y), "relu")


def _factorised(x: Any, filters: int, rate: int = 1) -> Any:
    y = activate(_one_dimensional(x, filters, 1), "relu")
    return activate(layers.Add()([x, _one_dimensional(y, filters, rate)]), "relu")


def _one_dimensional(x: Any, filters: int, rate: int) -> Any:
    y = layers.Conv2D(filters, (3, 1), padding="same", dilation_rate=(rate, 1), activation="relu")(x)
    y = layers.Conv2D(filters, (1, 3), padding="same", dilation_rate=(1, rate), use_bias=False)(y)
    return layers.BatchNormalization()(y)


def _of(name: str, build: Callable[[], Any], family: str, task: str, source: str) -> Definition:
    architecture, variant = name.removesuffix("_no_postprocess").rsplit("_", 1)
    note = ", without post-processing" if name.endswith("_no_postprocess") else ""
    return Definition(name, build, family, architecture, variant + note, task, source, heavy=True)


DEFINITIONS = [
    _of("sphereface_20_112x96", partial(_sphereface, (1, 2, 4, 1)), "face", "features", "arXiv 1704.08063"),
    _of("superpoint_480x640", partial(_superpoint, 480, 640), "keypoints", "keypoints", "arXiv 1712.07629"),
    _of(
        "retinaface_mobilenet_v1_0.25_360x640", partial(_retinaface, 360, 640), "face", "detection",
        "biubug6/Pytorch_Retinaface, mobile0.25; arXiv 1905.00641",
    ),
    _of(
        "ssd_resnet_34_1200_no_postprocess", partial(_ssd_resnet_34, 1200), "ssd", "detection",
        "MLPerf inference v0.5 to v1.1, ssd-resnet34",
    ),
    _of(
        "yolov4_csp_640_no_postprocess", partial(_yolo_v4_csp, 640), "yolo", "detection",
        "WongKinYiu/ScaledYOLOv4, yolov4-csp.yaml; arXiv 2011.08036",
    ),
    _of("ultrafast_lanes_288x800", partial(_lanes, 288, 800), "lanes", "lanes", "arXiv 2004.11757"),
    _of(
        "deeplab_street_mobilenet_v2_1024x2048", partial(_deeplab_street, 1024, 2048), "deeplab", "segmentation",
        "TF deeplab, mobilenetv2_coco_cityscapes_trainfine at output stride 8; arXiv 1801.04381",
    ),
    _of("erfnet_512x1024", partial(_erfnet, 512, 1024), "erfnet", "segmentation", "Eromera/erfnet_pytorch"),
]  # fmt: skip
