"""All segmentation networks; here DeepLab v3, U-Net, FPN and FCN."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate import postprocess, realtime_segmentation
from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, argmax, backbone_v2, conv_bn, image, layers, model, resize

__all__ = ["DEFINITIONS"]

Hook = Callable[[bytes], bytes]

PASCAL = 21


def _deeplab(size: int, width: float) -> Any:
    """Mobile DeepLab v3: output stride 16, ASPP reduced to 1x1 convolution and image pooling, argmax at full size."""
    x = image(size)
    outputs, _ = backbone_v2(x, width, output_stride=16, divisor=4)
    top = outputs[-1]
    side = top.shape[1]
    pooled = conv_bn(layers.AveragePooling2D(side)(top), 256, act="relu")
    branches = [resize(pooled, side, side), conv_bn(top, 256, act="relu")]
    y = conv_bn(layers.Concatenate()(branches), 256, act="relu")
    y = layers.Conv2D(PASCAL, 1)(y)
    return model(x, argmax(resize(resize(y, side, side), size, size)))


_SKIPS = ("block_13_expand_relu", "block_6_expand_relu", "block_3_expand_relu", "block_1_expand_relu")


def _unet_mobilenet_v2(size: int, classes: int = 3) -> Any:
    """The TensorFlow image-segmentation tutorial's U-Net: MobileNet v2 encoder, pix2pix upsampling decoder."""
    import keras

    x = image(size)
    encoder = keras.applications.MobileNetV2(input_tensor=x, include_top=False, weights=None)
    y = encoder.get_layer("block_16_project").output
    for filters, skip in zip((512, 256, 128, 64), _SKIPS, strict=True):
        y = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", use_bias=False)(y)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.Concatenate()([y, encoder.get_layer(skip).output])
    return model(x, layers.Conv2DTranspose(classes, 3, strides=2, padding="same")(y))


def _double(x: Any, filters: int) -> Any:
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    return x


def _unet(size: int, base: int = 64, channels: int = 1, classes: int = 2) -> Any:
    """U-Net of arXiv 1505.04597 with 'same' padding: five levels, 2x2 up-convolutions."""
    x = image(size, channels=channels)
    levels = [_double(x, base)]
    for depth in range(1, 5):
        levels.append(_double(layers.MaxPooling2D()(levels[-1]), base << depth))
    y = levels.pop()
    for skip in reversed(levels):
        y = layers.Conv2DTranspose(skip.shape[-1], 2, strides=2, activation="relu")(y)
        y = _double(layers.Concatenate()([skip, y]), skip.shape[-1])
    return model(x, layers.Conv2D(classes, 1)(y))


def _fpn_mobilenet_v2(size: int, classes: int = PASCAL, depth: int = 128) -> Any:
    """Panoptic-FPN segmentation branch (arXiv 1901.02446) on MobileNet v2: four levels, summed at stride 4."""
    x = image(size)
    outputs, _ = backbone_v2(x)
    taps = [layers.Conv2D(256, 1)(outputs[index]) for index in (16, 12, 5, 2)]
    pyramid = [taps[0]]
    for lateral in taps[1:]:
        pyramid.append(layers.Add()([_double_size(pyramid[-1], "nearest"), lateral]))
    merged = layers.Add()([_seg_branch(level, 3 - index, depth) for index, level in enumerate(pyramid)])
    return model(x, resize(layers.Conv2D(classes, 1)(merged), size, size))


def _double_size(x: Any, how: str = "bilinear") -> Any:
    return resize(x, x.shape[1] * 2, x.shape[2] * 2, how)


def _seg_branch(x: Any, doublings: int, depth: int) -> Any:
    x = conv_bn(x, depth, 3, act="relu")
    for step in range(doublings):
        x = _double_size(conv_bn(x, depth, 3, act="relu") if step else x)
    return x


def _fcn_resnet_50(size: int, classes: int = PASCAL) -> Any:
    """FCN head on a ResNet-50 whose last two stages are dilated (output stride 8)."""
    x = image(size)
    y = layers.MaxPooling2D(3, 2, padding="same")(conv_bn(x, 64, 7, 2, "relu"))
    for filters, count, stride, rates in (
        (64, 3, 1, (1, 1)),
        (128, 4, 2, (1, 1)),
        (256, 6, 1, (1, 2)),
        (512, 3, 1, (2, 4)),
    ):
        for block in range(count):
            y = _bottleneck(y, filters, stride if block == 0 else 1, rates[min(block, 1)])
    y = conv_bn(y, 512, 3, act="relu")
    return model(x, resize(layers.Conv2D(classes, 1)(y), size, size))


def _bottleneck(x: Any, filters: int, stride: int, rate: int) -> Any:
    y = conv_bn(conv_bn(x, filters, act="relu"), filters, 3, stride, "relu", dilation_rate=rate)
    y = conv_bn(y, 4 * filters, act=None)
    shortcut = x if x.shape[-1] == 4 * filters else conv_bn(x, 4 * filters, 1, stride, None)
    return activate(layers.Add()([y, shortcut]), "relu")


def _of(name: str, build: Callable[[], Any], architecture: str, variant: str, source: str, *hooks: Hook) -> Definition:
    return Definition(name, build, architecture.split("_")[0], architecture, variant, "segmentation", source, hooks)


_LATE_RESIZE = postprocess.deferred("RESIZE_BILINEAR")
_DEEPLAB = "tensorflow/models deeplab, mobilenetv2_coco_voc_trainaug (arXiv 1802.02611)"
_TUTORIAL = "TensorFlow tutorial 'Image segmentation'"

DEFINITIONS = [
    _of(
        "deeplab_v3_mobilenet_v2_513", partial(_deeplab, 513, 1.0), "deeplab_v3_mobilenet_v2", "513", _DEEPLAB,
        _LATE_RESIZE,
    ),
    _of(
        "deeplab_v3_mobilenet_v2_dm05_513", partial(_deeplab, 513, 0.5), "deeplab_v3_mobilenet_v2",
        "width 0.5, 513", _DEEPLAB, _LATE_RESIZE,
    ),
    _of("unet_mobilenet_v2_128", partial(_unet_mobilenet_v2, 128), "unet_mobilenet_v2", "128", _TUTORIAL),
    _of("unet_mobilenet_v2_256", partial(_unet_mobilenet_v2, 256), "unet_mobilenet_v2", "256", _TUTORIAL),
    _of("unet_256", partial(_unet, 256), "unet", "256, grey", "arXiv 1505.04597, 'same' padding"),
    _of(
        "fpn_mobilenet_v2_512", partial(_fpn_mobilenet_v2, 512), "fpn_mobilenet_v2", "512",
        "arXiv 1612.03144, 1901.02446",
    ),
    _of(
        "fcn_resnet_50_520", partial(_fcn_resnet_50, 520), "fcn_resnet_50", "520",
        "torchvision fcn_resnet50 without its auxiliary head; arXiv 1411.4038",
    ),
    *realtime_segmentation.DEFINITIONS,
]  # fmt: skip
