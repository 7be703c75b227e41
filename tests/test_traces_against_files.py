"""Traces of the zoo against the published .tflite files of the same networks, where those are at hand.

A trace is made from our own definition with random weights; a published file was trained and quantised by others. Both
must do the same work on the same bytes.
"""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from hwmodels.networks.graph import MAC_OPS, Layer, LayerGraph, from_json
from hwmodels.networks.tflite import read_graph

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT / "traces" / "zoo"
FILES = ROOT.parent / "shared" / "models"
TOLERANCE = 0.01

PAIRS = {
    "mobilenet_v1_0.5_160": "mobilenet_v1_0.5_160_quant",
    "mobilenet_v1_0.75_192": "mobilenet_v1_0.75_192_quant",
    "mobilenet_v2_1.0_224": "mobilenet_v2_1.0_224_quant",
    "mobilenet_edgetpu_0.75_224": "mobilenet_edgetpu_0.75_224_post_training_quant",
    "deeplab_v3_mobilenet_v2_513": "deeplabv3_mnv2_pascal_quant",
    "deeplab_v3_mobilenet_v2_dm05_513": "deeplabv3_mnv2_dm05_pascal_quant",
    "posenet_mobilenet_v1_0.75_353x481": "posenet_mobilenet_v1_075_353_481_16_quant_decoder",
    "posenet_mobilenet_v1_0.75_721x1281": "posenet_mobilenet_v1_075_721_1281_16_quant_decoder",
    "bodypix_mobilenet_v1_0.75_512x512": "bodypix_mobilenet_v1_075_512_512_16_quant_decoder",
    "yamnet_96x64": "yamnet_spectra_in",
}

#: Operators that the trace has more (or, negative, less) of than the file, and why.
DIFFERENCES = {
    # The file takes and gives uint8 around an int8 network; the trace is int8 throughout.
    "mobilenet_edgetpu_0.75_224": {"QUANTIZE": -2},
    "posenet_mobilenet_v1_0.75_353x481": {"QUANTIZE": -4},
    "posenet_mobilenet_v1_0.75_721x1281": {"QUANTIZE": -4},
    "bodypix_mobilenet_v1_0.75_512x512": {"QUANTIZE": -7},
    # The file's image pooling has another range than the map it is joined with; the trace has one range.
    "deeplab_v3_mobilenet_v2_513": {"QUANTIZE": -1},
    "deeplab_v3_mobilenet_v2_dm05_513": {"QUANTIZE": -1},
    # The file takes and gives float32, and splits its batch of one spectrogram into one part.
    "yamnet_96x64": {"QUANTIZE": -1, "DEQUANTIZE": -1, "SPLIT": -1},
}

pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="published .tflite files are not at hand")
every_pair = pytest.mark.parametrize("name", PAIRS)


@cache
def pair(name: str) -> tuple[LayerGraph, LayerGraph]:
    path = FILES / f"{PAIRS[name]}.tflite"
    trace = ZOO / f"{name}.json"
    return from_json(trace.read_text(encoding="ascii"), trace.name), read_graph(path)


def arithmetic(graph: LayerGraph) -> Counter[tuple[object, ...]]:
    layers = [layer for layer in graph.layers if layer.op in MAC_OPS]
    return Counter(
        (layer.op, layer.input.hwc, layer.output.hwc, layer.kernel, layer.stride, layer.dilation) for layer in layers
    )


@every_pair
def test_same_input(name: str) -> None:
    trace, file = pair(name)
    assert [tensor.shape for tensor in trace.inputs] == [tensor.shape for tensor in file.inputs]


@every_pair
def test_same_macs(name: str) -> None:
    trace, file = pair(name)
    assert trace.macs == pytest.approx(file.macs, rel=TOLERANCE)


@every_pair
def test_same_parameter_bytes(name: str) -> None:
    trace, file = pair(name)
    assert trace.parameter_bytes == pytest.approx(file.parameter_bytes, rel=TOLERANCE)


@every_pair
def test_same_operators_up_to_the_stated_differences(name: str) -> None:
    ours, theirs = (Counter(layer.op for layer in graph.layers) for graph in pair(name))
    differing = {op: ours[op] - theirs[op] for op in ours | theirs if ours[op] != theirs[op]}
    assert differing == DIFFERENCES.get(name, {})


@every_pair
def test_same_arithmetic_layers(name: str) -> None:
    trace, file = pair(name)
    assert arithmetic(trace) == arithmetic(file)


@pytest.mark.parametrize("name", ["ssd_mobilenet_v1_coco_300"])
def test_detection_ends_as_in_the_compiled_file(name: str) -> None:
    """The host's operators behind the compiled part: box and score conversion, then the custom operator."""
    compiled = FILES / "ssd_mobilenet_v1_coco_quant_postprocess_segment_1_of_2_edgetpu.tflite"
    theirs = read_graph(compiled).layers[1:]
    ours = from_json((ZOO / f"{name}.json").read_text(encoding="ascii"), name).layers[-len(theirs) :]
    assert [tail(layer) for layer in ours] == [tail(layer) for layer in theirs]


def tail(layer: Layer) -> tuple[object, ...]:
    shapes = [[tensor.shape for tensor in side] for side in (layer.inputs, layer.outputs, layer.weights)]
    return layer.op, [tensor.dtype for tensor in layer.outputs], shapes
