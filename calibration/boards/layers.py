"""The layer roofline held against boards: calibrated on one core (and the board on two), it predicts more cores.

A network's compute scale comes from its one-core row; everything else is the board's (:mod:`hwmodels.dpu.roofline`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibration.boards.replay import (
    BoardRow,
    on_board,
    one_core_work,
    read_board_rows,
    release_number,
    summary,
    suspicion,
)
from hwmodels.dpu.board import Board, closed_loop_ips
from hwmodels.dpu.roofline import compute_scale, network_s, phases
from hwmodels.errors import InputError
from hwmodels.networks.graph import Layer, LayerGraph
from hwmodels.networks.zoo import load_network

__all__ = ["LAYER_NETWORKS", "layer_network", "layers_of", "predict_layers", "validate_layers"]

#: Name in the model zoo of the boards (a pattern), and our network of the same layers.
LAYER_NETWORKS = {
    r"tf2?_resnetv1_50_imagenet_224_224_6\.97G": "resnet_50_v1_224",
    r"tf2?_resnetv1_101_imagenet_224_224_14\.4G": "resnet_101_v1_224",
    r"tf2?_resnetv1_152_imagenet_224_224_21\.83G": "resnet_152_v1_224",
    r"(tf|cf)_vgg_?16_imagenet_224_224_30\.9\d?G": "vgg_16_224",
    r"(tf|cf)_vgg_?19_imagenet_224_224_39\.28G": "vgg_19_224",
    r"tf2?_mobilenetv1(_1\.0)?_imagenet_224_224_1\.1\dG": "mobilenet_v1_1.0_224",
}

#: Networks that differ from another one only in how often a block is repeated: base, the operator that ends a block,
#: and extra copies by the block's number from 0 (He et al. 2015; Simonyan and Zisserman 2014).
DEEPER = {
    "resnet_101_v1_224": ("resnet_50_v1_224", "ADD", {8: 17}),
    "resnet_152_v1_224": ("resnet_50_v1_224", "ADD", {4: 4, 8: 30}),
    "vgg_19_224": ("vgg_16_224", "CONV_2D", {6: 1, 9: 1, 12: 1}),
}


def layers_of(name: str) -> LayerGraph:
    """Load a network; where the zoo lacks it, repeat the blocks of the one it is a deeper form of."""
    try:
        return load_network(name)
    except InputError:
        if name not in DEEPER:
            raise
    base, op, copies = DEEPER[name]
    graph, number = load_network(base), 0
    layers: list[Layer] = []
    block: list[Layer] = []
    for layer in graph.layers:
        block.append(layer)
        if layer.op == op:
            layers += block * (1 + copies.get(number, 0))
            block, number = [], number + 1
    return replace(graph, name=name, layers=(*layers, *block))


def layer_network(model: str) -> str:
    """Return our network's name for a model of the boards' zoo, or an empty string."""
    return next((name for pattern, name in LAYER_NETWORKS.items() if re.fullmatch(pattern, model)), "")


def predict_layers(one_core: BoardRow, graph: LayerGraph, target: Board, release: str) -> float:
    """Return inferences per second on a board from a one-core row and the network's layers."""
    source = one_core.part()
    plain = source.with_numbers({"early_slowdown": 1})
    work = one_core_work(one_core, plain)
    early = 0 < release_number(release) < source.early_before_release
    scale = compute_scale(phases(graph, source), source, work.accelerator_s, source.early_port_factor if early else 1.0)
    busy_s = network_s(phases(graph, target), target, target.accelerators, scale)
    alone = replace(on_board(work, plain, target), accelerator_s=busy_s, memory_share=0.0)
    return closed_loop_ips(alone, target.with_numbers({"slow_port": 0}))


def validate_layers(
    reference: str | Path, target: str | Path, reference_board: str = "KV260", networks: Sequence[str] = ()
) -> dict[str, Any]:
    """Predict the rows of every network whose layers are known; the JSON object is that of ``validate-boards``."""
    partners = {
        row.key: row for row in read_board_rows(reference) if row.board.startswith(reference_board) and row.is_whole
    }
    rows = []
    for row in read_board_rows(target):
        name = layer_network(row.model)
        known = name and row.key in partners and row.multi_ips and (not networks or name in networks)
        if known and not row.board.startswith(reference_board) and not row.repeats:
            rows.append(_answer(row, partners[row.key], name))
    predicted = [row for row in rows if row["skipped"] is None]
    return {
        "rows": rows, "summary": summary(predicted),
        "predicted_rows": len(predicted), "skipped_rows": len(rows) - len(predicted),
    }  # fmt: skip


def _answer(row: BoardRow, one_core: BoardRow, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "file": row.file, "line": row.line, "board": row.board, "release": row.release, "model": row.model,
        "network": name, "metric": "fps_multi_thread", "accelerators": row.cores, "measured": row.multi_ips,
        "predicted": None, "lo90": None, "hi90": None, "error": None, "flag": None, "skipped": None,
    }  # fmt: skip
    try:
        board = row.part()
        ips = predict_layers(one_core, layers_of(name), board, row.release)
    except InputError as error:
        return answer | {"skipped": str(error)}
    half = board.own_spread90
    flag = suspicion(row, one_core, on_board(one_core_work(one_core, one_core.part()), one_core.part(), board))
    return answer | {
        "predicted": ips, "lo90": ips * (1 - half), "hi90": ips * (1 + half), "error": ips / row.multi_ips - 1,
        "flag": flag,
    }  # fmt: skip
