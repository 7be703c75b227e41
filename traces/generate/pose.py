"""PoseNet and BodyPix on MobileNet v1 with PosenetDecoderOp, and MoveNet with its decoder in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from traces.generate import postprocess
from traces.generate.definition import Definition
from traces.generate.dense_prediction import (
    V1,
    backbone_v1,
    backbone_v2,
    conv_bn,
    depthwise_bn,
    image,
    layers,
    model,
    resize,
)

__all__ = ["DEFINITIONS", "decode_pose", "movenet_features"]

KEYPOINTS = 17
PAIRS = 16

#: MobileNet v1 at output stride 16: the last two blocks keep 512 channels (times the width) and stride 1.
_STRIDE_16 = (*V1[:11], (512, 1), (512, 1))


def _posenet_features(x: Any, width: float) -> Any:
    padded = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    return backbone_v1(padded, width, _STRIDE_16)[-1]


def _heads(x: Any, channels: Sequence[int]) -> list[Any]:
    return [layers.Conv2D(count, 1)(x) for count in channels]


def _posenet(height: int, width: int) -> Any:
    """PoseNet of the Coral project: heatmaps, short offsets, forward and backward offsets in one map."""
    x = image(height, width)
    forward, backward, heatmaps, short = _heads(_posenet_features(x, 0.75), (2 * PAIRS, 2 * PAIRS, 17, 34))
    return model(x, [heatmaps, short, layers.Concatenate()([forward, backward])])


def _posenet_resnet(height: int, width: int, stride: int) -> Any:
    """PoseNet on TF-slim's ResNet-50 v1; beyond the output ``stride`` strides become dilation."""
    x = image(height, width)
    y = conv_bn(layers.ZeroPadding2D(3)(x), 64, 7, 2, "relu", padding="valid")
    y, reached, rate = layers.MaxPooling2D(3, 2, padding="same")(y), 4, 1
    for stage, repeats in enumerate((3, 4, 6, 3)):
        for index in range(repeats):
            halves = stage < 3 and index == repeats - 1
            step = 2 if halves and reached < stride else 1
            y = _unit(y, 64 * 2**stage, step, rate)
            reached, rate = reached * step, rate * (2 if halves and step == 1 else 1)
    forward, backward, heatmaps, short = _heads(y, (2 * PAIRS, 2 * PAIRS, 17, 34))
    return model(x, [heatmaps, short, layers.Concatenate()([forward, backward])])


def _unit(x: Any, filters: int, stride: int, rate: int) -> Any:
    y = conv_bn(x, filters, act="relu")
    if stride > 1:
        y = conv_bn(layers.ZeroPadding2D(1)(y), filters, 3, stride, "relu", padding="valid")
    else:
        y = conv_bn(y, filters, 3, act="relu", dilation_rate=rate)
    shortcut = conv_bn(x, 4 * filters, act=None) if x.shape[-1] != 4 * filters else x
    shortcut = layers.MaxPooling2D(1, stride)(shortcut) if stride > 1 else shortcut
    return layers.ReLU()(layers.Add()([shortcut, conv_bn(y, 4 * filters, act=None)]))


def _bodypix(height: int, width: int) -> Any:
    """BodyPix: PoseNet's heads plus long offsets, the person mask and 24 body parts."""
    x = image(height, width)
    maps = _heads(_posenet_features(x, 0.75), (2 * PAIRS, 2 * PAIRS, 17, 34, 24, 1, 34))
    forward, backward, heatmaps, short, parts, mask, long = maps
    return model(x, [heatmaps, short, layers.Concatenate()([forward, backward]), long, mask, parts])


def movenet_features(x: Any, width: float) -> Any:
    """Return MoveNet's stride-4 features: MobileNet v2 and a top-down path of separable upsampling steps."""
    outputs, _ = backbone_v2(x, width)
    top = conv_bn(outputs[-1], max(1280, int(1280 * width)))
    depths = [int(depth * width) // 8 * 8 for depth in (64, 32, 24)]
    y = _double(layers.Conv2D(depths[0], 1)(top))
    for index, depth, after in zip((9, 5, 2), depths, (*depths[1:], None), strict=True):
        y = layers.Add()([y, layers.Conv2D(depth, 1)(outputs[index])])
        y = _double(_separable(y, after)) if after else _separable(y, depth)
    return y


def _separable(x: Any, filters: int) -> Any:
    return conv_bn(depthwise_bn(x, act="relu"), filters, act="relu")


def _double(x: Any) -> Any:
    return resize(x, x.shape[1] * 2, x.shape[2] * 2)


def _movenet(size: int, width: float) -> Any:
    x = image(size)
    features = movenet_features(x, width)
    maps = [layers.Conv2D(n, 1)(_separable(features, 96)) for n in (1, KEYPOINTS, 2 * KEYPOINTS, 2 * KEYPOINTS)]
    center, heatmaps, regression, offsets = maps
    scores = [layers.Activation("sigmoid")(center), layers.Activation("sigmoid")(heatmaps)]
    return model(x, layers.Lambda(decode_pose, output_shape=(1, KEYPOINTS, 3))([*scores, regression, offsets]))


def decode_pose(maps: Sequence[Any]) -> Any:
    """Return the (1, 1, 17, 3) pose: the centre's argmax, its regressed joints, the nearest heatmap peaks, offsets."""
    import tensorflow as tf

    center, heatmaps, regression, offsets = maps
    side = center.shape[1]
    where = tf.argmax(tf.reshape(center * _center_weight(side), (1, side * side)), axis=1, output_type=tf.int32)
    start = tf.cast(_cells(where, side), tf.float32)
    guess = tf.reshape(tf.gather_nd(regression, _indexed(where, side)), (KEYPOINTS, 2)) + start
    near = heatmaps / (_distance(guess, side) + 1.8)
    peaks = tf.argmax(tf.reshape(near, (side * side, KEYPOINTS)), axis=0, output_type=tf.int32)
    return _refined(peaks, heatmaps, offsets, side)


def _center_weight(side: int) -> Any:
    import numpy as np

    ramp = np.hypot(*np.meshgrid(*[np.arange(side) - (side - 1) / 2] * 2))
    return (1 / (ramp + side / 4)).astype(np.float32)[None, :, :, None]


def _cells(flat: Any, side: int) -> Any:
    import tensorflow as tf

    return tf.stack([flat // side, flat - flat // side * side], axis=-1)


def _indexed(flat: Any, side: int) -> Any:
    import tensorflow as tf

    return tf.pad(_cells(flat, side), [[0, 0], [1, 0]])


def _distance(guess: Any, side: int) -> Any:
    import numpy as np
    import tensorflow as tf

    rows, columns = np.meshgrid(*[np.arange(side, dtype=np.float32)] * 2, indexing="ij")
    vertical, horizontal = (tf.square(a[None, :, :, None] - guess[:, i]) for i, a in enumerate((rows, columns)))
    return tf.sqrt(vertical + horizontal)


def _refined(peaks: Any, heatmaps: Any, offsets: Any, side: int) -> Any:
    import tensorflow as tf

    joints = tf.range(KEYPOINTS)[:, None]
    places = tf.concat([_indexed(peaks, side), joints], axis=-1)
    scores = tf.gather_nd(heatmaps, places)
    moves = tf.gather_nd(tf.reshape(offsets, (1, side, side, KEYPOINTS, 2)), places)
    points = (tf.cast(_cells(peaks, side), tf.float32) + moves) / side
    return tf.reshape(tf.concat([points, scores[:, None]], axis=-1), (1, 1, KEYPOINTS, 3))


_POSES = ((1, 20, 17, 2), (1, 20, 17), (1, 20), ())
_DECODE = postprocess.pose(16, _POSES, (17, 34, 64))
_CORAL_POSENET = "google-coral/project-posenet, MobileNet v1 0.75, output stride 16"
_CORAL_BODYPIX = "google-coral/project-bodypix, MobileNet v1 0.75, output stride 16"


def _of_posenet(height: int, width: int) -> Definition:
    size = f"{height}x{width}"
    return Definition(
        f"posenet_mobilenet_v1_0.75_{size}", partial(_posenet, height, width), "posenet", "posenet_mobilenet_v1",
        f"width 0.75, {size}", "pose", _CORAL_POSENET, _DECODE,
    )  # fmt: skip


def _of_posenet_resnet(height: int, width: int, stride: int) -> Definition:
    size, decode = f"{height}x{width}", postprocess.pose(stride, _POSES, (17, 34, 64))
    return Definition(
        f"posenet_resnet_50_s{stride}_{size}", partial(_posenet_resnet, height, width, stride), "posenet",
        "posenet_resnet_50", f"output stride {stride}, {size}", "pose",
        f"google-coral/project-posenet, ResNet-50, output stride {stride}", decode,
    )  # fmt: skip


def _of_bodypix(height: int, width: int, decoder: bool = True) -> Definition:
    size, shapes = f"{height}x{width}", (*_POSES, (1, 20, *(_cells_at_16(extent) for extent in (height, width))))
    hook = (postprocess.pose(16, shapes, (17, 34, 64, 34)),) if decoder else ()
    return Definition(
        f"bodypix_mobilenet_v1_0.75_{size}", partial(_bodypix, height, width), "bodypix", "bodypix_mobilenet_v1",
        f"width 0.75, {size}", "pose", _CORAL_BODYPIX, hook,
    )  # fmt: skip


def _cells_at_16(extent: int) -> int:
    return -(-(extent + 1) // 16)


def _of_movenet(name: str, size: int, width: float) -> Definition:
    source = "MoveNet.SinglePose model card; layers as transcribed from the published file by lee-man and fire717"
    return Definition(
        f"movenet_{name}_{size}", partial(_movenet, size, width), "movenet", f"movenet_{name}", str(size), "pose",
        source, postprocess.deferred("LOGISTIC"),
    )  # fmt: skip


DEFINITIONS = [
    *[_of_posenet(*size) for size in ((324, 324), (353, 481), (481, 641), (720, 1280), (721, 1281))],
    *[_of_bodypix(*size) for size in ((324, 324), (352, 480), (512, 512), (576, 768), (768, 1024), (1280, 720))],
    *[_of_posenet_resnet(*size) for size in ((480, 640, 16), (624, 864, 32), (736, 960, 32))],
    _of_movenet("lightning", 192, 1.0),
    _of_movenet("thunder", 256, 1.75),
]
