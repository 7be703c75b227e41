"""One inference, step by step, against timelines drawn by hand (ns)."""

from __future__ import annotations

from hand import accelerator_stage, network

from hwmodels.stages import CpuStage, StepTime
from sim.engine import Run
from sim.machine.records import Span
from sim.machine.states import BREAKDOWN, State


def spans_of(setup, inferences):
    spans: list[Span] = []
    from dataclasses import replace

    limited = replace(setup, scenario=replace(setup.scenario, inferences=inferences))
    Run(limited, spans.append).until_steady()
    return spans


def timeline(spans, component):
    own = (s for s in spans if s.component.startswith(component) and s.state is not State.INVOKE)
    rows = [(s.state.name.lower(), s.start_ns, s.end_ns) for s in own]
    return sorted(rows, key=lambda row: row[1:])


def test_one_inference_passes_through_every_stage_in_the_driver_s_order(hand_setup):
    spans = spans_of(hand_setup([network()]), 1)
    assert timeline(spans, "coral") == [
        ("load_parameters", 0, 100),
        ("instructions", 100, 140),
        ("input", 140, 170),
        ("compute", 170, 270),
        ("output", 270, 290),
    ]
    assert timeline(spans, "thread 0") == [("host_copy", 290, 320)]


def test_two_threads_on_one_accelerator_are_served_one_by_one(hand_setup):
    """Thread 1 waits for the lock until thread 0's output is in, and loads its own interpreter's parameters."""
    spans = spans_of(hand_setup([network()], threads=2), 4)
    assert timeline(spans, "coral")[:15] == [
        ("load_parameters", 0, 100), ("instructions", 100, 140), ("input", 140, 170), ("compute", 170, 270),
        ("output", 270, 290),
        ("load_parameters", 290, 390), ("instructions", 390, 430), ("input", 430, 460), ("compute", 460, 560),
        ("output", 560, 580),
        ("instructions", 580, 620), ("input", 620, 650), ("compute", 650, 750), ("output", 750, 770),
        ("instructions", 770, 810),
    ]  # fmt: skip
    assert timeline(spans, "thread 0") == [
        ("host_copy", 290, 320),
        ("wait", 320, 580),
        ("host_copy", 770, 800),
        ("wait", 800, 960),
    ]
    assert timeline(spans, "thread 1") == [
        ("wait", 0, 290),
        ("host_copy", 580, 610),
        ("wait", 610, 770),
        ("host_copy", 960, 990),
    ]


def test_a_model_swap_sends_the_parameters_again_at_every_turn(hand_setup):
    """Tokens a and b evict each other: every inference loads, 100 ns before each."""
    spans = spans_of(hand_setup([network("a"), network("b")], [0, 1]), 4)
    loads = [(s.model, s.start_ns, s.end_ns) for s in spans if s.state is State.LOAD_PARAMETERS]
    assert loads[:4] == [("a", 0, 100), ("b", 290, 390), ("a", 580, 680), ("b", 870, 970)]


def test_networks_compiled_together_share_a_token_and_load_once(hand_setup):
    from dataclasses import replace

    together = [replace(network("a"), token="both"), replace(network("b"), token="both")]
    spans = spans_of(hand_setup(together, [0, 1]), 6)
    assert [s.model for s in spans if s.state is State.LOAD_PARAMETERS] == ["a", "b"]


def test_streamed_parameters_hide_only_under_their_own_consumer(hand_setup):
    """50 cached, then 40 of compute under 70 of parameters: the program takes 50 + 70."""
    steps = (StepTime(50, 0, 0), StepTime(40, 70, 700))
    spans = spans_of(hand_setup([network("a", accelerator_stage(steps=steps, load_bytes=0))]), 1)
    assert timeline(spans, "coral")[2:] == [
        ("compute", 70, 120), ("compute", 120, 160), ("parameters", 160, 190), ("output", 190, 210),
    ]  # fmt: skip


def test_cpu_operators_run_outside_the_lock(hand_setup):
    """While thread 0 runs its 500 ns of CPU operators, thread 1 has the accelerator."""
    with_tail = network("a", accelerator_stage(load_bytes=0), CpuStage(500))
    spans = spans_of(hand_setup([with_tail], threads=2), 2)
    assert ("cpu_ops", 220, 720) in timeline(spans, "thread 0")
    assert timeline(spans, "coral")[4] == ("instructions", 190, 230)


def test_two_accelerators_on_one_usb_controller_queue_for_the_bus(hand_setup):
    """Both send 50 ns of instructions and input at 20; the second one's transfer ends 50 later."""
    spans = spans_of(hand_setup([network("a", accelerator_stage(load_bytes=0))], threads=2, accelerators=2), 2)
    assert ("input", 40, 70) in timeline(spans, "coral 0")
    assert ("input", 90, 120) in timeline(spans, "coral 1")


def test_two_accelerators_on_pcie_have_a_lane_each(hand_setup):
    setup = hand_setup(
        [network("a", accelerator_stage(load_bytes=0))], threads=2, accelerators=2, link="pcie", host="x86-desktop"
    )
    spans = spans_of(setup, 2)
    assert timeline(spans, "coral 0") == timeline(spans, "coral 1")


def test_python_threads_take_turns_with_the_gil(hand_setup):
    """Two threads preprocess 100 ns each under the lock: the second one starts when the first is done."""
    setup = hand_setup([network("a", accelerator_stage(load_bytes=0), preprocess_ns=100)], threads=2, mode="threads")
    spans = spans_of(setup, 2)
    assert timeline(spans, "thread 1")[:2] == [("gil_wait", 0, 100), ("preprocess", 100, 200)]


def test_spans_of_a_request_partition_its_latency(hand_setup):
    setup = hand_setup(
        [network("a", accelerator_stage(), CpuStage(70), python_ns=15, preprocess_ns=40, postprocess_ns=25)], threads=3
    )
    spans = spans_of(setup, 9)
    for request in range(9):
        own = [s for s in spans if s.request == request and s.state in BREAKDOWN]
        start, end = min(s.start_ns for s in own), max(s.end_ns for s in own)
        assert sum(s.end_ns - s.start_ns for s in own) == end - start
