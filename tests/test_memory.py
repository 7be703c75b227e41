"""Parameter, instruction and wire bytes against sizes read in compiled files and compiler logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hwmodels import memory
from hwmodels.generated import generate
from hwmodels.graph import Layer, LayerGraph, Tensor
from hwmodels.placement import place
from hwmodels.tflite import read_graph
from hwmodels.tiles import banded_layers, tile_bytes, working_set_bytes

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
CORAL_BYTES = 8_000_000


def _network(name: str) -> LayerGraph:
    graph = generate(name)
    assert graph is not None
    return graph


def _layer(
    op: str, shape_in: tuple[int, ...], shape_out: tuple[int, ...], *weights: Tensor, **options: object
) -> Layer:
    tensors = (Tensor(0, "int8", shape_in),), (Tensor(1, "int8", shape_out),)
    return Layer(0, op, *tensors, weights, **options)  # type: ignore[arg-type]


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
    assert memory.blob_bytes(layer) == n_bytes
    assert memory.on_chip_bytes(layer) == n_bytes


@pytest.mark.parametrize(("channels", "n_bytes"), [(32, 9_472), (64, 37_376), (128, 148_480)])
def test_convolution_blobs(channels, n_bytes):
    assert memory.blob_bytes(_conv(channels, channels, bias=False)) == n_bytes


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
    assert memory.blob_bytes(layer) == n_bytes


def test_transpose_convolution_counts_as_a_convolution():
    conv = _conv(64, 32)
    assert memory.blob_bytes(replace(conv, op="TRANSPOSE_CONV")) == memory.blob_bytes(conv)


def test_layers_without_filters():
    assert memory.blob_bytes(_layer("ADD", (1, 8, 8, 4), (1, 8, 8, 4))) == 0
    assert memory.blob_bytes(_layer("MUL", (1, 8, 8, 4), (1, 8, 8, 4), Tensor(-1, "int8", (4,)))) == 64
    assert memory.blob_bytes(_layer("PRELU", (1, 8, 8, 80), (1, 8, 8, 80), Tensor(-1, "int8", (80,)))) == 128


def test_wide_softmax_carries_tables_since_2021():
    softmax = _layer("SOFTMAX", (1, 1001), (1, 1001))
    assert memory.blob_bytes(softmax, "2021") == 48_256
    assert memory.blob_bytes(softmax, "2020") == 0
    assert memory.blob_bytes(_layer("SOFTMAX", (1, 10), (1, 10)), "2021") == 0


def test_on_chip_rows_have_64_lanes():
    assert memory.on_chip_bytes(_conv(32, 32, kernel=7, dtype="uint8")) == 2 * 50_304
    stack = [_conv(3, 32, 7, "uint8"), *[_conv(32, 32, 7, "uint8")] * 9, _conv(32, 1, 1, "uint8")]
    assert sum(map(memory.on_chip_bytes, stack)) == 918_528  # jetson_nano_layers.csv, conv7x7_f32_128x128_n10


def test_dense_layers_took_1024_lanes_before_2021():
    layers = _network("dense_u100_n200").layers
    cached = memory.allocate(layers, 8_409_579, "2020")
    weights = [flag for layer, flag in zip(layers, cached, strict=True) if layer.weights]
    assert 78 <= sum(weights) <= 81
    assert all(memory.allocate(layers, 8_409_579, "2021"))


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
    cached = memory.allocate(layers, CORAL_BYTES)
    kept = sum(memory.on_chip_bytes(layer) for layer, flag in zip(layers, cached, strict=True) if flag)
    sent = sum(memory.blob_bytes(layer) for layer, flag in zip(layers, cached, strict=True) if not flag)
    assert cached.count(False) == spilled
    assert sent == pytest.approx(off_chip, rel=0.01)
    assert on_chip is None or kept == pytest.approx(on_chip, rel=0.015)


def test_later_smaller_layers_still_fit():
    assert memory.allocate(_network("fc5_n1740_in64_out10").layers, CORAL_BYTES) == (True, True, True, False, True)
    assert memory.allocate([], 0) == ()


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
    assert memory.output_wire_bytes(Tensor(0, "int8", shape)) == n_bytes


@pytest.mark.parametrize(("shape", "n_bytes"), [((1, 353, 481, 3), 509_384), ((1, 8, 8, 3), 192), ((1, 2, 2, 3), 16)])
def test_inputs_pad_to_8(shape, n_bytes):
    assert memory.input_wire_bytes(Tensor(0, "uint8", shape)) == n_bytes


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
    assert memory.input_bytes(mapped, graph.inputs) == n_bytes


def test_inputs_of_a_network_that_fits_come_whole():
    graph = _network("stride_256x256")
    assert memory.input_bytes(graph.layers, graph.inputs) == 256 * 256 * 3
    assert memory.input_bytes((), ()) == 0


def test_tiles():
    assert tile_bytes(Tensor(0, "int8", (1, 33, 33, 17))) == 9 * 9 * 20
    assert working_set_bytes(_conv(3, 32, size=512)) == 128 * 128 * (4 + 32)


def test_bands_reach_to_the_last_layer_that_does_not_fit():
    large, small = _conv(3, 64, size=512), _conv(64, 8, size=64)
    resize = _layer("RESIZE_BILINEAR", (1, 64, 64, 64), (1, 512, 512, 64))
    assert banded_layers([large, small, resize, large]) == [large]
    assert not banded_layers([small, large])
    assert not banded_layers([])


def test_scratch_of_an_lstm():
    lstm = _layer("UNIDIRECTIONAL_SEQUENCE_LSTM", (1, 28, 28), (1, 28, 20))
    assert memory.scratch_bytes([lstm, _conv(8, 8)]) == 672  # keras_lstm_mnist_ptq


# compiled_models.csv; the fit's tolerance
@pytest.mark.parametrize(
    ("name", "compiler", "n_bytes"),
    [
        ("padding_256x256", "2020", 5_024),
        ("padding_stride_128x128", "2020", 5_392),
        ("stride_256x256", "2020", 4_832),
        ("conv7x7_f32_128x128_n10", "2020", 24_688),
        ("conv7x7_f32_128x128_n50", "2020", 93_360),
        ("dense_u100_n100", "2020", 153_216),
        ("dense_u150_n100", "2020", 231_456),
        ("dense_512", "2021", 6_144),
    ],
)
def test_instructions_of_generated_networks(name, compiler, n_bytes):
    got = memory.instruction_bytes(_network(name).layers, compiler)
    assert got == pytest.approx(n_bytes, rel=0.15)
    assert got % 16 == 0


def test_wide_softmax_writes_a_long_program_since_2021():
    softmax = [_layer("SOFTMAX", (1, 1001), (1, 1001))]
    difference = memory.instruction_bytes(softmax, "2021") - memory.instruction_bytes(softmax, "2020")
    assert 120_000 < difference < 145_000


@pytest.mark.parametrize(
    ("name", "n_bytes"), [("conv7x7_f32_128x128_n10", 2_352), ("dense_256", 1_072), ("dense_512", 1_584)]
)
def test_caching_program(name, n_bytes):
    assert memory.caching_instruction_bytes(_network(name).layers) == pytest.approx(n_bytes, rel=0.12)


def test_no_caching_program_without_parameters():
    assert memory.caching_instruction_bytes(_network("padding_8x8").layers) == 0
