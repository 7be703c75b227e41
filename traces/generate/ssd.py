"""SSD and SSDLite of the TF1 object detection API: backbone, six feature maps, convolutional box predictor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from traces.generate import postprocess
from traces.generate.definition import Definition
from traces.generate.dense_prediction import (
    activate,
    backbone_v1,
    backbone_v2,
    conv_bn,
    depthwise_bn,
    fixed_pad,
    image,
    layers,
    model,
    separable_bn,
)
from traces.generate.edgetpu_backbones import mobiledet_edgetpu, mobilenet_edgetpu, mobilenet_v3_detection
from traces.generate.inceptions import v2_maps
from traces.generate.mobiledet import mobiledet_cpu, mobiledet_dsp

__all__ = ["DEFINITIONS", "extra_maps", "ssd_head"]

ANCHORS = (3, 6, 6, 6, 6, 6)
COCO = 91


def extra_maps(x: Any, width: float = 1.0, depthwise: bool = False, explicit_padding: bool = False) -> list[Any]:
    """Return the four maps below ``x``: a 1x1 convolution of half the depth, then a strided 3x3 one."""
    maps = []
    for depth in (512, 256, 256, 128):
        x = conv_bn(x, max(16, int(depth / 2 * width)))
        x = _downsample(x, max(16, int(depth * width)), depthwise, explicit_padding)
        maps.append(x)
    return maps


def _downsample(x: Any, depth: int, depthwise: bool, explicit_padding: bool) -> Any:
    if depthwise:
        return separable_bn(x, depth, 3, 2)
    x = fixed_pad(x) if explicit_padding else x
    return conv_bn(x, depth, 3, 2, padding="valid" if explicit_padding else "same")


def ssd_head(maps: Sequence[Any], classes: int, kernel: int = 1, depthwise: bool = False) -> list[Any]:
    """Return boxes (1, N, 4) and sigmoid scores (1, N, classes) predicted from the feature maps."""
    predict = partial(_predict, kernel=kernel, depthwise=depthwise)
    anchors = list(zip(maps, ANCHORS, strict=False))
    boxes = [predict(x, n * 4, (-1, 1, 4)) for x, n in anchors]
    scores = [predict(x, n * classes, (-1, classes)) for x, n in anchors]
    joined = layers.Concatenate(axis=1)(boxes)
    squeezed = layers.Reshape((joined.shape[1], 4))(joined)
    return [squeezed, layers.Activation("sigmoid")(layers.Concatenate(axis=1)(scores))]


def _predict(x: Any, filters: int, shape: tuple[int, ...], kernel: int, depthwise: bool) -> Any:
    if depthwise:
        x, kernel = depthwise_bn(x, 3), 1
    x = layers.Conv2D(filters, kernel, padding="same")(x)
    return layers.Reshape(shape)(x)


def _ssd_v1(size: int, width: float = 1.0, classes: int = COCO) -> Any:
    x = image(size)
    outputs = backbone_v1(x, width)
    maps = [outputs[11], outputs[13], *extra_maps(outputs[13], width)]
    return model(x, ssd_head(maps, classes))


def _maps_v2(x: Any, depthwise: bool = False, explicit_padding: bool = False) -> list[Any]:
    outputs, expanded = backbone_v2(x, explicit_padding=explicit_padding)
    top = conv_bn(outputs[-1], 1280)
    return [expanded[13], top, *extra_maps(top, 1.0, depthwise, explicit_padding)]


def _ssd_v2(size: int, classes: int = COCO, kernel: int = 1, explicit_padding: bool = False) -> Any:
    x = image(size)
    return model(x, ssd_head(_maps_v2(x, explicit_padding=explicit_padding), classes, kernel))


def _ssd_inception_v2(size: int) -> Any:
    """Maps at stride 16 and 32 of Inception v2, whose first convolution is separable, and four below them."""
    x = image(size)
    y = layers.SeparableConv2D(64, 7, 2, padding="same", depth_multiplier=8, use_bias=False)(x)
    maps = v2_maps(activate(layers.BatchNormalization()(y), "relu"))
    return model(x, ssd_head([*maps, *extra_maps(maps[-1])], COCO, 3))


def _ssdlite_v2(size: int, classes: int = COCO) -> Any:
    x = image(size)
    return model(x, ssd_head(_maps_v2(x, depthwise=True), classes, depthwise=True))


def _ssdlite(size: int, backbone: Callable[[Any], tuple[Any, Any]], classes: int = COCO) -> Any:
    x = image(size)
    c4, c5 = backbone(x)
    return model(x, ssd_head([c4, c5, *extra_maps(c5, depthwise=True)], classes, depthwise=True))


_NMS = postprocess.detection(classes=90)
_OD = "TF1 object detection API, "


def _ssd(
    name: str, build: Callable[[], Any], architecture: str, variant: str, source: str, **options: Any
) -> Definition:
    family = "ssdlite" if name.startswith("ssdlite") else "ssd"
    return Definition(name, build, family, architecture, variant, "detection", _OD + source, **options)


def _pair(name: str, build: Callable[[], Any], architecture: str, variant: str, source: str) -> list[Definition]:
    bare = _ssd(f"{name}_no_postprocess", build, architecture, f"{variant}, without post-processing", source)
    return [_ssd(name, build, architecture, variant, source, postprocess=_NMS), bare]


_V1 = "ssd_mobilenet_v1_quantized_300x300_coco14_sync.config"
_V2 = "ssd_mobilenet_v2_quantized_300x300_coco.config"
_FACE = "facessd_mobilenet_v2_quantized_320x320_open_image_v4.config"

DEFINITIONS = [
    *_pair("ssd_mobilenet_v1_coco_300", partial(_ssd_v1, 300), "ssd_mobilenet_v1", "300", _V1),
    *_pair(
        "ssd_mobilenet_v1_0.75_coco_300", partial(_ssd_v1, 300, 0.75), "ssd_mobilenet_v1", "width 0.75, 300",
        "ssd_mobilenet_v1_0.75_depth_quantized_300x300_coco14_sync.config",
    )[:1],
    *_pair("ssd_mobilenet_v2_coco_300", partial(_ssd_v2, 300), "ssd_mobilenet_v2", "300", _V2),
    _ssd(
        "ssd_mobilenet_v2_wide_300_no_postprocess", partial(_ssd_v2, 300, kernel=3), "ssd_mobilenet_v2",
        "3x3 predictors, 300, without post-processing", "ssd_mobilenet_v2_coco.config, kernel_size 3",
    ),
    _ssd(
        "ssd_inception_v2_coco_300_no_postprocess", partial(_ssd_inception_v2, 300), "ssd_inception_v2",
        "300, without post-processing", "ssd_inception_v2_coco.config, kernel_size 3",
    ),
    _ssd(
        "ssd_mobilenet_v2_face_320", partial(_ssd_v2, 320, 2, 3, True), "ssd_mobilenet_v2",
        "1 class, 320", _FACE, postprocess=postprocess.detection(classes=1, detections=50),
    ),
    *_pair(
        "ssdlite_mobilenet_v2_300", partial(_ssdlite_v2, 300), "ssdlite_mobilenet_v2", "300",
        "ssdlite_mobilenet_v2_coco_quantize.config",
    ),
    *_pair(
        "ssdlite_mobiledet_320", partial(_ssdlite, 320, mobiledet_edgetpu), "ssdlite_mobiledet_edgetpu", "320",
        "ssdlite_mobiledet_edgetpu_320x320_coco_sync_4x4.config; arXiv 2004.14525",
    ),
    *_pair(
        "ssdlite_mobiledet_dsp_320", partial(_ssdlite, 320, mobiledet_dsp), "ssdlite_mobiledet_dsp", "320",
        "ssdlite_mobiledet_dsp_320x320_coco_sync_4x4.config; arXiv 2004.14525",
    )[:1],
    *_pair(
        "ssdlite_mobiledet_cpu_320", partial(_ssdlite, 320, mobiledet_cpu), "ssdlite_mobiledet_cpu", "320",
        "ssdlite_mobiledet_cpu_320x320_coco_sync_4x4.config; arXiv 2004.14525",
    )[:1],
    *_pair(
        "ssdlite_mobilenet_edgetpu_coco_320", partial(_ssdlite, 320, mobilenet_edgetpu), "ssdlite_mobilenet_edgetpu",
        "320", "ssdlite_mobilenet_edgetpu_320x320_coco_quant.config",
    )[:1],
    *_pair(
        "ssdlite_mobilenet_v3_small_320", partial(_ssdlite, 320, partial(mobilenet_v3_detection, size="small")),
        "ssdlite_mobilenet_v3_small", "320", "ssdlite_mobilenet_v3_small_320x320_coco.config; arXiv 1905.02244",
    )[:1],
    *_pair(
        "ssdlite_mobilenet_v3_large_320", partial(_ssdlite, 320, partial(mobilenet_v3_detection, size="large")),
        "ssdlite_mobilenet_v3_large", "320", "ssdlite_mobilenet_v3_large_320x320_coco.config; arXiv 1905.02244",
    )[:1],
]  # fmt: skip
