"""The fit of a host's operator costs: it finds numbers that are known, and the shipped parts are what it gives."""

import pytest

from calibration.setups import network_of
from calibration.shipped import load_dataset
from hwmodels.cpu import cpu_op_ns
from hwmodels.host import load_host


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


def test_the_cpu_fit_predicts_what_made_its_rows():
    pytest.importorskip("scipy")
    from calibration.cpufit import CpuSample, fit_cpu, leave_one_out, predicted_ns
    from hwmodels import load_network

    names = ("mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224", "inception_v1_224", "ssd_mobilenet_v1_coco_300")
    host = load_host("raspberry-pi-3b")
    samples = [
        CpuSample(graph, sum(cpu_op_ns(op, host, num_threads=threads) for op in graph.layers), threads)
        for graph in map(load_network, names)
        for threads in (1, 4)
    ]
    fit = fit_cpu(samples)
    assert predicted_ns(fit, samples) == pytest.approx([sample.ns for sample in samples], rel=0.03)
    assert abs(leave_one_out(samples)).max() < 0.2
    for key in ("conv_ns_per_mac", "pointwise_ns_per_mac", "thread_efficiency"):
        assert fit.values[key] == pytest.approx(getattr(host, key), abs=3 * fit.std_errors[key])


def test_a_fit_is_written_into_the_part_file(tmp_path):
    from calibration.cpufit import CpuFit, update_part

    path = tmp_path / "own.toml"
    path.write_text('kind = "host"\nbase = "x86-xeon"\nop_ns = { value = 1, status = "assumed", source = "before" }\n')
    update_part(path, CpuFit({"op_ns": 800.0, "anchor_ns": 9.0}, {"op_ns": 50.0, "anchor_ns": 2.0}), "a test")
    host = load_host(str(path))
    assert (host.op_ns, host.anchor_ns) == (800, 9)
    assert host.quantities["op_ns"].std_error == 50


def test_shipped_parts_are_what_the_shipped_rows_give():
    pytest.importorskip("scipy")
    from calibration.cpurows import fit_hosts

    for part, fit in fit_hosts(["raspberry-pi-3b", "x86-xeon", "raspberry-pi-4"]).items():
        host = load_host(part)
        for key, value in fit.values.items():
            assert getattr(host, key) == pytest.approx(value, rel=0.05), (part, key)
