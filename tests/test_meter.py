"""What a power meter saw: watts and joules of rows, against the published ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.measurements import Measurement
from calibration.meter import metered, with_meter
from calibration.setups import Parts
from calibration.shipped import load_dataset


def watts(dataset: str, **wanted: str) -> dict[Measurement, float]:
    rows = with_meter(load_dataset(dataset))
    chosen = [row for row in rows if all(getattr(row, key) == value for key, value in wanted.items())]
    chosen = [row for row in chosen if row.model != "mixed classifiers"]
    return {row: metered(row, Parts()) for row in chosen}


def mean_error(rows: dict[Measurement, float]) -> float:
    return sum(abs(predicted / row.value - 1) for row, predicted in rows.items()) / len(rows)


def test_a_stick_s_watts_are_those_of_its_plug_meter():
    rows = watts("qutibench_power", metric="power_full_w")
    stated = {row: value for row, value in rows.items() if row.base_power_w is not None}
    assert len(stated) == 8
    assert mean_error(stated) < 0.09
    assert all(abs(value / row.value - 1) < 0.35 for row, value in rows.items())


@pytest.mark.parametrize(("dataset", "mean", "worst"), [("deepedgebench", 0.04, 0.1), ("issues_misc", 0.06, 0.15)])
def test_states_and_loads_of_boards_and_sticks(dataset, mean, worst):
    rows = {}
    for metric in ("power_w", "power_idle_w", "power_full_w", "energy_mj", "energy_above_idle_mj"):
        rows |= watts(dataset, metric=metric)
    assert len(rows) >= 8
    assert mean_error(rows) < mean
    assert max(abs(value / row.value - 1) for row, value in rows.items()) < worst


def test_rows_that_belong_together_share_their_base_and_period():
    def row(line, metric, value, **changes):
        return Measurement(line=line, model="m", metric=metric, value=value, source_id="s", clock_id="max", **changes)

    rows = with_meter([
        row(1, "power_base_w", 0.3), row(2, "system_throughput_fps", 100.0), row(3, "power_full_w", 0.5),
        row(4, "power_full_w", 0.9), row(5, "power_base_w", 0.8),
    ])  # fmt: skip
    assert (rows[2].base_power_w, rows[2].period_ms) == (0.3, 10.0)
    assert (rows[3].base_power_w, rows[3].period_ms) == (0.8, None)
    assert rows[1].base_power_w is None
    assert with_meter(rows) == rows


def test_a_low_base_averages_over_the_period_and_a_high_one_does_not():
    row = Measurement(model="mobilenet_v1_1.0_224", metric="power_full_w", value=1.0, meter="stick")

    def at(base_w, period_ms):
        return metered(replace(row, base_power_w=base_w, period_ms=period_ms), Parts())

    assert at(0.25, 10.0) > at(0.25, 20.0) > 0.25
    assert at(0.8, 10.0) == at(0.8, 20.0)
