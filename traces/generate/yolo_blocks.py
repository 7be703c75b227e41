"""Blocks of YOLOv5 and its successors, and how their heads are decoded in the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from traces.generate.dense_prediction import activate, conv_bn, depthwise_bn, layers, ops, resize

__all__ = ["CLASSES", "REGRESSION", "Blocks", "corners_to_box", "decoded_v5", "decoded_v8", "double", "flat", "raw"]

#: Objects of COCO.
CLASSES = 80
#: Bins of a box's side (distribution focal loss).
REGRESSION = 16

Block = Callable[..., Any]


def double(x: Any) -> Any:
    """Return the map at twice the height and width, by repetition."""
    return resize(x, x.shape[1] * 2, x.shape[2] * 2, "nearest")


def raw(x: Any, classes: int = CLASSES) -> Any:
    """Return box, objectness and classes of three anchors by a 1x1 convolution."""
    return layers.Conv2D(3 * (classes + 5), 1)(x)


def flat(x: Any) -> Any:
    """Return a map as a list of its cells."""
    return layers.Reshape((-1, x.shape[-1]))(x)


@dataclass(frozen=True)
class Blocks:
    """The blocks with one activation: SiLU in the references, ReLU where users export for the Edge TPU."""

    act: str = "silu"

    def conv(self, x: Any, filters: int, kernel: int = 1, stride: int = 1, act: bool = True) -> Any:
        """Convolution with the symmetric padding of the reference where it strides, and the activation."""
        kind = self.act if act else None
        if stride == 1:
            return conv_bn(x, filters, kernel, act=kind)
        padded = layers.ZeroPadding2D(2 if kernel == 6 else kernel // 2)(x)
        return conv_bn(padded, filters, kernel, stride, kind, padding="valid")

    def depthwise(self, x: Any, kernel: int = 3, act: bool = True) -> Any:
        """Depthwise convolution with the activation."""
        return depthwise_bn(x, kernel, act=self.act if act else None)

    def bottleneck(self, x: Any, filters: int, shortcut: bool, first: int, share: float = 1.0) -> Any:
        """Two convolutions, the second 3x3; ``share`` of the channels between them."""
        y = self.conv(self.conv(x, int(filters * share), first), filters, 3)
        return layers.Add()([x, y]) if shortcut else y

    def c3(self, x: Any, filters: int, repeats: int, shortcut: bool = True, first: int = 1) -> Any:
        """Cross-stage block with three 1x1 convolutions and bottlenecks on one of its two paths."""
        y, bypass = self.conv(x, filters // 2), self.conv(x, filters // 2)
        for _ in range(repeats):
            y = self.bottleneck(y, filters // 2, shortcut, first)
        return self.conv(layers.Concatenate()([y, bypass]), filters)

    def c2f(self, x: Any, filters: int, repeats: int, shortcut: bool = True) -> Any:
        """Cross-stage block that joins the outputs of all its bottlenecks."""
        parts = list(ops.split(self.conv(x, filters), 2, axis=-1))
        for _ in range(repeats):
            parts.append(self.bottleneck(parts[-1], filters // 2, shortcut, 3))
        return self.conv(layers.Concatenate()(parts), filters)

    def sppf(self, x: Any, filters: int, inner: int = 0) -> Any:
        """Three 5x5 max poolings in a row, joined."""
        pools = [self.conv(x, inner or x.shape[-1] // 2)]
        for _ in range(3):
            pools.append(layers.MaxPooling2D(5, 1, padding="same")(pools[-1]))
        return self.conv(layers.Concatenate()(pools), filters)

    def backbone(self, x: Any, widths: Sequence[int], depths: Sequence[int], block: Block, stem: int) -> list[Any]:
        """Return the maps at stride 8, 16 and 32."""
        maps = []
        x = self.conv(x, widths[0], stem, 2)
        for filters, repeats in zip(widths[1:], depths, strict=True):
            x = block(self.conv(x, filters, 3, 2), filters, repeats)
            maps.append(x)
        return [*maps[1:3], self.sppf(x, widths[-1])]

    def branch(self, x: Any, filters: int, outputs: int) -> Any:
        """One branch of an anchor-free head: two 3x3 convolutions and the prediction."""
        return layers.Conv2D(outputs, 1)(self.conv(self.conv(x, filters, 3), filters, 3))


def decoded_v5(x: Any, classes: int = CLASSES) -> Any:
    """Decode one scale as the TensorFlow export does: sigmoid, grid offset, squared anchor sizes."""
    height, width = x.shape[1:3]
    y = layers.Reshape((height * width, 3, classes + 5))(raw(x, classes))
    y = layers.Activation("sigmoid")(layers.Permute((2, 1, 3))(y))
    centers = (y[..., 0:2] * 2.0 + _grid(height, width)) / height
    sides = (y[..., 2:4] * 2.0) ** 2 * _anchor_sizes()
    joined = layers.Concatenate()([centers, sides, y[..., 4:]])
    return layers.Reshape((3 * height * width, classes + 5))(joined)


def _grid(height: int, width: int) -> Any:
    import numpy as np

    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return (np.stack([columns, rows], -1).reshape(1, 1, -1, 2) - 0.5).astype(np.float32)


def _anchor_sizes() -> Any:
    import numpy as np

    return np.linspace(0.05, 0.5, 6, dtype=np.float32).reshape(1, 3, 1, 2)


Branch = Callable[[Any, int, int], Any]


def decoded_v8(maps: Sequence[Any], size: int, box_branch: Branch, class_branch: Branch, classes: int = CLASSES) -> Any:
    """Join the scales of an anchor-free head and decode them: sides from bins, boxes from sides, sigmoid of classes."""
    box, score = max(16, maps[0].shape[-1] // 4, 4 * REGRESSION), max(maps[0].shape[-1], min(classes, 100))
    joined = [layers.Concatenate()([box_branch(p, box, 4 * REGRESSION), class_branch(p, score, classes)]) for p in maps]
    cells = layers.Concatenate(axis=1)([flat(y) for y in joined])
    bins, scores = cells[..., : 4 * REGRESSION], cells[..., 4 * REGRESSION :]
    boxes = corners_to_box(_expected(bins), [p.shape[1:3] for p in maps], size)
    return layers.Concatenate()([boxes, activate(scores, "sigmoid")])


def _expected(bins: Any) -> Any:
    """Return the expected distance of every side: softmax over the bins, then the fixed 1x1 convolution."""
    y = layers.Reshape((bins.shape[1], 4, REGRESSION))(bins)
    y = layers.Conv2D(1, 1, use_bias=False)(layers.Softmax()(y))
    return layers.Reshape((bins.shape[1], 4))(y)


def corners_to_box(distances: Any, shapes: Sequence[tuple[int, int]], size: int) -> Any:
    """Return centre and size of the boxes from the distances of their sides to the cells' centres."""
    import numpy as np

    points = np.concatenate([_grid(*shape)[0] + 1.0 for shape in shapes], axis=1)
    strides = np.concatenate([np.full((1, h * w, 1), size / h, np.float32) for h, w in shapes], axis=1)
    near, far = distances[..., :2], distances[..., 2:]
    return layers.Concatenate()([(far - near) / 2.0 + points, near + far]) * (strides / size)
