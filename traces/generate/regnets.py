"""RegNet X and Y: groups and widths of the design space's published models."""

from __future__ import annotations

from functools import partial
from typing import Any

from traces.generate.blocks import classifier, squeeze_excite
from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, conv_bn, image, layers

__all__ = ["DEFINITIONS"]

# Channels of a group; blocks and channels of the four stages.
_X = {
    "002": (8, (1, 1, 4, 7), (24, 56, 152, 368)),
    "004": (16, (1, 2, 7, 12), (32, 64, 160, 384)),
    "008": (16, (1, 3, 7, 5), (64, 128, 288, 672)),
    "016": (24, (2, 4, 10, 2), (72, 168, 408, 912)),
    "032": (48, (2, 6, 15, 2), (96, 192, 432, 1008)),
}
_Y = {
    "002": (8, (1, 1, 4, 7), (24, 56, 152, 368)),
    "004": (8, (1, 3, 6, 6), (48, 104, 208, 440)),
    "008": (16, (1, 3, 8, 2), (64, 128, 320, 768)),
    "016": (24, (2, 6, 17, 2), (48, 120, 336, 888)),
    "032": (24, (2, 5, 13, 1), (72, 216, 576, 1512)),
}


def _regnet(size: int, group: int, depths: tuple[int, ...], widths: tuple[int, ...], squeeze: bool) -> Any:
    x = image(size)
    y = conv_bn(x, 32, 3, 2, "relu")
    for depth, width in zip(depths, widths, strict=True):
        for index in range(depth):
            y = _block(y, width, 1 if index else 2, width // group, squeeze)
    return classifier(x, y)


def _block(x: Any, width: int, stride: int, groups: int, squeeze: bool) -> Any:
    y = conv_bn(conv_bn(x, width, act="relu"), width, 3, stride, "relu", groups=groups)
    y = squeeze_excite(y, round(x.shape[-1] / 4)) if squeeze else y
    y = conv_bn(y, width, act=None)
    shortcut = x if x.shape == y.shape else conv_bn(x, width, 1, stride, None)
    return activate(layers.Add()([shortcut, y]), "relu")


def _of(space: str, flops: str, row: tuple[Any, ...]) -> Definition:
    name = f"regnet_{space}_{flops}"
    return Definition(
        f"{name}_224", partial(_regnet, 224, *row, squeeze=space == "y"), "regnet", name, "224", "classification",
        "arXiv 2003.13678, tables of the best models",
    )  # fmt: skip


DEFINITIONS = [
    *[_of("x", flops, row) for flops, row in _X.items()],
    *[_of("y", flops, row) for flops, row in _Y.items()],
]
