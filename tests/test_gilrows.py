"""An invoke beside a busy Python thread: the simulator's lock against measured rows, and arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.data import Row, load_dataset
from calibration.gilrows import METRIC, gil_ms, with_profile
from calibration.predict import Parts, Skip
from calibration.validation import validate
from hwmodels.host import load_host

PARTS = Parts()
HOST = load_host("x86-epyc-litert")
BESIDE = "switch interval 2 ms, one busy Python thread"


def row(value: float, conditions: str, model: str = "conv5x3x3_f72_64x64") -> Row:
    return Row("a.csv", 2, model, METRIC, value, device="cpu", link="none", host_id=HOST.name, conditions=conditions)


def test_measured_rows_are_predicted_within_five_percent() -> None:
    """The hand-over comes from the first network; three others are not used for anything but this."""
    answer = validate(["own_server"])
    errors = {(r["model"], r["measured"]): r["error"] for r in answer["rows"] if r["error"] is not None}
    assert len(errors) == 16
    assert max(map(abs, errors.values())) < 0.05


def test_the_invoke_alone_is_the_profile_and_no_prediction() -> None:
    rows = with_profile(load_dataset("own_server"))
    alone = [r for r in rows if r.conditions.startswith("alone")]
    assert len(alone) == 4
    for one in alone:
        with pytest.raises(Skip, match="alone"):
            gil_ms(one, PARTS)


@pytest.mark.parametrize(("text", "busy", "interval_ms"), [
    ("switch interval 2 ms, one busy Python thread", 1, 2.0),
    ("switch interval 0.5 ms, one busy Python thread", 1, 0.5),
    ("switch interval 1 ms, 3 busy Python threads", 3, 1.0),
])  # fmt: skip
def test_an_invoke_waits_an_interval_for_each_busy_thread(text: str, busy: int, interval_ms: float) -> None:
    _, beside = with_profile([row(4.0, "alone"), row(9.0, text)])
    assert gil_ms(beside, PARTS) == pytest.approx(4.0 + busy * interval_ms + HOST.gil_handover_ns / 1e6, abs=1e-3)


def test_rows_of_another_network_or_source_lend_nothing() -> None:
    _, other, foreign = with_profile(
        [row(4.0, "alone"), row(9.0, BESIDE, "mobilenet_v1_1.0_224"), replace(row(9.0, BESIDE), source_id="x")]
    )
    for one in (other, foreign):
        with pytest.raises(Skip, match="no row of the same invoke alone"):
            gil_ms(one, PARTS)
