"""Parameter memory beside weight buffers: the formula by hand, and the capacities that compiler logs print."""

from __future__ import annotations

from dataclasses import replace

import pytest
from layers import chain, conv, coral, dense, depthwise

from hwmodels.capacity import buffer_bytes, parameter_capacity_bytes
from hwmodels.zoo import load_network

MIB = 2**20


def test_a_pointwise_convolution_holds_a_share_of_one_tap():
    part = coral(weight_buffer_share=0.5)
    assert buffer_bytes(conv(32, 128, 64, kernel=1), part) == 128 * 64 // 2


def test_a_larger_kernel_holds_64_outputs_twice_while_positions_are_the_outer_loop():
    part = coral()
    assert buffer_bytes(conv(64, 16, 64), part) == 2 * 9 * 16 * 64  # 36 words of inputs, 256 positions
    assert buffer_bytes(conv(8, 256, 64), replace(part, weight_buffer_share=1.0)) == 256 * 64  # 576 words, 4 positions


def test_inputs_are_padded_to_words():
    assert buffer_bytes(conv(64, 3, 64), coral()) == buffer_bytes(conv(64, 4, 64), coral())


@pytest.mark.parametrize("other", [dense(1024, 1024), depthwise(32, 64)])
def test_only_convolutions_broadcast_weights(other):
    assert buffer_bytes(other, coral()) == 0
    assert parameter_capacity_bytes([other], coral()) == coral().parameter_cache_bytes


def test_a_convolution_without_weights_needs_no_buffer():
    assert buffer_bytes(replace(conv(32, 16, 16), weights=()), coral()) == 0


def test_the_largest_buffer_counts_once_for_every_tile():
    part = coral(weight_buffer_share=1.0)
    layers = [conv(32, 64, 64, kernel=1), conv(32, 256, 64, kernel=1), conv(32, 128, 64, kernel=1)]
    assert parameter_capacity_bytes(layers, part) == part.parameter_cache_bytes - 16 * 256 * 64


def test_capacity_is_never_negative():
    assert parameter_capacity_bytes([conv(64, 4096, 64, kernel=1)], coral(parameter_cache_bytes=1000)) == 0
    assert parameter_capacity_bytes([], coral()) == coral().parameter_cache_bytes


# The figures that the compiler's logs print (jetson_nano_layers.csv, module docstring), in MiB
LOGGED = [("mobilenet_v1_1.0_224", 7.14), ("mobilenet_v2_1.0_224", 6.91), ("resnet_50_v1_224", 6.25)]


@pytest.mark.parametrize(("network", "logged"), LOGGED)
def test_capacities_as_logged(network, logged):
    found = parameter_capacity_bytes(load_network(network).layers, coral()) / MIB
    assert found == pytest.approx(logged, rel=0.03)


def test_dense_networks_have_all_of_it_as_logged():
    graph = chain("dense", dense(64, 512), dense(512, 512))
    assert parameter_capacity_bytes(graph.layers, coral()) / MIB == pytest.approx(8.02, abs=0.01)
