"""Other programs on the cores: the stretch of host work against a simulated processor-sharing queue, and by hand."""

from __future__ import annotations

import random

import pytest
from hand import network, tpu_stage

from hwmodels.timing import CpuStage
from sim import Scenario, simulate
from sim.host_load import stretch, stretched

NET = "ssdlite_mobiledet_320"


def mean_response(load, size, count=40_000, seed=1):
    """Mean time of jobs of one size in a processor-sharing queue among exponential ones of mean 1, Poisson arrivals."""
    draw, probe_share = random.Random(seed), 0.2
    rate = load / (probe_share * size + (1 - probe_share))
    jobs, now, due, taken = [], 0.0, draw.expovariate(rate), []
    while count:
        least = min(jobs) if jobs else None
        finish = now + least[0] * len(jobs) if least else float("inf")
        step = (min(due, finish) - now) / max(1, len(jobs))
        for job in jobs:
            job[0] -= step
        now = min(due, finish)
        if finish < due:
            jobs.remove(least)
            taken += [now - least[1]] if least[2] else []
        else:
            is_probe = draw.random() < probe_share
            jobs.append([size if is_probe else draw.expovariate(1), now, is_probe])
            due = now + draw.expovariate(rate)
            count -= 1
    return sum(taken) / len(taken)


@pytest.mark.parametrize(("load", "size"), [(0.3, 1.0), (0.5, 0.5), (0.5, 2.0), (0.7, 1.0)])
def test_work_takes_as_long_as_in_a_processor_sharing_queue(load, size):
    assert mean_response(load, size) == pytest.approx(size * stretch(load), rel=0.05)


def test_work_on_cores_is_stretched_and_nothing_else():
    times = network("n", tpu_stage(driver_ns=10, copy_ns=20), CpuStage(30))
    slow = stretched(times, 4)
    device, host = slow.stages
    assert (device.driver_ns, device.copy_ns, host.ops_ns) == (40, 80, 120)
    assert slow.python_ns == 4 * times.python_ns
    before = times.stages[0]
    for name in ("latency_ns", "instructions_ns", "input_ns", "output_ns", "steps", "load_ns"):
        assert getattr(device, name) == getattr(before, name)
    assert stretched(times, 1) is times


@pytest.mark.parametrize("options", [
    {}, {"preprocess": "resize"}, {"mode": "coexec", "threads": 2}, {"link": "pcie", "threads": 2},
    {"models": "profile:dpu_kv260#cf_FPN-resnet18_EDD_320_320_45.3G"},
    {"models": "fc5_n100_in64_out10", "mode": "pipeline", "num_segments": 2, "batch": 5, "runner": "python"},
])  # fmt: skip
def test_load_makes_everything_slower(options):
    base = {"models": NET, "inferences": 50} | options
    calm, busy = (simulate(Scenario(**base, background_load=b), compare=False).summary for b in (0.0, 0.5))
    assert busy["throughput_ips"] < calm["throughput_ips"]
    assert busy["throughput_ips"] > 0.5 * calm["throughput_ips"] * 0.999
