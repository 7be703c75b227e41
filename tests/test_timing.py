"""Stage times by hand: what each byte, cycle and copy becomes, and that one inference alone is their sum."""

from __future__ import annotations

import random
from dataclasses import replace
from math import ceil

import pytest
from hand import accelerator_stage, network
from layers import chain, conv, dense, depthwise, like

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.compiler import compile_graph
from hwmodels.executable import Executable, LayerPlan, Segment, Step
from hwmodels.host import load_host
from hwmodels.link import Channel, channel, load_link, transfer_ns
from hwmodels.parts import part_names
from hwmodels.stages import AcceleratorStage, CpuStage, StepTime, stretch
from hwmodels.timing import layer_ns, stage_times, touched_bytes
from sim import Scenario, simulate

#: 1 byte out takes 10 ns, 1 byte in 40 ns; an inference costs 1000 ns, an instruction byte half a ns more.
BUS = Channel("bus", 100e6, 25e6, 1000, 0.5, 1 << 20, True, 10)
HOST = replace(load_host("x86-xeon"), driver_cpu_ns=400, python_call_ns=70.5, copy_ns_per_byte=0.25)
GRAPH = chain("net", conv(32, 3, 16), depthwise(32, 16), like("ARG_MAX", (1, 32, 32, 16)))
CONV, DEPTHWISE, TAIL = GRAPH.layers


def executable(*plans, **numbers):
    """Two layers on the accelerator by hand, one on the CPU."""
    plans = plans or (
        LayerPlan(CONV, cycles=1000, cached=True, macs=7, wide_bytes=2, narrow_bytes=3),
        LayerPlan(DEPTHWISE, cycles=500, streamed_bytes=600, macs=5, wide_bytes=1, narrow_bytes=4),
    )
    counts = {
        "instruction_bytes": 200, "input_bytes": 300, "output_bytes": 40, "tensor_output_bytes": 10,
        "cached_bytes": 5000, "caching_instruction_bytes": 100, **numbers,
    }  # fmt: skip
    tpu = Segment("accelerator", plans, **counts)
    return Executable("net", GRAPH, (tpu, Segment("cpu", (LayerPlan(TAIL, "not mapped"),))), "token")


def times(**numbers):
    return stage_times(executable(**numbers), BUS, HOST, 500e6)


def test_every_byte_takes_its_direction_s_rate():
    (stage, _) = times().stages
    assert isinstance(stage, AcceleratorStage)
    assert (stage.load_bytes, stage.load_ns) == (5100, 51_000)
    assert (stage.instruction_bytes, stage.instructions_ns) == (200, 2000 + 100)
    assert (stage.input_bytes, stage.input_ns) == (300, 3000)
    assert (stage.output_bytes, stage.output_ns) == (40, 1600)
    assert stage.copy_ns == ceil(10 * 0.25)


@pytest.mark.parametrize(
    ("room", "steps"),
    [
        (0, (StepTime(2000, 0, 0), StepTime(1000, 6000, 600))),
        (150, (StepTime(2000, 1500, 150), StepTime(1000, 4500, 450))),  # as much as the buffer holds
        (999, (StepTime(2000, 2000, 200), StepTime(1000, 4000, 400))),  # as much as 2000 ns bring
    ],
)
def test_parameters_come_during_the_layer_before_their_own(room, steps):
    (stage, _) = times(prefetch_bytes=room).stages
    assert stage.steps == steps
    assert sum(step.streamed_bytes for step in stage.steps) == 600


def test_parameters_come_one_layer_early_at_most():
    """The last layer's 600 bytes wait for the second layer, though the link is idle under the first."""
    plans = tuple(LayerPlan(CONV, cycles=1000, streamed_bytes=n_bytes) for n_bytes in (0, 100, 600))
    (stage, _) = stage_times(executable(*plans, prefetch_bytes=10_000), BUS, HOST, 500e6).stages
    assert [step.streamed_bytes for step in stage.steps] == [100, 200, 400]


def test_cycles_and_streamed_bytes_become_steps():
    (stage, _) = times().stages
    assert stage.steps == (StepTime(2000, 0, 0), StepTime(1000, 6000, 600))
    assert (stage.program_ns, stage.compute_ns) == (2000 + 6000, 3000)


def test_the_driver_s_work_is_part_of_the_link_s_fixed_time():
    (stage, _) = times().stages
    assert (stage.driver_ns, stage.latency_ns) == (400, 600)
    slow = replace(HOST, driver_cpu_ns=99_999)
    stage = stage_times(executable(), BUS, slow, 500e6).stages[0]
    assert (stage.driver_ns, stage.latency_ns) == (1000, 0)


def test_spilled_activations_cross_the_link_both_ways():
    (stage, _) = times(scratch_in_bytes=50, scratch_out_bytes=60).stages
    assert (stage.input_ns, stage.output_ns) == (3500, 4000)


def test_nothing_is_loaded_where_nothing_is_cached():
    (stage, _) = times(cached_bytes=0).stages
    assert (stage.load_bytes, stage.load_ns) == (0, 0)


def test_work_is_counted_for_the_energy():
    (stage, _) = times().stages
    assert (stage.macs, stage.wide_bytes, stage.narrow_bytes) == (12, 3, 7)


def test_an_inference_alone_is_the_sum_of_its_stages():
    found = times()
    stage, tail = found.stages
    assert isinstance(tail, CpuStage)
    held = 1000 + 2100 + 3000 + 8000 + 1600
    assert stage.held_ns == held
    assert stage.invoke_ns == held + 3
    assert found.python_ns == 71
    assert found.invoke_ns == 71 + held + 3 + tail.ops_ns
    assert found.first_invoke_ns == found.invoke_ns + 51_000
    assert found.latency_ns == found.invoke_ns


def test_a_new_interpreter_touches_its_results_for_the_first_time():
    """10 bytes come from the accelerator; the operator on the CPU reads and writes 32 x 32 x 16."""
    slow = replace(HOST, first_touch_ns_per_byte=2.5)
    compiled = executable()
    touched = 10 + 2 * 16_384
    assert touched_bytes(compiled) == touched
    found = stage_times(compiled, BUS, slow, 500e6)
    assert found.first_touch_ns == ceil(2.5 * touched)
    assert found.cold_invoke_ns == found.first_invoke_ns + found.first_touch_ns
    assert found.invoke_ns == times().invoke_ns


def test_pre_and_postprocessing_belong_to_the_latency_alone():
    found = replace(times(), preprocess_ns=1000, postprocess_ns=500)
    assert found.latency_ns == found.invoke_ns + 1500


@pytest.mark.parametrize(("compute", "parameters", "ns"), [(100, 0, 100), (100, 70, 100), (100, 170, 170), (0, 5, 5)])
def test_parameters_stream_while_their_consumer_computes(compute, parameters, ns):
    assert StepTime(compute, parameters, 1).ns == ns


def test_several_passes_load_together():
    found = network("a", accelerator_stage(load_ns=100), CpuStage(7), accelerator_stage(load_ns=40))
    assert found.load_ns == 140
    assert found.invoke_ns == 2 * accelerator_stage().invoke_ns + 7


@pytest.mark.parametrize("clock", [125e6, 250e6, 500e6])
def test_a_clock_changes_the_program_alone(clock):
    plain, slowed = times().stages[0], stage_times(executable(), BUS, HOST, clock).stages[0]
    assert slowed.compute_ns == plain.compute_ns * 500e6 / clock
    assert replace(slowed, steps=plain.steps) == plain


def test_a_layer_s_time_is_the_longer_of_its_cycles_and_its_bytes():
    assert layer_ns(executable(), BUS, 500e6) == [(0, 2000), (1, 6000)]


# Every part


@pytest.mark.parametrize("host", part_names("host"))
@pytest.mark.parametrize("link", part_names("link"))
def test_stage_times_are_whole_and_not_negative(link, host):
    part = load_accelerator("coral")
    compiled = compile_graph(chain("net", conv(64, 3, 32), dense(1024, 1000), like("ARG_MAX", (1, 1000))), part)
    bus = channel(load_link(link), load_host(host))
    found = stage_times(compiled, bus, load_host(host), 500e6)
    for stage in found.stages:
        numbers = (
            [stage.ops_ns] if isinstance(stage, CpuStage) else [v for v in vars(stage).values() if v != stage.steps]
        )
        assert all(isinstance(number, int) and number >= 0 for number in numbers)
    assert found.invoke_ns > bus.floor_ns


def test_a_faster_link_is_never_slower():
    compiled = compile_graph(chain("net", conv(64, 3, 32), dense(4096, 4096)), load_accelerator("coral"))
    rates = [10e6, 50e6, 100e6, 500e6]
    alone = [stage_times(compiled, replace(BUS, out_bytes_per_s=rate), HOST, 500e6).first_invoke_ns for rate in rates]
    assert alone == sorted(alone, reverse=True)


def test_steps_of_the_file_take_the_place_of_layers():
    segment = Segment("accelerator", (LayerPlan(CONV, cycles=9),), file_steps=(Step(100, 0), Step(50, 10)))
    (stage,) = stage_times(Executable("f", GRAPH, (segment,), "t"), BUS, HOST, 1e9).stages
    assert stage.steps == (StepTime(100, 0, 0), StepTime(50, transfer_ns(10, BUS, "out"), 10))


@pytest.mark.parametrize(
    ("pulls", "n_bytes", "cached", "input_ns"),
    [
        (0, 300, True, 3000),
        (1, 300, True, 1000),  # 1000 cycles of the first layer, 2000 ns
        (1, 100, True, 0),
        (0.5, 300, True, 1500),  # half has to be there before it begins
        (1, 300, False, 2000),  # its own 100 bytes of parameters keep the link busy for 1000 ns of them
    ],
)
def test_a_chip_that_pulls_its_input_computes_the_first_layer_meanwhile(pulls, n_bytes, cached, input_ns):
    bus = replace(BUS, overlaps_input=pulls)
    first = LayerPlan(CONV, cycles=1000, cached=cached, blob_bytes=100, streamed_bytes=0 if cached else 100)
    plans = (first, LayerPlan(DEPTHWISE, cycles=500, cached=True, blob_bytes=10))
    (stage, _) = stage_times(executable(*plans, input_bytes=n_bytes), bus, HOST, 500e6).stages
    assert (stage.input_bytes, stage.input_ns) == (n_bytes, input_ns)


NET = "ssdlite_mobiledet_320"


def mean_response(load, size, count=40_000, seed=1):
    """Mean time of jobs of one size in a processor-sharing queue among exponential ones of mean 1, Poisson arrivals."""
    draw, probe_share = random.Random(seed), 0.2
    rate = load / (probe_share * size + (1 - probe_share))
    jobs, now, due, taken = [], 0.0, draw.expovariate(rate), []
    while count:
        least = min(jobs) if jobs else None
        finish = now + least[0] * len(jobs) if least else float("inf")
        step = (min(due, finish) - now) / max(1, len(jobs))
        for job in jobs:
            job[0] -= step
        now = min(due, finish)
        if finish < due:
            jobs.remove(least)
            taken += [now - least[1]] if least[2] else []
        else:
            is_probe = draw.random() < probe_share
            jobs.append([size if is_probe else draw.expovariate(1), now, is_probe])
            due = now + draw.expovariate(rate)
            count -= 1
    return sum(taken) / len(taken)


@pytest.mark.parametrize(("load", "size"), [(0.3, 1.0), (0.5, 0.5), (0.5, 2.0), (0.7, 1.0)])
def test_work_takes_as_long_as_in_a_processor_sharing_queue(load, size):
    assert mean_response(load, size) == pytest.approx(size * stretch(load), rel=0.05)


def test_work_on_cores_is_stretched_and_nothing_else():
    times = network("n", accelerator_stage(driver_ns=10, copy_ns=20), CpuStage(30))
    slow = times.stretched(4)
    device, host = slow.stages
    assert (device.driver_ns, device.copy_ns, host.ops_ns) == (40, 80, 120)
    assert slow.python_ns == 4 * times.python_ns
    before = times.stages[0]
    for name in ("latency_ns", "instructions_ns", "input_ns", "output_ns", "steps", "load_ns"):
        assert getattr(device, name) == getattr(before, name)
    assert times.stretched(1) is times


@pytest.mark.parametrize("options", [
    {}, {"preprocess": "resize"}, {"mode": "coexec", "threads": 2}, {"link": "pcie", "threads": 2},
    {"models": "profile:dpu_kv260#cf_FPN-resnet18_EDD_320_320_45.3G"},
    {"models": "fc5_n100_in64_out10", "mode": "pipeline", "num_segments": 2, "batch": 5, "runner": "python"},
])  # fmt: skip
def test_load_makes_everything_slower(options):
    base = {"models": NET, "inferences": 50} | options
    calm, busy = (simulate(Scenario(**base, background_load=b), compare=False).summary for b in (0.0, 0.5))
    assert busy["throughput_ips"] < calm["throughput_ips"]
    assert busy["throughput_ips"] > 0.5 * calm["throughput_ips"] * 0.999
