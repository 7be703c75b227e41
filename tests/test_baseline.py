"""What gains compare with: one thread on one accelerator that does the same work, by hand and simulated."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import StepTime
from sim import Scenario, simulate
from sim.closed_form.baseline import baseline, baseline_setup, on_accelerator
from sim.engine import run
from sim.setup import build

NET, OTHER = "mobilenet_v1_0.25_128", "mobilenet_v1_0.5_160"


def times(compute, token="a", **changes):
    """Held for ``compute`` and 90 ns, then copied for 30; parameters take 100 ns."""
    return network(token, accelerator_stage(steps=(StepTime(compute, 0, 0),)), **changes)


def rate(setup, *counts, **options):
    """The baseline's inferences per second."""
    return baseline(setup, counts, **options).performance.throughput_ips


@pytest.mark.parametrize("options", [{}, {"threads": 5}, {"threads": 4, "accelerators": 3}], ids=str)
def test_of_one_network_it_is_its_time_alone(hand_setup, options):
    setup = hand_setup([times(500)], **options)
    assert rate(setup, 7) == pytest.approx(1e9 / 620)
    assert rate(setup, 7) == pytest.approx(run(hand_setup([times(500)], threads=1)).throughput_ips)


@pytest.mark.parametrize("tokens", ["ab", "aa"])
def test_of_two_networks_as_often_it_is_one_thread_that_takes_turns(hand_setup, tokens):
    setup = hand_setup([times(500, tokens[0]), times(1500, tokens[1])], [0, 1], threads=2)
    in_turn = replace(on_accelerator(baseline_setup(setup), 0), turns=(0, 1))
    assert (in_turn.thread_models, len(in_turn.accelerators)) == ((0,), 1)
    load = 100 * (tokens == "ab")  # sent at every change of network
    assert rate(setup, 1, 1) == pytest.approx(2e9 / (620 + 1620 + 2 * load))
    assert rate(setup, 1, 1) == pytest.approx(run(in_turn).throughput_ips)


def test_of_unequal_networks_parameters_are_sent_as_seldom_as_their_proportions_allow(hand_setup):
    """Nine of a, then one of b: b is sent every time, a once in nine."""
    setup = hand_setup([times(500, "a"), times(1500, "b")], [0, 1], threads=2)
    assert rate(setup, 9, 1) == pytest.approx(10e9 / (9 * 620 + 1620 + 2 * 100))
    assert baseline(setup, [9, 1]).mix == {"a": pytest.approx(0.9), "b": pytest.approx(0.1)}


def test_of_several_accelerators_it_has_the_fastest(hand_setup):
    setup = hand_setup([times(500)], threads=2, accelerators=2)
    unequal = replace(setup, stage_times=((times(500), times(300)),))
    assert rate(unequal, 1) == pytest.approx(1e9 / 420)


@pytest.mark.parametrize("inferences", [1, 2, 5, 20])
def test_from_a_cold_start_its_first_inference_sends_parameters_too(hand_setup, inferences):
    """By hand: n inferences and one load; simulated: the same, for a network that streams as well."""
    setup = hand_setup([times(500)], threads=2)
    assert rate(setup, 1, cold=inferences) == pytest.approx(inferences * 1e9 / (inferences * 620 + 100))
    for name in (NET, "inception_v3_299"):
        alone = simulate(Scenario(models=name, inferences=inferences))
        assert rate(alone.setup, 1, cold=inferences) == pytest.approx(alone.summary["throughput_ips"])


def test_a_single_inference_gains_nothing_from_threads_that_wait():
    found = simulate(Scenario(models=NET, threads=4, inferences=1)).summary
    assert found["speedup_vs_one_thread"] == pytest.approx(1)


def test_requests_that_do_not_come_faster_limit_it_too(hand_setup):
    setup = hand_setup([times(500)], threads=2)
    assert rate(setup, 1, offered_ips=1000) == 1000
    assert rate(setup, 1, offered_ips=1e9) == pytest.approx(1e9 / 620)


def test_without_the_same_work_there_is_none(hand_setup):
    setup = hand_setup([times(500, "a"), times(1500, "b")], [0, 1], threads=2)
    found = baseline(setup, [3, 0])
    assert found.performance is None
    assert "b was never served" in found.reason


def test_the_cpu_s_share_of_coexecution_is_work_of_the_accelerator(hand_setup):
    """Two inferences on the accelerator and one on the CPU are three on the accelerator."""
    both = build(Scenario(models=NET, mode="coexec", threads=2, host="raspberry-pi-4"))
    alone = build(Scenario(models=NET, host="raspberry-pi-4"))
    assert len(both.models) == 2
    assert baseline_setup(both).models == (NET,)
    assert rate(both, 2, 1) == pytest.approx(rate(alone, 1))
    assert rate(both, 2, 1) == pytest.approx(run(alone).throughput_ips)


def test_a_pipeline_is_compared_with_its_whole_network():
    """One thread on one accelerator runs the network uncut: what a run of it alone shows."""
    piped = build(Scenario(models=NET, mode="pipeline", num_segments=2))
    whole = build(Scenario(models=NET))
    assert baseline_setup(piped).models == whole.models
    assert rate(piped, 5, 5) == pytest.approx(1e9 / whole.stage_times[0][0].latency_ns)
    assert rate(piped, 5, 5) == pytest.approx(run(whole).throughput_ips)


@pytest.mark.parametrize(
    "options", [{}, {"inferences": 1}, {"host": "raspberry-pi-4", "preprocess": "resize"}, {"accelerators": 0}]
)
def test_what_gains_compare_with_gains_nothing(options):
    summary = simulate(Scenario(models="mobilenet_v2_1.0_224", **options)).summary
    assert summary["speedup_vs_one_thread"] == summary["energy_gain_vs_one_thread"] == 1
