"""The summary: shares, breakdown and gains from windows made by hand, and the contract over real runs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hand import counts, network, window

from sim import Scenario, simulate
from sim.answer import breakdown_ms, interval_of, is_overloaded, is_settled, merged, ratio, utilisation
from sim.machine.states import BREAKDOWN, State
from sim.power import Performance, Power

NET = "mobilenet_v1_0.25_128"


def test_a_ratio_of_nothing_is_nothing():
    assert ratio(1, 2) == 0.5
    assert ratio(1, 0) == 0


def test_latencies_of_several_models_are_put_together():
    both = merged([counts(1, 2, 3), counts(3, 4)])
    assert (both.n, both.sum_ns) == (5, 13)
    assert both.summary_ms()["max"] == 4e-6


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [2e6, 2e6]),
        ({"periodic": False}, [2e6, 2e6]),  # nothing is known
        ({"periodic": False, "interval_ips": (1e6, 3e6)}, [1e6, 3e6]),
        ({"periodic": False, "interval_ips": (2.5e6, 3e6)}, [2e6, 3e6]),  # it always holds the value
        ({"periodic": True, "interval_ips": (1e6, 3e6)}, [2e6, 2e6]),
    ],
)
def test_the_interval_of_a_rate(changes, expected):
    assert interval_of(window(**changes)) == expected


@pytest.mark.parametrize(("interval", "settled"), [((100, 104), True), ((100, 106), False), ((0, 1), False)])
def test_batch_means_that_lie_close_together_are_settled(interval, settled):
    assert is_settled(window(interval_ips=interval)) is settled


def test_a_queue_beyond_chance_is_overload_in_an_open_loop_only(hand_setup):
    closed = hand_setup([network("a")], threads=1)
    opened = replace(closed, scenario=replace(closed.scenario, arrivals="poisson:10"))
    assert [is_overloaded(opened, window(queue_length=n)) for n in (0, 20, 100)] == [False, False, True]
    assert not is_overloaded(closed, window(queue_length=100))


def test_parts_of_a_latency_add_up_to_its_mean():
    busy = window()
    busy.threads[0].time_ns[State.PREPROCESS] = 300
    busy.accelerators[0].time_ns[State.COMPUTE] = 600
    busy.links[0].time_ns[State.TRANSFER_OUT] = 999  # under the device's own state: not counted twice
    parts = breakdown_ms(busy)
    assert set(parts) == {state.name.lower() for state in BREAKDOWN}
    assert sum(parts.values()) == pytest.approx(500e-6)
    assert parts["compute"] == pytest.approx(2 * parts["preprocess"])


def test_utilisation_by_hand(hand_setup):
    setup = hand_setup([network("a")], threads=1)
    busy = window(core_ns=1000, gil_ns=250)
    device, link = busy.accelerators[0], busy.links[0]
    device.time_ns[State.COMPUTE], device.time_ns[State.INPUT], device.time_ns[State.OUTPUT] = 400, 100, 60
    device.waited_ns = 60  # of the output: for a bus that others used
    link.time_ns[State.TRANSFER_OUT], link.time_ns[State.TRANSFER_IN] = 300, 50
    assert utilisation(setup, busy) == {
        "accelerator": 0.5, "link_out": 0.3, "link_in": 0.05, "cpu": 0.25, "gil": 0.25,
    }  # fmt: skip


def test_energy_is_power_over_rate():
    busy, idle = Performance(100.0, Power(1.0, 0.5, 2.5)), Performance(0.0, Power(1.0, 0.5, 2.5))
    assert (busy.energy_mj, busy.accelerator_mj) == (40.0, 10.0)
    assert (idle.energy_mj, idle.accelerator_mj) == (0.0, 0.0)


# Real runs


OPTIONS = [
    {},
    {"threads": 3, "preprocess": "resize"},
    {"threads": 4, "accelerators": 2, "link": "pcie", "host": "x86-desktop"},
    {"models": f"{NET}:1,mobilenet_v1_0.5_160:2"},
    {"mode": "pipeline", "num_segments": 2},
    {"mode": "coexec", "threads": 2},
    {"arrivals": "poisson:100", "threads": 2},
    {"arrivals": "offline:50", "threads": 2},
    {"jitter": "measured", "threads": 2},
    {"mode": "processes", "threads": 2, "accelerators": 2},
]


@pytest.fixture(scope="module", params=OPTIONS, ids=str)
def summary(request):
    return simulate(Scenario(**{"models": NET, "inferences": 150, **request.param})).summary


def test_every_answer_is_json_and_has_the_keys_of_the_contract(summary):
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert set(again) >= {
        "scenario", "throughput_ips", "throughput_ci95_ips", "latency_ms", "invoke_ms", "energy_mj_per_inference",
        "power_w", "utilisation", "time_breakdown_ms", "speedup_vs_one_thread", "energy_gain_vs_one_thread",
        "bottleneck", "bottleneck_text", "interval90", "steady", "overloaded", "warnings", "models",
    }  # fmt: skip


def test_percentiles_are_in_order(summary):
    for key in ("latency_ms", "invoke_ms"):
        values = [summary[key][name] for name in ("p50", "p90", "p95", "p99", "max")]
        assert values == sorted(values)
        assert 0 < summary[key]["mean"] <= summary[key]["max"]


def test_shares_are_shares_and_parts_add_up(summary):
    assert all(0 <= share <= 1 for share in summary["utilisation"].values())
    power = summary["power_w"]
    assert power["total"] == pytest.approx(power["accelerators"] + power["links"] + power["host"])
    assert sum(summary["time_breakdown_ms"].values()) == pytest.approx(summary["latency_ms"]["mean"], rel=0.01)


def test_energy_of_the_whole_is_power_over_rate(summary):
    expected = summary["power_w"]["total"] / summary["throughput_ips"] * 1e3
    assert summary["energy_mj_per_inference"] == pytest.approx(expected)


def test_models_share_the_rate(summary):
    assert sum(row["throughput_ips"] for row in summary["models"].values()) == pytest.approx(summary["throughput_ips"])


def test_one_thread_gains_nothing_over_itself():
    assert simulate(Scenario(models=NET)).summary["speedup_vs_one_thread"] == 1
