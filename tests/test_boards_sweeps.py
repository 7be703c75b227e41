"""Thread sweeps and watts of boards against their published measurements."""

from __future__ import annotations

from statistics import fmean

import pytest

from calibration.boards.sweeps import (
    board_file_predictor,
    predict_power_by_size,
    predict_power_sweep,
    predict_thread_sweep,
)
from calibration.tables import FOLDER

BOARDS = FOLDER / "boards"


UNET2 = [11.86, 23.31, 31.02, 23.90, 29.44, 31.36]


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


def test_files_are_known_by_their_header() -> None:
    names = ("dpu_thread_sweeps", "dpu_power_threads", "dpu_power_by_size")
    headers = [(BOARDS / f"{name}.csv").read_text().split("\n")[0].split(",") for name in names]
    found = [board_file_predictor(header) for header in headers]
    assert found == [predict_thread_sweep, predict_power_sweep, predict_power_by_size]
    assert board_file_predictor(["model", "metric", "value"]) is None
