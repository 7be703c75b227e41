"""Boards against their published measurements: the figures that the documentation names, and what bad input says."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from calibration.boards.layers import layer_network, layers_of, validate_layers
from calibration.boards.make_profiles import newest, profile_rows
from calibration.boards.replay import board_row, read_board_rows, validate_boards
from calibration.boards.sweeps import (
    board_file_predictor,
    predict_power_by_size,
    predict_power_sweep,
    predict_thread_sweep,
)
from calibration.data import FOLDER
from hwmodels.errors import InputError
from sim.study.statistics import quantile

BOARDS = FOLDER / "boards"
ZOO = BOARDS / "dpu_zoo.csv"
UNET2 = [11.86, 23.31, 31.02, 23.90, 29.44, 31.36]


def sizes(answer: dict[str, Any], board: str = "", flagged: bool = False) -> list[float]:
    rows = [row for row in answer["rows"] if row["error"] is not None and row["board"].startswith(board)]
    return sorted(abs(row["error"]) for row in rows if bool(row["flag"]) == flagged)


@pytest.fixture(scope="module")
def from_one_core() -> dict[str, Any]:
    return validate_boards(ZOO, ZOO)


def test_two_cores_from_one(from_one_core: dict[str, Any]) -> None:
    found = sizes(from_one_core, "ZCU104")
    assert len(found) > 180
    assert median(found) <= 0.04
    assert quantile(found, 0.9) <= 0.155


def test_three_cores_from_one(from_one_core: dict[str, Any]) -> None:
    found = sizes(from_one_core, "ZCU102")
    assert len(found) > 140
    assert median(found) <= 0.09
    assert fmean(found) <= 0.16


def test_flags_are_few_and_have_a_reason(from_one_core: dict[str, Any]) -> None:
    flags = [row["flag"] for row in from_one_core["rows"] if row["flag"]]
    assert len(flags) <= 0.04 * from_one_core["predicted_rows"]
    assert all(flag.startswith("outlier: ") for flag in flags)
    assert from_one_core["predicted_rows"] + from_one_core["skipped_rows"] == len(from_one_core["rows"])
    groups = {row["group"]: row for row in from_one_core["summary"]}
    assert groups["ZCU104/fps_multi_thread/flagged"]["n"] == len(sizes(from_one_core, "ZCU104", flagged=True))


def table(tmp_path: Path, rows: list[str]) -> Path:
    path = tmp_path / "table.csv"
    head = "release,board,cores,clock_mhz,model,fps_single_thread,fps_multi_thread"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_second_board_gives_the_networks_own_stretch(tmp_path: Path) -> None:
    """Worse scaling on two cores means worse on three; a network that does not scale is not made to."""

    def third(two_cores: float) -> float:
        rows = [
            "3.0,KV260,1,300,net,95,100", f"3.0,ZCU104,2,300,net,94.5,{two_cores}", "3.0,ZCU102,3,281,net,88.8,240",
            "3.0,ZCU102,3,281,alone,1,2",
        ]  # fmt: skip
        path = table(tmp_path, rows)
        answer = validate_boards(path, path, ("KV260", "ZCU104"))
        (skipped,) = (row for row in answer["rows"] if row["skipped"])
        assert skipped["model"] == "alone" and "KV260 and ZCU104" in skipped["skipped"]
        (row,) = (row for row in answer["rows"] if not row["skipped"])
        return float(row["predicted"])

    rates = [third(two) for two in (199.0, 190.0, 180.0, 160.0, 105.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 250 and rates[-1] <= 105


def test_own_stretch_across_releases() -> None:
    """Three cores of one release from the two-core row of another: the held-out proof of the second reference."""
    from calibration.boards.fit_boards import cases, errors

    chosen = [case for case in cases(read_board_rows(ZOO)) if case.share_from]
    found = sorted(abs(error) for error in errors({}, chosen))
    assert len(found) > 50
    assert median(found) <= 0.05
    assert fmean(found) <= 0.08


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


def test_unet_dips_at_four_threads() -> None:
    answer = predict_thread_sweep(BOARDS / "dpu_thread_sweeps.csv")
    rows = [row for row in answer["rows"] if "unet2" in row["model"] and row["board"] == "ZCU102"]
    rows.sort(key=lambda row: row["threads"])
    assert [row["predicted"] for row in rows] == [pytest.approx(value, rel=0.05) for value in UNET2]
    assert rows[3]["predicted"] < rows[2]["predicted"]
    assert [row["threads"] for row in rows if row["flag"]] == [1, 3]


def test_watts_against_threads() -> None:
    answer = predict_power_sweep(BOARDS / "dpu_power_threads.csv")
    watts = [abs(row["error"]) for row in answer["rows"] if row["metric"] == "power_full_w" and not row["flag"]]
    assert len(watts) == 42
    assert max(watts) <= 0.035
    assert fmean(watts) <= 0.01
    rates = [abs(row["error"]) for row in answer["rows"] if row["metric"] == "throughput_fps"]
    assert max(rates) <= 0.06


def test_watts_against_size() -> None:
    answer = predict_power_by_size(BOARDS / "dpu_power_by_size.csv")
    found = sizes(answer)
    assert len(found) == 19
    assert max(found) <= 0.07


def test_files_are_known_by_their_header() -> None:
    names = ("dpu_thread_sweeps", "dpu_power_threads", "dpu_power_by_size")
    headers = [(BOARDS / f"{name}.csv").read_text().split("\n")[0].split(",") for name in names]
    found = [board_file_predictor(header) for header in headers]
    assert found == [predict_thread_sweep, predict_power_sweep, predict_power_by_size]
    assert board_file_predictor(["model", "metric", "value"]) is None


@pytest.mark.parametrize(
    ("rows", "told"),
    [(["3.0,KV260,one,300,n,1,2"], "cores"), (["3.0,KV260,1,300,n,-4,2"], "fps_single_thread"), ([], "KV260")],
)
def test_bad_tables(tmp_path: Path, rows: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        validate_boards(table(tmp_path, rows), ZOO)


def test_unknown_boards(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reference-board"):
        validate_boards(ZOO, ZOO, ("KV99",))
    with pytest.raises(InputError, match="target-board"):
        validate_boards(ZOO, ZOO, target_board="U50")
    rows = ["3.0,KV260,1,300,n,1,2", "3.0,Mystery,2,300,n,1,3", "3.0,ZCU104,2,300,n,NA,", "3.0,VCK190,1,,n,9,9"]
    path = table(tmp_path, rows)
    reasons = [row["skipped"] for row in validate_boards(path, path, "KV260")["rows"]]
    assert "board" in reasons[0] and reasons[1] == "no rate of many threads" and "another kind" in reasons[2]
    with pytest.raises(InputError, match="one core, then two"):
        validate_boards(ZOO, ZOO, "KV260,ZCU104,ZCU102")
    with pytest.raises(InputError, match="no column release"):
        read_board_rows(BOARDS / "dpu_power_by_size.csv")


def test_profiles_come_from_the_newest_release() -> None:
    record = {"board": "KV260", "cores": "1", "clock_mhz": "300", "model": "n", "fps_multi_thread": "100"}
    old = board_row(Path("t.csv"), 2, record | {"release": "2.5", "fps_single_thread": "50"})
    new = board_row(Path("t.csv"), 3, record | {"release": "3.0", "fps_single_thread": "80"})
    assert newest([new, old], "KV260") == [new]
    cpu, accelerator, memory = profile_rows(new)
    assert cpu[2] == 2_500_000 and accelerator[2] + memory[2] == 10_000_000


def test_two_references_of_another_release_lend_the_memory_share(tmp_path):
    """The nearest release that has both: a share learnt there moves the prediction, the row says from where."""
    head = "release,board,cores,clock_mhz,model,fps_single_thread,fps_multi_thread\n"
    one = "3.0,KV260,1,300,net,95,100\n3.0,ZCU102,3,281,net,88.8,240\n2.5,KV260,1,300,net,95,100\n"
    answers = {}
    for two_cores in (200, 140):
        path = tmp_path / f"{two_cores}.csv"
        path.write_text(head + one + f"2.5,ZCU104,2,300,net,94.5,{two_cores}\n1.4,ZCU104,2,300,net,94.5,100\n")
        (row,) = validate_boards(path, path, "KV260,ZCU104", "ZCU102")["rows"]
        assert row["assumed"] == ["threads", "memory_share as in release 2.5"]
        answers[two_cores] = row["predicted"]
    assert answers[140] < answers[200] <= 3 * 100
