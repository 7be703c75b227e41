"""Waits of requests in closed form: known queues, Little's law, and the simulator."""

from __future__ import annotations

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import StepTime
from sim.closed_form.flows import flows
from sim.closed_form.lines import expected_ips
from sim.closed_form.waits import mgc_wait_ms, wait_ms
from sim.engine import run


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9])
def test_a_server_with_constant_service_waits_half_as_long_as_mm1(load):
    assert mgc_wait_ms(1000 * load, [(1, 1.0)], 1) == pytest.approx(load / (1 - load) / 2)


def test_one_server_is_pollaczek_and_khinchine():
    """W = lambda E[S^2] / (2 (1 - rho)): a quarter of the requests take 3 ms, the others 1 ms."""
    services, rate = [(0.25, 3.0), (0.75, 1.0)], 400
    second, rho = 0.25 * 9 + 0.75 * 1, 0.4 * 1.5
    assert mgc_wait_ms(rate, services, 1) == pytest.approx(0.4 * second / (2 * (1 - rho)))


@pytest.mark.parametrize("rho", [0.2, 0.6, 0.95])
def test_two_servers_wait_half_as_long_as_mm2(rho):
    """M/M/2 waits s rho^2 / (1 - rho^2)."""
    assert mgc_wait_ms(2000 * rho, [(1, 1.0)], 2) == pytest.approx(rho**2 / (1 - rho**2) / 2)


@pytest.mark.parametrize("rate", [0, 1000, 2000])
def test_a_queue_that_is_empty_or_grows_for_ever_has_no_mean_wait(rate):
    assert mgc_wait_ms(rate, [(1, 1.0)], 1) == 0


@pytest.mark.parametrize(("threads", "accelerators"), [(1, 1), (2, 1), (5, 1), (5, 2)])
def test_in_a_closed_loop_it_is_what_little_s_law_leaves_over(hand_setup, threads, accelerators):
    one = network("a", accelerator_stage(steps=(StepTime(500, 0, 0),), load_bytes=0))
    setup = hand_setup([one], threads=threads, accelerators=accelerators, link="pcie", host="x86-desktop", cores=8)
    ips = expected_ips(setup)
    waited = wait_ms(setup, flows(setup, ips), ips, one.latency_ns / 1e6)
    counts = run(setup).latency[0]
    assert waited == pytest.approx(counts.sum_ns / counts.n / 1e6 - one.latency_ns / 1e6, abs=1e-9)


def test_where_requests_arrive_the_simulator_waits_as_long(hand_setup):
    """Poisson arrivals at 0.7 of one accelerator, whose copies run beside the next inference."""
    one = network("a", accelerator_stage(steps=(StepTime(910, 0, 0),), load_bytes=0, copy_ns=0))
    setup = hand_setup([one], threads=1, arrivals="poisson:700000", inferences=100_000)
    expected = wait_ms(setup, flows(setup, 700_000), 700_000, one.latency_ns / 1e6)
    counts = run(setup).latency[0]
    assert expected == pytest.approx(0.7e-3 / (2 * 0.3), rel=1e-9)
    assert counts.sum_ns / counts.n / 1e6 - 1e-3 == pytest.approx(expected, rel=0.05)
