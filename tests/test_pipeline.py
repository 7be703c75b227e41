"""Pipelines: bounded queues, blocking, batches and replicas, against timelines drawn by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import simpy
from hand import accelerator_stage, network

from hwmodels import InputError, load_network
from hwmodels.cuts import cut_by_time, split
from hwmodels.stages import StepTime
from sim import Scenario, simulate
from sim.engine import Run
from sim.estimator import estimate
from sim.machine.pipeline import BoundedQueue
from sim.setup import build


def segment(name, service_ns):
    """A segment that only computes."""
    quiet = {"driver_ns": 0, "latency_ns": 0, "instructions_ns": 0, "input_ns": 0, "output_ns": 0, "copy_ns": 0}
    return network(name, accelerator_stage(load_bytes=0, steps=(StepTime(service_ns, 0, 0),), **quiet))


def pipeline(services_ns, batch=0, replicas=1, inferences=0, wake_ns=0, **options):
    segments = len(services_ns)
    setup = build(
        Scenario(models="conv5x3x3_f32_64x64", mode="pipeline", num_segments=segments, accelerators=segments * replicas,
                 batch=batch, inferences=inferences, link="pcie", host="x86-desktop", **options)
    )  # fmt: skip
    rows = tuple((segment(str(i), service),) * len(setup.accelerators) for i, service in enumerate(services_ns))
    host = replace(setup.host, switch_ns=wake_ns)
    return Run(replace(setup, stage_times=rows, host=host)).until_steady()


@pytest.mark.parametrize("services", [(100, 300), (300, 100), (100, 300, 200), (50, 60, 70, 80)])
def test_a_filled_pipeline_goes_at_the_pace_of_its_slowest_segment(services):
    assert pipeline(services).throughput_ips == pytest.approx(1e9 / max(services))


def test_a_batch_of_one_passes_the_segments_one_by_one():
    window = pipeline((100, 300, 200), batch=1)
    assert window.latency[0].counts.keys() == {600}
    assert window.throughput_ips == pytest.approx(1e9 / 600)


def test_a_batch_takes_the_first_passage_and_the_slowest_for_each_further_one():
    window = pipeline((100, 300, 200), batch=10)
    assert window.throughput_ips == pytest.approx(10 * 1e9 / (600 + 9 * 300))


def test_a_thread_that_slept_is_woken():
    """A batch of one finds both further segments asleep, and the first for all but the first item."""
    assert pipeline((100, 300, 200), batch=1, wake_ns=10).latency[0].counts.keys() == {630}


def test_who_waits_for_room_is_woken_and_the_slowest_segment_never_is():
    assert pipeline((100, 300), wake_ns=10).throughput_ips == pytest.approx(1e9 / 300)


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_chain_has_one_input_in_all_its_segments_and_wakes_nobody(replicas):
    window = pipeline((100, 300, 200), replicas=replicas, wake_ns=10, runner="chained")
    assert window.latency[0].counts.keys() == {600}
    assert window.throughput_ips == pytest.approx(replicas * 1e9 / 600)


def test_requests_at_random_wait_for_the_whole_chain():
    """M/D/1 by Pollaczek and Khinchine: half the mean wait of random service times."""
    window = pipeline((100_000, 300_000), inferences=20_000, runner="chained", arrivals="poisson:1500")
    load = 1500 * 400_000 / 1e9
    expected_ns = 400_000 * (1 + load / 2 / (1 - load))
    counts = window.latency[0].counts
    assert sum(ns * n for ns, n in counts.items()) / sum(counts.values()) == pytest.approx(expected_ns, rel=0.05)


def test_a_chain_calls_each_segment_as_a_network_alone_and_overlapping_helps():
    net = {"models": "inception_v3_299", "link": "pcie", "host": "x86-desktop", "mode": "pipeline", "accelerators": 3}
    chained = simulate(Scenario(**net, runner="chained")).summary
    overlapping = simulate(Scenario(**net)).summary
    gain = overlapping["throughput_ips"] / chained["throughput_ips"]
    told = {remedy["change"]: remedy["gain"] for remedy in chained["remedies"]}
    assert told["segments that overlap"] == pytest.approx(gain, rel=0.02)
    assert (chained["scenario"]["threads"], overlapping["scenario"]["threads"]) == (1, 3)
    assert estimate(Scenario(**net, runner="chained"))["throughput_ips"] == pytest.approx(chained["throughput_ips"])


def test_replicas_add_up():
    assert pipeline((100, 300), replicas=3).throughput_ips == pytest.approx(3e9 / 300)


def test_a_full_queue_blocks_whoever_puts_and_an_empty_one_whoever_takes():
    env = simpy.Environment()
    queue, log = BoundedQueue(env, 1), []

    def producer():
        for item in range(3):
            full = queue.put(item)
            if full is not None:
                yield full
            log.append(("put", item, env.now))

    def consumer():
        while True:
            yield env.timeout(10)
            item = yield from queue.get()
            log.append(("got", item, env.now))

    env.process(producer())
    env.process(consumer())
    env.run(until=35)
    assert log == [("put", 0, 0), ("got", 0, 10), ("put", 1, 10), ("got", 1, 20), ("put", 2, 20), ("got", 2, 30)]


def test_profiled_cuts_make_the_slowest_segment_as_fast_as_possible():
    """Against all cuts, one by one."""
    from itertools import combinations, pairwise

    weights = [5, 1, 9, 2, 2, 7, 3, 8]
    for segments in (2, 3, 4):

        def slowest(cuts):
            edges = [0, *cuts, len(weights)]
            return max(sum(weights[a:b]) for a, b in pairwise(edges))

        best = min(slowest(cuts) for cuts in combinations(range(1, len(weights)), segments - 1))
        assert slowest(cut_by_time(weights, segments)) == best


def test_segments_hold_the_whole_network():
    graph = load_network("conv5x3x3_f192_64x64")
    parts = split(graph, [2, 4])
    assert sum(part.macs for part in parts) == graph.macs
    assert sum(part.parameter_bytes for part in parts) == graph.parameter_bytes
    assert parts[0].outputs[0].shape == parts[1].inputs[0].shape


def test_a_python_runner_is_held_up_by_the_gil():
    """Each of four segments holds the lock for the host's time of a stage, so that is the pace of tiny networks."""
    scenario = Scenario(models="fc5_n100_in64_out10", mode="pipeline", num_segments=4, batch=50, link="pcie",
                        host="x86-desktop", segmentation="1,2,3", runner="python")  # fmt: skip
    results = simulate(scenario, compare=False)
    pace = 4 * results.setup.host.python_stage_ns
    assert results.summary["throughput_ips"] == pytest.approx(1e9 / pace, rel=0.05)


@pytest.mark.parametrize(
    "options",
    [
        {"num_segments": 9}, {"num_segments": 3, "accelerators": 4}, {"num_segments": 2, "segmentation": "9"},
        {"num_segments": 2, "segmentation": "a"}, {"num_segments": 3, "segmentation": "2"}, {"threads": 2},
        {"runner": "rust"},
    ],
)  # fmt: skip
def test_a_pipeline_that_cannot_be_is_refused(options):
    with pytest.raises(InputError):
        build(Scenario(models="conv5x3x3_f32_64x64", mode="pipeline", **options))
