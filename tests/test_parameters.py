"""Parameter bytes, their room on the chip and wire bytes against compiled files and compiler logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from layers import chain, conv, coral, dense, depthwise

from hwmodels.edgetpu import allocation, parameters
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.banding import banded_layers
from hwmodels.edgetpu.coefficients import load_compiler
from hwmodels.edgetpu.placement import place
from hwmodels.networks.generated import generate
from hwmodels.networks.graph import Layer, LayerGraph, Tensor
from hwmodels.networks.tflite import read_graph
from hwmodels.networks.zoo import load_network

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
CORAL = load_accelerator("coral")
OLDEST, OLD, NEW = load_compiler("2019"), load_compiler("2020"), load_compiler("16")
SIZES = ("coral", "small", "large")
MIB = 2**20
CORAL_BYTES = 8_000_000


def _network(name: str) -> LayerGraph:
    graph = generate(name)
    assert graph is not None
    return graph


def _layer(
    op: str, shape_in: tuple[int, ...], shape_out: tuple[int, ...], *weights: Tensor, **options: object
) -> Layer:
    tensors = (Tensor(0, "int8", shape_in),), (Tensor(1, "int8", shape_out),)
    return Layer(0, op, *tensors, weights, **options)  # type: ignore[arg-type]  # fields by name


def _conv(inputs: int, outputs: int, kernel: int = 3, dtype: str = "int8", bias: bool = True, size: int = 12) -> Layer:
    weights = (Tensor(-1, dtype, (outputs, kernel, kernel, inputs)), Tensor(-1, "int32", (outputs,)))
    shapes = (1, size, size, inputs), (1, size, size, outputs)
    return _layer("CONV_2D", *shapes, *weights[: 1 + bias], kernel=(kernel, kernel))


def _depthwise(channels: int, dtype: str, multiplier: int = 1) -> Layer:
    weights = Tensor(-1, dtype, (1, 3, 3, channels * multiplier)), Tensor(-1, "int32", (channels * multiplier,))
    shapes = (1, 8, 8, channels), (1, 8, 8, channels * multiplier)
    return _layer("DEPTHWISE_CONV_2D", *shapes, *weights, kernel=(3, 3))


# compiled_models.csv: dense_* of LibrEdgeTPU, conv2d_12x..._k3 (no bias in effect)
@pytest.mark.parametrize(("units", "n_bytes"), [(256, 67_584), (512, 266_240), (1024, 1_056_768)])
def test_dense_blobs(units, n_bytes):
    (layer,) = _network(f"dense_{units}").layers
    assert parameters.blob_bytes(layer, NEW) == n_bytes
    assert parameters.on_chip_bytes(layer, NEW) == n_bytes


@pytest.mark.parametrize(("channels", "n_bytes"), [(32, 9_472), (64, 37_376), (128, 148_480)])
def test_convolution_blobs(channels, n_bytes):
    assert parameters.blob_bytes(_conv(channels, channels, bias=False), NEW) == n_bytes


# Sizes between the filters located in the compiled files of MobileNet v1 0.5 (uint8), PoseNet and BodyPix (int8)
@pytest.mark.parametrize(
    ("layer", "n_bytes"),
    [
        (_conv(3, 16, dtype="uint8"), 640),
        (_conv(384, 17, kernel=1), 12_672),
        (_conv(384, 34, kernel=1), 19_008),
        (_conv(384, 1, kernel=1), 1_600),
        (_conv(32, 1, kernel=1, dtype="uint8"), 192),
        (_depthwise(16, "uint8"), 640),
        (_depthwise(144, "uint8"), 5_760),
        (_depthwise(24, "int8"), 1_152),
        (_depthwise(1, "int8", multiplier=8), 768),
    ],
)
def test_padding_to_lanes_and_lines(layer, n_bytes):
    assert parameters.blob_bytes(layer, NEW) == n_bytes


def test_transpose_convolution_counts_as_a_convolution():
    conv = _conv(64, 32)
    assert parameters.blob_bytes(replace(conv, op="TRANSPOSE_CONV"), NEW) == parameters.blob_bytes(conv, NEW)


def test_layers_without_filters():
    assert parameters.blob_bytes(_layer("ADD", (1, 8, 8, 4), (1, 8, 8, 4)), NEW) == 0
    assert parameters.blob_bytes(_layer("MUL", (1, 8, 8, 4), (1, 8, 8, 4), Tensor(-1, "int8", (4,))), NEW) == 64


@pytest.mark.parametrize(
    ("shape", "n_bytes"),
    [((), 0), ((1,), 0), ((3,), 64), ((80,), 1280), ((1, 1, 512), 8192), ((1, 8, 8, 1), 64), ((1, 3, 6400, 2), 76_800)],
)
def test_a_constant_operand_takes_16_bytes_a_channel_or_a_padded_map(shape, n_bytes):
    """Twins: MobileFaceNet's slopes, face networks' multiplications, the grids of YOLOv5 at 640 x 640."""
    operand = Tensor(-1, "int8", shape)
    assert parameters.blob_bytes(_layer("MUL", (1, 8, 8, 4), (1, 8, 8, 4), operand), NEW) == n_bytes
    assert parameters.blob_bytes(_layer("PRELU", (1, 8, 8, 4), (1, 8, 8, 4), operand), OLD) == n_bytes


def test_constant_operands_stream_although_memory_is_free():
    layers = [_conv(8, 8), _layer("PRELU", (1, 8, 8, 8), (1, 8, 8, 8), Tensor(-1, "int8", (8,)))]
    for compiler in (OLDEST, OLD, NEW):
        assert allocation.allocate(layers, 1 << 23, CORAL, compiler) == (True, False)


def _flatten(*shape):
    return _layer("RESHAPE", shape, (1, shape[1] * shape[2] * shape[3]))


def test_flattening_channels_that_are_no_multiple_of_4_takes_a_matrix():
    assert parameters.blob_bytes(_flatten(1, 3, 3, 30), NEW) == 93_440  # exact in a twin
    assert parameters.blob_bytes(_flatten(1, 180, 1, 27), OLD) == 64 * 76 * (180 * 28 + 4)  # a log: 23.40 MiB
    assert [parameters.blob_bytes(_flatten(*shape), NEW) for shape in ((1, 3, 3, 32), (1, 1, 1, 30), (1, 9, 9, 1))] == [
        0, 0, 0,
    ]  # fmt: skip


def test_a_bias_of_zeros_leaves_no_bytes():
    layer = _conv(32, 32, 3)
    assert parameters.blob_bytes(layer, NEW) - parameters.blob_bytes(replace(layer, zero_bias=True), NEW) == 32 * 4
    one_scale = replace(layer, zero_bias=True, scales=1)
    assert parameters.blob_bytes(one_scale, NEW) == 32 * 9 * 32


def test_a_dense_layer_of_more_inputs_than_a_tile_holds_streams():
    """Twins: 5 904 inputs are kept, 9 504 stream; logs of 2020: 12 544 inputs to 10 outputs take 196.06 KiB."""
    long, short = (_dense(inputs, 10) for inputs in (12_544, 5904))
    assert parameters.blob_bytes(long, OLD) == 200_768
    for compiler in (OLD, load_compiler("14"), load_compiler("15"), NEW):
        assert allocation.allocate([long, short], 1 << 23, CORAL, compiler) == (False, True)


def _dense(inputs, outputs):
    weights = (Tensor(-1, "uint8", (outputs, inputs)), Tensor(-1, "int32", (outputs,)))
    return replace(_layer("FULLY_CONNECTED", (1, inputs), (1, outputs)), weights=weights)


def test_memory_goes_to_depthwise_layers_then_to_small_dense_ones_then_to_large_convolutions():
    small, large, last = _conv(16, 16, 3), _conv(64, 64, 3), _layer("SOFTMAX", (1, 10), (1, 10))
    layers = [last, small, large, large, _dense(512, 64), _dense(128, 64), depthwise(8, 64)]
    sizes = [parameters.footprint_bytes(layer, CORAL, NEW) for layer in layers]
    order = [6, 5, 4, 3, 2, 1, 0]
    for count in range(len(order) + 1):
        room = sum(sizes[at] for at in order[:count])
        kept = allocation.allocate(layers, room, CORAL, NEW)
        assert {at for at, flag in enumerate(kept) if flag} == set(order[:count])


def test_a_softmax_over_padded_classes_carries_tables_since_15():
    softmax = _layer("SOFTMAX", (1, 1001), (1, 1001))
    assert parameters.blob_bytes(softmax, NEW) == 48_256
    assert parameters.blob_bytes(softmax, OLD) == 0
    sizes = {n: parameters.blob_bytes(_layer("SOFTMAX", (1, n), (1, n)), NEW) for n in (2, 5, 10, 256, 1000, 16_384)}
    assert sizes == {2: 192, 5: 384, 10: 576, 256: 0, 1000: 0, 16_384: 0}


def test_on_chip_rows_have_64_lanes():
    assert parameters.on_chip_bytes(_conv(32, 32, kernel=7, dtype="uint8"), NEW) == 2 * 50_304
    stack = [_conv(3, 32, 7, "uint8"), *[_conv(32, 32, 7, "uint8")] * 9, _conv(32, 1, 1, "uint8")]
    assert (
        sum(parameters.on_chip_bytes(layer, NEW) for layer in stack) == 918_528
    )  # jetson_nano_layers.csv, conv7x7_f32_128x128_n10


def test_dense_layers_took_1024_lanes_in_2019():
    layers = _network("dense_u100_n200").layers
    cached = allocation.allocate(layers, 8_409_579, CORAL, OLDEST)
    weights = [flag for layer, flag in zip(layers, cached, strict=True) if layer.weights]
    assert 78 <= sum(weights) <= 81
    assert all(allocation.allocate(layers, 8_409_579, CORAL, NEW))


# villarrubia_synthetic.csv: bytes on and off chip as the compiler logged them
@pytest.mark.parametrize(
    ("name", "on_chip", "off_chip", "spilled"),
    [
        ("conv5x3x3_f62_64x64", 152_320, 0, 0),
        ("conv5x3x3_f442_64x64", None, 0, 0),
        ("conv5x3x3_f452_64x64", 6_280_970, 2_086_666, 1),
        ("conv5x3x3_f522_64x64", 5_463_081, 5_442_109, 2),
        ("conv5x3x3_f732_64x64", 5_096_079, 15_193_866, 3),
        ("fc5_n1020_in64_out10", 3_261_071, 0, 0),
        ("fc5_n1740_in64_out10", 6_459_228, 3_114_271, 1),
        ("fc5_n2500_in64_out10", 6_721_372, 12_803_113, 2),
    ],
)
def test_allocation_against_compiler_logs(name, on_chip, off_chip, spilled):
    layers = _network(name).layers
    cached = allocation.allocate(layers, CORAL_BYTES, CORAL, NEW)
    kept = sum(parameters.on_chip_bytes(layer, NEW) for layer, flag in zip(layers, cached, strict=True) if flag)
    sent = sum(parameters.blob_bytes(layer, NEW) for layer, flag in zip(layers, cached, strict=True) if not flag)
    assert cached.count(False) == spilled
    assert sent == pytest.approx(off_chip, rel=0.01)
    assert on_chip is None or kept == pytest.approx(on_chip, rel=0.015)


def test_later_smaller_layers_still_fit():
    assert allocation.allocate(_network("fc5_n1740_in64_out10").layers, CORAL_BYTES, CORAL, NEW) == (
        True,
        True,
        True,
        False,
        True,
    )
    assert allocation.allocate([], 0, CORAL, NEW) == ()


@pytest.mark.parametrize(
    ("shape", "n_bytes"),
    [
        ((1, 1001), 1008),
        ((1, 521), 528),
        ((1, 10), 16),
        ((1, 1), 8),
        ((1, 33, 33, 17), 21_784),
        ((1, 33, 33, 34), 39_208),
        ((1, 23, 31, 64), 45_632),
        ((1, 256, 256, 3), 262_144),
    ],
)
def test_outputs_pad_channels_to_4_and_all_to_8(shape, n_bytes):
    assert parameters.output_wire_bytes(Tensor(0, "int8", shape)) == n_bytes


@pytest.mark.parametrize(("shape", "n_bytes"), [((1, 353, 481, 3), 509_384), ((1, 8, 8, 3), 192), ((1, 2, 2, 3), 16)])
def test_inputs_pad_to_8(shape, n_bytes):
    assert parameters.input_wire_bytes(Tensor(0, "uint8", shape)) == n_bytes


# DMA hints of the compiled files: 513 in two bands that share 19 rows, 721 in three that share 43
@pytest.mark.parametrize(
    ("name", "n_bytes"),
    [
        ("deeplabv3_mnv2_pascal_quant", 409_384 + 409_376),
        ("deeplabv3_mnv2_dm05_pascal_quant", 789_512),
        ("posenet_mobilenet_v1_075_721_1281_16_quant_decoder", 1_037_616 + 1_087_576 + 976_128),
    ],
)
def test_large_inputs_come_in_overlapping_bands(name, n_bytes):
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    graph = read_graph(path)
    mapped = [layer for layer, reason in zip(graph.layers, place(graph), strict=True) if not reason]
    assert parameters.input_bytes(mapped, graph.inputs, CORAL) == n_bytes


def test_inputs_of_a_network_that_fits_come_whole():
    graph = _network("stride_256x256")
    assert parameters.input_bytes(graph.layers, graph.inputs, CORAL) == 256 * 256 * 3
    assert parameters.input_bytes((), (), CORAL) == 0


def test_bands_reach_to_the_last_layer_that_does_not_fit():
    large, small = _conv(3, 64, size=512), _conv(64, 8, size=64)
    resize = _layer("RESIZE_BILINEAR", (1, 64, 64, 64), (1, 512, 512, 64))
    assert banded_layers([large, small, resize, large], CORAL) == [large]
    assert not banded_layers([small, large], CORAL)
    assert not banded_layers([], CORAL)


def test_scratch_of_an_lstm():
    lstm = _layer("UNIDIRECTIONAL_SEQUENCE_LSTM", (1, 28, 28), (1, 28, 20))
    assert parameters.scratch_bytes([lstm, _conv(8, 8)]) == 672  # keras_lstm_mnist_ptq


def test_dense_layers_are_spread_over_the_size_s_own_tiles():
    """Compilers of 2019: 100 outputs take 64 lanes in each of 16 tiles, or in each of four."""
    (dense,) = _network("dense_100").layers
    row = 4 * (-(-dense.weights[0].shape[1] // 4)) + 8
    for size, lanes in (("coral", 1024), ("small", 256)):
        assert parameters.footprint_bytes(dense, load_accelerator(size), OLDEST) == lanes * row
        assert parameters.footprint_bytes(dense, load_accelerator(size), NEW) == 128 * row


def test_input_comes_in_the_bands_of_the_size_s_own_tiles():
    """512 x 512 x 3 to 32 channels: 3 bands on 16 tiles of 192 KiB, 5 on four of 512 KiB, 2 on 16 of 512 KiB."""
    layer = _conv(3, 32, size=512)
    sizes = {size: parameters.input_bytes([layer], layer.inputs, load_accelerator(size)) for size in SIZES}
    rows = {size: n_bytes / (512 * 3) - 512 for size, n_bytes in sizes.items()}
    assert rows == {"coral": 2 * 2, "small": 2 * 4, "large": 2 * 1}


# Parameter memory beside weight buffers: the formula by hand, and the capacities that compiler logs print


def test_a_pointwise_convolution_holds_a_share_of_one_tap():
    part = coral(weight_buffer_share=0.5)
    assert allocation.buffer_bytes(conv(32, 128, 64, kernel=1), part, NEW) == 128 * 64 // 2


def test_a_larger_kernel_holds_64_outputs_twice_while_positions_are_the_outer_loop():
    part = coral()
    assert allocation.buffer_bytes(conv(64, 16, 64), part, NEW) == 2 * 9 * 16 * 64  # 36 words of inputs, 256 positions
    assert (
        allocation.buffer_bytes(conv(8, 256, 64), replace(part, weight_buffer_share=1.0), NEW) == 256 * 64
    )  # 576 words, 4 positions


def test_inputs_are_padded_to_words():
    assert allocation.buffer_bytes(conv(64, 3, 64), coral(), OLDEST) == allocation.buffer_bytes(
        conv(64, 4, 64), coral(), NEW
    )


@pytest.mark.parametrize("other", [dense(1024, 1024), depthwise(32, 64)])
def test_only_convolutions_broadcast_weights(other):
    assert allocation.buffer_bytes(other, coral(), OLDEST) == 0
    assert allocation.parameter_capacity_bytes([other], coral(), OLDEST) == coral().parameter_cache_bytes


def test_a_convolution_without_weights_needs_no_buffer():
    assert allocation.buffer_bytes(replace(conv(32, 16, 16), weights=()), coral(), OLDEST) == 0


def test_the_largest_buffer_counts_once_for_every_tile():
    part = coral(weight_buffer_share=1.0)
    layers = [conv(32, 64, 64, kernel=1), conv(32, 256, 64, kernel=1), conv(32, 128, 64, kernel=1)]
    assert allocation.parameter_capacity_bytes(layers, part, OLDEST) == part.parameter_cache_bytes - 16 * 256 * 64


def test_capacity_is_never_negative():
    assert (
        allocation.parameter_capacity_bytes([conv(64, 4096, 64, kernel=1)], coral(parameter_cache_bytes=1000), OLDEST)
        == 0
    )
    assert allocation.parameter_capacity_bytes([], coral(), OLDEST) == coral().parameter_cache_bytes


# The figures that the compiler's logs print (jetson_nano_layers.csv, module docstring), in MiB
LOGGED = [("mobilenet_v1_1.0_224", 7.14), ("mobilenet_v2_1.0_224", 6.91), ("resnet_50_v1_224", 6.25)]


@pytest.mark.parametrize(("network", "logged"), LOGGED)
def test_capacities_as_logged(network, logged):
    found = allocation.parameter_capacity_bytes(load_network(network).layers, coral(), OLDEST) / MIB
    assert found == pytest.approx(logged, rel=0.03)


def test_dense_networks_have_all_of_it_as_logged():
    graph = chain("dense", dense(64, 512), dense(512, 512))
    assert allocation.parameter_capacity_bytes(graph.layers, coral(), OLDEST) / MIB == pytest.approx(8.02, abs=0.01)
