"""Several accelerators on one memory: the closed form against the simulation, and what both must keep to."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sim.closed_form.lines import expected_ips, lines
from sim.closed_form.shared_memory import beside_others
from sim.engine import simulate
from sim.estimator import estimate
from sim.scenario import Scenario
from sim.setup import build

RUNS = 300


def scenario(network="mobilenet_v2_1.0_224", host="zcu104", cores=2, threads=8, **options):
    return Scenario(
        models=network, size="dpu-b4096", host=host, accelerators=cores, threads=threads, inferences=RUNS, **options
    )  # fmt: skip


@pytest.mark.parametrize(
    ("network", "host", "cores", "threads", "most"),
    [
        ("mobilenet_v2_1.0_224", "zcu104", 2, 8, 0.03),
        ("mobilenet_v2_1.0_224", "zcu102", 3, 8, 0.03),
        ("resnet_50_v1.5_224", "zcu102", 3, 8, 0.05),
        ("mobilenet_v2_1.0_224", "zcu102", 2, 3, 0.03),
        ("mobilenet_v1_0.25_128", "zcu104", 2, 2, 0.08),
        ("vgg_16_224", "zcu104", 2, 8, 0.09),
    ],
)
def test_the_closed_form_is_close_to_the_simulation(network, host, cores, threads, most):
    """Cores that run one network fall into step and meet in its longest layers: there the mean field is too high."""
    one = scenario(network, host, cores, threads)
    simulated, closed = simulate(one, compare=False).summary, estimate(one)
    assert closed["throughput_ips"] == pytest.approx(simulated["throughput_ips"], rel=most)
    for name in ("accelerator", "link_out", "cpu"):
        assert closed["utilisation"][name] == pytest.approx(simulated["utilisation"][name], abs=0.1)


def test_one_core_meets_nobody():
    setup = build(scenario(cores=1, threads=4))
    assert beside_others(setup, lambda _: [1.0]) is setup
    assert simulate(scenario(cores=1, threads=4), compare=False).summary["throughput_ips"] == pytest.approx(
        expected_ips(setup), rel=1e-3
    )


def test_the_memory_is_never_given_out_twice():
    """Bytes a second of a run with three cores, against what the memory gives them."""
    results = simulate(scenario("vgg_16_224", "zcu102", 3), compare=False)
    moved = sum(step.streamed_bytes for step in results.setup.stage_times[0][0].accelerator_stages[0].steps)
    assert results.summary["throughput_ips"] * moved < results.setup.channels[0].memory_bytes_per_s
    assert results.summary["utilisation"]["link_out"] <= 1


ENDLESS = {f"{part}.{way}_bytes_per_s": 1e12 for part in ("link", "host.bus.memory") for way in ("out", "in")}


def test_a_memory_without_end_makes_cores_as_fast_as_alone():
    two = simulate(scenario(numbers=ENDLESS), compare=False).summary["throughput_ips"]
    one = simulate(scenario(cores=1, numbers=ENDLESS), compare=False).summary["throughput_ips"]
    assert two == pytest.approx(2 * one, rel=1e-3)


def test_each_further_core_adds_less():
    rates = [expected_ips(build(scenario("resnet_50_v1_224", "zcu104", n, 8))) for n in (1, 2, 3, 4)]
    gains = [b - a for a, b in pairwise(rates)]
    assert all(gain > 0 for gain in gains)
    assert gains == sorted(gains, reverse=True)


def test_the_core_with_the_slow_port_takes_longest():
    setup = build(scenario("resnet_50_v1_224", "zcu102", 3, 9))
    held = [row.need.held_ns for row in lines(setup)]
    assert held[0] == pytest.approx(held[1], rel=1e-3)
    assert held[2] > 1.1 * held[0]


def test_host_work_of_many_threads_fills_no_more_than_the_cores_do_together():
    """A network that is nearly all host work: four cores do what 2.8 would."""
    summary = simulate(
        Scenario(
            models="erfnet_512x1024",
            size="dpu-b4096",
            threads=12,
            numbers=ENDLESS | {"size.clock_hz": 6e9},
            inferences=RUNS,
        ),
        compare=False,
    ).summary
    setup = build(Scenario(models="erfnet_512x1024", size="dpu-b4096"))
    times = setup.stage_times[0][0]
    assert summary["throughput_ips"] == pytest.approx(setup.host.parallel_cores * 1e9 / times.ops_ns, rel=0.05)


@pytest.mark.parametrize("dispatch", ["bind", "round_robin", "least_loaded", "affinity"])
@pytest.mark.parametrize("model", ["inception_v3_299", "mobilenet_v2_1.0_224"])
@pytest.mark.parametrize("accelerators", [2, 4])
def test_one_thread_is_in_nobody_s_way_on_a_lane(model, accelerators, dispatch):
    """Whatever card it takes: while it is there it is nowhere else. The run has the lane for itself, and the estimate."""
    given = {"models": model, "host": "raspberry-pi-5", "link": "pcie", "accelerators": accelerators}
    alone = Scenario(**given, dispatch=dispatch)
    ran = simulate(alone, compare=False).summary["throughput_ips"]
    assert estimate(alone)["throughput_ips"] == pytest.approx(ran, rel=1e-3)


def test_several_threads_on_a_lane_are_said_to_fall_into_step():
    two = Scenario(models="inception_v3_299", host="raspberry-pi-5", link="pcie", accelerators=2, threads=2)
    assert any("fall into step" in note for note in estimate(two)["warnings"])
