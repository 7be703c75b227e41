"""GoogLeNet of PyTorch against torchvision's published counts and its rule of sizes."""

from __future__ import annotations

import pytest

from hwmodels.networks.generated import generate
from hwmodels.networks.graph import LayerGraph


def _network(name: str) -> LayerGraph:
    graph = generate(name)
    assert graph is not None
    return graph


def test_googlenet_of_pytorch_has_torchvision_s_parameters():
    """6 624 904 parameters, 1.5 G multiply-accumulates; each normalisation has two a channel, of which one is folded."""
    graph = _network("googlenet_pytorch_224")
    layers = [layer for layer in graph.layers if layer.op in ("CONV_2D", "FULLY_CONNECTED")]
    channels = sum(layer.output.hwc[2] for layer in layers if layer.op == "CONV_2D")
    assert sum(tensor.n_elements for layer in layers for tensor in layer.weights) + channels == 6_624_904
    assert graph.macs == pytest.approx(1.5e9, rel=0.01)
    assert [layer.op for layer in graph.layers[:4]] == ["TRANSPOSE", "GATHER", "GATHER", "GATHER"]
    assert len({tensor.id for layer in graph.layers for tensor in layer.outputs}) == len(graph.layers)


@pytest.mark.parametrize("side", [96, 127, 224, 299])
def test_googlenet_of_pytorch_pools_with_ceilings(side):
    """Torchvision's own sizes: halves rounded up behind the stem, seven by seven at 224."""
    graph = _network(f"googlenet_pytorch_{side}")
    sides = [layer.output.hwc[0] for layer in graph.layers if layer.op == "MAX_POOL_2D" and layer.stride == (2, 2)]
    expected, now = [], (side - 1) // 2 + 1
    for kernel in (3, 3, 3, 2):
        now = -(-(now - kernel) // 2) + 1
        expected.append(now)
    assert sides == expected
