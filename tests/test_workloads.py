"""Arrivals: closed and open loops, and the scenarios of MLPerf's LoadGen."""

from __future__ import annotations

from itertools import islice
from statistics import fmean, stdev

import pytest
import simpy
from hand import accelerator_stage, network

from hwmodels import InputError
from sim import Scenario, estimate, simulate
from sim.engine import Run
from sim.machine.workloads import PROCESSES, WaitingLines, jitter, parse_arrivals, periodic_gaps_ns, poisson_gaps_ns

SERVICE_NS = 190  # of hand.accelerator_stage, held; its copy of 30 runs after the lock


def run(hand_setup, arrivals, **options):
    setup = hand_setup([network("a", accelerator_stage(load_bytes=0, copy_ns=0))], arrivals=arrivals, **options)
    return Run(setup).until_steady()


def test_single_stream_is_one_request_after_the_other(hand_setup):
    window = run(hand_setup, "singlestream", threads=4)
    assert window.throughput_ips == pytest.approx(1e9 / SERVICE_NS)
    assert window.latency[0].summary_ms()["max"] == pytest.approx(SERVICE_NS / 1e6)


def test_multi_stream_waits_for_the_last_sample_of_a_query(hand_setup):
    """Three samples on one accelerator end after 1, 2 and 3 services; the next query starts then."""
    window = run(hand_setup, "multistream:3", threads=3)
    assert window.throughput_ips == pytest.approx(1e9 / SERVICE_NS)
    assert window.latency[0].counts.keys() == {SERVICE_NS, 2 * SERVICE_NS, 3 * SERVICE_NS}


def test_offline_counts_all_samples_from_the_start(hand_setup):
    window = run(hand_setup, "offline:50", threads=2, inferences=50)
    assert (window.count, window.start_ns, window.end_ns) == (50, 0, 50 * SERVICE_NS)


def test_a_trace_of_arrivals_is_followed(hand_setup, tmp_path):
    path = tmp_path / "arrivals.txt"
    path.write_text("0.000001\n0.000001\n0.000005\n")
    window = run(hand_setup, f"trace:{path}", inferences=3)
    assert sorted(window.latency[0].counts.elements()) == [SERVICE_NS, SERVICE_NS, 2 * SERVICE_NS]


def test_an_open_loop_that_does_not_keep_up_says_so():
    fast = simulate(Scenario(models="conv5x3x3_f32_64x64", arrivals="poisson:100000", inferences=2000)).summary
    slow = simulate(Scenario(models="conv5x3x3_f32_64x64", arrivals="server:50", inferences=2000)).summary
    assert (fast["overloaded"], fast["steady"]) == (True, False)
    assert (slow["overloaded"], slow["bottleneck"]) == (False, "arrivals")
    assert slow["throughput_ips"] == pytest.approx(50, rel=0.1)


def test_poisson_gaps_have_the_moments_of_an_exponential():
    gaps = list(islice(poisson_gaps_ns(1000, seed=3), 40_000))
    assert fmean(gaps) == pytest.approx(1e6, rel=0.02)
    assert stdev(gaps) == pytest.approx(1e6, rel=0.02)


def test_each_purpose_has_a_stream_of_its_own():
    """The seed gives the same gaps whether or not jitter draws from it, and jitter has the spread asked for."""
    assert list(islice(poisson_gaps_ns(10, 1), 5)) == list(islice(poisson_gaps_ns(10, 1), 5))
    assert list(islice(poisson_gaps_ns(10, 1), 5)) != list(islice(poisson_gaps_ns(10, 2), 5))
    factors = list(islice(jitter(0.11, 1), 40_000))
    assert fmean(factors) == pytest.approx(1, abs=0.003)
    assert stdev(factors) == pytest.approx(0.11, rel=0.03)


def test_jitter_widens_the_latencies():
    plain = simulate(Scenario(models="conv5x3x3_f32_64x64")).summary["invoke_ms"]
    spread = simulate(Scenario(models="conv5x3x3_f32_64x64", jitter="measured")).summary["invoke_ms"]
    assert plain["p99"] == plain["p50"]
    assert spread["p99"] > 1.1 * spread["p50"]
    assert spread["mean"] == pytest.approx(plain["mean"], rel=0.06)


@pytest.mark.parametrize(
    "text",
    ["poisson", "poisson:0", "poisson:x", "closed:3", "multistream", "multistream:0", "offline:1.5", "burst:3", ""],
)
def test_other_arrivals_are_refused(text):
    with pytest.raises(InputError, match="--arrivals"):
        parse_arrivals(text)


@pytest.mark.parametrize("kind", PROCESSES)
@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 5, "accelerators": 2, "dispatch": "least_loaded"}])
def test_every_workload_completes_what_it_starts(hand_setup, tmp_path, kind, options):
    """Contract of all workloads: no request is lost, none ends before it starts, latency is at least the service."""
    path = tmp_path / "arrivals.txt"
    path.write_text("\n".join(str(i * 1e-6) for i in range(40)))
    argument = {
        "poisson": ":1e6",
        "server": ":1e6",
        "periodic": ":1e6",
        "trace": f":{path}",
        "multistream": ":4",
        "offline": ":40",
    }.get(kind, "")
    window = run(hand_setup, kind + argument, inferences=40, **options)
    assert window.completions == 40
    assert min(window.latency[0].counts) >= SERVICE_NS


def test_equal_gaps_keep_the_rate():
    gaps = list(islice(periodic_gaps_ns(3), 3000))
    assert sum(gaps) == 1000 * 10**9
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_nobody_waits_for_an_accelerator_that_a_camera_does_not_fill(share):
    alone = simulate(Scenario(models="mobilenet_v2_1.0_224")).summary
    camera = Scenario(models="mobilenet_v2_1.0_224", arrivals=f"periodic:{share * alone['throughput_ips']}")
    found = simulate(camera.with_options(deadline_ms=alone["latency_ms"]["mean"] * 1.001)).summary
    assert found["latency_ms"]["max"] == pytest.approx(alone["latency_ms"]["mean"], rel=1e-6)
    assert found["missed_share"] == 0 and found["steady"]
    assert estimate(camera)["latency_ms"]["mean"] == pytest.approx(found["latency_ms"]["mean"], rel=1e-6)


def test_a_camera_that_asks_for_more_is_said_to_overload():
    closed = simulate(Scenario(models="mobilenet_v2_1.0_224"), compare=False).summary["throughput_ips"]
    for share, is_too_much in ((0.995, False), (1.005, True)):
        found = simulate(Scenario(models="mobilenet_v2_1.0_224", arrivals=f"periodic:{share * closed}")).summary
        assert (found["overloaded"], found["steady"]) == (is_too_much, not is_too_much)


def test_a_query_of_more_samples_than_a_run_looks_at_ends():
    """Little's law of one thread: a query takes as long as its samples one after the other."""
    alone = simulate(Scenario(models="mobilenet_v2_1.0_224"), compare=False).summary["latency_ms"]["mean"]
    found = simulate(Scenario(models="mobilenet_v2_1.0_224", arrivals="multistream:20000"), compare=False).summary
    assert found["latency_ms"]["mean"] == pytest.approx(20_000 * alone, rel=0.001)
    assert found["inferences"] > 20_000


def test_whoever_is_free_takes_the_oldest_request_that_it_can_serve():
    env, lines = simpy.Environment(), WaitingLines()
    events = [env.event() for _ in range(4)]
    for event, model in zip(events, (0, 1, -1, 0), strict=True):
        lines.add(event, model)
    assert [lines.take(-1, 0), lines.take(-1, 1), lines.take(-1, 1), lines.take(-1, 1)] == [*events[:3], None]
    assert len(lines) == 1 and lines.take(-1, 0) is events[3]


def test_a_network_that_is_late_does_not_slow_the_search_for_the_others():
    """A line for each network: 100 000 requests of one that wait are not looked at for the other's thread."""
    mix = Scenario(models="mobilenet_v2_1.0_224:1@300,inception_v3_299:2@30", host="raspberry-pi-4")
    found, expected = simulate(mix, compare=False).summary, estimate(mix)
    assert found["overloaded"] and expected["overloaded"]
    for name, row in found["models"].items():
        assert expected["models"][name]["throughput_ips"] == pytest.approx(row["throughput_ips"], rel=0.02)
