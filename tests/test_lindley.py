"""Threads that take turns at a lock: the recursion by hand, and against the simulator."""

from __future__ import annotations

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import StepTime
from sim.closed_form.lindley import Turn, turn_rates
from sim.engine import run


def test_a_thread_alone_waits_for_nobody_and_sends_its_parameters_once():
    assert turn_rates([Turn(100, 50, 400, "a")]) == [(pytest.approx(1 / 500), 0.0)]


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_of_one_network_share_a_full_lock(threads):
    rates = turn_rates([Turn(100, 50, 20, "a")] * threads)
    assert rates == [(pytest.approx(1 / (100 * threads)), 0.0)] * threads


def test_two_networks_in_turn_send_their_parameters_every_time():
    rates = turn_rates([Turn(100, 10, 5, "a"), Turn(300, 20, 5, "b")])
    assert rates == [(pytest.approx(1 / 430), 1.0)] * 2


def test_threads_that_never_meet_run_at_their_own_pace():
    """One comes every 1000, the other every 2000; each finds the lock free, and the other's parameters."""
    slow, fast = turn_rates([Turn(10, 0, 1990, "a"), Turn(10, 0, 990, "a")])
    assert slow[0] == pytest.approx(1 / 2000, rel=0.02)
    assert fast[0] == pytest.approx(1 / 1000, rel=0.02)


@pytest.mark.parametrize("tokens", ["aa", "ab"])
@pytest.mark.parametrize("computes", [(500, 500), (300, 1700), (100, 4000)])
def test_the_simulator_takes_the_same_turns(hand_setup, tokens, computes):
    """Three threads, two of the first network: inferences per second of each network."""
    nets = [
        network(token, accelerator_stage(steps=(StepTime(ns, 0, 0),), copy_ns=800))
        for token, ns in zip(tokens, computes, strict=True)
    ]
    setup = hand_setup(nets, [0, 0, 1], threads=3)
    window = run(setup)
    turns = [Turn(90 + computes[m], 100, 800, tokens[m]) for m in setup.thread_models]
    rates = [rate for rate, _ in turn_rates(turns)]
    for model, expected in enumerate((rates[0] + rates[1], rates[2])):
        found = window.latency[model].n / window.elapsed_ns
        assert found == pytest.approx(expected, rel=0.02)
