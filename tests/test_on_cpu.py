"""``--accelerators 0``: everything on the CPU, against the predictions of measured CPU rows and queueing theory."""

from __future__ import annotations

import pytest
from conftest import shared_folder

from calibration.predict import predict
from calibration.setups import Parts, Skip, api_ns, conditions_of, network_of
from calibration.shipped import dataset_names, load_dataset
from hwmodels.energy import host_w
from hwmodels.errors import InputError
from hwmodels.networks.zoo import load_network
from sim import Scenario, advise, estimate, simulate
from sim.setup import build

NET = "mobilenet_v2_1.0_224"
ON_CPU = Scenario(models=NET, accelerators=0, host="raspberry-pi-4")


def cpu_rows():
    """Shipped rows that time a network of the zoo on a CPU, one of each kind of host, network and threads."""
    found = {}
    for row in (row for name in dataset_names() for row in load_dataset(name)):
        if row.link == "none" and row.metric == "invoke_latency_ms" and conditions_of(row).host:
            try:
                graph = network_of(row)
                load_network(graph.name)
            except (Skip, InputError):
                continue
            found.setdefault((conditions_of(row).host, graph.name, row.threads), (row, graph))
    return list(found.values())


def test_a_run_takes_what_validate_predicts_for_rows_of_a_cpu():
    rows = [pair for pair in cpu_rows() if load_network(pair[1].name) == pair[1]]
    assert len(rows) > 60
    for row, graph in rows:
        asked = conditions_of(row)
        scenario = Scenario(
            models=graph.name, accelerators=0, host=asked.host, cpu_kernels=asked.kernels, num_threads=max(1, row.threads)
        )  # fmt: skip
        invoke_ms = build(scenario).stage_times[0][0].invoke_ns / 1e6
        assert invoke_ms + api_ns(row, graph) / 1e6 == pytest.approx(predict(row, Parts()), rel=1e-9), row


def test_intervals_hold_most_measured_cpu_rows():
    rows = [pair for pair in cpu_rows() if load_network(pair[1].name) == pair[1] and not pair[0].flag][::4]
    inside = 0
    for row, graph in rows:
        asked = conditions_of(row)
        found = estimate(Scenario(
            models=graph.name, accelerators=0, host=asked.host, cpu_kernels=asked.kernels,
            num_threads=max(1, row.threads),
        ))  # fmt: skip
        low, high = found["interval90"]["invoke_mean_ms"]
        inside += low <= row.value <= high
    assert inside >= 0.75 * len(rows)


def test_one_thread_after_another_fills_the_cores():
    alone = simulate(ON_CPU).summary
    for threads in (2, 4, 8):
        rate = simulate(ON_CPU.with_options(threads=threads)).summary["throughput_ips"]
        assert rate == pytest.approx(min(threads, 4) * alone["throughput_ips"], rel=0.01)


def test_no_accelerator_draws_power():
    results = simulate(ON_CPU)
    power, used = results.summary["power_w"], results.summary["utilisation"]
    assert power["accelerators"] == power["links"] == 0
    assert power["total"] == pytest.approx(host_w(results.setup.host, 4, 4 * used["cpu"]))
    assert used["accelerator"] == used["link_in"] == used["link_out"] == 0


@pytest.mark.parametrize("options", [{}, {"threads": 3}, {"threads": 9}, {"threads": 2, "preprocess": "resize"}])
def test_the_closed_form_says_the_same(options):
    scenario = ON_CPU.with_options(**options)
    run, found = simulate(scenario).summary, estimate(scenario)
    for key in ("throughput_ips", "energy_mj_per_inference", "speedup_vs_one_thread"):
        assert found[key] == pytest.approx(run[key], rel=0.01), key
    assert found["bottleneck"] == run["bottleneck"] == "cpu"


def test_random_requests_wait_as_pollaczek_and_khinchine_say():
    service_s = simulate(ON_CPU).summary["latency_ms"]["mean"] / 1e3
    scenario = ON_CPU.with_options(arrivals=f"poisson:{0.6 / service_s}", inferences=20_000)
    wait_ms = 1e3 * service_s * 0.6 / (1 - 0.6) / 2
    assert estimate(scenario)["time_breakdown_ms"]["wait"] == pytest.approx(wait_ms, rel=1e-6)
    assert simulate(scenario).summary["time_breakdown_ms"]["wait"] == pytest.approx(wait_ms, rel=0.05)


def test_gains_compare_with_one_thread_on_the_cpu():
    summary = simulate(ON_CPU.with_options(threads=4)).summary
    assert summary["baseline"]["accelerators"] == 0
    assert summary["speedup_vs_one_thread"] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("option, value", [
    ("size", "large"), ("link", "pcie"), ("clock", "std"), ("mode", "pipeline"), ("mode", "coexec"),
    ("dispatch", "least_loaded"), ("compiler", "2020"), ("jitter", "measured"), ("thermal", "40"),
])  # fmt: skip
def test_what_speaks_of_accelerators_is_refused(option, value):
    with pytest.raises(InputError, match=f"--{option}.*--accelerators 0 puts everything on the CPU"):
        build(ON_CPU.with_options(**{option: value}))


def test_numbers_of_an_accelerator_are_refused_and_those_of_the_host_act():
    with pytest.raises(InputError, match=r"size\.clock_hz cannot act here"):
        build(ON_CPU.with_options(numbers={"size.clock_hz": 1e9}))
    rate = simulate(ON_CPU).summary["throughput_ips"]
    slow = {f"host.{key}": 2.0 * getattr(build(ON_CPU).host, key) for key in ("conv_ns_per_mac", "conv_ns_per_element")}
    assert simulate(ON_CPU.with_options(numbers=slow)).summary["throughput_ips"] < 0.8 * rate


def test_a_compiled_file_has_no_operators_for_the_cpu():
    file = shared_folder() / "models" / "bright_16x16_edgetpu.tflite"
    if not file.is_file():
        pytest.skip("no folder of real model files here")
    with pytest.raises(InputError, match="give the plain"):
        build(Scenario(models=str(file), accelerators=0))


def test_advice_leaves_a_network_on_the_cpu_where_that_is_faster():
    """A dilated text network was measured to be slower on the stick than on the CPU: its operators do not map."""
    steps = advise(Scenario(models="tcn_text_118x100", host="raspberry-pi-4"))["steps"]
    best = next(row for row in steps if row["change"] == "everything on the CPU")
    assert best["gain"] > 1.5
    assert all("host" in row["options"] for row in steps[: steps.index(best)])  # only a better host is better
    assert best["why"].startswith("Leave it on the CPU")
    on_cpu = simulate(
        Scenario(models="tcn_text_118x100", host="raspberry-pi-4").with_options(**best["options"])
    ).summary
    assert best["throughput_ips"] == on_cpu["throughput_ips"]


def test_advice_from_the_cpu_is_one_accelerator():
    steps = {row["change"]: row for row in advise(ON_CPU)["steps"]}
    assert steps["one accelerator"]["gain"] > 10
    assert not any("link" in change or "size" in change or "CPU" in change for change in steps)
    worse = {row["change"]: row for row in advise(Scenario(models=NET, host="raspberry-pi-4"))["steps"]}
    assert worse["everything on the CPU"]["gain"] < 0.1
