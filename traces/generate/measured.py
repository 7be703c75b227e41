"""Small classifiers that only measurement files name: NAS-Bench-201 networks and a rock-paper-scissors CNN."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from traces.generate.definition import Definition
from traces.generate.dense_prediction import activate, image, layers, model

__all__ = ["DEFINITIONS"]

#: Operations on the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3 of the cell, by the benchmark's architecture index.
_CELLS = (
    ("pool", "conv1", "skip", "conv1", "skip", "skip"),
    ("conv3", "conv3", "pool", "skip", "conv3", "skip"),
    ("pool", "conv3", "conv3", "pool", "pool", "pool"),
)


def _nasbench201(cell: Sequence[str], size: int, classes: int, repeats: int = 5) -> Any:
    """NAS-Bench-201's macro skeleton: three stages of five cells, 16, 32 and 64 channels."""
    x = image(size)
    y = layers.BatchNormalization()(layers.Conv2D(16, 3, padding="same", use_bias=False)(x))
    for filters in (16, 32, 64):
        y = y if filters == 16 else _reduced(y, filters)
        for _ in range(repeats):
            y = _cell(y, cell)
    y = layers.GlobalAveragePooling2D()(activate(layers.BatchNormalization()(y), "relu"))
    return model(x, layers.Dense(classes)(y))


def _cell(x: Any, cell: Sequence[str]) -> Any:
    nodes, edges = [x], iter(cell)
    for count in (1, 2, 3):
        arriving = [_operation(node, next(edges)) for node in nodes[:count]]
        total = arriving[0]
        for term in arriving[1:]:
            total = layers.Add()([total, term])
        nodes.append(total)
    return nodes[-1]


def _operation(x: Any, name: str) -> Any:
    if name == "skip":
        return x
    if name == "pool":
        return layers.AveragePooling2D(3, 1, padding="same")(x)
    return _relu_conv(x, x.shape[-1], int(name[-1]))


def _relu_conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
    y = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(activate(x, "relu"))
    return layers.BatchNormalization()(y)


def _reduced(x: Any, filters: int) -> Any:
    y = _relu_conv(_relu_conv(x, filters, 3, 2), filters, 3)
    shortcut = layers.Conv2D(filters, 1, use_bias=False)(layers.AveragePooling2D(2)(x))
    return layers.Add()([shortcut, y])


def _rps_cnn(size: int) -> Any:
    x = image(size)
    y = x
    for filters in (64, 64, 128, 128):
        y = layers.MaxPooling2D()(layers.Conv2D(filters, 3, activation="relu")(y))
    y = layers.Dense(512, activation="relu")(layers.Flatten()(y))
    return model(x, layers.Dense(3, activation="softmax")(y))


_SETS = (("cifar10", 32, 10), ("cifar100", 32, 100), ("imagenet16_120", 16, 120))


def _of_nasbench(index: int, dataset: str, size: int, classes: int) -> Definition:
    return Definition(
        f"nasbench201_arch{index}_{dataset}_{size}", partial(_nasbench201, _CELLS[index], size, classes),
        "nasbench201", f"nasbench201_arch{index}", f"{dataset}, {size}", "classification",
        f"arXiv 2001.00326, architecture {index} (order as in the authors' shuffle with seed 88)",
    )  # fmt: skip


DEFINITIONS = [
    *[_of_nasbench(index, *row) for index in range(len(_CELLS)) for row in _SETS],
    Definition(
        "rps_cnn_150", partial(_rps_cnn, 150), "rps_cnn", "rps_cnn", "150", "classification",
        "EscVM/RPS_with_Edge_TPU, rock_paper_scissor_cnn_train.ipynb",
    ),
]  # fmt: skip
