"""Rows that need the simulator: several threads, accelerators, or work beside each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.measurements import Measurement
from calibration.scenarios import simulated_figure, simulated_summary
from calibration.setups import Parts, Skip
from sim import Scenario, simulate

ROW = Measurement(
    model="mobilenet_v1_1.0_224", metric="throughput_fps", value=400.0, link="usb3", host_id="x86-xeon",
    clock_id="max", mode="multithread", threads=2,
)  # fmt: skip


def row(**changes):
    return replace(ROW, **changes)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, {"mode": "threads", "threads": 2}),
        ({"threads": 1, "accelerators": 3}, {"mode": "threads", "threads": 3}),
        ({"mode": "data_parallel", "accelerators": 2}, {"mode": "processes", "threads": 2}),
        ({"mode": "single", "threads": 1, "accelerators": 2}, {"threads": 1, "dispatch": "round_robin"}),
        ({"mode": "cpu_tpu_coexec", "threads": 3}, {"mode": "coexec", "threads": 3}),
    ],
)
def test_how_a_row_runs_in_parallel(changes, options):
    asked = simulated_summary(row(**changes), Parts())["scenario"]
    assert {"accelerators": asked["accelerators"], **{key: asked[key] for key in options}} == {
        "accelerators": changes.get("accelerators", 1), **options,
    }  # fmt: skip


def test_a_row_without_a_number_of_threads_is_skipped():
    with pytest.raises(Skip, match="threads not stated"):
        simulated_summary(row(threads=0), Parts())


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_figure_is_what_run_says(threads):
    summary = simulate(Scenario(models=ROW.model, threads=threads, host="x86-xeon"), compare=False).summary
    found = simulated_figure(row(threads=threads), Parts(), "throughput_ips")
    assert found == pytest.approx(summary["throughput_ips"])
    assert simulated_figure(row(threads=threads), Parts(), "invoke_ms") == pytest.approx(summary["invoke_ms"]["mean"])


def test_both_sides_of_a_coexecution():
    both = simulate(Scenario(models=ROW.model, mode="coexec", threads=2, host="x86-xeon"), compare=False).summary[
        "models"
    ]
    for metric, name in (("coexec_cpu_latency_ms", f"{ROW.model} on the CPU"), ("coexec_tpu_latency_ms", ROW.model)):
        found = simulated_figure(row(metric=metric, mode="cpu_tpu_coexec"), Parts(), "invoke_ms")
        assert found == pytest.approx(both[name]["latency_mean_ms"])


def test_what_cannot_be_built_is_skipped_with_its_reason():
    with pytest.raises(Skip):
        simulated_figure(row(mode="cpu_tpu_coexec", threads=1), Parts(), "invoke_ms")
