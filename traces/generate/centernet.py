"""CenterNet on MobileNet v2 with a feature pyramid (TF object detection API), peaks found in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from traces.generate import postprocess
from traces.generate.definition import Definition
from traces.generate.dense_prediction import backbone_v2, conv_bn, image, layers, model, resize

__all__ = ["DEFINITIONS"]

CLASSES, DETECTIONS = 90, 25


def _features(x: Any) -> Any:
    """Return the stride-4 map: 1x1 laterals of 64, 32 and 24 channels, nearest upsampling, 3x3 convolutions."""
    outputs, _ = backbone_v2(x)
    y = layers.Conv2D(64, 1)(conv_bn(outputs[-1], 1280))
    for index, filters, after in ((9, 64, 32), (5, 32, 24), (2, 24, 24)):
        y = resize(y, y.shape[1] * 2, y.shape[2] * 2, "nearest")
        y = layers.Add()([y, layers.Conv2D(filters, 1)(outputs[index])])
        y = conv_bn(y, after, 3, act="relu")
    return y


def _head(x: Any, outputs: int) -> Any:
    return layers.Conv2D(outputs, 1)(layers.Conv2D(256, 3, padding="same", activation="relu")(x))


def _centernet(size: int) -> Any:
    x = image(size)
    features = _features(x)
    heat = layers.Activation("sigmoid")(_head(features, CLASSES))
    maps = [heat, layers.MaxPooling2D(3, 1, padding="same")(heat), _head(features, 2), _head(features, 2)]
    return model(x, list(layers.Lambda(_peaks, output_shape=_shapes)(maps)))


def _shapes(_: Any) -> list[tuple[int, ...]]:
    return [(1, DETECTIONS), (1, DETECTIONS), (1, DETECTIONS, 2), (1, DETECTIONS, 2)]


def _peaks(maps: Sequence[Any]) -> list[Any]:
    """Return scores, flat indices, sizes and offsets of the strongest local maxima of the heatmap."""
    import tensorflow as tf

    heat, pooled, sizes, offsets = maps
    kept = heat * tf.cast(tf.abs(heat - pooled) < 1e-6, tf.float32)
    scores, flat = tf.math.top_k(tf.reshape(kept, (1, -1)), DETECTIONS)
    cells = tf.reshape(flat // CLASSES, (DETECTIONS,))
    picked = [tf.reshape(tf.gather(tf.reshape(m, (-1, 2)), cells), (1, DETECTIONS, 2)) for m in (sizes, offsets)]
    return [scores, tf.cast(flat, tf.float32), *picked]


DEFINITIONS = [
    Definition(
        "centernet_mobilenet_v2_fpn_512", partial(_centernet, 512), "centernet", "centernet_mobilenet_v2_fpn", "512",
        "detection", "TF object detection API, center_net_mobilenet_v2_fpn_feature_extractor.py; arXiv 1904.07850",
        postprocess.deferred("LOGISTIC"),
    )
]  # fmt: skip
