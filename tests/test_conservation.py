"""What holds for every set-up, whatever its numbers: conservation laws under Hypothesis."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hand import accelerator_stage, network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwmodels.stages import CpuStage, StepTime
from sim.engine import Run, simulate
from sim.machine.states import BREAKDOWN, State
from sim.scenario import Scenario
from sim.steady import LatencyCounts

SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
times = st.integers(1, 5000)


@st.composite
def networks(draw, name="a"):
    steps = tuple(
        StepTime(draw(times), *draw(st.sampled_from([(0, 0), (700, 7000), (3000, 2_500_000)])))
        for _ in range(draw(st.integers(1, 3)))
    )
    stage = accelerator_stage(
        steps=steps,
        input_ns=draw(times),
        output_ns=draw(times),
        load_ns=draw(times),
        driver_ns=draw(times),
        copy_ns=draw(times),
    )
    tail = (CpuStage(draw(times)),) if draw(st.booleans()) else ()
    return network(name, stage, *tail, preprocess_ns=draw(st.integers(0, 4000)), python_ns=draw(st.integers(0, 500)))


options = st.fixed_dictionaries(
    {
        "threads": st.integers(1, 6),
        "accelerators": st.integers(1, 3),
        "cores": st.integers(1, 4),
        "mode": st.sampled_from(["threads", "processes"]),
        "link": st.sampled_from(["usb3", "pcie"]),
        "dispatch": st.sampled_from(["bind", "round_robin", "least_loaded", "affinity"]),
        "discipline": st.sampled_from(["fifo", "priority", "shortest", "affinity"]),
        "inferences": st.integers(1, 150),
    }
)


def acting(option, networks):
    """Leave out what cannot act: a choice of one accelerator, an order among threads of one network."""
    idle = {"dispatch"} if option["accelerators"] == 1 else set()
    idle |= {"discipline"} if networks == 1 else set()
    return {key: value for key, value in option.items() if key not in idle}


@SETTINGS
@given(a=networks(), b=networks("b"), mix=st.booleans(), option=options)
def test_time_bytes_and_requests_are_conserved(hand_setup, a, b, mix, option):
    option = {**option, "threads": max(option["threads"], 2)} if mix else option
    thread_models = [i % 2 for i in range(option["threads"])] if mix else None
    setup = hand_setup([a, b] if mix else [a], thread_models, **acting(option, 1 + mix))
    spans = []
    run = Run(setup, spans.append)
    window = run.until_steady()
    elapsed = int(run.env.now)
    per_device = {}
    for span in spans:
        assert span.end_ns >= span.start_ns
        if span.state < State.TRANSFER_OUT:
            per_device.setdefault(span.component, []).append((span.start_ns, span.end_ns))
    for intervals in per_device.values():  # busy and idle make up the elapsed time: nothing overlaps on one component
        intervals.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(intervals))
        assert sum(end - start for start, end in intervals) <= elapsed
    finished = [s for s in spans if s.state is State.OUTPUT]
    assert run.completions <= len(finished) <= run.completions + option["threads"]
    sent = sum(s.n_bytes for s in spans if s.state is State.TRANSFER_OUT)
    taken = sum(
        s.n_bytes
        for s in spans
        if s.state in (State.LOAD_PARAMETERS, State.INSTRUCTIONS, State.INPUT, State.PARAMETERS)
    )
    assert sent == taken
    assert sum(s.n_bytes for s in spans if s.state is State.TRANSFER_IN) == sum(s.n_bytes for s in finished)
    assert window.count <= run.completions


def told(window):
    """Everything that a window holds, latencies as their counts."""

    def plain(value):
        if isinstance(value, list):
            return [plain(one) for one in value]
        return (value.counts, value.sum_ns) if isinstance(value, LatencyCounts) else value

    return {key: plain(value) for key, value in vars(window).items()}


@SETTINGS
@given(a=networks(), option=options)
def test_recording_changes_nothing_and_runs_repeat(hand_setup, a, option):
    setup, first, second = hand_setup([a], **acting(option, 1)), [], []
    windows = [
        Run(setup, first.append).until_steady(),
        Run(setup, second.append).until_steady(),
        Run(setup).until_steady(),
    ]
    assert first == second
    first_told = told(windows[0])
    assert first_told.keys() >= {"start_ns", "threads", "accelerators", "links", "core_ns", "gil_ns", "latency"}
    assert [told(other) for other in windows[1:]] == [first_told, first_told]


@SETTINGS
@given(a=networks(), faster=st.floats(1.0, 10.0))
def test_more_bandwidth_is_never_slower_for_one_thread(hand_setup, a, faster):
    def scaled(stage):
        if isinstance(stage, CpuStage):
            return stage
        steps = tuple(replace(s, parameters_ns=int(s.parameters_ns / faster)) for s in stage.steps)
        return replace(
            stage, steps=steps, input_ns=int(stage.input_ns / faster), output_ns=int(stage.output_ns / faster)
        )

    slow = Run(hand_setup([a])).until_steady()
    fast = Run(hand_setup([replace(a, stages=tuple(map(scaled, a.stages)))])).until_steady()
    assert fast.throughput_ips >= slow.throughput_ips * (1 - 1e-12)


@pytest.mark.parametrize("threads", [1, 3])
def test_energy_is_the_sum_of_power_times_time(threads):
    """Recomputed from spans with the part's numbers, no code shared with sim.power."""
    results = simulate(Scenario(models="conv5x3x3_f32_64x64", threads=threads))
    setup, window = results.setup, results.window
    part, host, bus = setup.accelerators[0], setup.host, setup.channels[0]
    seconds = window.elapsed_ns / 1e9
    (device,), (link,) = window.accelerators, window.links
    busy = (device.time_ns[State.COMPUTE] + device.time_ns[State.PARAMETERS]) / 1e9
    stage = setup.stage_times[0][0].stages[0]
    actions = stage.macs * part.energy_mac_pj + stage.wide_bytes * part.energy_wide_pj_per_byte
    actions += stage.narrow_bytes * part.energy_narrow_pj_per_byte
    cold = (
        (part.power_base_w + part.power_idle_w) * seconds
        + part.power_active_clock_w * busy
        + window.count * actions * 1e-12
    )
    rest_w, accelerator = part.power_base_w + part.power_idle_w, cold

    def leakage_w(power_w):
        above_c = 25 + part.power_heat_c_per_w * power_w - 25
        return part.power_leakage_w * 2 ** (above_c / part.power_leakage_doubling_c)

    for _ in range(100):  # the heat of the leakage leaks more
        accelerator = cold + (leakage_w(accelerator / seconds) - leakage_w(rest_w)) * seconds
    cores = window.core_ns / 1e9
    joules = accelerator + sum(link.n_bytes) * bus.energy_pj_per_byte * 1e-12
    joules += (
        (host.power_board_w + host.power_awake_w) * seconds
        + cores * host.power_core_busy_w
        + (setup.cores * seconds - cores) * host.power_core_idle_w
    )
    assert results.summary["energy_mj_per_inference"] * window.count / 1e3 == pytest.approx(joules, rel=1e-9)
    assert results.summary["energy_accelerator_mj_per_inference"] * window.count / 1e3 == pytest.approx(
        accelerator, rel=1e-9
    )


@pytest.mark.parametrize(
    "options", [{}, {"threads": 4}, {"threads": 4, "accelerators": 2}, {"threads": 3, "preprocess": "resize"}]
)
def test_breakdown_adds_up_to_the_latency(options):
    summary = simulate(Scenario(models="conv5x3x3_f32_64x64", **options)).summary
    assert sum(summary["time_breakdown_ms"].values()) == pytest.approx(summary["latency_ms"]["mean"], rel=1e-9)
    assert list(summary["time_breakdown_ms"]) == [state.name.lower() for state in BREAKDOWN]


@pytest.mark.parametrize("name", ["conv5x3x3_f32_64x64", "fc5_n1000_in64_out10", "conv5x3x3_f452_64x64"])
def test_one_inference_alone_takes_the_closed_form_s_time(name):
    results = simulate(Scenario(models=name))
    assert results.summary["invoke_ms"]["mean"] == results.setup.stage_times[0][0].invoke_ns / 1e6
