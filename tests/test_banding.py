"""What does not fit the tiles: which layers run in bands, and which joined branches leave the chip."""

from __future__ import annotations

import pytest
from layers import chain, conv, coral, depthwise, layer

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.banding import banded_layers, branch_bytes, spilled_bytes
from hwmodels.edgetpu.compiler import compile_graph
from hwmodels.edgetpu.tiles import path_fill
from hwmodels.networks.graph import Layer, LayerGraph, Tensor


def test_a_network_that_fits_has_no_bands():
    graph = chain("small", conv(64, 4, 16), conv(64, 16, 16))
    assert banded_layers(graph.layers, coral()) == []


def test_bands_reach_down_to_the_last_layer_that_does_not_fit():
    large, still, fits = conv(256, 4, 64), conv(256, 64, 64, stride=2), conv(128, 64, 64, stride=4)
    graph = chain("large", large, still, fits)
    sizes = [path_fill(one, coral()) > 1 for one in graph.layers]
    assert sizes == [True, True, False]
    assert [one.index for one in banded_layers(graph.layers, coral())] == [0, 1]


def test_a_first_layer_that_fits_means_no_bands():
    graph = chain("late", conv(512, 4, 4, stride=2), conv(256, 4, 128))
    assert path_fill(graph.layers[0], coral()) <= 1 < path_fill(graph.layers[1], coral())
    assert banded_layers(graph.layers, coral()) == []


def test_what_follows_an_upsampling_is_not_looked_at():
    up = layer("RESIZE_BILINEAR", (1, 64, 64, 64), (1, 512, 512, 64))
    graph = chain("decoder", conv(256, 4, 64, stride=4), up, conv(512, 64, 64))
    assert banded_layers(graph.layers, coral()) == []


def test_padding_and_quantising_do_no_work():
    pad = layer("PAD", (1, 256, 256, 4), (1, 258, 258, 4))
    graph = chain("padded", pad, conv(258, 4, 64))
    assert [one.op for one in banded_layers(graph.layers, coral())] == ["CONV_2D"]


@pytest.mark.parametrize("narrow", [1, 10**4, 10**5, 10**6, 10**9])
def test_more_memory_never_means_more_bands(narrow):
    graph = chain("net", conv(256, 4, 64), depthwise(256, 64), conv(256, 64, 32, stride=4))
    more = banded_layers(graph.layers, coral(narrow_bytes_per_tile=2 * narrow))
    assert len(more) <= len(banded_layers(graph.layers, coral(narrow_bytes_per_tile=narrow)))


def joined(channels: int) -> list[Layer]:
    """SiLU on a 256x256 map: the sigmoid's input is needed once more by the product."""
    x, gate, product = (Tensor(i, "int8", (1, 256, 256, channels)) for i in range(3))
    return [Layer(0, "LOGISTIC", (x,), (gate,)), Layer(1, "MUL", (x, gate), (product,))]


def test_joined_branches_hold_their_tensors_at_once():
    """64 x 64 positions a tile: the product holds two maps, and overwrites one."""
    assert branch_bytes(joined(32), coral()) == {1: 2 * 64 * 64 * 32}


def test_a_sum_whose_inputs_are_needed_again_holds_a_third_map():
    x, y, total, later = (Tensor(i, "int8", (1, 16, 16, 4)) for i in range(4))
    layers = [Layer(0, "ADD", (x, y), (total,)), Layer(1, "CONCATENATION", (x, y), (later,))]
    assert branch_bytes(layers, coral()) == {0: 3 * 4 * 4 * 4}


def test_a_chain_of_elementwise_layers_joins_nothing():
    first, second, _ = (Tensor(i, "int8", (1, 256, 256, 32)) for i in range(3))
    assert branch_bytes([Layer(0, "TANH", (first,), (second,))], coral()) == {}


def test_what_exceeds_the_tiles_of_a_join_leaves_the_chip_and_comes_back():
    """Two maps of 2 MiB on tiles of 3 MiB: 1 MiB goes."""
    assert spilled_bytes(joined(32), coral()) == 2**20
    network = LayerGraph("silu", tuple(joined(32)), joined(32)[0].inputs, joined(32)[1].outputs)
    (segment,) = compile_graph(network, coral()).segments
    assert segment.scratch_out_bytes == segment.scratch_in_bytes == 2**20


@pytest.mark.parametrize("size", ["coral", "small", "large"])
@pytest.mark.parametrize("channels", [4, 32, 100])
def test_a_spill_counts_the_tiles_of_the_size(size, channels):
    """Where every tile owns as many positions as any other, what spills is what the maps have over all memory."""
    accelerator = load_accelerator(size)
    over = 2 * 256 * 256 * channels - accelerator.tiles * accelerator.narrow_bytes_per_tile
    assert spilled_bytes(joined(channels), accelerator) == max(0, over)


@pytest.mark.parametrize(("channels", "warns"), [(24, False), (32, True)])
def test_the_compiler_warns_where_branches_do_not_fit(channels, warns):
    layers = joined(channels)
    network = LayerGraph("silu", tuple(layers), layers[0].inputs, layers[1].outputs)
    executable = compile_graph(network, coral())
    assert bool(executable.notes) is warns
    assert (executable.spread > 0) is warns
    assert not warns or "MUL of 256x256x32" in executable.notes[0]


@pytest.mark.parametrize(("channels", "spread"), [(24, 0.0), (32, 0.3), (56, 0.6), (250, 1.0)])
def test_the_more_spills_the_less_is_known(channels, spread):
    """1 MiB was measured; 4 MiB are twice as unsure, and nothing is more than unsure by a factor of e."""
    layers = joined(channels)
    network = LayerGraph("silu", tuple(layers), layers[0].inputs, layers[1].outputs)
    assert compile_graph(network, coral()).spread == pytest.approx(spread)


@pytest.mark.parametrize(("size", "banded"), [("coral", True), ("large", False), ("small", True)])
def test_bands_follow_from_the_size_s_own_tiles(size, banded):
    graph = chain("large", conv(256, 4, 64), conv(256, 64, 64, stride=2), conv(128, 64, 64, stride=4))
    assert bool(banded_layers(graph.layers, load_accelerator(size))) is banded
