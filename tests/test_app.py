"""``--app-ms``: the user's program around the network, against the laws of closed loops with a think time."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError
from sim import Scenario, estimate, simulate
from sim.setup import build

NET = "mobilenet_v2_1.0_224"
ON_A_PI = Scenario(models=NET, host="raspberry-pi-4")
KINDS = ("", ":locked", ":wait")


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_alone_takes_as_much_longer(kind):
    plain, found = simulate(ON_A_PI).summary, simulate(ON_A_PI.with_options(app_ms=f"12{kind}")).summary
    assert found["latency_ms"]["mean"] == pytest.approx(plain["latency_ms"]["mean"] + 12, rel=1e-9)
    assert found["invoke_ms"]["mean"] == plain["invoke_ms"]["mean"]
    assert found["time_breakdown_ms"]["app_wait" if kind == ":wait" else "app"] == pytest.approx(12, rel=1e-9)
    assert found["throughput_ips"] == pytest.approx(1e3 / found["latency_ms"]["mean"], rel=1e-9)


@pytest.mark.parametrize("threads", [2, 3, 4, 6])
def test_threads_overlap_what_needs_no_lock(threads):
    """Asymptotic bounds of a closed loop with think time, exact for constant times: min(N / (D + Z), 1 / D)."""
    scenario = ON_A_PI.with_options(threads=threads, app_ms="12:wait", numbers={"host.lock_wake_ns": 0})
    times = build(scenario).stage_times[0][0]
    held_s, whole_s = times.total("held_ns") / 1e9, times.latency_ns / 1e9
    rate = simulate(scenario).summary["throughput_ips"]
    assert rate == pytest.approx(min(threads / whole_s, 1 / held_s), rel=1e-6)


def test_python_under_its_lock_is_done_one_after_the_other():
    scenario = ON_A_PI.with_options(threads=6, app_ms="12:locked")
    python_ns = build(scenario).stage_times[0][0].python_ns
    found = simulate(scenario).summary
    assert found["throughput_ips"] == pytest.approx(1e9 / (12e6 + python_ns), rel=1e-6)
    assert found["bottleneck"] == "gil"
    processes = simulate(scenario.with_options(mode="processes")).summary
    assert processes["throughput_ips"] > 3 * found["throughput_ips"]


def test_native_work_fills_the_cores():
    found = simulate(ON_A_PI.with_options(threads=9, app_ms="40")).summary
    assert found["throughput_ips"] == pytest.approx(4 / 0.040, rel=0.02)
    assert found["bottleneck"] == "cpu" and found["utilisation"]["cpu"] > 0.98


def test_a_wait_takes_no_core_and_no_power():
    busy, waits = (simulate(ON_A_PI.with_options(app_ms=f"12{kind}")).summary for kind in ("", ":wait"))
    assert busy["utilisation"]["cpu"] - waits["utilisation"]["cpu"] == pytest.approx(
        12 / busy["latency_ms"]["mean"] / 4, rel=1e-6
    )
    assert busy["power_w"]["host"] > waits["power_w"]["host"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [1, 3, 7])
def test_the_closed_form_says_the_same(kind, threads):
    scenario = ON_A_PI.with_options(threads=threads, app_ms=f"7{kind}", preprocess="resize")
    run, found = simulate(scenario).summary, estimate(scenario)
    for key in ("throughput_ips", "energy_mj_per_inference"):
        assert found[key] == pytest.approx(run[key], rel=0.03), key


def test_other_programs_slow_work_on_a_core_and_no_wait():
    half = ON_A_PI.with_options(background_load=0.5)
    assert simulate(half.with_options(app_ms="10")).summary["time_breakdown_ms"]["app"] == pytest.approx(20)
    assert simulate(half.with_options(app_ms="10:wait")).summary["time_breakdown_ms"]["app_wait"] == pytest.approx(10)


def test_a_pipeline_s_result_is_used_once():
    scenario = Scenario(models="inception_v3_299", mode="pipeline", num_segments=2, app_ms="5:wait")
    assert [row[0].app.wait_ns for row in build(scenario).stage_times] == [0, 5_000_000]


def test_it_goes_with_everything_on_the_cpu():
    alone, found = (simulate(ON_A_PI.with_options(accelerators=0, app_ms=ms)).summary for ms in ("0", "20"))
    assert found["latency_ms"]["mean"] == pytest.approx(alone["latency_ms"]["mean"] + 20)


@pytest.mark.parametrize("text", ["-1", "nan", "12:", "12:gil", "x", "1e9", ":wait"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError, match="--app-ms must be ms from 0"):
        Scenario(models=NET, app_ms=text)
