"""Series of more accelerators on an unnamed host: fitted on the first row, the others predicted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.measurements import Measurement
from calibration.series import is_of_series, paced, series_fps, with_series
from calibration.setups import Parts, Skip
from calibration.shipped import load_dataset
from calibration.validation import validate
from sim import Scenario
from sim.setup import build


@pytest.fixture
def rows() -> list[Measurement]:
    found = [row for row in load_dataset("issues_misc") if row.source_id == "frigate_7247"]
    return [row for row in found if row.metric == "throughput_fps"]


def test_two_and_three_accelerators_are_predicted_within_fifteen_percent() -> None:
    answers = [r for r in validate(["issues_misc"])["rows"] if r["source_id"] == "frigate_7247"]
    errors = {r["accelerators"]: r["error"] for r in answers if r["metric"] == "throughput_fps"}
    assert abs(errors[2]) < 0.15
    assert abs(errors[3]) < 0.15


def test_rows_take_their_place_between_the_loads(rows: list[Measurement]) -> None:
    one, two, three = with_series(rows)
    assert not is_of_series(one)
    assert (one.value, one.load) == (135, 0.77)
    assert (two.reference, two.load) == (one, 0.83)
    assert (three.reference, three.load) == (one, 0.89)


def test_without_a_rise_of_the_load_accelerators_add_up(rows: list[Measurement]) -> None:
    """The fit gives the first row back, so n accelerators at its load make n times as many."""
    calm = [replace(row, load=0.77) for row in rows]
    for row in with_series(calm)[1:]:
        assert series_fps(row, Parts()) == pytest.approx(135 * row.accelerators, rel=0.01)


def test_a_series_without_one_accelerator_or_faster_than_the_device_says_nothing(rows: list[Measurement]) -> None:
    alone = with_series(rows[1:])
    assert not any(map(is_of_series, alone))
    with pytest.raises(Skip, match="no row"):
        series_fps(alone[0], Parts())
    with pytest.raises(Skip, match="faster"):
        series_fps(with_series([replace(rows[0], value=1e6), rows[1]])[1], Parts())


def test_a_host_of_half_the_speed_takes_twice_as_long_for_its_part() -> None:
    (times,) = build(Scenario(models="ssdlite_mobiledet_320")).stage_times[0]
    fixed = paced(times, 0).latency_ns
    assert paced(times, 2).latency_ns - fixed == pytest.approx(2 * (times.latency_ns - fixed), abs=5)
    assert paced(times, 1) == times
