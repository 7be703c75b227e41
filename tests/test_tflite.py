"""The TFLite reader on real files and on broken ones."""

from __future__ import annotations

import random

import pytest

from hwmodels.errors import InputError
from hwmodels.networks.graph import from_json, graph_hash, to_json
from hwmodels.networks.tflite import read_graph

# (operators, MACs, parameter bytes) counted with TFLite's own analyzer and by hand from the published architecture.
KNOWN = {
    "mobilenet_v1_0.5_160_quant": (31, 76_525_312, 1_346_052),
    "mobilenet_v2_1.0_224_quant": (66, 300_775_552, 3_543_268),
    "dense_256": (3, 65_536, 65_536),
    "gabor_64x64_p4": (4, 1_605_632, 424),
}


@pytest.mark.parametrize("name", KNOWN)
def test_counts_of_real_files(shared_models, name):
    graph = read_graph(shared_models / f"{name}.tflite")
    assert (len(graph.layers), graph.macs, graph.parameter_bytes) == KNOWN[name]


def test_traces_come_back_as_they_were(shared_models):
    for path in sorted(shared_models.glob("*.tflite")):
        graph = read_graph(path)
        again = from_json(to_json(graph))
        assert to_json(again) == to_json(graph)
        assert graph_hash(again) == graph_hash(graph)


def test_edges_and_shapes(shared_models):
    graph = read_graph(shared_models / "mobilenet_v2_1.0_224_quant.tflite")
    first, second = graph.layers[:2]
    assert (first.op, first.kernel, first.stride, first.padding) == ("CONV_2D", (3, 3), (2, 2), "SAME")
    assert (second.op, second.groups, second.output.shape) == ("DEPTHWISE_CONV_2D", 1, (1, 112, 112, 32))
    assert graph.digraph.edges[0, 1]["n_bytes"] == 112 * 112 * 32
    assert all(producer < consumer for producer, consumer in graph.digraph.edges)


@pytest.mark.parametrize("seed", range(60))
def test_corruption_is_an_input_error_or_nothing(shared_models, tmp_path, seed):
    """Bits flipped, tails cut: a network or one clear error, never another exception."""
    rng = random.Random(seed)
    source = rng.choice(
        ["bright_16x16.tflite", "split_concat.tflite", "gabor_64x64_p4.tflite", "dense_256_edgetpu.tflite"]
    )
    data = bytearray((shared_models / source).read_bytes())
    for _ in range(rng.randint(1, 30)):
        data[rng.randrange(8, min(len(data), 4000))] = rng.randrange(256)
    if seed % 3 == 0:
        del data[rng.randrange(20, len(data)) :]
    path = tmp_path / "broken.tflite"
    path.write_bytes(data)
    try:
        graph = read_graph(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert graph.macs >= 0


def test_weight_pages_are_not_touched(shared_models):
    """A 130 MB file of mostly weights is read without its weights: the same graph from a sparse copy."""
    graph = read_graph(shared_models / "yamnet_spectra_in.tflite")
    assert graph.parameter_bytes > 3_000_000
