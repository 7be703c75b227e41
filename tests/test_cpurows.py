"""CPU rows as samples for the fit: which are used, and why the others are left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.cpurows import cpu_samples, is_used
from calibration.measurements import Measurement
from calibration.tables import shipped_table
from hwmodels.host import load_host
from hwmodels.parts import part_names

ROW = Measurement(
    model="mobilenet_v1_1.0_224", metric="invoke_latency_ms", value=2.0, link="usb3", host_id="x86-xeon", clock_id="max"
)
CPU = replace(ROW, link="none", source_id="nobuo", value=20.0)


LITE0 = {"source_id": "nobuo", "model": "efficientdet-lite0", "host_id": "raspberry-pi-4", "word_size": "32"}


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
        ({"source_id": "coral_ai_table1", "model": "efficientnet_edgetpu_s_224"}, False),
        ({"source_id": "coral_ai_table1", "model": "efficientnet_edgetpu_s_224", "host_id": "dev-board"}, True),
        ({**LITE0, "threads": 4}, False),
        ({**LITE0, "threads": 3}, True),
        ({**LITE0, "threads": 4, "word_size": ""}, True),
        ({"source_id": "jetson_nano", "model": "stride_64x64"}, False),
        ({"source_id": "jetson_nano", "model": "padding_64x64"}, False),
        ({"source_id": "jetson_nano", "model": "padding_stride_64x64"}, False),
        ({"source_id": "jetson_nano", "model": "padding_stride_128x128"}, True),
        ({"source_id": "jetson_nano", "model": "dense_u100_n100"}, True),
    ],
)
def test_which_rows_of_a_cpu_are_fitted(changes, used):
    assert is_used(replace(CPU, **changes)) is used


def test_every_reason_to_leave_a_row_out_is_told():
    assert all(len(cells["reason"]) > 10 for cells in shipped_table("left_out"))


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


def test_rows_of_a_sweep_are_renamed_once():
    """A second renaming of f32 (number 32) would be f352 -> f3552."""
    from calibration.cpurows import cpu_samples

    names = {sample.graph.name for sample in cpu_samples()["x86-desktop"] if sample.num_threads == 4}
    assert "conv5x3x3_f32_64x64" in names
    assert all(int(name.split("_f")[1].split("_")[0]) < 800 for name in names if name.startswith("conv5x3x3"))
