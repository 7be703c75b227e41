"""One inference in closed form: what of it a row's figure holds."""

from dataclasses import replace

import pytest

from calibration.inference import host_cpu_ms
from calibration.measurements import Measurement
from calibration.predict import invoke_ms
from calibration.setups import Parts, accelerator_part, conditions_of, executable_of, times_of
from calibration.shipped import load_dataset
from hwmodels.stages import AcceleratorStage, CpuStage

BASE = Measurement(
    model="mobilenet_v1_1.0_224", metric="invoke_latency_ms", value=1.0, host_id="dev-board", link="none"
)


def _row(dataset: str, source: str, model: str, link: str, metric: str = "invoke_latency_ms") -> Measurement:
    keys = (source, model, link, metric)
    return next(r for r in load_dataset(dataset) if (r.source_id, r.model, r.link, r.metric) == keys)


def test_an_old_api_copies_what_it_is_given_and_returns():
    plain = replace(BASE, source_id="own", model="padding_64x64", host_id="jetson-nano", compiler="2019")
    copied = replace(plain, source_id="jetson_nano")
    expected_ns = 2 * 2 * 3 * 0.149 + 64 * 64 * 3 * 2.74
    assert (invoke_ms(copied, Parts()) - invoke_ms(plain, Parts())) * 1e6 == pytest.approx(expected_ns, rel=1e-6)
    with_accelerator = (replace(row, link="usb3") for row in (plain, copied))
    assert len({invoke_ms(row, Parts()) for row in with_accelerator}) == 1


def test_where_only_the_accelerator_was_timed_no_operator_on_the_cpu_counts():
    row = _row("independent_latency", "libredgetpu", "deeplabv3_mnv2_513", "usb3")
    executable = executable_of(row, Parts())
    whole = times_of(executable, replace(row, timed=""), Parts())
    part = times_of(executable, row, Parts())
    assert any(isinstance(stage, CpuStage) for stage in whole.stages)
    assert part == accelerator_part(whole)
    assert all(isinstance(stage, AcceleratorStage) for stage in part.stages)


def test_deeplab_leaves_to_the_cpu_what_its_compiled_file_does():
    """RESIZE_BILINEAR:3 CONCATENATION:1 CONV_2D:2 ARG_MAX:1 (compiled_models.csv, files of 2019)."""
    row = _row("coral_docs", "coral_ai_table1", "deeplab_v3", "usb3")
    ops = [plan.layer.op for plan in executable_of(row, Parts()).plans if plan.reason]
    assert sorted(ops) == sorted(["RESIZE_BILINEAR"] * 3 + ["CONCATENATION"] + ["CONV_2D"] * 2 + ["ARG_MAX"])


def test_both_hosts_of_deeplab_agree_with_its_tail():
    for link in ("usb3", "pcie"):
        row = _row("coral_docs", "coral_ai_table1", "deeplab_v3", link)
        assert invoke_ms(row, Parts()) == pytest.approx(row.value, rel=0.1), conditions_of(row).host


def test_the_calling_thread_runs_the_operators_on_the_cpu():
    """1.53 ms of CPU time in an invoke of an SSD (edgetpu issue 492), 0.12 to 0.13 ms in one of a MobileNet (280)."""
    row = _row("issues_misc", "gh_edgetpu_492", "ssd_mobilenet_v1_coco", "", "host_cpu_time_per_invoke_ms")
    on_cpu = [
        stage for stage in times_of(executable_of(row, Parts()), row, Parts()).stages if isinstance(stage, CpuStage)
    ]
    assert host_cpu_ms(row, Parts()) >= sum(stage.ops_ns for stage in on_cpu) / 1e6 > 0.5
    classifier = _row("issues_misc", "gh_edgetpu_280", "mobilenet_v1_1.0_224", "pcie", "host_cpu_time_per_invoke_ms")
    assert host_cpu_ms(classifier, Parts()) == pytest.approx(classifier.value, rel=0.1)
