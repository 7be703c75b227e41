"""Cycles of operators: a contract that every cost keeps on every size, and round numbers by hand."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import chain, conv, coral, dense, depthwise, layer, like

from hwmodels.accelerator import activation_bytes_per_tile, load_accelerator
from hwmodels.opcost import OP_COSTS, layer_cost, stream_class, stream_passes
from hwmodels.parts import part_names
from hwmodels.placement import SUPPORTED_OPS

SIZES = [load_accelerator(name) for name in part_names("accelerator")]
SHAPE = (1, 16, 16, 32)


def example(op: str, size: int = 16, channels: int = 32):
    """An operator of a kind on a map of a size."""
    shape = (1, size, size, channels)
    if op == "FULLY_CONNECTED":
        return dense(channels, channels)
    if op == "DEPTHWISE_CONV_2D":
        return depthwise(size, channels)
    if op in ("CONV_2D", "TRANSPOSE_CONV"):
        return replace(conv(size, channels, channels), op=op)
    if op == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        weights = ((channels, channels),) * 8
        return layer(op, (1, size, channels), (1, size, channels), *weights)
    if op.endswith("POOL_2D"):
        return like(op, shape, kernel=(2, 2))
    if op == "SOFTMAX":
        return like(op, (1, channels))
    return like(op, shape)


@pytest.mark.parametrize("part", SIZES, ids=lambda part: part.name)
@pytest.mark.parametrize("op", OP_COSTS)
def test_a_cost_is_finite_and_counts_what_the_layer_says(op, part):
    one = example(op)
    cost = layer_cost(one, part)
    assert 0 <= cost.cycles < inf
    assert isfinite(cost.cycles)
    assert cost.macs == one.macs >= 0
    assert cost.narrow_bytes == sum(tensor.n_bytes for tensor in (*one.inputs, *one.outputs))
    assert 0 <= cost.wide_bytes <= max(1, cost.macs)


@pytest.mark.parametrize("part", SIZES, ids=lambda part: part.name)
@pytest.mark.parametrize("op", OP_COSTS)
def test_a_larger_map_never_takes_fewer_cycles(op, part):
    cycles = [layer_cost(example(op, size), part).cycles for size in (8, 16, 32)]
    assert cycles == sorted(cycles)


@pytest.mark.parametrize("part", SIZES, ids=lambda part: part.name)
@pytest.mark.parametrize("op", OP_COSTS)
def test_more_channels_never_take_fewer_cycles(op, part):
    cycles = [layer_cost(example(op, channels=channels), part).cycles for channels in (16, 32, 64, 128)]
    assert cycles == sorted(cycles)


@pytest.mark.parametrize("op", OP_COSTS)
def test_a_cost_goes_by_the_layer_alone(op):
    one, part = example(op), coral()
    assert layer_cost(one, part) == layer_cost(one, part)
    assert layer_cost(replace(one, index=77), part) == layer_cost(one, part)


@pytest.mark.parametrize("op", OP_COSTS)
def test_every_layer_pays_its_own_overhead_once(op):
    one = example(op)
    free, paid = (layer_cost(one, coral(layer_cycles=cycles)).cycles for cycles in (0, 1000))
    assert paid - free == pytest.approx(1000)


def test_every_operator_that_maps_has_a_cost():
    missing = SUPPORTED_OPS - set(OP_COSTS)
    assert missing <= {"DEQUANTIZE"}


def test_an_operator_that_does_not_map_costs_no_cycles():
    assert layer_cost(like("ARG_MAX", SHAPE), coral()).cycles == 0


# By hand: 4 x 4 tiles of 64 cells of 4 MACs


def test_elementwise_costs_every_output_element_once_for_each_operand():
    part = coral(layer_cycles=0, elementwise_cycles_per_element=2)
    one, two = (layer_cost(like("ADD", SHAPE, operands), part).cycles for operands in (1, 2))
    assert two == pytest.approx(2 * one)
    assert layer_cost(like("ADD", (1, 32, 16, 32), 2), part).cycles == pytest.approx(2 * two)


def test_a_softmax_runs_class_after_class():
    part = coral(layer_cycles=0, softmax_cycles_per_class=100)
    assert layer_cost(like("SOFTMAX", (1, 1001)), part).cycles == 100 * 1001


@pytest.mark.parametrize("op", ["RESHAPE", "SQUEEZE", "EXPAND_DIMS"])
def test_the_same_bytes_under_another_shape_are_free(op):
    assert layer_cost(layer(op, SHAPE, (1, 16 * 16 * 32)), coral(layer_cycles=0)).cycles == 0


def test_a_dense_layer_of_few_outputs_goes_by_its_input_words():
    part = coral(layer_cycles=0, dense_cycles_per_step=10)
    assert layer_cost(dense(1000, 100), part).cycles == 10 * 250
    assert layer_cost(dense(1001, 100), part).cycles == 10 * 251


def test_a_dense_layer_without_weights_costs_nothing():
    assert layer_cost(layer("FULLY_CONNECTED", (1, 8), (1, 8)), coral(layer_cycles=0)).cycles == 0


def test_cycles_go_with_positions_where_there_are_many():
    part = coral(layer_cycles=0, weight_load_cycles=0)
    for make in (lambda size: conv(size, 64, 64), lambda size: like("LOGISTIC", (1, size, size, 64))):
        small, large = (layer_cost(make(size), part).cycles for size in (64, 128))
        assert large == pytest.approx(4 * small, rel=0.01)


BY_HAND = {"layer_cycles": 0, "conv_cycles_per_step": 1, "weight_load_cycles": 32, "weight_reread_factor": 1.5}


@pytest.mark.parametrize(
    ("channels", "n_bands"), [(64, 1), (300, 1), (304, 2), (384, 2), (388, 4), (640, 4), (644, 6), (724, 8)]
)
def test_a_tile_of_256_positions_loads_weights_once_for_every_band(channels, n_bands):
    """18 x 18 x 304 x 2 = 196 992 bytes are more than 192 KiB; past 4 bands reading again (x 1.5) is the cheaper."""
    passes = ((196608, 1), (327680, 4), (368640, 6), (1e12, 8))
    part = coral(**BY_HAND, stream_passes=passes)
    words, groups = 9 * channels // 4, -(-channels // 64)
    assert layer_cost(conv(64, channels, channels), part).cycles == (256 + 32 * min(n_bands, 4)) * words * groups


def test_a_small_map_reads_weights_again_for_every_position():
    """7 x 7: 4 positions a tile, 256 words; 32 cycles a word would be nine times the time, half as much again is cheaper."""
    assert layer_cost(conv(7, 1024, 64, kernel=1), coral(**BY_HAND)).cycles == 4 * 256 * 1.5


def test_depthwise_layers_slow_down_where_activations_spill():
    part = coral(layer_cycles=0, spill_factor=3)
    roomy = replace(part, narrow_bytes_per_tile=10**9)
    fits, spills = depthwise(32, 64), depthwise(128, 512)
    assert activation_bytes_per_tile(fits, part) < part.narrow_bytes_per_tile < activation_bytes_per_tile(spills, part)
    assert layer_cost(fits, part).cycles == layer_cost(fits, roomy).cycles
    assert layer_cost(spills, part).cycles == pytest.approx(3 * layer_cost(spills, roomy).cycles)


channels = st.sampled_from([1, 3, 4, 16, 17, 64, 65, 100, 256])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(1, 64), channels, channels, st.sampled_from([1, 3, 5, 7]))
def test_no_convolution_beats_the_array_s_peak(size, inputs, outputs, kernel):
    """Every cell busy in every cycle is the least that its MACs can take; the fitted step is 1 cycle within 5 %."""
    for part in SIZES:
        one = conv(size, inputs, outputs, kernel)
        least = one.macs / part.peak_macs_per_cycle
        assert layer_cost(one, part).cycles >= 0.95 * least


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 64), channels, channels)
def test_a_larger_kernel_never_takes_fewer_cycles(size, inputs, outputs):
    cycles = [layer_cost(conv(size, inputs, outputs, kernel), coral()).cycles for kernel in (1, 3, 5)]
    assert cycles == sorted(cycles)


# Streamed parameters


def test_only_convolutions_are_streamed_in_passes():
    assert stream_class(dense(64, 64), coral()) == 0
    assert stream_passes(dense(64, 64), coral()) == 1
    assert stream_passes(depthwise(512, 512), coral()) == 1


def test_a_streamed_convolution_passes_once_while_its_activations_fit_a_tile():
    part = coral()
    small, large = conv(32, 64, 64), conv(256, 64, 64)
    assert activation_bytes_per_tile(small, part) <= part.stream_passes[0][0] < activation_bytes_per_tile(large, part)
    assert stream_class(small, part) == 1
    assert stream_class(large, part) > 1


def test_passes_never_get_fewer_with_larger_maps():
    passes = [stream_passes(conv(size, 64, 64), coral()) for size in (16, 32, 64, 96, 128, 192, 256, 512)]
    assert passes == sorted(passes)
    assert passes[0] == 1


def test_the_last_line_of_the_table_takes_everything_beyond():
    part = replace(coral(), stream_passes=((100.0, 1.0), (200.0, 2.5)))
    assert stream_class(conv(512, 64, 64), part) == 2
    assert stream_passes(conv(512, 64, 64), part) == 2.5


def test_a_network_costs_the_sum_of_its_layers():
    graph = chain("net", conv(32, 3, 16), depthwise(32, 16), conv(32, 16, 32, kernel=1))
    alone = [layer_cost(one, coral()).cycles for one in graph.layers]
    assert sum(alone) == pytest.approx(
        layer_cost(conv(32, 3, 16), coral()).cycles
        + layer_cost(depthwise(32, 16), coral()).cycles
        + layer_cost(conv(32, 16, 32, kernel=1), coral()).cycles
    )
