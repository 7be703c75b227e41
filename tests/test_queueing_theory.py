"""The simulator's components against queueing theory: fixed seeds, 99.8 % intervals, bias at most 0.5 %."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, stdev

import numpy as np
import pytest
import simpy
from hand import accelerator_stage, network

from hwmodels.stages import CpuStage, StepTime
from sim.answer import summarise
from sim.engine import Run, run
from sim.machine.host import Cores
from sim.machine.lock import Lock
from sim.machine.pipeline import BoundedQueue

T_998 = 3.58  # Student's t, 99.9th percentile, 19 degrees of freedom
BATCHES = 20


def holds(samples, expected):
    """Whether the batch means' 99.8 % interval covers the expected mean, and the mean is within 0.5 % of it."""
    size = len(samples) // BATCHES
    means = [fmean(samples[i * size : (i + 1) * size]) for i in range(BATCHES)]
    mean, half = fmean(means), T_998 * stdev(means) / math.sqrt(BATCHES)
    return abs(mean - expected) <= half and abs(mean / expected - 1) <= 0.005


POINTS = 30


def summary(samples, expected):
    """(inside the 99.8 % interval, relative error) of batch means against the expected mean."""
    size = len(samples) // BATCHES
    means = [fmean(samples[i * size : (i + 1) * size]) for i in range(BATCHES)]
    mean, half = fmean(means), T_998 * stdev(means) / math.sqrt(BATCHES)
    return abs(mean - expected) <= half, mean / expected - 1


def check(rows):
    """Every point inside its own interval, and the mean error at most 0.5 %."""
    outside = [index for index, (inside, _) in enumerate(rows) if not inside]
    assert not outside, [(index, rows[index][1]) for index in outside]
    assert abs(fmean(error for _, error in rows)) <= 0.005


def open_queue(servers, gaps, bursts):
    """Times in system at our cores, for given gaps and bursts (ns)."""
    cores, times, env = Cores(servers, 1 << 62, 0), [], simpy.Environment()

    def arrivals():
        for gap, burst in zip(gaps, bursts, strict=True):
            yield env.timeout(gap)
            times.append(cores.reserve(env.now, burst) - env.now)

    env.run(until=env.process(arrivals()))
    return times


def exponential(rng, mean, n):
    return np.rint(rng.exponential(mean, n)).astype(int).tolist()


def erlang_c(servers, load):
    """Probability that an arrival waits in M/M/c."""
    offered = load * servers
    tail = offered**servers / math.factorial(servers) / (1 - load)
    return tail / (sum(offered**k / math.factorial(k) for k in range(servers)) + tail)


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_an_accelerator_with_poisson_arrivals_is_m_d_1(hand_setup, load):
    """Mean time in system of M/D/1: s + rho s / (2 (1 - rho)) (Pollaczek and Khinchine), through the whole engine."""
    service = 200_000
    stage = accelerator_stage(
        load_bytes=0, driver_ns=0, latency_ns=0, instructions_ns=0, input_ns=0, output_ns=0, copy_ns=0
    )
    one = network("a", replace(stage, steps=(replace(stage.steps[0], compute_ns=service),)))
    setup = hand_setup([one], arrivals=f"poisson:{load * 1e9 / service}", inferences=200_000, seed=7)
    latencies = []

    class Noting(Run):
        def completed(self, number, model, start_ns, invoked_ns):
            latencies.append(int(self.env.now) - start_ns)
            super().completed(number, model, start_ns, invoked_ns)

    Noting(setup).until_steady()
    assert holds(latencies, service + load * service / (2 * (1 - load)))


def test_one_core_is_m_m_1_and_m_d_1():
    """s / (1 - rho), and s + rho s / (2 (1 - rho)), at 15 loads each."""
    service, n, rows = 1e6, 60_000, []
    for point in range(POINTS):
        load, rng = 0.1 + 0.04 * (point // 2), np.random.default_rng(1000 + point)
        gaps = exponential(rng, service / load, n)
        bursts = exponential(rng, service, n) if point % 2 else [round(service)] * n
        expected = service / (1 - load) if point % 2 else service + load * service / (2 * (1 - load))
        rows.append(summary(open_queue(1, gaps, bursts), expected))
    check(rows)


def test_cores_are_m_m_c():
    """Mean time in system by Erlang's C formula, for 2 to 6 cores at six loads."""
    service, n, rows = 1e6, 60_000, []
    for point in range(POINTS):
        servers, load = 2 + point % 5, 0.2 + 0.1 * (point // 5)
        rng = np.random.default_rng(2000 + point)
        times = open_queue(servers, exponential(rng, service / (load * servers), n), exponential(rng, service, n))
        rows.append(summary(times, service * (1 + erlang_c(servers, load) / (servers * (1 - load)))))
    check(rows)


def mean_value_analysis(think, demands, customers):
    """Throughput of a closed network of single-server stations with exponential service (Reiser and Lavenberg)."""
    queues, throughput = [0.0] * len(demands), 0.0
    for n in range(1, customers + 1):
        times = [demand * (1 + queue) for demand, queue in zip(demands, queues, strict=True)]
        throughput = n / (think + sum(times))
        queues = [throughput * time for time in times]
    return throughput


def closed_network(think, demands, customers, rounds, seed):
    """Gaps between completions (ns) of customers that think, then pass our locks one after the other."""
    env, rng = simpy.Environment(), np.random.default_rng(seed)
    locks = [Lock(env) for _ in demands]
    total = customers * rounds
    draws = [iter(exponential(rng, demand, total + customers)) for demand in demands]
    pauses = iter(exponential(rng, think, total + customers)) if think else None
    ends = []

    def customer():
        while len(ends) < total:
            if pauses:
                yield env.timeout(next(pauses))
            for lock, draw in zip(locks, draws, strict=True):
                waiting = lock.acquire(None)
                if waiting is not None:
                    yield waiting
                yield env.timeout(next(draw))
                lock.release()
            ends.append(env.now)

    for _ in range(customers):
        env.process(customer())
    env.run()
    warm = len(ends) // 10
    return [b - a for a, b in pairwise(ends[warm:total])]


def test_a_lock_with_thinking_threads_is_the_machine_repair_model():
    rows = []
    for point in range(POINTS):
        customers, think = 1 + point % 6, 1e6 * (0.5 + point // 6)
        gaps = closed_network(think, [1e6], customers, 40_000 // customers, 3000 + point)
        rows.append(summary(gaps, 1 / mean_value_analysis(think, [1e6], customers)))
    check(rows)


def test_locks_in_a_row_are_the_central_server_model():
    rows = []
    for point in range(POINTS):
        customers, demands = 1 + point % 6, [1e6, 1e6 * (0.3 + 0.3 * (point // 6)), 4e5]
        gaps = closed_network(0, demands, customers, 40_000 // customers, 4000 + point)
        rows.append(summary(gaps, 1 / mean_value_analysis(0, demands, customers)))
    check(rows)


def test_a_tandem_queue_with_blocking_has_the_known_throughput():
    """Two exponential stations, saturated, b places between them (blocking after service).

    The number in front of or at station 2, counting a blocked one, is a birth-death chain on 0..b+2 with rates mu1 and
    mu2, so the throughput is mu2 (1 - p0) (Hillier and Boling, 1967).
    """
    rows = []
    for point in range(POINTS):
        places, ratio_ = 1 + point % 5, 0.5 + 0.3 * (point // 5)
        first, second = 1e6, 1e6 * ratio_
        weights = [(second / first) ** k for k in range(places + 3)]
        expected = (1 - weights[0] / sum(weights)) / second
        rows.append(summary(tandem(first, second, places, 40_000, 5000 + point), 1 / expected))
    check(rows)


def tandem(first, second, places, n, seed):
    """Gaps between departures (ns) of two stations with our bounded queue between them."""
    env, rng = simpy.Environment(), np.random.default_rng(seed)
    queue, ends = BoundedQueue(env, places), []
    draws = [iter(exponential(rng, mean, 2 * n)) for mean in (first, second)]

    def source():
        while True:
            yield env.timeout(next(draws[0]))
            full = queue.put(1)
            if full is not None:
                yield full

    def drain():
        while len(ends) < n:
            yield from queue.get()
            yield env.timeout(next(draws[1]))
            ends.append(env.now)

    env.process(source())
    env.run(until=env.process(drain()))
    return [b - a for a, b in pairwise(ends[n // 10 :])]


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_a_closed_loop_obeys_the_asymptotic_bounds(hand_setup, threads):
    """Constant service: throughput is min(N / (D + Z), 1 / D) (Denning and Buzen), here exactly."""
    setup = hand_setup([network("a", accelerator_stage(load_bytes=0, copy_ns=380))], threads=threads, cores=8)
    held, alone = 190, 190 + 380
    window = Run(setup).until_steady()
    assert window.periodic
    assert window.throughput_ips == pytest.approx(min(threads / alone, 1 / held) * 1e9, rel=1e-12)
    assert window.latency[0].sum_ns * window.throughput_ips / window.latency[0].n == pytest.approx(
        threads * 1e9
    )  # Little


@pytest.mark.parametrize("threads", [1, 2, 4, 5, 6, 8, 12])
@pytest.mark.parametrize("host_share", [0.3, 0.6, 0.8, 0.95])
def test_threads_gain_no_more_than_there_are_cores_and_accelerators_to_keep_busy(hand_setup, threads, host_share):
    """One thread keeps one of them busy at any time; so four threads gain at most 4.0, and more threads at most 5.

    With all cores busy the gain is cores / host share, with the accelerator busy 1 / (1 - host share).
    """
    cores, whole = 4, 10_000_000
    on_host = round(whole * host_share)
    quiet = {"driver_ns": 0, "latency_ns": 0, "instructions_ns": 0, "input_ns": 0, "output_ns": 0, "copy_ns": 0}
    device = accelerator_stage(load_bytes=0, steps=(StepTime(whole - on_host, 0, 0),), **quiet)
    times = network("n", CpuStage(on_host), device)
    one, many = (hand_setup([times], threads=n, cores=cores) for n in (1, threads))
    gain = Run(many).until_steady().throughput_ips / Run(one).until_steady().throughput_ips
    most = min(threads, cores / host_share, 1 / (1 - host_share), cores + 1)
    assert gain <= most * 1.001
    assert gain >= 0.79 * most  # where cores and accelerator are full at once, equal times keep threads in step


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_as_many_requests_are_late_as_find_the_accelerator_busy(hand_setup, load):
    """Poisson arrivals see time averages: the share that waits at all is the load (R. W. Wolff, 1982)."""
    quiet = dict.fromkeys(("load_bytes", "driver_ns", "copy_ns"), 0)
    one = network("a", accelerator_stage(**quiet, steps=(StepTime(200_000, 0, 0),)))
    setup = hand_setup(
        [one], arrivals=f"poisson:{load * 1e9 / one.latency_ns}", inferences=100_000, seed=3,
        deadline_ms=one.latency_ns / 1e6,
    )  # fmt: skip
    assert summarise(setup, run(setup), compare=False).summary["missed_share"] == pytest.approx(load, abs=0.01)


def test_without_a_deadline_nothing_is_late(hand_setup):
    setup = hand_setup([network("a")])
    assert summarise(setup, run(setup), compare=False).summary.get("missed_share") is None
