"""Cycles of operators: a contract that every cost keeps on every size, and round numbers by hand."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite

import pytest
from hypothesis import strategies as st
from layers import chain, conv, coral, dense, depthwise, example, layer, like

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.cost import layer_cost, stream_class, stream_passes
from hwmodels.edgetpu.operators import OPERATORS
from hwmodels.edgetpu.placement import DATA_TYPE, LIMITATION, unsupported
from hwmodels.edgetpu.tiles import activation_bytes_per_tile
from hwmodels.families import sizes
from hwmodels.networks.graph import Tensor

SIZES = [load_accelerator(name) for name in sizes("edgetpu")]
SHAPE = (1, 16, 16, 32)


@pytest.mark.parametrize("part", SIZES, ids=lambda part: part.name)
@pytest.mark.parametrize("op", OPERATORS)
def test_a_cost_is_finite_and_counts_what_the_layer_says(op, part):
    one = example(op)
    cost = layer_cost(one, part)
    assert 0 <= cost.cycles < inf
    assert isfinite(cost.cycles)
    assert cost.macs == one.macs >= 0
    assert cost.narrow_bytes == sum(tensor.n_bytes for tensor in (*one.inputs, *one.outputs))
    assert 0 <= cost.wide_bytes <= max(1, cost.macs)


@pytest.mark.parametrize("part", SIZES, ids=lambda part: part.name)
@pytest.mark.parametrize("op", OPERATORS)
def test_a_larger_map_never_takes_fewer_cycles(op, part):
    cycles = [layer_cost(example(op, size), part).cycles for size in (8, 16, 32)]
    assert cycles == sorted(cycles)


@pytest.mark.parametrize("part", SIZES, ids=lambda part: part.name)
@pytest.mark.parametrize("op", OPERATORS)
def test_more_channels_never_take_fewer_cycles(op, part):
    cycles = [layer_cost(example(op, channels=channels), part).cycles for channels in (16, 32, 64, 128)]
    assert cycles == sorted(cycles)


@pytest.mark.parametrize("op", OPERATORS)
def test_a_cost_goes_by_the_layer_alone(op):
    one, part = example(op), coral()
    assert layer_cost(one, part) == layer_cost(one, part)
    assert layer_cost(replace(one, index=77), part) == layer_cost(one, part)


@pytest.mark.parametrize("op", OPERATORS)
def test_every_layer_pays_its_own_overhead_once(op):
    one = example(op)
    free, paid = (layer_cost(one, coral(layer_cycles=cycles)).cycles for cycles in (0, 1000))
    assert paid - free == pytest.approx(1000)


def test_a_position_is_repeated_over_a_map_and_a_map_is_not():
    """Compiled files hold 1 x 1 to 33 x 33 x 128."""
    assert unsupported(layer("TILE", (1, 1, 1, 128), (1, 33, 33, 128))) == ""
    assert unsupported(layer("TILE", (1, 2, 2, 128), (1, 32, 32, 128))) == LIMITATION
    assert unsupported(layer("TILE", (1, 1, 1, 64), (1, 33, 33, 128))) == LIMITATION


def test_a_float_is_never_made_on_the_accelerator():
    dequantised = replace(like("DEQUANTIZE", SHAPE), outputs=(Tensor(1, "float32", SHAPE),))
    assert unsupported(dequantised) == DATA_TYPE


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


def test_a_reshape_moves_each_position_that_it_makes_of_channels():
    part = coral(layer_cycles=0, reshape_cycles_per_position=5)
    assert layer_cost(layer("RESHAPE", (1, 1, 224, 224), (1, 224, 224, 1)), part).cycles == 5 * 224 * 224
    assert layer_cost(layer("RESHAPE", (1, 19, 19, 12), (1, 1083, 4)), part).cycles == 5 * 1083
    assert layer_cost(layer("RESHAPE", (1, 20, 20, 64), (1, 400, 64)), part).cycles == 0


def test_a_dense_layer_of_few_outputs_goes_by_its_input_words():
    part = coral(layer_cycles=0, dense_cycles_per_step=10)
    assert layer_cost(dense(1000, 100), part).cycles == 10 * 250
    assert layer_cost(dense(1001, 100), part).cycles == 10 * 251


def test_a_dense_layer_without_weights_costs_nothing():
    assert layer_cost(layer("FULLY_CONNECTED", (1, 8), (1, 8)), coral(layer_cycles=0)).cycles == 0


channels = st.sampled_from([1, 3, 4, 16, 17, 64, 65, 100, 256])


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
