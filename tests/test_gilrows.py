"""An invoke beside a busy Python thread: the simulator's lock against measured rows, and arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.gilrows import gil_ms, with_profile
from calibration.harness.gil import METRIC
from calibration.measurements import Measurement
from calibration.setups import Parts, Skip
from calibration.shipped import load_dataset
from calibration.validation import validate
from hwmodels.host import load_host

PARTS = Parts()
HOST = load_host("x86-epyc-litert")
BASE = Measurement(model="conv5x3x3_f72_64x64", metric=METRIC, value=4.0, device="cpu", link="none", host_id=HOST.name)
BESIDE = replace(BASE, value=9.0, python_threads=1, switch_interval_ms=2.0)


def test_measured_rows_are_predicted_within_five_percent() -> None:
    """The hand-over comes from the first network; three others are not used for anything but this."""
    answer = validate(["own_server"])
    errors = {(r["model"], r["measured"]): r["error"] for r in answer["rows"] if r["error"] is not None}
    assert len(errors) == 16
    assert max(map(abs, errors.values())) < 0.05


def test_the_invoke_alone_is_the_profile_and_no_prediction() -> None:
    rows = with_profile(load_dataset("own_server"))
    alone = [r for r in rows if not r.python_threads]
    assert len(alone) == 4
    for one in alone:
        with pytest.raises(Skip, match="alone"):
            gil_ms(one, PARTS)


@pytest.mark.parametrize(("busy", "interval_ms"), [(1, 2.0), (1, 0.5), (3, 1.0)])
def test_an_invoke_waits_an_interval_for_each_busy_thread(busy: int, interval_ms: float) -> None:
    _, beside = with_profile([BASE, replace(BESIDE, python_threads=busy, switch_interval_ms=interval_ms)])
    assert gil_ms(beside, PARTS) == pytest.approx(4.0 + busy * interval_ms + HOST.gil_handover_ns / 1e6, abs=1e-3)


def test_rows_of_another_network_or_source_lend_nothing() -> None:
    strangers = [replace(BESIDE, model="mobilenet_v1_1.0_224"), replace(BESIDE, source_id="x")]
    for one in with_profile([BASE, *strangers])[1:]:
        with pytest.raises(Skip, match="no row of the same invoke alone"):
            gil_ms(one, PARTS)
