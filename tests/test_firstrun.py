"""First inferences: what is fitted, by hand and on the published runs."""

from __future__ import annotations

import pytest

from calibration.firstrun import ARM_NS_PER_BYTE, KEY, FirstRun, first_runs, first_touch_without, fit_first_touch
from calibration.measurements import Measurement
from hwmodels.host import load_host
from hwmodels.parts import part_names


def run(touched_bytes: int, ns_per_byte: float, first_ns: float = 1e7) -> FirstRun:
    row = Measurement(model="mobilenet_v2_1.0_224", metric="first_inference_ms", value=first_ns / 1e6)
    return FirstRun(row, touched_bytes, ns_per_byte * touched_bytes, first_ns)


@pytest.mark.parametrize("ns_per_byte", [0.5, 8.0, 30.0])
def test_many_bytes_tell_the_price_of_one(ns_per_byte):
    fitted = fit_first_touch([run(10**6, ns_per_byte), run(3 * 10**6, ns_per_byte)])
    assert abs(fitted.values[KEY] - ns_per_byte) < 2 * fitted.std_errors[KEY] < 1


def test_few_bytes_leave_what_boards_have_in_common():
    fitted = fit_first_touch([run(8, 500.0)])
    assert (fitted.values[KEY], fitted.std_errors[KEY]) == pytest.approx(ARM_NS_PER_BYTE, rel=1e-3)


def test_every_published_run_on_a_dev_board_pays_more_the_first_time():
    runs = first_runs()
    assert set(runs) >= {"dev-board", "raspberry-pi-4", "raspberry-pi-2-32bit", "x86-desktop"}
    board = runs["dev-board"]
    assert len(board) == 13
    assert min(one.surplus_ns for one in board) > 0


@pytest.mark.parametrize("part", ["dev-board", "raspberry-pi-4", "x86-desktop"])
def test_the_shipped_numbers_are_those_of_the_fit(part):
    fitted, shipped = fit_first_touch(first_runs()[part]), load_host(part).quantities[KEY]
    assert shipped.value == pytest.approx(fitted.values[KEY], rel=0.01)
    assert shipped.std_error == pytest.approx(fitted.std_errors[KEY], rel=0.05)


def test_a_network_left_out_is_not_in_the_fit():
    without = first_touch_without("raspberry-pi-4", lambda row: row.model.startswith("spaghettinet"))
    assert without is not None
    assert without.values[KEY] != fit_first_touch(first_runs()["raspberry-pi-4"]).values[KEY]
    assert first_touch_without("raspberry-pi-4", lambda _: False) is None
    assert first_touch_without("raspberry-pi-4", lambda _: True) is None


@pytest.mark.parametrize("name", part_names("host"))
def test_every_host_has_a_number(name):
    """None for a board of accelerators alone: its buffers are allocated when the network is loaded."""
    host = load_host(name)
    is_board = "memory" in host.buses
    assert (host.first_touch_ns_per_byte == 0) if is_board else (host.first_touch_ns_per_byte > 0)
