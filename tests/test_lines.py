"""Waiting lines by hand: threads at their accelerators, reloads, and what every resource allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import StepTime
from sim.closed_form.lines import expected_ips, limits, line_rate, line_rates, lines, reload_share
from sim.engine import run, simulate
from sim.estimator import estimate
from sim.machine.states import State
from sim.scenario import Scenario
from sim.setup import build

#: dispatch 10 + 10, instructions 20, input 30, program 100, output 20, copy 30
PLAIN = network("a")


def times(compute, token="a", **changes):
    return network(token, accelerator_stage(steps=(StepTime(compute, 0, 0),)), **changes)


@pytest.mark.parametrize(
    ("threads", "held", "alone", "ips"),
    [(1, 50, 100, 1e7), (2, 50, 100, 2e7), (9, 50, 100, 2e7), (1.5, 50, 100, 1.5e7), (2, 0, 100, 2e7)],
)
def test_a_line_is_bound_by_its_threads_or_its_accelerator(threads, held, alone, ips):
    assert line_rate(threads, alone, held) * 1e9 == pytest.approx(ips)


def test_bound_threads_have_lines_of_their_own(hand_setup):
    setup = hand_setup([PLAIN], threads=5, accelerators=2, link="pcie")
    assert [(row.accelerator, row.threads) for row in lines(setup)] == [(0, 3), (1, 2)]
    pool = hand_setup([PLAIN], threads=5, accelerators=2, link="pcie", dispatch="least_loaded")
    assert [row.threads for row in lines(pool)] == [2.5, 2.5]


@pytest.mark.parametrize(
    ("tokens", "options", "share"),
    [
        ("aa", {}, 0.0),
        ("ab", {}, 1.0),
        ("ab", {"discipline": "affinity"}, 1.0),  # two threads: each turn is another network's
    ],
)
def test_how_often_parameters_are_sent_again(hand_setup, tokens, options, share):
    setup = hand_setup([times(100, tokens[0]), times(100, tokens[1])], [0, 1], threads=2, **options)
    assert reload_share(setup, (0, 1), 0) == share


def test_batching_by_model_sends_once_a_batch(hand_setup):
    """Batches of eight: each of a network's four interpreters sends its parameters once in a batch."""
    setup = hand_setup([times(100, "a"), times(100, "b")], [0, 1] * 4, threads=8, discipline="affinity")
    assert setup.scenario.affinity_batch == 8
    assert reload_share(setup, setup.thread_models, 0) == 4 / 8
    window = run(setup)
    loads = window.state_ns(State.LOAD_PARAMETERS) / setup.stage_times[0][0].load_ns
    assert loads / window.count == pytest.approx(4 / 8, rel=0.01)


def test_limits_name_every_resource_that_is_used(hand_setup):
    """Three accelerators held for 100 ns, of which input takes 50 of one bus and output 20: only input fills it."""
    setup = hand_setup([times(10, preprocess_ns=100)], threads=9, accelerators=3)
    found = limits(setup, lines(setup))
    assert set(found) == {"threads", "cpu", "out", "in"}  # processes have no common GIL
    assert found["threads"] == pytest.approx(3e9 / 100)
    assert found["out"] == pytest.approx(1e9 / 50)
    assert found["in"] == pytest.approx(3e9 / 100), "full with a fifth of the time to spare"
    assert found["cpu"] == pytest.approx(4e9 / (100 + 10 + 30))


def test_a_full_bus_slows_its_own_accelerators_only(hand_setup):
    """Three sticks on one bus and a card of its own: the card goes on at the pace of its own threads."""
    setup = hand_setup(
        [times(10)], threads=12, accelerators=4, link="usb3,usb3,usb3,pcie", host="x86-desktop", cores=16
    )
    rows = lines(setup)
    assert [bus.accelerators for bus in setup.buses] == [(0, 1, 2), (3,)]
    assert line_rates(setup, rows) == pytest.approx([1e9 / 150] * 3 + [1e9 / 100])
    assert limits(setup, rows)["out"] == pytest.approx(1e9 / 50 + 1e9 / 100)


NET = "mobilenet_v1_0.25_128"


def test_a_swap_costs_the_parameters_every_time():
    setup = build(Scenario(models=f"{NET},mobilenet_v2_1.0_224", numbers={"host.lock_wake_ns": 0}))
    each = [row[0].latency_ns + row[0].load_ns for row in setup.stage_times]
    held = [sum(stage.held_ns for stage in row[0].stages) + row[0].load_ns for row in setup.stage_times]
    assert expected_ips(setup) == pytest.approx(2e9 / sum(held))
    assert expected_ips(replace(setup, thread_models=(0,), turns=(0, 1))) == pytest.approx(2e9 / sum(each))


@pytest.mark.parametrize(
    ("models", "host"),
    [
        ("efficientdet_lite2:1@10,mobilenet_v2_1.0_224:1@30", "raspberry-pi-4"),  # the detector alone is late
        ("efficientdet_lite2:1@10,mobilenet_v2_1.0_224:1@30", "raspberry-pi-5"),  # both are
        ("mobilenet_v1_1.0_224:1@300,inception_v3_299:1@8", "x86-xeon"),  # the lock is taken, and not all of its thread
    ],
)
def test_of_networks_with_rates_only_those_that_are_late_lose_requests(models, host):
    mix = Scenario(models=models, host=host, preprocess="resize")
    found, expected = simulate(mix, compare=False).summary, estimate(mix)
    for name, row in found["models"].items():
        assert expected["models"][name]["throughput_ips"] == pytest.approx(row["throughput_ips"], rel=0.05)


@pytest.mark.parametrize("host", ["raspberry-pi-5", "raspberry-pi-4", "mini-pc-n100"])
def test_networks_with_rates_on_the_cpu_share_no_lock(host):
    """On the CPU a thread that is late does not slow down the others: each has what it asks for, or its own most."""
    scenario = Scenario(models="ssdlite_mobiledet_320:1@10,mobilenet_v2_1.0_224:2@30", host=host, accelerators=0)
    ran, closed = simulate(scenario).summary, estimate(scenario)
    assert closed["throughput_ips"] == pytest.approx(ran["throughput_ips"], rel=0.05)


def test_two_threads_that_never_meet_pay_nothing_for_the_lock():
    """Each holds it for less than it does besides: they may take turns without a wait, and a run of theirs does."""
    mix = Scenario(
        models="mobilenet_v2_1.0_224", size="large:3", link="pcie", host="dev-board", threads=6, mode="processes",
        preprocess="resize:640x480",
    )  # fmt: skip
    ran, closed = simulate(mix, compare=False).summary["throughput_ips"], estimate(mix)["throughput_ips"]
    assert ran <= closed * 1.001


@pytest.mark.parametrize(("model", "threads", "accelerators"), [
    ("deeplab_v3_mobilenet_v2_513", 6, 2), ("regnet_y_008_224", 3, 2), ("mobilenet_v2_1.0_224", 8, 1),
])  # fmt: skip
def test_copies_on_the_cpu_have_their_threads_share_of_a_full_core(model, threads, accelerators):
    scenario = Scenario(
        models=model,
        mode="coexec",
        threads=threads,
        accelerators=accelerators,
        link="pcie",
        host="jetson-nano",
        cores=1,
    )
    ran, closed = simulate(scenario, compare=False).summary, estimate(scenario)
    assert closed["throughput_ips"] >= 0.999 * ran["throughput_ips"]
    for name, row in ran["models"].items():
        assert closed["models"][name]["throughput_ips"] > 0.5 * row["throughput_ips"]
