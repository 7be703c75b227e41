"""Networks in the form they are deployed in after merging branches (RepVGG, MobileOne), and ConvNeXt."""

from __future__ import annotations

from functools import partial
from typing import Any

from traces.generate.blocks import classifier, conv
from traces.generate.definition import CALIBRATED, Definition
from traces.generate.dense_prediction import activate, image, layers

__all__ = ["DEFINITIONS"]


def _repvgg(size: int, widths: tuple[int, ...], depths: tuple[int, ...]) -> Any:
    x = y = image(size)
    for width, repeats in zip(widths, depths, strict=True):
        for index in range(repeats):
            y = conv(y, width, 3, 1 if index else 2)
    return classifier(x, y)


def _mobileone(size: int, widths: tuple[int, ...]) -> Any:
    x = image(size)
    y = conv(x, min(64, widths[0]), 3, 2)
    for width, repeats in zip(widths, (2, 8, 10, 1), strict=True):
        for index in range(repeats):
            y = layers.DepthwiseConv2D(3, 1 if index else 2, padding="same")(y)
            y = conv(activate(y, "relu"), width)
    return classifier(x, y)


def _convnext_tiny(size: int) -> Any:
    import keras

    return keras.applications.ConvNeXtTiny(weights=None, include_preprocessing=False, input_tensor=image(size))


# Channels and depth of the stages.
_REPVGG = {
    "a0": ((48, 48, 96, 192, 1280), (1, 2, 4, 14, 1)),
    "b0": ((64, 64, 128, 256, 1280), (1, 4, 6, 16, 1)),
}
_MOBILEONE = {"s0": (48, 128, 256, 1024), "s1": (96, 192, 512, 1280)}

DEFINITIONS = [
    *[
        Definition(
            f"repvgg_{name}_224", partial(_repvgg, 224, *row), "repvgg", f"repvgg_{name}", "224", "classification",
            "arXiv 2101.03697, deployed form",
        )
        for name, row in _REPVGG.items()
    ],
    *[
        Definition(
            f"mobileone_{name}_224", partial(_mobileone, 224, widths), "mobileone", f"mobileone_{name}", "224",
            "classification", "arXiv 2206.04040, deployed form",
        )
        for name, widths in _MOBILEONE.items()
    ],
    Definition(
        "convnext_tiny_224", partial(_convnext_tiny, 224), "convnext", "convnext_tiny", "224", "classification",
        "keras.applications.ConvNeXtTiny without preprocessing; arXiv 2201.03545", route=CALIBRATED,
    ),
]  # fmt: skip
