"""The recorder: totals by hand, and the same totals from its spans."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hand import accelerator_stage

from hwmodels.stages import StepTime
from sim.machine.records import Components, Recorder, Span
from sim.machine.states import State, states_of

#: Numbers of the components; the accelerator is number 0 of its kind.
THREAD, DEVICE, LINK = 0, 1, 2
COMPONENTS = Components(["thread 0"], ["coral 0"], ["usb3 0"])


def recorder(spans=None):
    return Recorder(COMPONENTS, ["net"], None if spans is None else spans.append)


def test_components_are_numbered_threads_first_then_accelerators_then_links():
    parts = Components(["t0", "t1"], ["a0", "a1"], ["l0", "l1"])
    assert parts.names == ["t0", "t1", "a0", "a1", "l0", "l1"]
    assert [parts.names[parts.accelerator(i)] for i in (0, 1)] == ["a0", "a1"]
    assert [parts.names[parts.link(i)] for i in (0, 1)] == ["l0", "l1"]


def test_a_span_is_added_to_its_component_and_state():
    found = recorder()
    found.add(DEVICE, State.LOAD_PARAMETERS, 100, 150, 0, 0, 0, 7)
    found.add(DEVICE, State.LOAD_PARAMETERS, 200, 210, 1, 0, 0, 3)
    (thread,), (device,), (link,) = found.totals()
    assert device.time_ns[State.LOAD_PARAMETERS] == 60
    assert device.n_bytes[State.LOAD_PARAMETERS] == 10
    assert [sum(part.time_ns) for part in (thread, device, link)] == [0, 60, 0]


def test_nothing_is_dropped_but_what_has_neither_length_nor_bytes():
    spans = []
    found = recorder(spans)
    found.add(THREAD, State.WAIT, 5, 5, 0, 0)
    found.add(LINK, State.TRANSFER_OUT, 5, 5, 0, 0, 0, 1)
    assert [(span.component, span.n_bytes) for span in spans] == [("usb3 0", 1)]


def test_a_sink_gets_names():
    spans = []
    recorder(spans).add(THREAD, State.PREPROCESS, 1, 4, 9, 0, 2)
    assert spans == [Span("thread 0", State.PREPROCESS, 1, 4, 9, "net", 2, 0)]


def test_a_recorder_without_a_sink_has_the_same_totals():
    loud, quiet = recorder([]), recorder()
    for one in (loud, quiet):
        one.add(THREAD, State.WAIT, 0, 10, 0, 0)
        one.passed(0, accelerator_stage())
        one.waited(DEVICE, State.OUTPUT, 4)
    assert loud.totals() == quiet.totals()


def rows(part):
    """State -> (ns, bytes) of what a component did."""
    return {state: both for state in State if any(both := (part.time_ns[state], part.n_bytes[state]))}


STAGE = accelerator_stage(steps=(StepTime(100, 0, 0), StepTime(50, 80, 600)), macs=5, wide_bytes=3, narrow_bytes=2)


def test_a_pass_without_waiting_by_hand():
    """Dispatch 20 and instructions 20; input 30; compute 150 and 30 that stick out; output 20."""
    found = recorder()
    found.passed(0, STAGE)
    _, (device,), (link,) = found.totals()
    assert rows(device) == {
        State.INSTRUCTIONS: (40, 200),
        State.INPUT: (30, 300),
        State.COMPUTE: (150, 0),
        State.PARAMETERS: (30, 600),
        State.OUTPUT: (20, 20),
    }
    assert rows(link) == {State.TRANSFER_OUT: (20 + 30 + 80, 1100), State.TRANSFER_IN: (20, 20)}


def test_a_pass_fills_the_time_for_which_the_accelerator_is_held():
    found = recorder()
    found.passed(0, STAGE)
    _, (device,), _ = found.totals()
    assert sum(device.time_ns) == device.spent_ns(states_of(held=True)) == STAGE.held_ns
    assert device.waited_ns == 0


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_passes_are_counted_and_multiplied(count):
    found = recorder()
    for _ in range(count):
        found.passed(0, STAGE)
    (thread,), (device,), (link,) = found.totals()
    assert sum(device.time_ns) == count * STAGE.held_ns
    assert sum(link.n_bytes) == count * 1120
    assert [part.actions for part in (thread, device, link)] == [(0,) * 3, (5 * count, 3 * count, 2 * count), (0,) * 3]


def test_different_stages_are_told_apart():
    found = recorder()
    other = accelerator_stage(macs=100)
    for stage in (STAGE, other, STAGE):
        found.passed(0, stage)
    _, (device,), _ = found.totals()
    assert device.actions[0] == 110
    assert sum(device.time_ns) == 2 * STAGE.held_ns + other.held_ns


def test_a_wait_is_added_beyond_the_stage_s_own_time():
    found = recorder()
    found.passed(0, STAGE)
    found.waited(DEVICE, State.PARAMETERS, 11)
    found.extended(DEVICE, STAGE, replace(STAGE, latency_ns=STAGE.latency_ns + 5))
    _, (device,), _ = found.totals()
    assert device.time_ns[State.PARAMETERS] == 41
    assert device.time_ns[State.INSTRUCTIONS] == 45
    assert device.waited_ns == 11, "what it did longer is no wait"


def test_totals_are_snapshots():
    found = recorder()
    (before,), _, _ = found.totals()
    found.add(THREAD, State.WAIT, 0, 10, 0, 0)
    (after,), _, _ = found.totals()
    assert (sum(before.time_ns), sum(after.time_ns)) == (0, 10)


def test_spans_of_a_run_add_up_to_its_totals(hand_setup):
    from hand import network

    from sim.engine import Run

    spans = []
    run = Run(hand_setup([network("a", STAGE)], threads=3, inferences=40), spans.append)
    run.until_steady()
    seen = Counter()
    for span in spans:
        seen[span.component, span.state] += span.end_ns - span.start_ns
    parts = [part for kind in run.recorder.totals() for part in kind]
    for name, part in zip(run.recorder.components.names, parts, strict=True):
        for state in State:
            if state is not State.INVOKE:
                assert seen[name, state] == part.time_ns[state], (name, state)
