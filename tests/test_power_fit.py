"""The fit of the power numbers that no source states."""

from __future__ import annotations

from calibration.power_fit import fit_power
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.host import load_host

CORAL = load_accelerator("coral")


def test_the_fit_gives_the_shipped_numbers_and_says_how_sure_it_is():
    found = fit_power()
    shipped = [
        CORAL.power_active_clock_w, CORAL.energy_stream_pj_per_byte,
        load_host("dev-board").power_awake_w, load_host("dev-board").power_core_busy_w,
    ]  # fmt: skip
    for value, number in zip(shipped, found["numbers"].values(), strict=True):
        assert abs(value - number["value"]) < 0.5 * number["std_error"]
    assert found["mape"] < 0.09
    assert found["mape_left_out"] < 0.12
