"""YAMNet: MobileNet v1 on a log-mel spectrogram."""

from __future__ import annotations

from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import backbone_v1, layers, model

__all__ = ["DEFINITIONS"]


def _yamnet() -> Any:
    """96 frames of 64 mel bands to 521 sound classes, each with its own sigmoid."""
    import keras

    x = keras.Input(batch_shape=(1, 96, 64))
    y = backbone_v1(layers.Reshape((96, 64, 1))(x))[-1]
    y = layers.GlobalAveragePooling2D()(y)
    return model(x, layers.Dense(521, activation="sigmoid")(y))


DEFINITIONS = [
    Definition(
        "yamnet_96x64",
        _yamnet,
        "yamnet",
        "yamnet",
        "96x64",
        "audio",
        "tensorflow/models research/audioset/yamnet, spectrogram in",
    )
]
