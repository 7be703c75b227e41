"""Sound: YAMNet and keyword spotters on spectrograms and cepstra, with two-dimensional and temporal convolutions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, backbone_v1, conv_bn, depthwise_bn, image, layers, model

__all__ = ["DEFINITIONS"]

#: Ten words, silence and unknown.
WORDS = 12


def _yamnet() -> Any:
    """96 frames of 64 mel bands to 521 sound classes, each with its own sigmoid."""
    import keras

    x = keras.Input(batch_shape=(1, 96, 64))
    y = backbone_v1(layers.Reshape((96, 64, 1))(x))[-1]
    y = layers.GlobalAveragePooling2D()(y)
    return model(x, layers.Dense(521, activation="sigmoid")(y))


def _micro_speech() -> Any:
    """Micro Speech of TensorFlow Lite Micro: one depthwise convolution of 8 filters, 4 classes."""
    import keras

    x = keras.Input(batch_shape=(1, 1960))
    y = layers.Reshape((49, 40, 1))(x)
    y = layers.DepthwiseConv2D((10, 8), strides=2, padding="same", depth_multiplier=8, activation="relu")(y)
    return model(x, layers.Dense(4, activation="softmax")(layers.Flatten()(y)))


def _ds_cnn(filters: int, blocks: int) -> Any:
    """DS-CNN on 49x10 cepstra; the first depthwise convolution has stride 2."""
    x = image(49, 10, 1)
    y = conv_bn(x, filters, (10, 4), (2, 1), "relu")
    for index in range(blocks):
        y = conv_bn(depthwise_bn(y, 3, 1 if index else 2, "relu"), filters, act="relu")
    y = layers.AveragePooling2D(y.shape[1:3])(y)
    return model(x, layers.Dense(WORDS, activation="softmax")(layers.Flatten()(y)))


def _tc_resnet(widths: tuple[int, ...]) -> Any:
    """TC-ResNet: cepstral coefficients are channels, convolutions run over time only."""
    x = image(98, 1, 40)
    y = conv_bn(x, widths[0], (3, 1), act="relu")
    for filters in widths[1:]:
        y = _temporal(y, filters)
    y = layers.GlobalAveragePooling2D()(y)
    return model(x, layers.Dense(WORDS, use_bias=False, activation="softmax")(y))


def _temporal(x: Any, filters: int) -> Any:
    shortcut = conv_bn(x, filters, 1, (2, 1), "relu")
    y = conv_bn(conv_bn(x, filters, (9, 1), (2, 1), "relu"), filters, (9, 1), act=None)
    return activate(layers.Add()([y, shortcut]), "relu")


def _of(name: str, build: Callable[[], Any], family: str, source: str) -> Definition:
    architecture, variant = name.rsplit("_", 1)
    return Definition(name, build, family, architecture, variant, "audio", source)


_HELLO = "ARM-software/ML-KWS-for-MCU; arXiv 1711.07128"

DEFINITIONS = [
    _of("yamnet_96x64", _yamnet, "yamnet", "tensorflow/models research/audioset/yamnet, spectrogram in"),
    _of(
        "micro_speech_49x40", _micro_speech, "micro_speech",
        "tensorflow/tflite-micro examples/micro_speech, tiny_conv of the speech_commands example",
    ),
    _of("ds_cnn_m_49x10", partial(_ds_cnn, 172, 4), "ds_cnn", _HELLO),
    _of("ds_cnn_l_49x10", partial(_ds_cnn, 276, 5), "ds_cnn", _HELLO),
    _of(
        "tc_resnet_8_98x40", partial(_tc_resnet, (16, 24, 32, 48)), "tc_resnet",
        "hyperconnect/TC-ResNet; arXiv 1904.03814",
    ),
]  # fmt: skip
