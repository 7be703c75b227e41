"""Program bytes by hand: headers, convolutions, halos, dense layers, softmax and pieces that do not align."""

from __future__ import annotations

from dataclasses import replace

import pytest
from layers import chain, conv, dense, depthwise, layer, like

from hwmodels import instructions
from hwmodels.compiler import COMPILERS
from hwmodels.graph import Tensor
from hwmodels.instructions import caching_instruction_bytes, instruction_bytes, is_dense
from hwmodels.zoo import load_network, names

HEADER = instructions.HEADER_BYTES


def own(*layers, compiler="2021"):
    """Bytes beyond the header, before rounding to bundles of 16: within 15 of what is returned."""
    return instruction_bytes(layers, compiler) - instruction_bytes([], compiler)


def about(n_bytes):
    return pytest.approx(n_bytes, abs=15)


def test_an_empty_program_is_its_header_in_whole_bundles():
    assert instruction_bytes([]) == -(-HEADER // 16) * 16
    assert caching_instruction_bytes([]) == 0


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_pointwise_convolution_exchanges_nothing(compiler):
    assert own(conv(32, 16, 16, kernel=1), compiler=compiler) == about(instructions.CONV_BYTES)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_wider_kernel_exchanges_rows_and_columns(compiler):
    even = instructions.CONV_BYTES + instructions.HALO_BYTES
    assert own(conv(32, 16, 16), compiler=compiler) == about(even)
    assert own(depthwise(32, 16), compiler=compiler) == about(even)
    uneven = even + instructions.UNEVEN_HALO_BYTES[compiler]
    assert own(conv(33, 16, 16), compiler=compiler) == about(uneven)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_layer_beyond_the_tiles_is_cut_into_passes(compiler):
    large = conv(256, 64, 64, kernel=1)  # 64 x 64 positions of 128 bytes: 2.67 times 192 KiB
    times = 64 * 64 * 128 / 196_608 - 1
    assert own(large, compiler=compiler) == about(
        instructions.CONV_BYTES + times * instructions.OVERFLOW_BYTES[compiler]
    )


@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_dense_layer_goes_by_its_inputs_up_to_4096(compiler):
    each = instructions.DENSE_BYTES_PER_INPUT[compiler]
    assert own(dense(1000, 10), compiler=compiler) == about(1000 * each)
    assert own(dense(9000, 10), compiler=compiler) == about(4096 * each)
    assert own(dense(1000, 2000), compiler=compiler) == own(dense(1000, 10), compiler=compiler)


def test_a_convolution_of_one_position_is_a_dense_layer():
    single = conv(1, 1000, 10, kernel=1)
    assert is_dense(single)
    assert is_dense(dense(4, 4))
    assert not is_dense(conv(2, 1000, 10, kernel=1))
    assert not is_dense(depthwise(1, 16))
    assert own(single) == own(dense(1000, 10))


@pytest.mark.parametrize(
    ("classes", "compiler", "n_bytes"),
    [
        (1001, "2021", instructions.WIDE_SOFTMAX_BYTES),
        (1001, "2020", 0),
        (10, "2021", 0),
        (256, "2021", 0),
        (512, "2021", instructions.WIDE_SOFTMAX_BYTES),
        (16_384, "2021", 0),
    ],
)
def test_softmax_of_about_a_thousand_classes_is_long_since_2021(classes, compiler, n_bytes):
    assert own(like("SOFTMAX", (1, classes)), compiler=compiler) == about(n_bytes)


@pytest.mark.parametrize("op", ["RESHAPE", "SQUEEZE", "EXPAND_DIMS"])
def test_the_same_bytes_under_another_shape_need_no_code(op):
    assert own(like(op, (1, 8, 8, 8))) == 0


def test_pooling_exchanges_like_a_convolution_where_windows_overlap():
    shape = (1, 32, 32, 16)
    apart, over = (like("MAX_POOL_2D", shape, kernel=(3, 3), stride=(step, step)) for step in (3, 1))
    assert own(apart) == about(instructions.OTHER_OP_BYTES)
    assert own(over) == about(instructions.CONV_BYTES + instructions.HALO_BYTES)


def concatenation(*channels, size=1):
    sources = tuple(Tensor(i, "int8", (1, size, size, c)) for i, c in enumerate(channels))
    one = layer("CONCATENATION", (1, size, size, 4), (1, size, size, sum(channels)))
    return replace(one, inputs=sources)


def test_pieces_that_do_not_align_need_code_each():
    aligned, odd = own(concatenation(4, 8)), own(concatenation(3, 6))
    assert aligned == about(instructions.OTHER_OP_BYTES)
    assert odd - aligned == about(3 * instructions.UNALIGNED_PIECE_BYTES)  # both parts and the whole of 9


def test_concatenated_maps_move_piece_by_piece():
    maps = own(concatenation(4, 8, size=32))
    assert maps == about(instructions.OTHER_OP_BYTES + 2 * instructions.HALO_BYTES)


def test_an_lstm_is_unrolled_step_by_step():
    ten, thirty = (own(layer("UNIDIRECTIONAL_SEQUENCE_LSTM", (1, n, 8), (1, n, 8))) for n in (10, 30))
    assert thirty - ten == about(20 * instructions.LSTM_STEP_BYTES)


# The program that loads the cached parameters


def test_loading_goes_by_convolutions_and_groups_of_dense_outputs():
    layers = [conv(32, 16, 16), depthwise(32, 16), dense(100, 130)]
    assert caching_instruction_bytes(layers) == pytest.approx(560 + 2 * 140 + 3 * 128, abs=15)


def test_a_wide_softmax_loads_its_tables():
    softmax = like("SOFTMAX", (1, 1001))
    assert caching_instruction_bytes([softmax], "2020") == 0
    assert caching_instruction_bytes([softmax], "2021") == pytest.approx(560 + 512, abs=15)


# Whole networks

FEW = sorted(names())[::23]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", FEW)
def test_programs_are_whole_bundles_and_grow_with_the_network(name, compiler):
    layers = load_network(name).layers
    sizes = [instruction_bytes(layers[:count], compiler) for count in range(0, len(layers) + 1, 10)]
    assert sizes == sorted(sizes)
    assert all(size % instructions.BUNDLE_BYTES == 0 for size in sizes)


def test_a_network_is_the_sum_of_its_operators():
    graph = chain("net", conv(32, 3, 16), depthwise(32, 16), dense(64, 10))
    assert own(*graph.layers) == pytest.approx(sum(own(one) for one in graph.layers), abs=3 * 16)
