"""``detector>classifier:0.3``: the second network on a share of the first one's results, its rate exact."""

from __future__ import annotations

from fractions import Fraction

import pytest

from hwmodels.errors import InputError
from sim import Scenario, estimate, simulate
from sim.advice import Limits
from sim.scenario import parse_cascade
from sim.setup import build
from sim.study.capacity import capacity

DETECTOR, CLASSIFIER = "ssdlite_mobiledet_320", "mobilenet_v2_1.0_224"
BOTH = f"{DETECTOR}>{CLASSIFIER}:0.3"
ON_A_PI = Scenario(models=BOTH, host="raspberry-pi-4")


@pytest.mark.parametrize("share", ["0.3", "0.5", "0.125", "0.333", "1", ".04"])
def test_any_stretch_of_requests_has_the_share_to_within_one(share):
    cascade = parse_cascade(f"a>b:{share}")
    follows = cascade.follows * 3
    assert sum(cascade.follows) == Fraction(share) * len(cascade.follows)
    for first in range(0, len(follows), 7):
        for last in range(first, len(follows), 5):
            assert abs(sum(follows[first:last]) - float(cascade.share) * (last - first)) < 1


@pytest.mark.parametrize("options", [
    {}, {"threads": 3}, {"arrivals": "periodic:20"}, {"arrivals": "poisson:20"}, {"cameras": "3x5", "regions": 2},
    {"threads": 2, "accelerators": 2, "arrivals": "poisson:50"}, {"cocompile": True, "arrivals": "periodic:30"},
    {"accelerators": 0, "threads": 4},
], ids=str)  # fmt: skip
def test_rates_are_exact(options):
    found = simulate(ON_A_PI.with_options(**options)).summary["models"]
    rates = [found[name]["throughput_ips"] for name in (DETECTOR, CLASSIFIER)]
    assert rates[1] == pytest.approx(0.3 * rates[0], rel=2e-3)
    if "periodic" in options.get("arrivals", ""):
        assert rates[0] == pytest.approx(float(options["arrivals"].partition(":")[2]), rel=1e-3)


def test_one_thread_takes_what_a_turn_adds_up_to():
    """Ten detections, three classifications: each classifier sends its parameters, and so does the detector after it."""
    setup = build(ON_A_PI)
    first, second = (row[0] for row in setup.stage_times)
    turn_ns = 10 * first.latency_ns + 3 * second.latency_ns + 3 * (first.load_ns + second.load_ns)
    found = simulate(ON_A_PI).summary
    assert found["throughput_ips"] == pytest.approx(13e9 / turn_ns, rel=1e-9)
    together = simulate(ON_A_PI.with_options(cocompile=True)).setup.stage_times
    assert together[0][0].token == together[1][0].token  # nothing is sent again


def test_a_share_of_one_is_two_networks_in_turn():
    one = simulate(ON_A_PI.with_options(models=f"{DETECTOR}>{CLASSIFIER}:1")).summary
    other = simulate(ON_A_PI.with_options(models=f"{DETECTOR}+{CLASSIFIER}")).summary
    for key in ("throughput_ips", "latency_ms", "energy_mj_per_inference"):
        assert one[key] == other[key], key


def test_requests_at_equal_distances_wait_for_nobody():
    scenario = ON_A_PI.with_options(arrivals="periodic:10", cocompile=True)
    found = simulate(scenario).summary["models"]
    for times, name in zip(build(scenario).stage_times, (DETECTOR, CLASSIFIER), strict=True):
        assert found[name]["latency_ms"]["max"] == pytest.approx(times[0].latency_ns / 1e6, rel=1e-6)


@pytest.mark.parametrize("options", [{}, {"threads": 3, "lock": "fair"}, {"threads": 2, "cocompile": True}])
def test_the_closed_form_says_the_same(options):
    """Under a mutex the swaps of several threads depend on who comes first."""
    scenario = ON_A_PI.with_options(**options)
    run, found = simulate(scenario).summary, estimate(scenario)
    assert found["throughput_ips"] == pytest.approx(run["throughput_ips"], rel=0.02)
    assert found["latency_ms"]["mean"] == pytest.approx(run["latency_ms"]["mean"], rel=0.02)
    assert found["energy_mj_per_inference"] == pytest.approx(run["energy_mj_per_inference"], rel=0.02)
    if "threads" not in options:
        for name, row in run["models"].items():
            assert found["models"][name]["latency_mean_ms"] == pytest.approx(row["latency_mean_ms"], rel=1e-6)


def test_the_closed_form_says_what_it_cannot_tell():
    notes = estimate(ON_A_PI.with_options(arrivals="poisson:20"))["warnings"]
    assert any("a cascade: only a run tells" in note for note in notes)


def test_capacity_counts_requests_of_the_first_network():
    found = capacity(ON_A_PI.with_options(arrivals="periodic:1", cocompile=True), Limits(), camera_fps=10)
    turn_ns = 1e9 * 13 / simulate(ON_A_PI.with_options(cocompile=True)).summary["throughput_ips"]
    assert found["rate_ips"] == pytest.approx(10e9 / turn_ns, rel=0.02)


def test_threads_may_stand_with_the_first_network():
    assert len(build(ON_A_PI.with_options(models=f"{DETECTOR}:2>{CLASSIFIER}:0.3")).thread_models) == 2


@pytest.mark.parametrize("text", [
    "a>b", "a>b:2", "a>b:0", "a>b:-0.3", "a>b:0.1234", "a>b>c:0.3", "a>b:0.3,c", "a+b>c:0.3", ">b:0.3", "a>:0.3x",
])  # fmt: skip
def test_what_is_no_cascade_is_refused(text):
    with pytest.raises(InputError, match="MODEL"):
        build(Scenario(models=text))


@pytest.mark.parametrize("options", [
    {"mode": "pipeline"}, {"mode": "coexec", "threads": 2}, {"arrivals": "offline:20"}, {"arrivals": "singlestream"},
])  # fmt: skip
def test_where_it_cannot_run_it_is_refused(options):
    with pytest.raises(InputError, match="cannot act here"):
        build(ON_A_PI.with_options(**options))
