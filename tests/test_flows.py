"""Flows: a rate shared out among accelerators and networks, and the power of a run that has these rates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import StepTime
from sim import Scenario
from sim.closed_form.flows import flows, heat_w, power_at
from sim.closed_form.lines import expected_ips
from sim.engine import run
from sim.power import mean_power, rest_w
from sim.setup import build


def times(compute, token="a", **changes):
    return network(token, accelerator_stage(steps=(StepTime(compute, 0, 0),), load_bytes=0), **changes)


OWN_LINKS = {"link": "pcie", "host": "x86-desktop"}


@pytest.mark.parametrize("options", [{"threads": 3}, {"threads": 3, "accelerators": 2}, {"threads": 1}], ids=str)
def test_rates_of_the_flows_add_up(hand_setup, options):
    setup = hand_setup([times(500)], **OWN_LINKS, **options)
    assert sum(row.ips for row in flows(setup)) == pytest.approx(expected_ips(setup))
    assert sum(row.ips for row in flows(setup, 1234.0)) == pytest.approx(1234)


def test_an_accelerator_with_more_threads_gets_more(hand_setup):
    """Two threads keep the first busy at 1 / 590 ns; the second's only thread comes every 620."""
    setup = hand_setup([times(500)], threads=3, accelerators=2, **OWN_LINKS)
    assert [row.ips for row in flows(setup)] == pytest.approx([1e9 / 590, 1e9 / 620])


def test_every_segment_of_a_pipeline_has_its_rate(hand_setup):
    setup = replace(hand_setup([times(1000), times(3000)], threads=2, accelerators=2, **OWN_LINKS), pipelines=((0, 1),))
    assert [(row.accelerator, row.models, row.ips) for row in flows(setup, 100.0)] == [(0, (0,), 100), (1, (1,), 100)]


NET = "mobilenet_v1_1.0_224"
RUNS = [
    {"models": NET}, {"models": NET, "threads": 4, "preprocess": "resize"}, {"models": "inception_v3_299", "threads": 2},
    {"models": NET, "threads": 3, "accelerators": 2, "link": "pcie", "host": "x86-desktop"},
    {"models": "ssd_mobilenet_v2_coco_300", "threads": 2, "host": "raspberry-pi-4"},
    {"models": NET, "mode": "pipeline"}, {"models": NET, "busy_python_threads": 1, "preprocess": "resize"},
]  # fmt: skip


@pytest.mark.parametrize("options", RUNS, ids=str)
def test_power_at_a_run_s_rate_is_the_run_s_power(options):
    setup = build(Scenario(**options))
    window = run(setup)
    expected, found = mean_power(setup, window), power_at(setup, flows(setup, window.throughput_ips))
    assert found.accelerators_w == pytest.approx(expected.accelerators_w, rel=1e-3)
    assert found.links_w == pytest.approx(expected.links_w, rel=1e-3, abs=1e-9)
    assert found.host_w == pytest.approx(expected.host_w, rel=1e-3)


@pytest.mark.parametrize("arrivals", ["closed", "poisson:10"])
def test_without_work_the_power_is_that_of_rest(arrivals):
    setup = build(Scenario(models=NET, accelerators=2, threads=2, link="pcie", host="x86-desktop", arrivals=arrivals))
    assert power_at(setup, flows(setup, 0.0)).total_w == pytest.approx(rest_w(setup))


def test_heat_is_the_leakage_beyond_rest(hand_setup):
    setup = build(Scenario(models=NET, threads=2))
    cold = replace(setup, accelerators=tuple(part.without_leakage() for part in setup.accelerators))
    assert heat_w(cold) == 0
    assert (
        0
        < heat_w(setup)
        < power_at(setup, flows(setup)).accelerators_w - power_at(setup, flows(setup, 0.0)).accelerators_w
    )
