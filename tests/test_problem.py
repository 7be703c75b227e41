"""What is free in the fit, and how well a row is believed."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest

from calibration.measurements import Measurement
from calibration.problem import Number, block_of, fit_rows, prior_of, priors, sigma_of
from calibration.setups import Parts
from calibration.shipped import load_dataset
from hwmodels.host import load_host
from hwmodels.parts import part_names

ROW = Measurement(
    model="mobilenet_v1_1.0_224", metric="invoke_latency_ms", value=2.0, link="usb3", host_id="x86-xeon", clock_id="max"
)


def row(**changes):
    return replace(ROW, **changes)


def test_the_middle_of_a_prior_is_geometric():
    number = Number("accelerator", "coral", "clock_hz", 1.0, 100.0)
    assert exp(number.middle) == pytest.approx(10)
    assert number.half_width == pytest.approx(log(10))
    assert number.label == "clock_hz"
    assert replace(number, kind="host", part="dev-board").label == "dev-board: clock_hz"


def test_priors_are_ranges_of_numbers_that_exist():
    for kind, part, key, low, high in priors():
        assert 0 < low < high, (kind, part, key)
    assert prior_of("accelerator", "coral", "tiles_x") is None
    assert prior_of("accelerator", "coral", "conv_cycles_per_step") is not None


def test_a_range_over_hosts_holds_the_hosts_that_were_measured():
    """Output rates over USB 3: a prior that most hosts lie outside of is no prior of a host that nobody measured."""
    low, high = prior_of("host", "any", "bus.usb3.in_bytes_per_s")
    told = {name: load_host(name).quantities.get("bus.usb3.in_bytes_per_s") for name in part_names("host")}
    rates = {n: q.value for n, q in told.items() if q and q.status == "fitted" and q.std_error < 0.25 * q.value}
    assert len(rates) >= 8
    assert all(low * 0.95 <= rate <= high * 1.05 for rate in rates.values()), rates


def test_a_desktop_s_fixed_time_over_pcie_is_a_slower_board_s_at_most():
    low, high = prior_of("host", "x86-desktop", "bus.pcie.floor_ns")
    board = load_host("raspberry-pi-cm4")
    assert low >= board.driver_cpu_ns / 5
    assert high == pytest.approx(board.quantities["bus.pcie.floor_ns"].value, rel=0.05)


def test_a_rounded_figure_is_believed_less():
    exact, rounded = (sigma_of(row(source_id="own", value=value)) for value in (10.5, 10.0))
    assert exact < rounded
    assert sigma_of(row(source_id="own", value=1000.0)) < sigma_of(row(source_id="own", value=2.0))


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "throughput_fps"},
        {"threads": 2},
        {"accelerators": 2},
        {"batch": 4},
        {"mode": "pipeline"},
        {"link": "none"},
        {"flag": "outlier"},
        {"value": 0.0},
        {"model": "nobody_knows_this"},
    ],
)
def test_what_the_fit_does_not_explain_is_left_out(changes):
    parts = Parts()
    assert fit_rows([ROW], parts) == [ROW]
    assert fit_rows([row(**changes)], parts) == []


def test_a_figure_counts_once():
    again = replace(ROW, file="y.csv", line=9)
    assert fit_rows([ROW, again, replace(ROW, value=2.5)], Parts()) == [ROW, replace(ROW, value=2.5)]


PARTS = Parts()


def test_same_figures_of_two_sources_count_once() -> None:
    rows = fit_rows(load_dataset("google_reference"), PARTS)
    keys = [(row.model, row.host_id, row.link, row.mode, row.value) for row in rows]
    assert len(keys) == len(set(keys))


def test_sweeps_leave_in_regimes() -> None:
    rows = [Measurement(model=model, metric="invoke_latency_ms", value=1.0, link="pcie") for model in
            ("conv5x3x3_f442_64x64", "conv5x3x3_f452_64x64", "fc5_n1580_in64_out10", "depthwise_k5_c256")]  # fmt: skip
    assert [block_of(row, PARTS) for row in rows] == [
        "conv5x3x3 cached", "conv5x3x3 streamed", "fc5 cached", "depthwise_k5 spilled",
    ]  # fmt: skip


def test_rounded_rows_are_believed_less() -> None:
    row = Measurement(model="m", metric="invoke_latency_ms", value=3.0, source_id="softserve")
    assert sigma_of(row) > sigma_of(replace(row, value=2.97))
