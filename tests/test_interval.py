"""Intervals: wider with less certain numbers, and the propagation against brute force on one number."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hwmodels.quantities import Quantity
from sim import Scenario, simulate
from sim.closed_form.bounds import throughput_bound
from sim.closed_form.lines import expected_ips
from sim.setup import build
from sim.trust.interval import ENERGY_SD, LARGEST_SD, Z90, intervals, relative_sd

NET = "mobilenet_v1_1.0_224"
SUMMARY = {
    "throughput_ips": 100.0, "latency_ms": {"mean": 10.0}, "invoke_ms": {"mean": 8.0}, "energy_mj_per_inference": 50.0,
    "time_breakdown_ms": {"wait": 0.0},
}  # fmt: skip


def certain(part, **quantities):
    """A part with no uncertain number but these."""
    return replace(part, quantities=quantities)


def exactly(setup):
    """The set-up with every number certain and no residual spread."""
    parts = tuple(replace(certain(part), latency_spread=0.0) for part in setup.accelerators)
    return replace(setup, accelerators=parts, host=certain(setup.host))


@pytest.fixture(scope="module")
def setup():
    return build(Scenario(models=NET))


def test_numbers_that_are_certain_leave_no_spread(setup):
    assert relative_sd(exactly(setup)) == 0
    found = intervals(exactly(setup), SUMMARY)
    assert found["throughput_ips"] == [100.0, 100.0]
    assert found["energy_mj_per_inference"] == pytest.approx(
        [50 * math.exp(-Z90 * ENERGY_SD), 50 * math.exp(Z90 * ENERGY_SD)]
    )


def test_the_residual_spread_is_always_there(setup):
    sure = exactly(setup)
    part = replace(sure.accelerators[0], latency_spread=0.1)
    assert relative_sd(replace(sure, accelerators=(part,))) == pytest.approx(0.1)


def test_an_interval_is_around_its_value_in_equal_factors(setup):
    for key, low_high in intervals(setup, SUMMARY).items():
        value = {"latency_mean_ms": 10, "invoke_mean_ms": 8, "throughput_ips": 100}.get(key, 50)
        low, high = low_high
        assert low < value < high
        assert value / low == pytest.approx(high / value)


def test_a_link_s_number_moves_the_answer_by_its_own_share(setup):
    """Host dispatch known to 20 %: the same as the throughput of a set-up whose dispatch takes 20 % longer."""
    sure = exactly(setup)
    floor = float(sure.channels[0].floor_ns)
    host = certain(sure.host, **{"bus.usb3.floor_ns": Quantity(floor, "fitted", "test", std_error=0.2 * floor)})
    (times,) = (row[0] for row in sure.stage_times)
    stage = times.stages[0]
    slower = replace(times, stages=(replace(stage, latency_ns=round(1.2 * stage.latency_ns)), *times.stages[1:]))
    expected = abs(throughput_bound(replace(sure, stage_times=((slower,),))) / throughput_bound(sure) - 1)
    assert relative_sd(replace(sure, host=host)) == pytest.approx(expected)


def test_a_cycle_cost_moves_the_answer_by_the_layers_it_is_for(setup):
    sure = exactly(setup)
    part = sure.accelerators[0]

    def with_error(key, error):
        one = certain(part, **{key: Quantity(getattr(part, key), "fitted", "test", std_error=error)})
        return relative_sd(replace(sure, accelerators=(one,)))

    assert with_error("softmax_cycles_per_class", 1.0) > 0
    assert with_error("depthwise_cycles_per_tap", 0.1) > with_error("depthwise_cycles_per_tap", 0.01) > 0
    assert with_error("activation_cycles_per_element", 1.0) == 0  # it has no such layer


def test_independent_errors_add_up_in_squares(setup):
    sure = exactly(setup)
    part = sure.accelerators[0]
    errors = {
        key: Quantity(getattr(part, key), "fitted", "test", std_error=0.1 * getattr(part, key))
        for key in ("depthwise_cycles_per_tap", "softmax_cycles_per_class")
    }
    alone = [relative_sd(replace(sure, accelerators=(certain(part, **{key: q}),))) for key, q in errors.items()]
    both = relative_sd(replace(sure, accelerators=(certain(part, **errors),)))
    assert both == pytest.approx(math.hypot(*alone))


def test_a_spread_that_says_nothing_any_more_stays_finite(setup):
    part = replace(setup.accelerators[0], latency_spread=1e9)
    assert relative_sd(replace(setup, accelerators=(part,))) == LARGEST_SD


@pytest.mark.parametrize("options", [{}, {"threads": 4}, {"link": "pcie", "host": "x86-desktop"}, {"mode": "pipeline"}])
def test_every_answer_lies_in_its_interval(options):
    summary = simulate(Scenario(models=NET, inferences=100, **options), compare=False).summary
    found = summary["interval90"]
    for key, value in (
        ("throughput_ips", summary["throughput_ips"]),
        ("latency_mean_ms", summary["latency_ms"]["mean"]),
        ("invoke_mean_ms", summary["invoke_ms"]["mean"]),
        ("energy_mj_per_inference", summary["energy_mj_per_inference"]),
    ):
        low, high = found[key]
        assert low <= value <= high


def test_a_host_that_is_assumed_widens_the_interval():
    known, assumed = (relative_sd(build(Scenario(models=NET, host=host))) for host in ("x86-xeon", "raspberry-pi-5"))
    assert 0 < known < assumed


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({"arrivals": "periodic:20"}, 0), ({"arrivals": "poisson:100"}, 0), ({"cameras": "4x5"}, 0),
        ({"arrivals": "periodic:280"}, 1), ({"arrivals": "periodic:400"}, 2),
    ],
    ids=str,
)  # fmt: skip
def test_no_more_is_served_than_comes(options, share):
    """A Pi 4 serves 250 to 352 a second: what comes more slowly is served, and of 280 as many as it may be able to."""
    scenario = Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-4")
    low, high = simulate(scenario).summary["interval90"]["throughput_ips"]
    found = simulate(scenario.with_options(**options)).summary
    ips, asked = found["throughput_ips"], scenario.with_options(**options).arrival_process.rate_ips
    expected = ([min(ips, asked), max(ips, asked)], [low, asked], [low, min(high, asked)])[share]
    assert found["interval90"]["throughput_ips"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 5, "accelerators": 2, "host": "raspberry-pi-4", "preprocess": "resize"},
        {"threads": 2, "host": "raspberry-pi-3b", "busy_python_threads": 1, "app_ms": "2:locked"},
        {"models": f"{NET}:2,efficientdet_lite0_320:1", "host": "dev-board", "link": "pcie", "preprocess": "resize"},
        {"threads": 4, "accelerators": 2, "link": "usb3,pcie", "host": "x86-desktop", "dispatch": "least_loaded"},
        {"models": "deeplab_v3_mobilenet_v2_513", "mode": "coexec", "threads": 3, "host": "raspberry-pi-4"},
        {"mode": "pipeline", "num_segments": 2, "runner": "python", "host": "raspberry-pi-3b", "preprocess": "resize"},
        {"models": "resnet_50_v1_224", "size": "dpu-b4096", "host": "kv260"},
        {"threads": 4, "host": "x86-epyc-litert"},
    ],
    ids=lambda options: ", ".join(map(str, options.values())),
)
def test_every_number_of_a_host_moves_the_answer_as_a_set_up_with_another_one_does(options):
    """Each alone uncertain by a tenth of it: the same as building the set-up with that much more of it."""
    scenario = Scenario(**{"models": NET, **options})
    setup = build(scenario)
    sure, told = exactly(setup), 0
    for key, quantity in setup.host.quantities.items():
        if key.startswith(("bus.", "power_", "cores", "usb_")) or not isinstance(quantity.value, int | float):
            continue
        error = 0.1 * quantity.value or 0.1
        more = build(scenario.with_options(numbers={f"host.{key}": quantity.value + error}))
        expected = abs(expected_ips(more) / expected_ips(setup) - 1)
        one = certain(sure.host, **{key: replace(quantity, std_error=error, range=None)})
        assert relative_sd(replace(sure, host=one)) == pytest.approx(expected, abs=1e-12), key
        told += expected > 1e-9
    assert told >= 1
