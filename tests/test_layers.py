"""The layer roofline held against boards."""

from __future__ import annotations

from typing import Any

import pytest

from calibration.boards.layers import layer_network, layers_of, validate_layers
from calibration.tables import FOLDER

BOARDS = FOLDER / "boards"
ZOO = BOARDS / "dpu_zoo.csv"


def sizes(answer: dict[str, Any], board: str = "", flagged: bool = False) -> list[float]:
    rows = [row for row in answer["rows"] if row["error"] is not None and row["board"].startswith(board)]
    return sorted(abs(row["error"]) for row in rows if bool(row["flag"]) == flagged)


def test_layer_roofline_predicts_three_cores() -> None:
    answer = validate_layers(ZOO, ZOO)
    three = sizes(answer, "ZCU102")
    assert len(three) >= 5
    assert max(three) <= 0.05
    assert max(sizes(answer, "ZCU104")) <= 0.06


def test_deeper_networks_have_their_own_size() -> None:
    macs = {name: layers_of(name).macs / 1e9 for name in ("resnet_101_v1_224", "resnet_152_v1_224", "vgg_19_224")}
    assert macs["resnet_101_v1_224"] == pytest.approx(7.6, rel=0.05)
    assert macs["resnet_152_v1_224"] == pytest.approx(11.3, rel=0.05)
    assert macs["vgg_19_224"] == pytest.approx(19.6, rel=0.02)
    assert layer_network("tf_resnetv1_50_imagenet_224_224_0.38_4.3G") == ""
