"""Blocks of the classification networks; they build on those of the dense-prediction networks."""

from __future__ import annotations

from typing import Any

from traces.generate.dense_prediction import activate, conv_bn, image, layers, model

__all__ = [
    "IMAGENET",
    "SLIM",
    "batch_norm",
    "classifier",
    "conv",
    "keras_application",
    "slim_head",
    "squeeze_excite",
    "stack",
]

IMAGENET = 1000
#: ImageNet and a background class, as in TF-slim.
SLIM = 1001


def conv(x: Any, filters: int, kernel: Any = 1, stride: int = 1, act: str | None = "relu", **options: Any) -> Any:
    """Apply convolution with bias and activation, without normalisation."""
    options = {"padding": "same"} | options
    return activate(layers.Conv2D(filters, kernel, strides=stride, **options)(x), act)


def batch_norm(x: Any, act: str | None = "relu") -> Any:
    """Apply batch normalisation and activation."""
    return activate(layers.BatchNormalization()(x), act)


def squeeze_excite(x: Any, squeezed: int, act: str = "relu", gate: str = "sigmoid") -> Any:
    """Scale channels by a gate computed from their means through two 1x1 convolutions."""
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = conv(y, squeezed, act=act)
    return layers.Multiply()([x, conv(y, x.shape[-1], act=gate)])


def classifier(inputs: Any, x: Any, classes: int = IMAGENET) -> Any:
    """Return the model with global average pooling, a dense layer and softmax on top of ``x``."""
    x = layers.GlobalAveragePooling2D()(x)
    return model(inputs, layers.Dense(classes, activation="softmax")(x))


def slim_head(inputs: Any, x: Any, classes: int = SLIM) -> Any:
    """Return the model with TF-slim's head: average pooling, logits by 1x1 convolution, squeeze, softmax."""
    x = layers.AveragePooling2D(x.shape[1:3], strides=1)(x)
    x = layers.Reshape((classes,))(conv(x, classes, act=None))
    return model(inputs, layers.Softmax()(x))


def keras_application(name: str, size: int) -> Any:
    """Return a network of keras.applications with random weights at ``size`` x ``size``."""
    import keras

    return getattr(keras.applications, name)(weights=None, input_tensor=image(size))


def stack(x: Any, *rows: tuple[Any, ...], act: str = "relu") -> Any:
    """Apply convolutions with batch normalisation one after the other; a row is (filters, kernel, stride)."""
    for row in rows:
        x = conv_bn(x, *row, act=act)
    return x
