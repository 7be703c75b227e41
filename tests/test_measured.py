"""Measured gains beside predicted ones: the shipped file against the boards' own table."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import median

import calibration
from sim.study.measured import measured_findings, measured_gains

TABLES = Path(calibration.__file__).parent / "datasets" / "boards"
RELEASES = {"KV260": ("2.5", "3.0"), "Ultra96": ("1.0", "1.1")}


def rows(name):
    with (TABLES / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_measured_gain_is_the_table_s():
    """Many threads over one, of the rows of the board and its network: the median where several measured it."""
    names = {row["model"]: row["network"] for row in rows("dpu_networks.csv")}
    table = rows("dpu_zoo.csv")
    for gain in measured_gains("dpu"):
        board, network = gain["board"], gain["network"]
        ratios = [
            float(row["fps_multi_thread"]) / float(row["fps_single_thread"]) for row in table
            if row["board"].startswith(board) and row["release"] in RELEASES[board]
            and names.get(row["model"]) == network and not row["same_numbers_as_release"]
            and row["fps_multi_thread"] and row["fps_single_thread"]
        ]  # fmt: skip
        assert ratios, network
        assert min(ratios) - 1e-3 <= gain["measured"] <= max(ratios) + 1e-3
        assert abs(gain["measured"] / median(ratios) - 1) < 0.05


def test_a_sentence_for_each_board_of_the_family():
    found = list(measured_findings("dpu"))
    assert [finding["values"]["board"] for finding in found] == ["KV260", "Ultra96"]
    assert found[0]["values"]["networks"] >= 44
    assert found[0]["values"]["median"] < 0.015
    assert all(finding["text"].endswith(".") for finding in found)


def test_no_gain_was_measured_on_an_edge_tpu():
    assert list(measured_findings("edgetpu")) == []
