"""The generated networks against hand formulas and the counts that the measurement files give."""

from __future__ import annotations

import pytest

from hwmodels.edgetpu.coefficients import load_compiler
from hwmodels.edgetpu.parameters import blob_bytes, on_chip_bytes
from hwmodels.errors import InputError
from hwmodels.networks.generated import FAMILIES, generate
from hwmodels.networks.graph import LayerGraph, from_json, to_json


def _network(name: str) -> LayerGraph:
    graph = generate(name)
    assert graph is not None
    return graph


# villarrubia_synthetic.csv, metric macs
@pytest.mark.parametrize(
    ("name", "macs"),
    [
        ("conv5x3x3_f32_64x64", 154_533_888),
        ("conv5x3x3_f182_64x64", 4_904_460_288),
        ("conv5x3x3_f492_64x64", 35_748_200_448),
        ("conv5x3x3_f672_64x64", 66_663_088_128),
        ("fc5_n220_in64_out10", 161_480),
        ("fc5_n1160_in64_out10", 4_122_640),
        ("fc5_n2500_in64_out10", 18_935_000),
    ],
)
def test_macs_of_the_measured_networks(name, macs):
    assert _network(name).macs == macs


@pytest.mark.parametrize("filters", [1, 32, 442])
def test_conv_sweep_parameters(filters):
    graph = _network(f"conv5x3x3_f{filters}_64x64")
    assert graph.parameter_bytes == 9 * filters * (3 + 4 * filters) + 5 * 4 * filters
    assert [layer.op for layer in graph.layers] == ["CONV_2D"] * 5
    assert graph.outputs[0].shape == (1, 64, 64, filters)
    assert {layer.activation for layer in graph.layers} == {"RELU"}


def test_dense_sweep_parameters():
    graph = _network("fc5_n100_in64_out10")
    assert graph.parameter_bytes == 64 * 100 + 3 * 100 * 100 + 100 * 10 + 4 * (4 * 100 + 10)
    assert graph.inputs[0].shape == (1, 64)
    assert graph.outputs[0].shape == (1, 10)


@pytest.mark.parametrize("name", ["stride_256x128", "padding_256x128", "padding_stride_256x128"])
def test_transfer_networks(name):
    graph = _network(name)
    large, small = (1, 256, 128, 3), (1, 2, 2, 3)
    assert graph.inputs[0].shape == (large if name.startswith("stride") else small)
    assert graph.outputs[0].shape == (large if name == "padding_256x128" else (1, 1, 1, 1))
    assert graph.parameter_bytes == (0 if name == "padding_256x128" else 3 + 4)
    assert graph.macs == (0 if name == "padding_256x128" else 3)


def test_conv_stack():
    graph = _network("conv7x7_f32_128x128_n3")
    assert [layer.op for layer in graph.layers] == ["PAD"] + ["CONV_2D"] * 4
    assert graph.macs == 128 * 128 * 49 * 32 * (3 + 2 * 32) + 32


def test_dense_chain():
    graph = _network("dense_u100_n4")
    assert [layer.op for layer in graph.layers] == ["RESHAPE"] + ["FULLY_CONNECTED"] * 5
    assert graph.macs == 12 * 100 + 3 * 100 * 100 + 100


@pytest.mark.parametrize("name", ["dense_256", "dense_256x256"])
def test_one_dense_layer(name):
    assert _network(name).macs == 256 * 256


def test_depthwise_chain():
    graph = _network("depthwise_k5_c96")
    assert graph.inputs[0].shape == (1, 4, 1668, 1)
    assert graph.macs == 4 * 1668 * (96 + 10 * 5 * 96 + 96)
    assert _network("baseline_io_c96").macs == 4 * 1668 * 2 * 96
    assert {layer.kernel for layer in graph.layers[1:-1]} == {(1, 5)}


def test_mnist_networks():
    dense = _network("mnist_dense_u200_n10")
    assert dense.macs == 784 * 200 + 9 * 200 * 200 + 200 * 10
    conv = _network("mnist_conv8x8_f16_n5")
    assert conv.macs == 28 * 28 * 64 * (16 + 5 * 16 * 16) + 28 * 28 * 16 * 10
    assert [graph.inputs[0].dtype for graph in (dense, conv)] == ["float32"] * 2


def test_residual_network_has_the_parameters_that_its_source_gives():
    """24.4 MiB in the file: kernels, and 4 bytes for each bias."""
    graph = _network("residual_d16_w32_r224")
    kernels = 9 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 256 + 32 * (32**2 + 64**2 + 128**2 + 256**2)) + 100 * 256
    assert sum(layer.weights[0].n_elements for layer in graph.layers if layer.weights) == kernels
    assert graph.parameter_bytes / 2**20 == pytest.approx(24.4, abs=0.05)
    assert graph.layers[-3].input.shape == (1, 7, 7, 256)


def test_biases_of_networks_that_were_never_trained_take_no_bytes():
    """Logs: 78 592 B of the smallest of the 3x3 sweep, 52 992 B of the dense one; 24.43 MiB of the residual network."""
    for name, logged in {"conv5x3x3_f32_64x64": 78_592, "fc5_n100_in64_out10": 52_992}.items():
        layers = [layer for layer in _network(name).layers if layer.weights]
        assert sum(on_chip_bytes(layer, load_compiler("16")) for layer in layers) == logged
    layers = [layer for layer in _network("residual_d16_w32_r96").layers if layer.weights]
    assert sum(blob_bytes(layer, load_compiler("16")) for layer in layers) == pytest.approx(24.43 * 2**20, abs=5300)
    assert not any(layer.zero_bias for layer in _network("conv7x7_f32_128x128_n10").layers)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.pattern)
def test_every_example_is_a_whole_chain(family):
    graph = _network(family.example)
    assert graph.meta["family"] == family.pattern
    assert [layer.index for layer in graph.layers] == list(range(len(graph.layers)))
    made = set(graph.inputs)
    for layer in graph.layers:
        assert made.issuperset(layer.inputs)
        made |= set(layer.outputs)
    assert {tensor for layer in graph.layers for tensor in layer.inputs} | set(graph.outputs) == made
    assert graph.outputs == graph.layers[-1].outputs
    assert from_json(to_json(graph)) == graph


@pytest.mark.parametrize(
    "name", ["", "mobilenet_v1", "dense_", "dense_x4", "conv5x3x3_f_64x64", "stride_1x", "dense_4 "]
)
def test_other_names_belong_to_no_family(name):
    assert generate(name) is None


@pytest.mark.parametrize(
    "name",
    ["dense_0", "conv5x3x3_f4097_64x64", "dense_u1_n99999999999", "padding_1x8", "dense_4x8", "stride_0x3"],
)
def test_sizes_out_of_range(name):
    with pytest.raises(InputError):
        generate(name)
