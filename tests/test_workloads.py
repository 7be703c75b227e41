"""Arrivals: closed and open loops, and the scenarios of MLPerf's LoadGen."""

from __future__ import annotations

from itertools import islice
from statistics import fmean, stdev

import pytest
from hand import network, tpu_stage

from hwmodels import InputError
from sim import Scenario, simulate
from sim.engine import Run
from sim.workloads import WORKLOADS, deviations, parse_arrivals, poisson_gaps_ns

SERVICE_NS = 190  # of hand.tpu_stage, held; its copy of 30 runs after the lock


def run(hand_setup, arrivals, **options):
    setup = hand_setup([network("a", tpu_stage(load_bytes=0, copy_ns=0))], arrivals=arrivals, **options)
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
    factors = list(islice(deviations(0.11, 1), 40_000))
    assert fmean(factors) == pytest.approx(0, abs=0.003)
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


@pytest.mark.parametrize("kind", WORKLOADS)
@pytest.mark.parametrize("options", [{"threads": 1}, {"threads": 5, "accelerators": 2, "dispatch": "least_loaded"}])
def test_every_workload_completes_what_it_starts(hand_setup, tmp_path, kind, options):
    """Contract of all workloads: no request is lost, none ends before it starts, latency is at least the service."""
    path = tmp_path / "arrivals.txt"
    path.write_text("\n".join(str(i * 1e-6) for i in range(40)))
    argument = {"poisson": ":1e6", "server": ":1e6", "trace": f":{path}", "multistream": ":4", "offline": ":40"}.get(
        kind, ""
    )
    window = run(hand_setup, kind + argument, inferences=40, **options)
    assert window.completions == 40
    assert min(window.latency[0].counts) >= SERVICE_NS
