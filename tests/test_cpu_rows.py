"""CPU rows: which part, network and share of the time they stand for, and hosts fitted without a network."""

from dataclasses import replace

import pytest

from calibration.corrections import corrected, host_part_of
from calibration.data import Row, load_dataset
from calibration.predict import Parts, accelerator_part, conditions, executable_of, invoke_ms, network_of, times_of
from hwmodels.graph import Layer, Tensor
from hwmodels.host import cpu_op_ns, load_host
from hwmodels.timing import CpuStage, TpuStage

BASE = Row("file", 1, "mobilenet_v1_1.0_224", "invoke_latency_ms", 1.0, host_id="dev-board", link="none")


def _row(dataset: str, source: str, model: str, link: str, metric: str = "invoke_latency_ms") -> Row:
    keys = (source, model, link, metric)
    return next(r for r in load_dataset(dataset) if (r.source_id, r.model, r.link, r.metric) == keys)


def test_arg_max_reads_its_input_once():
    layer = Layer(0, "ARG_MAX", (Tensor(0, "uint8", (1, 5, 5, 21)),), (Tensor(1, "int64", (1, 5, 5)),))
    host = replace(load_host("dev-board"), argmax_ns_per_element=3.0, elementwise_ns_per_element=7.0, op_ns=100.0)
    assert cpu_op_ns(layer, host) == 100 + 5 * 5 * 21 * 3
    assert cpu_op_ns(layer, replace(host, argmax_ns_per_element=0)) == 100 + 5 * 5 * 21 * 7
    slow = replace(host, builtin_element_slowdown=9.0)  # XNNPACK has no ARG_MAX: it is the built-in one anyway
    assert cpu_op_ns(layer, slow, kernels="builtin") == cpu_op_ns(layer, host)


def test_a_source_that_ran_tensorflow_has_a_part_of_its_own():
    row = _row("independent_latency", "softserve", "mobilenet_v1_1.0_224", "none")
    assert host_part_of(row) == "raspberry-pi-3b-plus-tensorflow"
    assert row.flag.startswith("TensorFlow, not TFLite")


def test_networks_under_another_name_on_the_cpu_only():
    on_cpu = _row("deepedgebench", "deepedgebench", "mobilenet_v2_224", "none")
    beside = _row("deepedgebench", "deepedgebench", "mobilenet_v2_224", "pcie")
    assert network_of(on_cpu).name == "mobilenet_v2_1.4_224"
    assert corrected(beside) == beside
    assert beside.flag
    assert invoke_ms(on_cpu, Parts()) == pytest.approx(on_cpu.value, rel=0.12)


def test_an_old_api_copies_what_it_is_given_and_returns():
    plain = replace(BASE, source_id="own", model="padding_64x64", host_id="jetson-nano")
    copied = replace(plain, source_id="jetson_nano")
    expected_ns = 2 * 2 * 3 * 0.149 + 64 * 64 * 3 * 2.74
    assert (invoke_ms(copied, Parts()) - invoke_ms(plain, Parts())) * 1e6 == pytest.approx(expected_ns, rel=1e-6)
    with_accelerator = (replace(row, link="usb3") for row in (plain, copied))
    assert len({invoke_ms(row, Parts()) for row in with_accelerator}) == 1


def test_where_only_the_accelerator_was_timed_no_operator_on_the_cpu_counts():
    row = _row("independent_latency", "libredgetpu", "deeplabv3_mnv2_513", "usb3")
    executable = executable_of(row, Parts())
    whole = times_of(executable, replace(row, conditions=""), Parts())
    part = times_of(executable, row, Parts())
    assert any(isinstance(stage, CpuStage) for stage in whole.stages)
    assert part == accelerator_part(whole)
    assert all(isinstance(stage, TpuStage) for stage in part.stages)


def test_deeplab_leaves_to_the_cpu_what_its_compiled_file_does():
    """RESIZE_BILINEAR:3 CONCATENATION:1 CONV_2D:2 ARG_MAX:1 (compiled_models.csv, files of 2019)."""
    row = _row("coral_docs", "coral_ai_table1", "deeplab_v3", "usb3")
    ops = [plan.layer.op for plan in executable_of(row, Parts()).plans if plan.reason]
    assert sorted(ops) == sorted(["RESIZE_BILINEAR"] * 3 + ["CONCATENATION"] + ["CONV_2D"] * 2 + ["ARG_MAX"])


def test_both_hosts_of_deeplab_agree_with_its_tail():
    for link in ("usb3", "pcie"):
        row = _row("coral_docs", "coral_ai_table1", "deeplab_v3", link)
        assert invoke_ms(row, Parts()) == pytest.approx(row.value, rel=0.1), conditions(row).host


def test_a_host_without_a_network_is_fitted_to_the_others():
    pytest.importorskip("scipy")
    from calibration.cpufit import fit_cpu, predicted_ns
    from calibration.cpurows import cpu_samples, fit_without

    samples = cpu_samples()["raspberry-pi-3b"]
    name = samples[0].graph.name
    model = next(r.model for r in load_dataset("nobuo_detection") if r.link == "none" and network_of(r).name == name)
    without = fit_without("raspberry-pi-3b", lambda row: row.model == model)
    assert without is not None
    rest = [sample for sample in samples if sample.graph.name != name]
    assert 0 < len(rest) < len(samples)
    assert predicted_ns(without, samples) == pytest.approx(predicted_ns(fit_cpu(rest), samples))


def test_a_host_keeps_its_figures_where_no_row_is_out_or_none_is_left():
    from calibration.cpurows import fit_without

    assert fit_without("raspberry-pi-3b", lambda _: False) is None
    assert fit_without("raspberry-pi-3b", lambda _: True) is None
    assert fit_without("raspberry-pi-5", lambda _: True) is None


def test_rows_of_a_sweep_are_renamed_once():
    """A second renaming of f32 (number 32) would be f352 -> f3552."""
    from calibration.cpurows import cpu_samples

    names = {sample.graph.name for sample in cpu_samples()["x86-desktop"] if sample.num_threads == 4}
    assert "conv5x3x3_f32_64x64" in names
    assert all(int(name.split("_f")[1].split("_")[0]) < 800 for name in names if name.startswith("conv5x3x3"))
