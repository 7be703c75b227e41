"""Face networks: MobileFaceNet (embedding) and the face mesh of MediaPipe (landmarks)."""

from __future__ import annotations

from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, conv_bn, depthwise_bn, image, layers, model

__all__ = ["DEFINITIONS"]


def _mobile_face_net() -> Any:
    """MobileFaceNet: inverted bottlenecks with PReLU, a global depthwise convolution, an embedding of 128."""
    x = image(112)
    y = depthwise_bn(conv_bn(x, 64, 3, 2, "prelu"), 3, 1, "prelu")
    for expansion, filters, repeats, stride in (
        (2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1),
    ):  # fmt: skip
        for index in range(repeats):
            y = _expanded(y, filters, expansion, 1 if index else stride)
    y = depthwise_bn(conv_bn(y, 512, act="prelu"), 7, 1, None, padding="valid")
    return model(x, layers.Reshape((128,))(conv_bn(y, 128, act=None)))


def _expanded(x: Any, filters: int, expansion: int, stride: int) -> Any:
    y = conv_bn(x, x.shape[-1] * expansion, act="prelu")
    y = conv_bn(depthwise_bn(y, 3, stride, "prelu"), filters, act=None)
    return layers.Add()([x, y]) if stride == 1 and x.shape == y.shape else y


def _face_mesh() -> Any:
    """468 landmarks and a score from a face: residual blocks of depthwise and 1x1 convolutions with PReLU."""
    x = image(192)
    y = activate(layers.Conv2D(16, 3, strides=2, padding="same")(x), "prelu")
    y = _block(_block(y, 16), 16)
    for filters in (32, 64, 128, 128):
        y = _block(_block(_block(y, filters, 2), filters), filters)
    mesh = _block(_block(_block(y, 128, 2), 128), 128)
    return model(x, [_landmarks(mesh, 1404), _landmarks(_block(y, 128, 2), 1)])


def _block(x: Any, filters: int, stride: int = 1) -> Any:
    y = layers.DepthwiseConv2D(3, strides=stride, padding="same")(x)
    y = layers.Conv2D(filters, 1)(y)
    shortcut = layers.MaxPooling2D(2)(x) if stride > 1 else x
    if filters > x.shape[-1]:
        shortcut = _more_channels(shortcut, filters)
    return activate(layers.Add()([shortcut, y]), "prelu")


def _more_channels(x: Any, filters: int) -> Any:
    import tensorflow as tf

    paddings = [[0, 0], [0, 0], [0, 0], [0, filters - x.shape[-1]]]
    return layers.Lambda(lambda t: tf.pad(t, paddings), output_shape=(*x.shape[1:3], filters))(x)


def _landmarks(x: Any, outputs: int) -> Any:
    y = _block(activate(layers.Conv2D(32, 1)(x), "prelu"), 32)
    return layers.Conv2D(outputs, 3)(y)


DEFINITIONS = [
    Definition(
        "mobilefacenet_112", _mobile_face_net, "mobilefacenet", "mobilefacenet", "112", "face", "arXiv 1804.07573"
    ),
    Definition(
        "facemesh_192", _face_mesh, "facemesh", "facemesh", "192", "face",
        "MediaPipe face_landmark.tflite as transcribed by thepowerfuldeez and zmurez; arXiv 1907.06724",
    ),
]  # fmt: skip
