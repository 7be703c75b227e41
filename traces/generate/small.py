"""Small networks: for CIFAR, for microcontrollers (MLPerf Tiny), and those of single measurement files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from traces.generate.blocks import conv
from traces.generate.definition import Definition
from traces.generate.dense_prediction import V1, activate, conv_bn, depthwise_bn, image, layers, model

__all__ = ["DEFINITIONS"]


def _rps() -> Any:
    """Rock, paper, scissors on 150x150 images."""
    x = y = image(150)
    for filters in (64, 64, 128, 128):
        y = layers.MaxPooling2D(2)(conv(y, filters, 3, padding="valid"))
    y = layers.Dense(512, activation="relu")(layers.Flatten()(y))
    return model(x, layers.Dense(3, activation="softmax")(y))


def _network_in_network() -> Any:
    x = image(32)
    y = _column(x, (192, 5), (160, 1), (96, 1))
    y = layers.MaxPooling2D(3, 2, padding="same")(y)
    y = _column(y, (192, 5), (192, 1), (192, 1))
    y = layers.AveragePooling2D(3, 2, padding="same")(y)
    y = layers.GlobalAveragePooling2D()(_column(y, (192, 3), (192, 1), (10, 1)))
    return model(x, layers.Softmax()(y))


def _column(x: Any, *rows: tuple[int, int]) -> Any:
    for filters, kernel in rows:
        x = conv(x, filters, kernel)
    return x


def _mlperf_resnet() -> Any:
    """Image classification of MLPerf Tiny: three residual blocks for CIFAR-10; convolutions have bias."""
    x = image(32)
    y = conv_bn(x, 16, 3, act="relu", use_bias=True)
    for filters in (16, 32, 64):
        stride = 1 if filters == 16 else 2
        z = conv_bn(y, filters, 3, stride, "relu", use_bias=True)
        z = conv_bn(z, filters, 3, act=None, use_bias=True)
        y = y if stride == 1 else conv(y, filters, 1, 2, None)
        y = activate(layers.Add()([y, z]), "relu")
    y = layers.Flatten()(layers.AveragePooling2D(8)(y))
    return model(x, layers.Dense(10, activation="softmax")(y))


def _visual_wake_words() -> Any:
    """Person detection of MLPerf Tiny: MobileNet v1 of width 0.25 at 96x96, 2 classes; convolutions have bias."""
    x = image(96)
    y = conv_bn(x, 8, 3, 2, "relu", use_bias=True)
    for filters, stride in V1:
        y = depthwise_bn(y, 3, stride, "relu", use_bias=True)
        y = conv_bn(y, filters // 4, act="relu", use_bias=True)
    y = layers.Flatten()(layers.AveragePooling2D(3)(y))
    return model(x, layers.Dense(2, activation="softmax")(y))


def _keyword_spotting() -> Any:
    """Keyword spotting of MLPerf Tiny: depthwise separable convolutions on 49x10 features, 12 words."""
    x = image(49, 10, 1)
    y = conv_bn(x, 64, (10, 4), 2, "relu", use_bias=True)
    for _ in range(4):
        y = activate(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(y)), "relu")
        y = conv_bn(y, 64, act="relu", use_bias=True)
    y = layers.Flatten()(layers.AveragePooling2D(y.shape[1:3])(y))
    return model(x, layers.Dense(12, activation="softmax")(y))


def _of(name: str, build: Callable[[], Any], source: str, family: str, task: str = "classification") -> Definition:
    architecture, variant = name.rsplit("_", 1)
    return Definition(name, build, family, architecture, variant, task, source)


_TINY = "MLPerf Tiny benchmark; arXiv 2106.07597"

DEFINITIONS = [
    _of("rps_small_cnn_150", _rps, "EscVM/RPS_with_Edge_TPU, training notebook", "small_cnn"),
    _of("network_in_network_32", _network_in_network, "arXiv 1312.4400", "network_in_network"),
    _of("mlperf_tiny_resnet_8_32", _mlperf_resnet, _TINY, "resnet"),
    Definition(
        "mobilenet_v1_0.25_96_vww", _visual_wake_words, "mobilenet_v1", "mobilenet_v1", "0.25_96_vww",
        "classification", _TINY
    ),
    _of("mlperf_tiny_ds_cnn_49x10", _keyword_spotting, _TINY, "ds_cnn", "audio"),
]  # fmt: skip
