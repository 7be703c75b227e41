"""The DarwiNN reader against facts that others parsed from the same files, and against damaged files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hwmodels.edgetpu.darwinn import CompiledOp, read_compiled_ops
from hwmodels.errors import InputError

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"

# file: est_cycles, instructions, caching instructions, cached, streamed, input, output, scratch, token
# (compiled_models.csv, which others parsed following libedgetpu's executable.fbs)
FACTS = {
    "bodypix_mobilenet_v1_075_512_512_16_quant_decoder_edgetpu": (
        0,
        143536,
        5200,
        1477888,
        0,
        786432,
        200392,
        0,
        0xEE87402BFBCE19F9,
    ),
    "bodypix_mobilenet_v1_075_512_512_16_segments_quant_edgetpu_decoder": (
        2370624,
        146512,
        5200,
        1477888,
        0,
        786432,
        200392,
        0,
        0xB41683EEEC3E08CD,
    ),
    "bright_128x128_edgetpu": (0, 49696, 688, 192, 524288, 16384, 8, 0, 0x204DD3CD2BA6A3CB),
    "bright_16x16_edgetpu": (0, 18240, 944, 8384, 0, 256, 8, 0, 0x5BC21D7ED7DAC9BA),
    "bright_64x64_edgetpu": (0, 49184, 944, 131264, 0, 4096, 8, 0, 0x22A34040C8BF7169),
    "color_blue_128x128_edgetpu": (0, 54320, 944, 1344, 524288, 49152, 8, 0, 0x9EB1491253441AA3),
    "deeplabv3_mnv2_dm05_pascal_quant_edgetpu": (
        1279736,
        160288,
        8016,
        766720,
        0,
        789512,
        279040,
        0,
        0x0AE2E46772EEC31D,
    ),
    "deeplabv3_mnv2_dm05_pascal_quant_edgetpu__release-grouper": (
        0,
        160672,
        8016,
        766720,
        0,
        789512,
        279040,
        0,
        0x36959A24102F7ACD,
    ),
    "deeplabv3_mnv2_pascal_quant_edgetpu": (3623928, 391856, 8016, 2337216, 0, 818760, 279040, 0, 0x5245731E52670395),
    "deeplabv3_mnv2_pascal_quant_edgetpu__release-grouper": (
        0,
        398768,
        8016,
        2337216,
        0,
        818760,
        279040,
        0,
        0x335F65EF71B478FA,
    ),
    "dense_256_edgetpu": (0, 4224, 1072, 67584, 0, 256, 256, 0, 0xFCE222D70D502FB8),
    "dense_512_edgetpu": (0, 6144, 1584, 266240, 0, 512, 512, 0, 0xBA9E9EE9E1DE9501),
    "gabor_128x128_p4_edgetpu": (0, 7040, 688, 3200, 0, 16384, 8192, 0, 0xB0CF027CB755D915),
    "gabor_64x64_7k_4o_2s_edgetpu": (0, 6512, 688, 3200, 0, 4096, 32768, 0, 0x9BF31747AA038302),
    "gabor_64x64_p4_edgetpu": (0, 7040, 688, 3200, 0, 4096, 2048, 0, 0xFB47CAC5B08990D8),
    "keras_lstm_mnist_ptq_edgetpu": (0, 60864, 3152, 43968, 576, 848, 0, 672, 0x6CAD28922F0B3DB3),
    "mobilenet_edgetpu_0.75_224_post_training_quant_edgetpu": (
        689436,
        158224,
        10320,
        3740736,
        0,
        150528,
        1008,
        0,
        0x24AA1B0BCE6BC0A5,
    ),
    "mobilenet_v1_0.25_128_quant_cocompiled_with_3quant_edgetpu": (
        0,
        182928,
        4560,
        315840,
        251072,
        49152,
        1008,
        0,
        0x99B484BE30458CDE,
    ),
    "mobilenet_v1_0.25_128_quant_cocompiled_with_inception_v4_299_quant_edgetpu": (
        0,
        182560,
        4688,
        318144,
        248768,
        49152,
        1008,
        0,
        0x33A402E35089F945,
    ),
    "mobilenet_v1_0.25_128_quant_cocompiled_with_mobilenet_v1_0.5_160_quant_edgetpu": (
        0,
        170032,
        12624,
        566912,
        0,
        49152,
        1008,
        0,
        0xE2C366FD5D62FA6B,
    ),
    "mobilenet_v1_0.5_160_quant_edgetpu": (117088, 75360, 6352, 1425024, 0, 76800, 1008, 0, 0xA651007909A6FB3C),
    "mobilenet_v1_0.5_160_quant_edgetpu__release-grouper": (
        0,
        205936,
        12624,
        1473280,
        0,
        76800,
        1008,
        0,
        0x8EBC2700DE21D6AA,
    ),
    "mobilenet_v1_0.75_192_quant_edgetpu": (281520, 52048, 6480, 2729344, 0, 110592, 1008, 0, 0xDA9E0F81CB05A54B),
    "mobilenet_v1_0.75_192_quant_edgetpu__release-grouper": (
        0,
        195280,
        6992,
        2777600,
        0,
        110592,
        1008,
        0,
        0xFB17D575617E8D62,
    ),
    "mobilenet_v1_1.0_224_quant_embedding_extractor_edgetpu": (
        685376,
        66080,
        4688,
        3363072,
        0,
        150528,
        1024,
        0,
        0xE7A711B8579C1D44,
    ),
    "mobilenet_v1_1.0_224_quant_embedding_extractor_edgetpu__release-grouper": (
        0,
        87584,
        4688,
        3363072,
        0,
        150528,
        1024,
        0,
        0x7344024D6CFF6B4A,
    ),
    "mobilenet_v2_1.0_224_quant_edgetpu": (458040, 128992, 9680, 3900864, 0, 150528, 1008, 0, 0x36CF9CD04572C9D2),
    "posenet_mobilenet_v1_075_353_481_16_quant_decoder_edgetpu": (
        0,
        118368,
        4816,
        1444608,
        0,
        509384,
        85568,
        0,
        0x26254650B218322F,
    ),
    "posenet_mobilenet_v1_075_353_481_quant_decoder_edgetpu": (
        1428960,
        121920,
        4816,
        1386432,
        0,
        509384,
        85568,
        0,
        0xA639CF6DE1AF7B29,
    ),
    "posenet_mobilenet_v1_075_721_1281_16_quant_decoder_edgetpu": (
        0,
        785376,
        4816,
        1444608,
        0,
        3101320,
        447120,
        0,
        0x466D791084ACD408,
    ),
    "posenet_mobilenet_v1_075_721_1281_quant_decoder_edgetpu": (
        8432400,
        955664,
        4816,
        1386432,
        0,
        3101320,
        447120,
        0,
        0x16A6A5421065256C,
    ),
    "split_concat_edgetpu": (0, 23648, 1232, 192, 0, 384, 1280, 0, 0x0F5DAF073FCC3811),
    "ssd_mobilenet_v1_coco_quant_postprocess_segment_1_of_2_edgetpu": (
        0,
        116496,
        4816,
        3694528,
        0,
        287232,
        184040,
        0,
        0xAA514B815318EA97,
    ),
    "testconv1-edgetpu": (0, 15984, 0, 0, 640, 3072, 14400, 0, 0x0000000000000000),
    "voice_commands_v0.7_edgetpu": (170853, 58896, 4144, 487168, 0, 6336, 152, 0, 0xEF2766E438B6646D),
    "yamnet_spectra_in_edgetpu": (0, 59664, 5552, 4042752, 0, 6144, 528, 0, 0xB350000E056793A1),
}


def _file(name: str) -> Path:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    return path


def _facts(op: CompiledOp) -> tuple[int, ...]:
    return (
        op.estimated_cycles, op.instruction_bytes, op.caching_instruction_bytes, op.cached_parameter_bytes,
        op.streamed_parameter_bytes, op.input_bytes, op.output_bytes, op.scratch_bytes, op.token,
    )  # fmt: skip


@pytest.mark.parametrize("name", FACTS)
def test_facts_of_compiled_files(name):
    (op,) = read_compiled_ops(_file(name))
    assert _facts(op) == FACTS[name]
    assert op.main.fully_deterministic is (name != "keras_lstm_mnist_ptq_edgetpu")


def test_every_compiled_file_is_in_the_table():
    assert {path.stem for path in MODELS.glob("*edgetpu*.tflite") if read_compiled_ops(path)} <= set(FACTS)


def test_a_plain_network_has_no_compiled_op():
    assert read_compiled_ops(_file("dense_256")) == ()


def test_hints_keep_their_order():
    (op,) = read_compiled_ops(_file("posenet_mobilenet_v1_075_721_1281_quant_decoder_edgetpu"))
    kinds = [hint.kind for hint in op.main.hints]
    assert kinds == ["instructions", "input"] * 3 + ["instructions", "output", "output", "output", "interrupt"]
    assert [hint.n_bytes for hint in op.main.hints[:4]] == [261264, 1037616, 262016, 1087576]
    assert {hint.direction for hint in op.main.hints} == {"in", "out", ""}
    assert op.caching is not None
    assert [hint.kind for hint in op.caching.hints] == ["instructions", "parameters", "interrupt"]


def test_layers_and_scratch():
    (op,) = read_compiled_ops(_file("deeplabv3_mnv2_dm05_pascal_quant_edgetpu"))
    assert op.main.inputs[0].shape == (513, 513, 3)
    assert op.main.inputs[0].padded_bytes == 789512
    assert op.main.chip == "beagle"
    assert [layer.padded_bytes for layer in op.main.outputs] == [278784, 256]
    (stand_alone,) = read_compiled_ops(_file("testconv1-edgetpu"))
    assert [e.type for e in stand_alone.executables] == ["STAND_ALONE"]
    assert stand_alone.caching is None
    assert stand_alone.cached_parameter_bytes == 0


def test_truncated_files_are_input_errors(tmp_path):
    data = _file("gabor_64x64_p4_edgetpu").read_bytes()
    for size in range(0, len(data), 997):
        _reads_or_input_error(tmp_path, data[:size])


@pytest.mark.parametrize("name", ["dense_256_edgetpu", "gabor_64x64_p4_edgetpu", "split_concat_edgetpu"])
def test_corrupted_files_never_raise_anything_else(tmp_path, name):
    data, rng = _file(name).read_bytes(), random.Random(2)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 4, 64, 2000])):
            damaged[rng.randrange(8, len(data))] = rng.choice([0, 1, 127, 255, rng.randrange(256)])
        _reads_or_input_error(tmp_path, bytes(damaged))


def test_corrupted_tables_of_the_package_are_input_errors(tmp_path):
    data, rng = _file("split_concat_edgetpu").read_bytes(), random.Random(3)
    start, end = data.index(b"DWN1"), len(data)
    refused = 0
    for _ in range(200):
        damaged = bytearray(data)
        for _ in range(40):
            damaged[rng.choice([rng.randrange(start, end), rng.randrange(end - 4096, end)])] = rng.randrange(256)
        refused += _reads_or_input_error(tmp_path, bytes(damaged))
    assert refused > 20


def _reads_or_input_error(folder: Path, data: bytes) -> bool:
    path = folder / "damaged.tflite"
    path.write_bytes(data)
    try:
        read_compiled_ops(path)
    except InputError as error:
        assert "\n" not in str(error)
        return True
    return False
