"""Bounds of throughput by hand: threads, accelerators, cores and pipelines of round numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import CpuStage, StepTime
from sim.closed_form.bounds import throughput_bound
from sim.closed_form.lines import expected_ips, limits, lines
from sim.engine import run
from sim.scenario import Scenario
from sim.setup import build

#: dispatch 10 + 10, instructions 20, input 30, program 100, output 20, copy 30
PLAIN = network("a")


def times(compute, token="a", **changes):
    return network(token, accelerator_stage(steps=(StepTime(compute, 0, 0),)), **changes)


def test_a_thread_that_never_uses_its_accelerator_is_a_line_of_its_own(hand_setup):
    on_cpu = network("b", CpuStage(1000))
    setup = hand_setup([PLAIN, on_cpu], [0, 1], threads=2)
    rows = lines(setup)
    assert [(row.models, row.threads) for row in rows] == [((0,), 1), ((1,), 1)]
    assert throughput_bound(setup) == pytest.approx(1e9 / 220 + 1e6)


def test_two_networks_in_turn_pay_both_loads(hand_setup):
    setup = hand_setup([times(1000, "a"), times(1000, "b")], [0, 1], threads=2)
    held = 90 + 1000 + 100
    assert expected_ips(setup) == pytest.approx(1e9 / held)
    assert run(setup).throughput_ips == pytest.approx(1e9 / held, rel=0.02)
    assert throughput_bound(setup) >= 1e9 / held


def test_a_pipeline_goes_at_the_pace_of_its_slowest_segment(hand_setup):
    setup = hand_setup([times(1000), times(3000)], threads=2, accelerators=2, link="pcie")
    piped = replace(setup, pipelines=((0, 1),))
    slowest, whole = 3120, 3120 + 1120
    assert throughput_bound(piped) == pytest.approx(1e9 / slowest)
    batch = replace(piped, scenario=replace(piped.scenario, batch=5))
    assert throughput_bound(batch) == pytest.approx(5e9 / (whole + 4 * slowest))


@pytest.mark.parametrize("accelerators", [1, 2, 3])
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize(("compute", "host"), [(1000, 200), (324, 103), (200, 3000)])
def test_the_simulator_never_beats_the_bound(hand_setup, compute, host, threads, accelerators):
    """Beyond what a window gains by cutting requests at its ends: at most one for each thread."""
    options = {"threads": threads, "accelerators": accelerators, "link": "pcie", "inferences": 400}
    setup = hand_setup([times(compute, preprocess_ns=host)], **options)
    window = run(setup)
    assert window.throughput_ips <= throughput_bound(setup) * (1 + threads / window.count)


NET = "mobilenet_v1_0.25_128"


def computing(ns, **changes):
    """A network that computes for ``ns`` on the accelerator, 90 ns of transfers and 30 ns of copy around it."""
    return network("a", accelerator_stage(steps=(StepTime(ns, 0, 0),)), **changes)


def test_one_thread_takes_its_own_time():
    setup = build(Scenario(models=NET, preprocess="resize"))
    assert throughput_bound(setup) == pytest.approx(1e9 / setup.stage_times[0][0].latency_ns)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_two_stations_by_hand(hand_setup, threads):
    """3 ms held, 1 ms of CPU around it: n / 4 ms until the accelerator is full at 1 / 3 ms."""
    one = computing(3_000_000, preprocess_ns=1_000_000)
    setup = hand_setup([one], threads=threads)
    expected = min(threads * 1e9 / 4_000_120, 1e9 / 3_000_090)
    assert throughput_bound(setup) == pytest.approx(expected)
    assert run(setup).throughput_ips == pytest.approx(expected)


def test_threads_are_bound_to_accelerators_one_by_one(hand_setup):
    """Three threads on two accelerators: the one with a single thread idles while the other is full."""
    setup = hand_setup([computing(3_000_000, preprocess_ns=2_000_000)], threads=3, accelerators=2, link="pcie")
    assert throughput_bound(setup) == pytest.approx(1e9 / 3_000_090 + 1e9 / 5_000_120)


def test_cores_bound_where_host_work_is_all(hand_setup):
    setup = hand_setup([computing(1_000, preprocess_ns=8_000_000)], threads=8)
    assert throughput_bound(setup) == pytest.approx(4e9 / 8_000_000, rel=0.01)
    assert min(limits(setup, lines(setup)), key=limits(setup, lines(setup)).get) == "cpu"
