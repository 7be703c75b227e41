"""The table of states: what is true of each, and that runs keep to it."""

from __future__ import annotations

import pytest

from sim import Scenario, simulate
from sim.machine.states import BREAKDOWN, STATES, TRAITS, State, states_of


def test_every_state_has_a_row_and_a_name():
    assert set(TRAITS) == set(State)
    assert {state.name.lower(): state for state in State} == STATES
    assert len({traits.words for traits in TRAITS.values()}) == len(State)


def test_fourteen_states_partition_a_request():
    assert [state.name.lower() for state in BREAKDOWN] == [
        "preprocess", "wait", "load_parameters", "instructions", "input", "parameters", "compute", "output",
        "host_copy", "cpu_ops", "postprocess", "gil_wait", "app", "app_wait",
    ]  # fmt: skip


def test_a_link_s_time_and_what_encloses_others_are_not_counted_twice():
    assert set(State) - set(BREAKDOWN) == {*states_of(kind="link"), State.INVOKE}


def test_under_the_lock_an_accelerator_is_in_one_of_its_own_states():
    assert states_of(held=True) == states_of(kind="device")
    assert states_of(group="accelerator") == (State.COMPUTE,)
    assert states_of(group="cpu", kind="device") == ()


SCENARIOS = [
    {"threads": 3, "preprocess": "resize", "host": "raspberry-pi-4", "accelerators": 2},
    {"models": "mobilenet_v1_0.25_128:1,inception_v3_299:1"},
    {"models": "ssd_mobilenet_v2_coco_300", "mode": "coexec", "threads": 2},
    {"mode": "pipeline", "runner": "python"},
    {"arrivals": "poisson:500", "threads": 2, "jitter": "measured"},
]


@pytest.mark.parametrize("options", SCENARIOS, ids=str)
def test_in_a_run_every_component_is_in_states_of_its_kind_and_in_one_at_a_time(options):
    """Threads wait in states of theirs, devices and links work in theirs; a device is never in two at once."""
    spans = []
    simulate(Scenario(**{"models": "mobilenet_v1_0.25_128", "inferences": 30, **options}), spans.append, compare=False)
    kinds = {"thread": "thread", "usb3": "link"}
    last = {}
    for span in sorted(spans, key=lambda span: (span.component, span.start_ns, span.end_ns)):
        kind = kinds.get(span.component.split()[0], "device")
        assert TRAITS[span.state].kind == kind, span
        if kind == "device":
            assert span.start_ns >= last.get(span.component, 0), span
            last[span.component] = span.end_ns
