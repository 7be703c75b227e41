"""What pipelines on one card tell: the shipped numbers hold the rows that they were fitted to."""

from __future__ import annotations

import pytest

pytest.importorskip("scipy")

from calibration.cardfit import HOST, NUMBERS, card_rows, mean_errors, sigma_of
from calibration.measurements import Measurement
from calibration.setups import Parts, network_of
from calibration.shipped import load_dataset

SPARTA = "sparta_imagenet_multitpu"


@pytest.fixture(scope="module")
def rows() -> list[Measurement]:
    return card_rows()


def test_one_accelerator_copies_and_pipelines_are_as_near_as_the_fit_says(rows: list[Measurement]) -> None:
    errors = mean_errors(rows, Parts())
    assert errors["one accelerator and copies"] < 0.04
    assert errors["pipelines, throughput_fps"] < 0.10
    assert errors["pipelines, invoke_latency_ms"] < 0.12


def test_the_shipped_numbers_are_fitted_and_within_their_ranges() -> None:
    for number in NUMBERS:
        part = Parts().host(HOST) if number.kind == "host" else Parts().accelerator()
        quantity = part.quantities[number.key]
        assert quantity.status == "fitted"
        assert number.low <= quantity.value <= number.high


def test_a_copy_counts_as_one_accelerator(rows: list[Measurement]) -> None:
    assert {row.accelerators for row in rows if row.mode == "single"} == {1}
    rates = [row.value for row in rows if row.metric == "throughput_fps" and row.model == "resnet_50_v1.5_224"]
    assert sum(19 < rate < 20 for rate in rates) == 8


def test_chained_segments_are_believed_half_as_much(rows: list[Measurement]) -> None:
    pipelines = {row.metric: sigma_of(row) for row in rows if row.mode == "pipeline"}
    assert pipelines["invoke_latency_ms"] == 2 * pipelines["throughput_fps"]


def test_the_network_is_the_one_that_the_source_s_scripts_make() -> None:
    names = {network_of(row).name for row in load_dataset(SPARTA) if row.model == "inception_v1_224"}
    assert names == {"googlenet_pytorch_224"}
