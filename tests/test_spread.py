"""The table of spreads: quantiles by hand."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest

from calibration.answers import Z90
from calibration.measurements import Measurement
from calibration.spread import FEW, measured_spreads

ROW = Measurement(
    model="mobilenet_v1_1.0_224", metric="invoke_latency_ms", value=2.0, link="usb3", host_id="x86-xeon", clock_id="max"
)


def answers(errors):
    return [(ROW, {"error": error, "predicted": ROW.value * (1 + error)}) for error in errors]


def test_a_spread_is_the_90_percent_quantile_of_logarithms():
    found = measured_spreads(answers([exp(i / 100) - 1 for i in range(10)]))
    assert found == {"invoke classifier stated": pytest.approx(0.09 / Z90)}


def test_a_spread_of_too_few_rows_is_not_told():
    assert measured_spreads(answers([0.1] * (FEW - 1))) == {}


def test_flagged_rows_and_rows_without_an_error_do_not_count():
    flagged = [(replace(ROW, flag="why"), {"error": 9.0, "predicted": 20.0})] * FEW
    empty = [(ROW, {"error": None, "predicted": None})] * FEW
    found = measured_spreads([*flagged, *empty, *answers([0.1] * FEW)])
    assert found["invoke classifier stated"] == pytest.approx(log(1.1) / Z90)
