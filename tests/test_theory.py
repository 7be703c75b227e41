"""The simulator's components against queueing theory: fixed seeds, 99.8 % intervals, bias at most 0.5 %."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, stdev

import numpy as np
import pytest
import simpy
from hand import network, tpu_stage

from sim.engine import Run
from sim.host import Cores

T_998 = 3.58  # Student's t, 99.9th percentile, 19 degrees of freedom
BATCHES = 20


def holds(samples, expected):
    """Whether the batch means' 99.8 % interval covers the expected mean, and the mean is within 0.5 % of it."""
    size = len(samples) // BATCHES
    means = [fmean(samples[i * size : (i + 1) * size]) for i in range(BATCHES)]
    mean, half = fmean(means), T_998 * stdev(means) / math.sqrt(BATCHES)
    return abs(mean - expected) <= half and abs(mean / expected - 1) <= 0.005


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_an_accelerator_with_poisson_arrivals_is_m_d_1(hand_setup, load):
    """Mean time in system of M/D/1: s + rho s / (2 (1 - rho)) (Pollaczek and Khinchine)."""
    service = 200_000
    stage = tpu_stage(load_bytes=0, driver_ns=0, latency_ns=0, instructions_ns=0, input_ns=0, output_ns=0, copy_ns=0)
    one = network("a", replace(stage, steps=(replace(stage.steps[0], compute_ns=service),)))
    setup = hand_setup([one], arrivals=f"poisson:{load * 1e9 / service}", inferences=200_000, seed=7)
    latencies = simulate_open(setup)
    assert holds(latencies, service + load * service / (2 * (1 - load)))


def simulate_open(setup):
    """Latencies (ns) of an open run, in order of completion."""
    latencies = []

    class Noting(Run):
        def completed(self, number, model, start_ns, invoked_ns):
            latencies.append(int(self.env.now) - start_ns)
            super().completed(number, model, start_ns, invoked_ns)

    Noting(setup).until_steady()
    return latencies


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (2, 0.6), (4, 0.7)])
def test_cores_with_random_bursts_are_m_m_c(servers, load):
    """Mean time in system of M/M/c by Erlang's C formula."""
    service, n = 1e6, 300_000
    rng = np.random.default_rng(servers)
    gaps = np.rint(rng.exponential(service / (load * servers), n)).astype(int).tolist()
    bursts = np.rint(rng.exponential(service, n)).astype(int).tolist()
    cores, times = Cores(servers, 1 << 62, 0), []
    env = simpy.Environment()

    def arrivals():
        for gap, burst in zip(gaps, bursts, strict=True):
            yield env.timeout(gap)
            times.append(cores.reserve(env.now, burst) - env.now)

    env.run(until=env.process(arrivals()))
    offered = load * servers
    tail = offered**servers / math.factorial(servers) / (1 - load)
    wait_probability = tail / (sum(offered**k / math.factorial(k) for k in range(servers)) + tail)
    assert holds(times, service * (1 + wait_probability / (servers * (1 - load))))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_a_closed_loop_obeys_the_asymptotic_bounds(hand_setup, threads):
    """Constant service: throughput is min(N / (D + Z), 1 / D) (Denning and Buzen), here exactly."""
    setup = hand_setup([network("a", tpu_stage(load_bytes=0, copy_ns=380))], threads=threads, cores=8)
    held, alone = 190, 190 + 380
    window = Run(setup).until_steady()
    assert window.periodic
    assert window.throughput_ips == pytest.approx(min(threads / alone, 1 / held) * 1e9, rel=1e-12)
    assert window.latency[0].sum_ns * window.throughput_ips / window.latency[0].n == pytest.approx(
        threads * 1e9
    )  # Little
