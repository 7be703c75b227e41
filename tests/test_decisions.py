"""Decisions between measured set-ups, counted by hand."""

from __future__ import annotations

import pytest

from calibration.decisions import decisions
from calibration.shipped import dataset_names
from calibration.validation import validate

ROW = {
    "source_id": "s", "host_id": "h", "model": "m", "metric": "invoke_latency_ms", "link": "usb3", "clock_id": "max",
    "segmentation": "", "cut": "", "accelerators": 1, "mode": "single", "batch": 1, "flag": None,
}  # fmt: skip


def row(measured, predicted, **changes):
    return {**ROW, "measured": measured, "predicted": predicted, **changes}


def by_kind(rows):
    return {found["kind"]: (found["pairs"], found["right"]) for found in decisions(rows)}


def test_decisions_by_hand():
    rows = [
        row(10, 11), row(12, 11.5), row(20, 19, link="usb2"),  # two readings of one set-up count as 11
        row(11.2, 30, clock_id="std"),  # 2 % apart: no decision, but it is one against the other link
        row(5, 6, accelerators=2, mode="pipeline", batch=50, metric="time_per_inference_ms"),
        row(4, 7, accelerators=4, mode="pipeline", batch=50, metric="time_per_inference_ms"),
        row(9, 9, accelerators=4, mode="pipeline", batch=1, metric="time_per_inference_ms"),
    ]  # fmt: skip
    found = by_kind(rows)
    assert found["link"] == (5, 4 / 5)  # usb2 against the readings, the other clock (wrong) and three pipelines
    assert found["clock"] == (3, 1.0)  # the other clock against pipelines: a pipeline is better, as predicted
    assert found["accelerators"] == (4, 3 / 4)  # one against each pipeline, and two against four (wrong)
    assert found["all"] == (12, 10 / 12)


def test_what_is_no_decision():
    other = row(20, 1, link="usb2")
    for left_out in ({"flag": "outlier: x"}, {"link": "none"}, {"metric": "param_bytes"}, {"host_id": "other"}):
        assert decisions([row(10, 10), other | left_out]) == []
    assert by_kind([row(10, 10), other]) == {"link": (1, 0.0), "all": (1, 0.0)}


def test_decisions_about_links_clocks_and_swaps_are_all_right():
    found = by_kind(validate([name for name in dataset_names() if name != "villarrubia_synthetic"])["rows"])
    assert found["link"][0] >= 40 and found["clock"][0] >= 20 and found["compiled together"][0] == 8
    for kind in ("link", "clock", "compiled together"):
        assert found[kind][1] == pytest.approx(1)
