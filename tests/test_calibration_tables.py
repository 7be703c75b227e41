"""What measurement rows mean: corrections, host parts, CPU samples, kinds and spreads, by hand on made-up rows."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import pytest

from calibration.corrections import OTHER_PARTS, corrected, host_part_of
from calibration.cpurows import LEFT_OUT, _is_used, cpu_samples
from calibration.data import Row, dataset_names, load_dataset
from calibration.predict import Parts
from calibration.problem import Number, fit_rows, prior_of, priors, sigma_of
from calibration.spread import DEFAULT, FEW, SMALLEST, Z90, kind_of, measured_spreads, network_kind, spread_of, spreads
from hwmodels.host import load_host
from hwmodels.parts import part_names

ROW = Row("x.csv", 2, "mobilenet_v1_1.0_224", "invoke_latency_ms", 2.0, link="usb3", host_id="x86-xeon", clock_id="max")
CPU = replace(ROW, link="none", source_id="nobuo", value=20.0)


def row(**changes):
    return replace(ROW, **changes)


# Corrections


@pytest.mark.parametrize(("number", "filters"), [(1, 42), (10, 132), (42, 452)])
def test_a_number_in_the_series_becomes_its_filters(number, filters):
    given = row(source_id="villarrubia", model=f"conv5x3x3_f{number}_64x64", link="none", threads=4)
    assert corrected(given) == replace(given, model=f"conv5x3x3_f{filters}_64x64")


@pytest.mark.parametrize(
    "changes", [{"threads": 1}, {"link": "pcie"}, {"source_id": "else"}, {"model": "fc5_n100_in64_out10"}]
)
def test_every_other_row_is_as_it_says(changes):
    given = row(**{"source_id": "villarrubia", "model": "conv5x3x3_f32_64x64", "link": "none", "threads": 4, **changes})
    assert corrected(given) == given


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"host_id": "raspberry-pi-4"}, "raspberry-pi-4"),
        ({"host_id": "raspberry-pi-4", "host": "Raspberry Pi 4 (32bit)"}, "raspberry-pi-4-32bit"),
        ({"host_id": "dev-board", "host": "Dev Board (32bit)"}, "dev-board"),
        ({"host_id": "raspberry-pi-3b", "source_id": "edgetpu_api_ref"}, "raspberry-pi-3b-32bit"),
        ({"host_id": "x86-desktop", "source_id": "salimmj", "conditions": "quant=False"}, "x86-desktop-float"),
        ({"host_id": "x86-desktop", "source_id": "salimmj", "conditions": "quant=True"}, "x86-desktop"),
        ({"host_id": ""}, ""),
    ],
)
def test_the_host_part_goes_by_board_word_size_and_generation(changes, part):
    assert host_part_of(row(**changes)) == part


def test_every_part_that_rows_are_given_exists():
    known = set(part_names("host"))
    assert set(OTHER_PARTS.values()) <= known
    found = {host_part_of(one) for name in dataset_names() for one in load_dataset(name)}
    assert {part for part in found if part} <= known


# CPU rows


@pytest.mark.parametrize(
    ("changes", "used"),
    [
        ({}, True),
        ({"link": "usb3"}, False),
        ({"metric": "throughput_fps"}, False),
        ({"metric": "coexec_cpu_latency_ms"}, True),
        ({"value": 0.0}, False),
        ({"source_id": "softserve"}, True),
        ({"source_id": "deepedgebench"}, False),
        ({"source_id": "ddps_58", "host_id": ""}, False),
        ({"source_id": "ddps_58", "host_id": "raspberry-pi-4"}, True),
        ({"source_id": "coral_ai_table1", "model": "efficientnet_edgetpu_s_224", "host": "desktop CPU"}, False),
        ({"source_id": "coral_ai_table1", "model": "efficientnet_edgetpu_s_224", "host": "Dev Board"}, True),
        ({"source_id": "nobuo", "model": "efficientdet-lite0", "host": "Raspberry Pi 4 (32bit)", "threads": 4}, False),
        ({"source_id": "nobuo", "model": "efficientdet-lite0", "host": "Raspberry Pi 4 (32bit)", "threads": 3}, True),
        ({"source_id": "jetson_nano", "model": "stride_64x64"}, False),
        ({"source_id": "jetson_nano", "model": "dense_u100_n100"}, True),
    ],
)
def test_which_rows_of_a_cpu_are_fitted(changes, used):
    assert _is_used(replace(CPU, **changes)) is used


def test_every_reason_to_leave_a_row_out_is_told():
    assert all(len(reason) > 10 for reason in LEFT_OUT.values())


@pytest.fixture(scope="module")
def samples():
    return cpu_samples()


def test_samples_belong_to_shipped_hosts_and_take_time(samples):
    assert set(samples) <= set(part_names("host"))
    assert sum(map(len, samples.values())) > 250
    for found in samples.values():
        assert all(sample.ns > 0 and sample.num_threads >= 1 and sample.graph.layers for sample in found)


def test_threads_of_a_sample_are_those_a_host_may_have(samples):
    for part, found in samples.items():
        assert max(sample.num_threads for sample in found) <= max(8, load_host(part).cores), part


# Kinds and spreads


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("fc5_n500_in64_out10", "fc5"),
        ("conv5x3x3_f32_64x64", "sweep"),
        ("depthwise_k5_c16", "sweep"),
        ("ssd_mobilenet_v2_coco_300", "detector"),
        ("posenet_mobilenet_v1_0.75_353x481", "detector"),
        ("efficientdet_lite0_320", "detector"),
        ("mobilenet_v2_1.0_224", "classifier"),
    ],
)
def test_networks_have_a_class(model, kind):
    assert network_kind(model) == kind


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "invoke classifier stated"),
        ({"host_id": ""}, "invoke classifier assumed"),
        ({"link": "none"}, "cpu classifier"),
        ({"metric": "on_chip_bytes"}, "bytes"),
        ({"metric": "throughput_fps"}, "throughput_fps"),
        ({"mode": "pipeline", "metric": "time_per_inference_ms"}, "pipeline"),
    ],
)
def test_rows_have_a_kind(changes, kind):
    assert kind_of(row(**changes)) == kind


def test_a_spread_is_known_or_wide():
    assert all(0 <= spread < 5 for spread in spreads().values())
    assert spread_of(row(metric="nobody_measures_this_ms")) == DEFAULT
    assert min(spread_of(one) for name in dataset_names()[:3] for one in load_dataset(name)) >= SMALLEST


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


# What is free in the fit, and how well a row is believed


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
