"""The DPU: cycles of its array against the vendor's compiler, passes and bytes by hand, what stays on the CPU."""

from __future__ import annotations

import csv
from math import ceil
from pathlib import Path

import pytest
from layers import chain, conv, dense, depthwise, layer, like

import calibration
from calibration.boards.fit_dpu import cases, chosen_rows, fit_core, is_fitted
from calibration.boards.fit_dpu_power import NUMBERS, fit_rails, rails
from hwmodels.dpu.compiler import compile_graph
from hwmodels.dpu.cost import Planner
from hwmodels.dpu.operators import OPERATORS
from hwmodels.dpu.placement import place
from hwmodels.errors import InputError
from hwmodels.families import load_accelerator
from hwmodels.networks.graph import Layer, LayerGraph, Tensor
from hwmodels.networks.zoo import load_network
from sim.engine import simulate
from sim.estimator import estimate
from sim.scenario import Scenario
from sim.setup import build

SIZES = ("b512", "b800", "b1024", "b1152", "b1600", "b2304", "b3136", "b4096")
YOLOX = Path(calibration.__file__).parent / "datasets" / "boards" / "dpu_yolox_layers.csv"


def size(name="b4096"):
    return load_accelerator(f"dpu-{name}")


# Cycles of the array, against the padded work that the vendor's compiler writes into its files


def yolox():
    with YOLOX.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def as_layer(row):
    side, inputs, outputs = (int(row[key]) for key in ("output_side", "input_channels", "output_channels"))
    kernel = int(row["kernel_h"]), int(row["kernel_w"])
    assert kernel[0] == kernel[1]
    return depthwise(side, outputs, kernel[0]) if row["op"] == "depthwise" else conv(side, inputs, outputs, kernel[0])


def padded_work(one, part):
    """Twice the multiply-accumulates that fit the array's cycles, and a bias for every padded output."""
    height, width, channels = one.output.hwc
    is_depthwise = one.op == "DEPTHWISE_CONV_2D"
    rows = part.pixel_parallel // 2 if is_depthwise else part.pixel_parallel
    words = part.output_parallel * (1 if is_depthwise else part.input_parallel)
    cycles = OPERATORS[one.op].cost(one, one.input, part)
    bias = width * ceil(height / rows) * rows * ceil(channels / part.output_parallel) * part.output_parallel
    return 2 * rows * words * cycles + bias


@pytest.mark.parametrize("name", SIZES)
def test_array_cycles_are_the_vendor_compiler_s_padded_work(name):
    """All 113 layers; the one exception is the first layer where C = 8.

    There the compiler notes less than the layer's own work (33.9 for 38.1 million operations): 9 taps and channels of a
    row fill two words of 8, and it counts one.
    """
    part = size(name)
    wrong = [
        row["index"] for row in yolox() if padded_work(as_layer(row), part) != int(row[f"on_arch_{name}"])
    ]  # fmt: skip
    assert len(yolox()) == 113
    assert wrong == (["0"] if part.input_parallel == 8 else [])


def test_what_the_compiler_notes_of_the_first_layer_cannot_be_where_eight_channels_go_in():
    first = yolox()[0]
    assert int(first["on_arch_b512"]) < int(first["workload"]) < padded_work(as_layer(first), size("b512"))


def test_layers_of_the_sizes_by_hand():
    """B1024 (8 rows, 8 and 8 channels): ResNet-50's 3x3 of 14 x 14 x 256, and the last of its layers."""
    part = size("b1024")
    three = conv(14, 256, 256)
    assert OPERATORS["CONV_2D"].cost(three, three.input, part) == 14 * 2 * 9 * 32 * 32
    last = dense(2048, 1000)
    assert OPERATORS["FULLY_CONNECTED"].cost(last, last.input, part) == 256 * 125
    pool = like("MAX_POOL_2D", (1, 14, 14, 256), kernel=(3, 3))
    assert OPERATORS["MAX_POOL_2D"].cost(pool, pool.input, part) == 14 * 4 * 9 * 32
    both = like("ADD", (1, 14, 14, 256), operands=2)
    assert OPERATORS["ADD"].cost(both, both.input, part) == 2 * 14 * 7 * 32


def test_rows_are_computed_side_by_side_not_columns():
    """9 x 16 needs two groups of rows for each of 16 columns, 16 x 9 two for each of 9."""
    part = size()
    wide = layer("CONV_2D", (1, 9, 16, 16), (1, 9, 16, 16), (16, 1, 1, 16))
    tall = layer("CONV_2D", (1, 16, 9, 16), (1, 16, 9, 16), (16, 1, 1, 16))
    assert OPERATORS["CONV_2D"].cost(wide, wide.input, part) == 32
    assert OPERATORS["CONV_2D"].cost(tall, tall.input, part) == 18


def test_a_transposed_convolution_sees_every_stride_th_tap():
    part = size()
    up = layer("TRANSPOSE_CONV", (1, 8, 8, 32), (1, 16, 16, 32), (32, 4, 4, 32), kernel=(4, 4), stride=(2, 2))
    assert OPERATORS["TRANSPOSE_CONV"].cost(up, up.input, part) == 16 * 2 * 4 * 2 * 2


# Passes and bytes


def plans(*layers, part=None):
    graph = chain("net", *layers)
    return {plan.layer.index: plan for plan in Planner(graph, part or size()).plan(graph.layers)}


def test_a_pooling_after_a_convolution_runs_with_it_and_keeps_its_input_on_the_chip():
    first = conv(16, 16, 32)
    pool = layer("MAX_POOL_2D", (1, 16, 16, 32), (1, 8, 8, 32), kernel=(2, 2), stride=(2, 2))
    found = plans(first, pool)
    weights = 32 * 9 * 16 + 4 * 32
    assert not found[0].joined and found[1].joined
    assert (found[0].streamed_bytes, found[1].streamed_bytes) == (weights + 16 * 16 * 16, 8 * 8 * 32)
    assert (found[0].fixed_cycles, found[1].fixed_cycles) == (size().layer_cycles, 0)
    assert found[1].cycles == 8 * 2 * 4 * 2


def test_a_pooling_of_a_map_that_others_read_is_a_pass_of_its_own():
    first = conv(16, 16, 32)
    pool = layer("MAX_POOL_2D", (1, 16, 16, 32), (1, 8, 8, 32), index=1, kernel=(2, 2), stride=(2, 2))
    graph = chain("net", first, pool)
    graph = LayerGraph("net", graph.layers, graph.inputs, (graph.layers[0].output, graph.layers[1].output))
    found = Planner(graph, size()).plan(graph.layers)
    assert [plan.joined for plan in found] == [False, False]
    assert found[1].streamed_bytes == 16 * 16 * 32 + 8 * 8 * 32


def test_activations_and_paddings_cost_nothing_and_a_padded_map_is_read_without_its_border():
    pad = layer("PAD", (1, 14, 14, 16), (1, 16, 16, 16))
    three = layer(
        "CONV_2D", (1, 16, 16, 16), (1, 14, 14, 16), (16, 3, 3, 16), kernel=(3, 3), padding="VALID"
    )  # fmt: skip
    leaky = like("LEAKY_RELU", (1, 14, 14, 16))
    found = plans(pad, three, leaky)
    assert found[0].streamed_bytes == found[2].streamed_bytes == 0
    assert found[1].streamed_bytes == 16 * 9 * 16 + 2 * 14 * 14 * 16


def test_a_strided_pointwise_layer_reads_every_second_row_only():
    found = plans(conv(16, 32, 32, kernel=1, stride=2))
    assert found[0].streamed_bytes == 32 * 32 + 4 * 32 + 16 * 16 * 32 // 2 + 8 * 8 * 32


def test_batch_normalisation_before_a_convolution_is_one_pass_and_after_it_none():
    shape = (1, 8, 8, 16)
    scale = layer("MUL", shape, shape, (16,))
    shift = layer("ADD", shape, shape, (16,))
    alone = plans(scale, shift, conv(8, 16, 16))
    assert [alone[i].joined for i in range(3)] == [False, True, False]
    assert alone[0].cycles == 8 * 2
    after = plans(conv(8, 16, 16), scale)
    assert after[1].joined and not after[1].streamed_bytes


def test_a_swish_is_a_part_of_its_convolution():
    shape = (1, 8, 8, 16)
    maps = [Tensor(i, "int8", shape) for i in range(4)]
    one = conv(8, 16, 16)
    first = Layer(0, one.op, (maps[0],), (maps[1],), one.weights, kernel=(3, 3))
    gate = Layer(1, "LOGISTIC", (maps[1],), (maps[2],))
    product = Layer(2, "MUL", (maps[1], maps[2]), (maps[3],))
    graph = LayerGraph("swish", (first, gate, product), (maps[0],), (maps[3],))
    found = Planner(graph, size()).plan(graph.layers)
    assert [plan.joined for plan in found] == [False, True, True]
    assert sum(plan.streamed_bytes for plan in found) == 16 * 9 * 16 + 4 * 16 + 2 * 8 * 8 * 16


# The whole way, by hand


def test_one_inference_takes_what_array_port_and_host_take():
    """The longer of cycles and bytes, a fixed time on top for each pass, and the host's work before them."""
    scenario = Scenario(models="resnet_50_v1_224", size="dpu-b1024")
    setup = build(scenario)
    part, host = setup.accelerators[0], setup.host
    clock, rate = part.clock_hz, part.port_bytes_per_cycle * part.clock_hz
    (segment,) = setup.executables[0][0].accelerator_segments
    seconds = sum(max(s.cycles / clock, s.streamed_bytes / rate) for s in segment.steps)
    softmax_s = (host.op_ns + 1000 * host.softmax_ns_per_element) / 1e9
    whole_s = seconds + softmax_s + (host.submit_ns + 224 * 224 * host.input_ns_per_pixel) / 1e9
    assert simulate(scenario).summary["latency_ms"]["mean"] == pytest.approx(whole_s * 1e3, rel=1e-4)
    assert estimate(scenario)["throughput_ips"] == pytest.approx(1 / whole_s, rel=1e-4)


def test_threads_hide_the_host_and_nothing_else():
    one, four = (
        simulate(Scenario(models="resnet_50_v1_224", size="dpu-b4096", threads=n)).summary for n in (1, 4)
    )  # fmt: skip
    setup = build(Scenario(models="resnet_50_v1_224", size="dpu-b4096"))
    held_s = setup.stage_times[0][0].total("held_ns") / 1e9
    assert four["throughput_ips"] == pytest.approx(1 / held_s, rel=1e-3)
    assert 1 < four["throughput_ips"] / one["throughput_ips"] < 1.1


@pytest.mark.parametrize("name", SIZES)
def test_every_size_runs_compiles_and_estimates_with_no_other_option(name):
    scenario = Scenario(models="mobilenet_v2_1.0_224", size=f"dpu-{name}")
    assert (scenario.link, scenario.host) == ("memory", "kv260")
    summary = simulate(scenario, compare=False).summary
    assert summary["throughput_ips"] == pytest.approx(estimate(scenario)["throughput_ips"], rel=1e-3)


def test_a_larger_size_is_never_slower():
    """Not even where padding is worse: the sizes of equal rows."""
    for small, large in (("b512", "b1152"), ("b1024", "b1600"), ("b1600", "b4096")):
        rates = [
            simulate(Scenario(models="vgg_16_224", size=f"dpu-{n}"), compare=False).summary["throughput_ips"]
            for n in (small, large)
        ]
        assert rates[0] < rates[1]


# What stays on the CPU


def test_the_first_dense_layer_of_vgg_fits_sixteen_channels_and_not_eight():
    graph = load_network("vgg_16_224")
    (first, *_) = [one.index for one in graph.layers if one.op == "FULLY_CONNECTED"]
    assert place(graph, size("b4096"))[first] == ""
    assert place(graph, size("b1024"))[first] == "3136 words in a kernel, at most 2048"


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (conv(32, 16, 16, kernel=17), "kernel 17, at most 16"),
        (conv(32, 16, 16, stride=9), "stride 9, at most 8"),
        (layer("CONV_2D", (1, 8, 8, 16), (1, 8, 8, 16), (16, 1, 1, 4)), "4 groups"),
        (conv(8, 16, 5000, kernel=1), "5000 outputs, at most 4096"),
        (layer("TANH", (1, 8, 8, 16), (1, 8, 8, 16)), "no operator of the DPU"),
        (like("ADD", (1, 8, 8, 16), operands=2), ""),
    ],
)
def test_limits_by_the_reason(one, reason):
    assert place(chain("net", one), size()) == (reason,)


def test_an_operator_of_the_cpu_between_two_layers_makes_two_passes():
    shape = (1, 8, 8, 16)
    graph = chain("net", conv(8, 16, 16), layer("TANH", shape, shape), conv(8, 16, 16))
    executable = compile_graph(graph, size())
    assert [segment.device for segment in executable.segments] == ["accelerator", "cpu", "accelerator"]
    assert executable.work.passes == 2


def test_what_a_dpu_cannot_be_on_is_one_sentence():
    for options, words in (
        ({"link": "usb3"}, "--link for dpu-b512 must be memory"),
        ({"host": "raspberry-pi-4"}, "--host must be a board of such accelerators: kv260"),
        ({"size": "coral", "link": "memory", "host": "kv260"}, "--link for coral must be usb3"),
    ):
        with pytest.raises(InputError, match=words):
            build(Scenario(**{"models": "lenet_5_28", "size": "dpu-b512", **options}))


def test_a_step_to_another_family_takes_its_link_and_host_along():
    coral = Scenario(models="lenet_5_28")
    dpu = coral.with_options(size="dpu-b512")
    assert (coral.link, coral.host, dpu.link, dpu.host) == ("usb3", "x86-xeon", "memory", "kv260")
    assert coral.with_options(size="large").link == "usb3"


@pytest.mark.parametrize("cores", [2, 3])
def test_cores_on_one_memory_are_as_fast_in_closed_form_as_simulated(cores):
    scenario = Scenario(models="resnet_50_v1_224", size="dpu-b4096", threads=2 * cores, accelerators=cores)
    ran = simulate(scenario, compare=False).summary["throughput_ips"]
    one = simulate(scenario.with_options(threads=2, accelerators=1), compare=False).summary["throughput_ips"]
    assert ran <= cores * one * 1.001
    assert estimate(scenario)["throughput_ips"] == pytest.approx(ran, rel=0.05)


def test_the_part_file_has_the_constants_of_the_fit():
    part = load_accelerator("dpu-b4096")
    found = fit_core(cases(row for row in chosen_rows() if is_fitted(row)))
    for name, value in found.items():
        assert getattr(part, name) == pytest.approx(value, abs=part.quantities[name].spread)


def test_the_part_file_has_the_powers_of_the_fit():
    part = load_accelerator("dpu-b4096")
    for name, value in zip(NUMBERS, fit_rails(rails()).x, strict=True):
        if name in part.quantities:
            assert part.quantities[name].value == pytest.approx(value, abs=part.quantities[name].spread)
