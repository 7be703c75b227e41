"""Program bytes by hand: headers, convolutions, halos, dense layers, softmax and pieces that do not align."""

from __future__ import annotations

from dataclasses import replace

import pytest
from layers import chain, conv, coral, dense, depthwise, layer, like

from hwmodels.edgetpu import instructions
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.coefficients import load_compiler
from hwmodels.edgetpu.instructions import caching_instruction_bytes, instruction_bytes
from hwmodels.edgetpu.parameters import is_dense
from hwmodels.networks.generated import generate
from hwmodels.networks.graph import Layer, LayerGraph, Tensor
from hwmodels.networks.zoo import load_network, names
from hwmodels.parts import part_names

NEW, OLD = load_compiler("2021"), load_compiler("2020")
COMPILERS = [load_compiler(name) for name in part_names("compiler")]


def own(*layers, compiler=NEW, part=None):
    """Bytes beyond the header, before rounding to bundles of 16: within 15 of what is returned."""
    maps = any(layer.output.hwc[:2] != (1, 1) for layer in layers)
    return instruction_bytes(layers, part or coral(), compiler) - compiler.header_bytes - compiler.map_bytes * maps


def about(n_bytes):
    return pytest.approx(n_bytes, abs=15)


def test_an_empty_program_is_its_header_in_whole_bundles():
    assert instruction_bytes([], coral(), NEW) == -(-NEW.header_bytes // 16) * 16
    assert caching_instruction_bytes([], NEW) == 0


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda part: part.name)
def test_a_pointwise_convolution_exchanges_nothing(compiler):
    assert own(conv(32, 16, 16, kernel=1), compiler=compiler) == about(compiler.conv_bytes)


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda part: part.name)
def test_a_wider_kernel_exchanges_rows_and_columns(compiler):
    both = 2 * compiler.side_bytes
    assert own(conv(32, 16, 16), compiler=compiler) == about(compiler.conv_bytes + both)
    assert own(depthwise(32, 16), compiler=compiler) == about(compiler.depthwise_bytes + both)
    uneven = compiler.conv_bytes + both + compiler.uneven_halo_bytes
    assert own(conv(33, 16, 16), compiler=compiler) == about(uneven)


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda part: part.name)
def test_a_layer_beyond_the_tiles_is_cut_into_passes(compiler):
    large = conv(256, 64, 64, kernel=1)  # 64 x 64 positions of 128 bytes: 2.67 times 192 KiB
    times = 64 * 64 * 128 / 196_608 - 1
    assert own(large, compiler=compiler) == about(compiler.conv_bytes + times * compiler.overflow_bytes)


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda part: part.name)
def test_a_dense_layer_goes_by_its_inputs_up_to_a_limit(compiler):
    each, most = compiler.dense_bytes_per_input, compiler.dense_most_inputs
    assert own(dense(400, 10), compiler=compiler) == about(400 * each)
    assert own(dense(9000, 10), compiler=compiler) == about(most * each)
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
        (1001, NEW, NEW.softmax_bytes),
        (1001, OLD, 0),
        (10, NEW, NEW.padded_softmax_bytes),
        (256, NEW, 0),
        (521, NEW, NEW.softmax_bytes),
        (1000, NEW, 0),
        (16_384, NEW, 0),
    ],
)
def test_softmax_of_about_a_thousand_classes_is_long_since_2021(classes, compiler, n_bytes):
    assert own(like("SOFTMAX", (1, classes)), compiler=compiler) == about(n_bytes)


@pytest.mark.parametrize("op", ["RESHAPE", "SQUEEZE", "EXPAND_DIMS"])
def test_the_same_bytes_under_another_shape_need_no_code(op):
    assert own(like(op, (1, 8, 8, 8))) == 0


def _alone(op, kernel, stride, padding, out):
    """One layer over 128 x 128 x 3, to 16 channels where it has filters."""
    shapes = {"CONV_2D": (16, kernel, kernel, 3), "DEPTHWISE_CONV_2D": (1, kernel, kernel, 3)}
    weights = (Tensor(-1, "int8", shapes[op]), Tensor(-1, "int32", (16,))) if op in shapes else ()
    one = layer(op, (1, 128, 128, 3), (1, out, out, 16 if op == "CONV_2D" else 3))
    return replace(one, weights=weights, kernel=(kernel, kernel), stride=(stride, stride), padding=padding)


@pytest.mark.parametrize(
    ("op", "kernel", "stride", "padding", "out", "n_bytes"),
    [
        ("CONV_2D", 1, 1, "SAME", 128, 5360), ("CONV_2D", 1, 2, "VALID", 64, 5360), ("CONV_2D", 3, 1, "SAME", 128, 6512),
        ("CONV_2D", 3, 2, "SAME", 64, 5936), ("CONV_2D", 5, 2, "SAME", 64, 6512), ("CONV_2D", 7, 1, "SAME", 128, 6512),
        ("CONV_2D", 3, 2, "VALID", 63, 9200), ("DEPTHWISE_CONV_2D", 3, 1, "SAME", 128, 6720),
        ("DEPTHWISE_CONV_2D", 3, 2, "SAME", 64, 6144), ("MAX_POOL_2D", 2, 2, "VALID", 64, 5344),
        ("MAX_POOL_2D", 2, 1, "SAME", 128, 5920), ("MAX_POOL_2D", 5, 1, "SAME", 128, 6496),
    ],
)  # fmt: skip
def test_one_layer_over_128_pixels_as_compiled_by_others(op, kernel, stride, padding, out, n_bytes):
    """Files of one layer, ashkurian/EdgeTpu (compiler 16): exact."""
    assert instruction_bytes([_alone(op, kernel, stride, padding, out)], coral(), NEW) == n_bytes


@pytest.mark.parametrize(
    ("kernel", "stride", "out", "n_bytes"),
    [(3, 1, 126, 19_376), (5, 1, 124, 18_512), (7, 1, 122, 20_432), (5, 2, 62, 20_112), (7, 2, 61, 20_112)],
)
def test_valid_padding_puts_tiles_out_of_line(kernel, stride, out, n_bytes):
    """The same files: the expensive case is not the uneven extent."""
    one = _alone("CONV_2D", kernel, stride, "VALID", out)
    assert instruction_bytes([one], coral(), NEW) == pytest.approx(n_bytes, rel=0.04)
    padded = layer("PAD", (1, 126, 126, 3), (1, 128, 128, 3))
    behind = replace(one, index=1, inputs=padded.outputs)
    assert own(padded, behind) < own(padded) + own(one)


def test_flattening_takes_code_by_channels_or_positions():
    """Twins: 16x16 and 64x64 positions of one channel, 6x6 positions of many."""
    flat = [layer("RESHAPE", (1, n, n, c), (1, n * n * c)) for n, c in ((16, 1), (64, 1), (6, 64), (6, 264))]
    assert [own(one) for one in flat] == [about(n_bytes) for n_bytes in (7492, 34_372, 21_000, 21_000)]


def test_pooling_exchanges_like_a_convolution_where_windows_overlap():
    shape = (1, 32, 32, 16)
    apart, over = (like("MAX_POOL_2D", shape, kernel=(3, 3), stride=(step, step)) for step in (3, 1))
    assert own(apart) == about(NEW.pool_bytes)
    assert own(over) == about(NEW.pool_bytes + 2 * NEW.side_bytes)


def concatenation(*channels, size=1):
    sources = tuple(Tensor(i, "int8", (1, size, size, c)) for i, c in enumerate(channels))
    one = layer("CONCATENATION", (1, size, size, 4), (1, size, size, sum(channels)))
    return replace(one, inputs=sources)


def test_pieces_that_do_not_align_need_code_each():
    aligned, odd = own(concatenation(4, 8)), own(concatenation(3, 6))
    assert aligned == about(NEW.other_op_bytes)
    assert odd - aligned == about(3 * NEW.unaligned_piece_bytes)  # both parts and the whole of 9


def test_concatenated_maps_move_piece_by_piece():
    maps = own(concatenation(4, 8, size=32))
    assert maps == about(NEW.other_op_bytes + 4 * NEW.side_bytes)


def test_an_lstm_is_unrolled_step_by_step():
    ten, thirty = (own(layer("UNIDIRECTIONAL_SEQUENCE_LSTM", (1, n, 8), (1, n, 8))) for n in (10, 30))
    assert thirty - ten == about(20 * NEW.lstm_step_bytes)


# The program that loads the cached parameters


def test_loading_goes_by_convolutions_and_groups_of_dense_outputs():
    layers = [conv(32, 16, 16), depthwise(32, 16), dense(100, 130)]
    assert caching_instruction_bytes(layers, NEW) == pytest.approx(560 + 2 * 140 + 3 * 128, abs=15)


def test_a_wide_softmax_loads_its_tables():
    softmax = like("SOFTMAX", (1, 1001))
    assert caching_instruction_bytes([softmax], OLD) == 0
    assert caching_instruction_bytes([softmax], NEW) == pytest.approx(560 + 512, abs=15)


# Whole networks

FEW = sorted(names())[::23]


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda part: part.name)
@pytest.mark.parametrize("name", FEW)
def test_programs_are_whole_bundles_and_grow_with_the_network(name, compiler):
    layers = load_network(name).layers
    sizes = [instruction_bytes(layers[:count], coral(), compiler) for count in range(0, len(layers) + 1, 10)]
    assert sizes == sorted(sizes)
    assert all(size % instructions.BUNDLE_BYTES == 0 for size in sizes)


def test_a_network_is_the_sum_of_its_operators():
    graph = chain("net", conv(32, 3, 16), depthwise(32, 16), dense(64, 10))
    assert own(*graph.layers) == pytest.approx(sum(own(one) for one in graph.layers), abs=3 * 16)


# Coefficients are Coral's, geometry is the size's own


def grid(tiles_y, tiles_x, **numbers):
    return coral(tiles_y=tiles_y, tiles_x=tiles_x, **numbers)


@pytest.mark.parametrize("compiler", COMPILERS, ids=lambda part: part.name)
@pytest.mark.parametrize(
    ("tiles_y", "tiles_x", "size", "kernel", "share", "uneven"),
    [
        (4, 4, 33, (3, 3), 1.0, True),
        (4, 4, 32, (3, 3), 1.0, False),
        (4, 4, 33, (1, 5), 1.0, True),
        (1, 4, 33, (3, 3), 0.5, True),  # columns have neighbours, rows have none
        (1, 4, 32, (3, 3), 0.5, False),
        (1, 4, 32, (1, 5), 1.0, False),
        (1, 4, 33, (5, 1), 0.0, False),
        (2, 2, 34, (3, 3), 1.0, False),  # 34 divides by two
        (1, 1, 33, (3, 3), 0.0, False),
    ],
)
def test_tiles_exchange_where_they_have_neighbours(compiler, tiles_y, tiles_x, size, kernel, share, uneven):
    shape = (1, size, size, 16)
    one = layer("CONV_2D", shape, shape, (16, *kernel, 16), (16,), kernel=kernel)
    edges = 2 * compiler.side_bytes + uneven * compiler.uneven_halo_bytes
    wanted = about(compiler.conv_bytes + share * edges)
    assert own(one, compiler=compiler, part=grid(tiles_y, tiles_x)) == wanted


@pytest.mark.parametrize(("narrow", "times"), [(196_608, 64 * 64 * 128 / 196_608 - 1), (262_144, 1.0), (524_288, 0.0)])
def test_what_overflows_is_the_size_s_own_memory(narrow, times):
    one = conv(256, 64, 64, kernel=1)
    wanted = about(NEW.conv_bytes + times * NEW.overflow_bytes)
    assert own(one, part=coral(narrow_bytes_per_tile=narrow)) == wanted


def test_pieces_of_maps_are_even_on_the_size_s_own_grid():
    """Rows of 30 are uneven on four tiles and whole on one; columns of 32 are even on both."""
    sources = tuple(Tensor(i, "int8", (1, 30, 32, 4)) for i in range(2))
    one = replace(layer("CONCATENATION", (1, 30, 32, 4), (1, 30, 32, 8)), inputs=sources)
    assert own(one) - own(one, part=grid(1, 4)) == pytest.approx(2 * NEW.uneven_halo_bytes, abs=15)


CORAL = load_accelerator("coral")


def _network(name: str) -> LayerGraph:
    graph = generate(name)
    assert graph is not None
    return graph


def _layer(
    op: str, shape_in: tuple[int, ...], shape_out: tuple[int, ...], *weights: Tensor, **options: object
) -> Layer:
    tensors = (Tensor(0, "int8", shape_in),), (Tensor(1, "int8", shape_out),)
    return Layer(0, op, *tensors, weights, **options)  # type: ignore[arg-type]  # fields by name


# compiled_models.csv; the fit's tolerance
@pytest.mark.parametrize(
    ("name", "compiler", "n_bytes"),
    [
        ("padding_256x256", OLD, 5_024),
        ("padding_stride_128x128", OLD, 5_392),
        ("stride_256x256", OLD, 4_832),
        ("conv7x7_f32_128x128_n10", OLD, 24_688),
        ("conv7x7_f32_128x128_n50", OLD, 93_360),
        ("dense_u100_n100", OLD, 153_216),
        ("dense_u150_n100", OLD, 231_456),
        ("dense_512", NEW, 6_144),
    ],
)
def test_instructions_of_generated_networks(name, compiler, n_bytes):
    got = instruction_bytes(_network(name).layers, CORAL, compiler)
    assert got == pytest.approx(n_bytes, rel=0.15)
    assert got % 16 == 0


def test_wide_softmax_writes_a_long_program_since_2021():
    softmax = [_layer("SOFTMAX", (1, 1001), (1, 1001))]
    difference = instruction_bytes(softmax, CORAL, NEW) - instruction_bytes(softmax, CORAL, OLD)
    assert 120_000 < difference < 145_000


@pytest.mark.parametrize(
    ("name", "n_bytes"), [("conv7x7_f32_128x128_n10", 2_352), ("dense_256", 1_072), ("dense_512", 1_584)]
)
def test_caching_program(name, n_bytes):
    assert caching_instruction_bytes(_network(name).layers, NEW) == pytest.approx(n_bytes, rel=0.12)


def test_no_caching_program_without_parameters():
    assert caching_instruction_bytes(_network("padding_8x8").layers, NEW) == 0
