"""Counters of a timeline: who waits, what the memory holds, and watts whose area is the energy."""

from __future__ import annotations

import pytest
from hand import accelerator_stage, network
from recordings import FAST, SCENARIOS
from trace_check import load, ns

from sim import Scenario
from sim.engine import Run
from sim.views.timeline import TimelineWriter, record


@pytest.fixture(params=SCENARIOS, ids=str)
def scenario(request):
    return Scenario(**SCENARIOS[request.param])


def hand_trace(setup, path, inferences, layers=False):
    from dataclasses import replace

    limited = replace(setup, scenario=replace(setup.scenario, inferences=inferences))
    with TimelineWriter(path, limited, layers) as write:
        Run(limited, write).until_steady()
    return load(path)


def test_the_queue_counter_counts_who_waits(hand_setup, tmp_path):
    """Three threads on one accelerator: two wait at first."""
    events = hand_trace(hand_setup([network()], threads=3), tmp_path / "trace.json", 3)
    levels = [(ns(e["ts"]), e["args"]["value"]) for e in events if e["ph"] == "C" and e["name"] == "queue length"]
    assert levels[:3] == [(0, 2), (290, 1), (320, 2)]


def test_the_cache_counter_forgets_at_a_swap(hand_setup, tmp_path):
    setup = hand_setup([network("a"), network("b", accelerator_stage(load_bytes=700))], [0, 1])
    events = hand_trace(setup, tmp_path / "trace.json", 3)
    levels = [e["args"]["value"] for e in events if e["ph"] == "C" and "cache" in e["name"]]
    assert levels[:6] == [0, 1000, 0, 700, 0, 1000]


@pytest.mark.parametrize(
    "options", [{"threads": 2}, {"threads": 3, "accelerators": 2, "preprocess": "resize"}], ids=str
)
def test_the_area_under_the_power_counter_is_the_energy(options, tmp_path):
    """The counter's mean over the measured window against the answer's watts."""
    scenario = Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-4", **options)
    results, _ = record(scenario, tmp_path / "trace.json")
    levels = [
        (ns(e["ts"]), e["args"]["value"])
        for e in load(tmp_path / "trace.json")
        if e["ph"] == "C" and e["name"].startswith("power")
    ]
    start, end = results.window.start_ns, results.window.end_ns
    area = sum(
        level * max(0, min(after, end) - max(at, start))
        for (at, level), (after, _) in zip(levels, [*levels[1:], (end, 0)], strict=True)
    )
    assert area / (end - start) == pytest.approx(results.summary["power_w"]["total"], rel=0.01)


def test_temperature_is_shown_when_heat_is_modelled(tmp_path):
    record(Scenario(models=FAST, link="pcie", thermal="40"), tmp_path / "trace.json")
    assert any("temperature" in e["name"] for e in load(tmp_path / "trace.json"))
