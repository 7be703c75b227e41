"""Closed forms by hand: demands, waiting lines, reloads and pipelines of round numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand import network, tpu_stage

from hwmodels.timing import CpuStage, StepTime
from sim.bounds import Demand, Line, demand, limits, lines, mean_demand, reload_share, throughput_bound, with_load
from sim.engine import run

#: dispatch 10 + 10, instructions 20, input 30, program 100, output 20, copy 30
PLAIN = network("a")


def times(compute, token="a", **changes):
    return network(token, tpu_stage(steps=(StepTime(compute, 0, 0),)), **changes)


def test_a_demand_by_hand():
    need = demand([network("a", tpu_stage(), CpuStage(500), python_ns=7, preprocess_ns=1000, postprocess_ns=200)])
    assert need.alone_ns == 190 + 30 + 500 + 7 + 1200
    assert need.held_ns == 190
    assert (need.out_ns, need.in_ns) == (50, 20)
    assert need.cpu_ns == 500 + 1207 + 10 + 30
    assert need.gil_ns == 1207
    assert need.load_ns == 100


def test_streamed_parameters_are_sent_whether_they_stick_out_or_not():
    need = demand([network("a", tpu_stage(steps=(StepTime(100, 70, 700), StepTime(10, 50, 500))))])
    assert need.out_ns == 50 + 120
    assert need.held_ns == 90 + 100 + 50


def test_the_mean_of_a_mix():
    rows = [Demand(100, 10, 2, 4, 6, 8, 1), Demand(300, 30, 6, 8, 10, 12, 3)]
    assert mean_demand(rows) == Demand(pytest.approx(150), 20, 4, 6, 8, 10, 2)  # harmonic, then arithmetic


def test_a_reload_makes_an_inference_longer_where_it_happens():
    need = with_load(Demand(100, 50, 20, 5, 30, 1, 40), 0.5)
    assert need == Demand(120, 70, 40, 5, 30, 1, 40)


@pytest.mark.parametrize(
    ("threads", "held", "alone", "ips"),
    [(1, 50, 100, 1e7), (2, 50, 100, 2e7), (9, 50, 100, 2e7), (1.5, 50, 100, 1.5e7), (2, 0, 100, 2e7)],
)
def test_a_line_is_bound_by_its_threads_or_its_accelerator(threads, held, alone, ips):
    assert Line(0, (0,), threads, Demand(alone, held, 0, 0, 0, 0)).ips == pytest.approx(ips)


def test_bound_threads_have_lines_of_their_own(hand_setup):
    setup = hand_setup([PLAIN], threads=5, accelerators=2, link="pcie")
    assert [(row.accelerator, row.threads) for row in lines(setup)] == [(0, 3), (1, 2)]
    pool = hand_setup([PLAIN], threads=5, accelerators=2, link="pcie", dispatch="least_loaded")
    assert [row.threads for row in lines(pool)] == [2.5, 2.5]


def test_a_thread_that_never_uses_its_accelerator_is_a_line_of_its_own(hand_setup):
    on_cpu = network("b", CpuStage(1000))
    setup = hand_setup([PLAIN, on_cpu], [0, 1], threads=2)
    rows = lines(setup)
    assert [(row.models, row.threads) for row in rows] == [((0,), 1), ((1,), 1)]
    assert throughput_bound(setup) == pytest.approx(1e9 / 220 + 1e6)


@pytest.mark.parametrize(
    ("tokens", "options", "share"),
    [
        ("aa", {}, 0.0),
        ("ab", {}, 1.0),
        ("ab", {"discipline": "affinity"}, 1.0),  # two threads: each turn is another network's
    ],
)
def test_how_often_parameters_are_sent_again(hand_setup, tokens, options, share):
    setup = hand_setup([times(100, tokens[0]), times(100, tokens[1])], [0, 1], threads=2, **options)
    assert reload_share(setup, (0, 1), 0) == share


def test_batching_by_model_sends_once_a_batch(hand_setup):
    setup = hand_setup([times(100, "a"), times(100, "b")], [0, 1] * 4, threads=8, discipline="affinity")
    assert reload_share(setup, setup.thread_models, 0) == 2 / 8


def test_two_networks_in_turn_pay_both_loads(hand_setup):
    setup = hand_setup([times(1000, "a"), times(1000, "b")], [0, 1], threads=2)
    held = 90 + 1000 + 100
    assert throughput_bound(setup) == pytest.approx(1e9 / held)
    assert run(setup).throughput_ips == pytest.approx(1e9 / held, rel=0.02)


def test_limits_name_every_resource_that_is_used(hand_setup):
    setup = hand_setup([times(1000, preprocess_ns=100)], threads=4, accelerators=2)
    found = limits(setup, lines(setup))
    assert set(found) == {"threads", "cpu", "out", "in"}  # processes have no common GIL
    assert found["out"] == pytest.approx(1e9 / 50)
    assert found["in"] == pytest.approx(1e9 / 20)


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
