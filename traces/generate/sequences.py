"""Sequences: a dilated temporal network on text, a vision transformer, and one block of a text transformer."""

from __future__ import annotations

from typing import Any

from traces.generate.blocks import IMAGENET
from traces.generate.definition import CALIBRATED, Definition
from traces.generate.dense_prediction import image, layers, model, ops

__all__ = ["DEFINITIONS"]


def _tcn_text() -> Any:
    """Three dilated 3-tap convolutions of 8 filters over 118 words of 100 numbers each, one output."""
    x = y = image(118, 100, 1)
    for rate in (1, 2, 4):
        y = layers.Conv2D(8, (3, 1), padding="same", dilation_rate=(rate, 1), activation="relu")(y)
    return model(x, layers.Dense(1, activation="sigmoid")(layers.Flatten()(y)))


def _vit(size: int, patch: int, width: int, depth: int, heads: int) -> Any:
    """Vision transformer with a class token."""
    x = image(size)
    y = layers.Reshape((-1, width))(layers.Conv2D(width, patch, strides=patch)(x))
    y = _positions()(y)
    for _ in range(depth):
        y = _before(y, 4 * width, heads)
    y = layers.LayerNormalization(epsilon=1e-6)(y)[:, 0]
    return model(x, layers.Dense(IMAGENET)(y))


def _positions() -> Any:
    import keras

    class Positions(keras.layers.Layer):
        """Put a class token before the patches and add what tells them apart."""

        def build(self, shape: Any) -> None:
            self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")
            self.places = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), name="places")

        def call(self, x: Any) -> Any:
            return keras.ops.concatenate([self.token, x], axis=1) + self.places

    return Positions()


def _before(x: Any, hidden: int, heads: int) -> Any:
    """A transformer block with normalisation before attention and before the dense layers."""
    y = layers.Add()([x, _attention(layers.LayerNormalization(epsilon=1e-6)(x), heads)])
    return layers.Add()([y, _dense(layers.LayerNormalization(epsilon=1e-6)(y), hidden)])


def _attention(x: Any, heads: int) -> Any:
    """Self-attention over all positions."""
    _, count, width = x.shape
    query, key, value = (layers.Reshape((count, heads, width // heads))(layers.Dense(width)(x)) for _ in range(3))
    scores = ops.matmul(layers.Permute((2, 1, 3))(query), layers.Permute((2, 3, 1))(key)) * (width // heads) ** -0.5
    mixed = ops.matmul(layers.Softmax()(scores), layers.Permute((2, 1, 3))(value))
    return layers.Dense(width)(layers.Reshape((count, width))(layers.Permute((2, 1, 3))(mixed)))


def _dense(x: Any, hidden: int) -> Any:
    return layers.Dense(x.shape[-1])(layers.Dense(hidden, activation="gelu")(x))


def _block(count: int, width: int, heads: int) -> Any:
    """One encoder block of BERT: normalisation after attention and after the dense layers."""
    import keras

    x = keras.Input(batch_shape=(1, count, width))
    y = layers.LayerNormalization(epsilon=1e-12)(layers.Add()([x, _attention(x, heads)]))
    return model(x, layers.LayerNormalization(epsilon=1e-12)(layers.Add()([y, _dense(y, 4 * width)])))


def _vit_tiny() -> Any:
    return _vit(224, 16, 192, 12, 3)


def _bert_mini_block() -> Any:
    return _block(128, 256, 4)


DEFINITIONS = [
    Definition(
        "tcn_text_118x100", _tcn_text, "tcn", "tcn_text", "118x100", "text",
        "fredriktegnell/edgetpu-tcn, tcn.py; arXiv 1803.01271",
    ),
    Definition(
        "vit_tiny_16_224", _vit_tiny, "vit", "vit_tiny_16", "224", "classification",
        "timm vit_tiny_patch16_224; arXiv 2010.11929", route=CALIBRATED,
    ),
    Definition(
        "transformer_block_128x256", _bert_mini_block, "transformer", "transformer_block", "128x256", "text",
        "one encoder block of BERT-Mini at 128 tokens; arXiv 1908.08962", route=CALIBRATED,
    ),
]  # fmt: skip
