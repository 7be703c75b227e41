"""Boards of the DPU family: rows, power by size and logged cuts, by hand; and the lesson's two classical estimates."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.boards.power import BASE_W, ENERGY_EXPONENT, W_PER_GOPS, idle_w, peak_gops, running_w
from calibration.boards.replay import board_row, is_board_table, on_board, one_core_work, release_number
from calibration.pipelines import parse_cut
from hwmodels.board import Work, load_board
from hwmodels.errors import InputError
from sim.lab.theory import bound_ips, demands_ms, mva_ips

# Power by size


@pytest.mark.parametrize(("size", "gops"), [("B512", 153.6), ("B4096", 1228.8), ("DPUCZDX8G_B1024", 0), ("512", 153.6)])
def test_the_peak_is_in_the_name(size, gops):
    if not gops:
        with pytest.raises(InputError, match="dpu_arch"):
            peak_gops(size)
        return
    assert peak_gops(size) == pytest.approx(gops)


def test_idle_watts_are_linear_in_the_size():
    assert idle_w("B4096") - idle_w("B512") == pytest.approx(W_PER_GOPS * (4096 - 512) * 0.3)
    assert idle_w("B512") == pytest.approx(BASE_W + W_PER_GOPS * 153.6)


def test_the_profile_s_own_size_is_itself():
    assert running_w("B512", 2.0, "B512", 5.0, 2.0) == pytest.approx(5.0)


def test_energy_above_idle_falls_slowly_with_the_size():
    """Twice the runtime: half the watts above idle; another size: its own idle and the power law."""
    above = 5.0 - idle_w("B512")
    assert running_w("B512", 4.0, "B512", 5.0, 2.0) == pytest.approx(idle_w("B512") + above / 2)
    expected = idle_w("B4096") + above * 8**ENERGY_EXPONENT
    assert running_w("B4096", 2.0, "B512", 5.0, 2.0) == pytest.approx(expected)


# Rows of a board table

RECORD = {
    "release": "2.5", "board": "KV260", "cores": "1", "clock_mhz": "300", "model": "net", "fps_single_thread": "100",
    "fps_multi_thread": "125",
}  # fmt: skip


def row(**changes):
    return board_row(Path("t.csv"), 2, {**RECORD, **changes})


def test_a_table_is_known_by_its_header():
    assert is_board_table(list(RECORD))
    assert not is_board_table([*list(RECORD)[1:], "other"])


def test_two_rates_give_host_and_accelerator_time():
    """One core of many threads: 8 ms each; one thread: 10 ms, so the host takes 2."""
    work = one_core_work(row(), load_board("kv260"))
    assert work.accelerator_s == pytest.approx(8e-3, rel=0.08)  # early releases carry their own slowdown
    assert work.host_s == pytest.approx(2e-3, rel=0.35)


@pytest.mark.parametrize(("release", "number"), [("1.4", 1.4), ("2.5", 2.5), ("3.0", 3.0), ("1.3.2", 1.3)])
def test_releases_are_in_order(release, number):
    assert release_number(release) == pytest.approx(number, abs=0.05)


def test_work_on_another_board_goes_by_its_clocks():
    work, source = Work(2e-3, 8e-3, 0.5), load_board("kv260")
    same = on_board(work, source, source)
    assert (same.host_s, same.accelerator_s) == pytest.approx((work.host_s * source.host_factor, work.accelerator_s))
    target = load_board("zcu102")
    moved = on_board(work, source, target)
    assert moved.accelerator_s == pytest.approx(work.accelerator_s * source.clock_hz / target.clock_hz)


@pytest.mark.parametrize(("key", "value"), [("cores", "many"), ("clock_mhz", "-1"), ("fps_single_thread", "fast")])
def test_a_cell_that_is_no_number_names_its_line(key, value):
    with pytest.raises(InputError, match=r"t\.csv:2|line 2"):
        row(**{key: value})


# Logged cuts


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("[1.5, 2]/[0, 0.5]", ((1.5, 0.0), (2.0, 0.5))),
        ("[0.0, 1, 2]/[0, 0, 0]", ((1.0, 0.0), (2.0, 0.0))),  # a first segment without parameters is none
        ("[1, 0.0]/[0, 0]", ((1.0, 0.0), (0.0, 0.0))),
    ],
)
def test_a_logged_cut_is_memory_on_and_off_chip(text, cut):
    assert parse_cut(text) == cut


@pytest.mark.parametrize("text", ["", "[1]/[1,2]", "[1]", "1/2", "[a]/[b]", "[1]/[2]/[3]", "{}/{}"])
def test_another_form_of_cut_is_told(text):
    if text == "{}/{}":
        assert parse_cut(text) == ()
        return
    with pytest.raises(InputError, match="MiB on chip"):
        parse_cut(text)


# The lesson's estimates

NOTHING = dict.fromkeys(("load_parameters", "parameters", "output"), 0.0)
ALONE = {
    "time_breakdown_ms": {
        "preprocess": 3.0,
        "instructions": 0.5,
        "input": 0.5,
        "compute": 1.0,
        "host_copy": 1.0,
        **NOTHING,
    }
}


def test_an_answer_splits_into_held_and_elsewhere():
    assert demands_ms(ALONE) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("threads", "accelerators", "ips"), [(1, 1, 1000 / 6), (2, 1, 1000 / 3), (9, 1, 500), (9, 2, 1000)]
)
def test_the_asymptotic_bound(threads, accelerators, ips):
    assert bound_ips(threads, 2.0, 4.0, accelerators) == pytest.approx(ips)


def test_mean_value_analysis_is_the_machine_repair_model():
    """Exact by the recursion of Erlang's loss: X = (1 - p0) / S with p0 from the birth-death chain."""
    from math import factorial

    held, elsewhere = 2.0, 4.0
    for n in range(1, 8):
        weights = [factorial(n) / factorial(n - k) * (held / elsewhere) ** k for k in range(n + 1)]
        assert mva_ips(n, held, elsewhere) == pytest.approx(1e3 * (1 - weights[0] / sum(weights)) / held)


def test_random_service_is_never_faster_than_the_bound():
    assert all(mva_ips(n, 2.0, 4.0) <= bound_ips(n, 2.0, 4.0) * (1 + 1e-12) for n in range(1, 20))
    assert mva_ips(1, 2.0, 4.0) == pytest.approx(bound_ips(1, 2.0, 4.0))
