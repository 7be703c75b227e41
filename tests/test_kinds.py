"""Kinds of rows, and how far predictions of each lie from measurements."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.kinds import DEFAULT, SMALLEST, kind_of, network_kind, spread_of, spreads
from calibration.measurements import Measurement
from calibration.shipped import dataset_names, load_dataset

ROW = Measurement(
    model="mobilenet_v1_1.0_224", metric="invoke_latency_ms", value=2.0, link="usb3", host_id="x86-xeon", clock_id="max"
)


def row(**changes):
    return replace(ROW, **changes)


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
