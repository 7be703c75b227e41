"""The recorder: totals by hand, and the same totals from its spans."""

from __future__ import annotations

from collections import Counter

import pytest
from hand import tpu_stage

from hwmodels.timing import StepTime
from sim.records import BREAKDOWN, Recorder, Span, State, pass_rows

THREAD, DEVICE, LINK = 0, 1, 2
NAMES = ["thread 0", "coral 0", "usb3 0"]


def recorder(spans=None):
    return Recorder(NAMES, ["net"], None if spans is None else spans.append)


def test_twelve_states_partition_a_request():
    assert [state.name.lower() for state in BREAKDOWN] == [
        "preprocess", "wait", "load_parameters", "instructions", "input", "parameters", "compute", "output",
        "host_copy", "cpu_ops", "postprocess", "gil_wait",
    ]  # fmt: skip


def test_a_span_is_added_to_its_component_and_state():
    found = recorder()
    found.add(DEVICE, State.LOAD_PARAMETERS, 100, 150, 0, 0, 0, 7)
    found.add(DEVICE, State.LOAD_PARAMETERS, 200, 210, 1, 0, 0, 3)
    time_ns, n_bytes = found.totals()
    assert time_ns[DEVICE][State.LOAD_PARAMETERS] == 60
    assert n_bytes[DEVICE][State.LOAD_PARAMETERS] == 10
    assert sum(map(sum, time_ns)) == 60


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
        one.passed(DEVICE, LINK, tpu_stage())
        one.waited(DEVICE, State.OUTPUT, 4)
    assert loud.totals() == quiet.totals()


STAGE = tpu_stage(steps=(StepTime(100, 0, 0), StepTime(50, 80, 600)), macs=5, wide_bytes=3, narrow_bytes=2)


def test_a_pass_without_waiting_by_hand():
    """Dispatch 20 and instructions 20; input 30; compute 150 and 30 that stick out; output 20."""
    found = {(place, state): (ns, size) for place, state, ns, size in pass_rows(STAGE)}
    assert found == {
        ("device", State.INSTRUCTIONS): (40, 200),
        ("device", State.INPUT): (30, 300),
        ("device", State.COMPUTE): (150, 0),
        ("device", State.PARAMETERS): (30, 600),
        ("device", State.OUTPUT): (20, 20),
        ("link", State.TRANSFER_OUT): (20 + 30 + 80, 1100),
        ("link", State.TRANSFER_IN): (20, 20),
    }


def test_a_pass_fills_the_time_for_which_the_accelerator_is_held():
    rows = [ns for place, _, ns, _ in pass_rows(STAGE) if place == "device"]
    assert sum(rows) == STAGE.held_ns


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_passes_are_counted_and_multiplied(count):
    found = recorder()
    for _ in range(count):
        found.passed(DEVICE, LINK, STAGE)
    time_ns, n_bytes = found.totals()
    assert sum(time_ns[DEVICE]) == count * STAGE.held_ns
    assert sum(n_bytes[LINK]) == count * 1120
    assert found.actions() == [(0, 0, 0), (5 * count, 3 * count, 2 * count), (0, 0, 0)]


def test_different_stages_are_told_apart():
    found = recorder()
    other = tpu_stage(macs=100)
    for stage in (STAGE, other, STAGE):
        found.passed(DEVICE, LINK, stage)
    assert found.actions()[DEVICE][0] == 110
    assert sum(found.totals()[0][DEVICE]) == 2 * STAGE.held_ns + other.held_ns


def test_a_wait_is_added_beyond_the_stage_s_own_time():
    found = recorder()
    found.passed(DEVICE, LINK, STAGE)
    found.waited(DEVICE, State.PARAMETERS, 11)
    assert found.totals()[0][DEVICE][State.PARAMETERS] == 41


def test_totals_are_snapshots():
    found = recorder()
    before = found.totals()
    found.add(THREAD, State.WAIT, 0, 10, 0, 0)
    assert sum(map(sum, before[0])) == 0


def test_spans_of_a_run_add_up_to_its_totals(hand_setup):
    from hand import network

    from sim.engine import Run

    spans = []
    run = Run(hand_setup([network("a", STAGE)], threads=3, inferences=40), spans.append)
    run.until_steady()
    seen = Counter()
    for span in spans:
        seen[span.component, span.state] += span.end_ns - span.start_ns
    time_ns, _ = run.recorder.totals()
    for number, name in enumerate(run.recorder.components):
        for state in State:
            if state is not State.INVOKE:
                assert seen[name, state] == time_ns[number][state], (name, state)
