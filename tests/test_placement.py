"""Operator rules of the compiler on hand-made networks; tests/test_twins.py has the real ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hwmodels.edgetpu import placement
from hwmodels.edgetpu.placement import place, unsupported
from hwmodels.networks.generated import FAMILIES, generate
from hwmodels.networks.graph import Layer, LayerGraph, Tensor
from hwmodels.networks.tflite import read_graph

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"


def _tensor(number: int, shape: tuple[int, ...] = (1, 8, 8, 4), dtype: str = "int8") -> Tensor:
    return Tensor(number, dtype, shape)


def _chain(*ops: str, dtypes: dict[int, str] | None = None) -> LayerGraph:
    dtypes = dtypes or {}
    tensors = [_tensor(i, dtype=dtypes.get(i, "int8")) for i in range(len(ops) + 1)]
    layers = tuple(Layer(i, op, (tensors[i],), (tensors[i + 1],)) for i, op in enumerate(ops))
    return LayerGraph("chain", layers, (tensors[0],), (tensors[-1],))


def _single(op: str, before: tuple[int, ...], after: tuple[int, ...], *weights: Tensor, **options: object) -> str:
    return unsupported(Layer(0, op, (_tensor(0, before),), (_tensor(1, after),), weights, **options))  # type: ignore[arg-type]  # fields by name


def test_everything_maps():
    assert place(_chain("ADD", "RELU", "LOGISTIC")) == ("", "", "")
    assert place(LayerGraph("empty", (), (), ())) == ()


def test_what_follows_an_unsupported_operator_stays_on_the_cpu():
    assert place(_chain("RELU", "ARG_MAX", "RELU", "ADD")) == (
        "",
        placement.NOT_SUPPORTED,
        placement.MORE_THAN_ONE_SUBGRAPH,
        placement.MORE_THAN_ONE_SUBGRAPH,
    )


def test_a_branch_beside_the_unsupported_operator_still_maps():
    graph = _chain("RELU", "ARG_MAX", "ADD")
    side = Layer(3, "LOGISTIC", graph.layers[0].outputs, (_tensor(9),))
    reasons = place(replace(graph, layers=(*graph.layers, side)))
    assert [not reason for reason in reasons] == [True, False, False, True]


def test_float_ends_run_on_the_cpu():
    graph = _chain("QUANTIZE", "RELU", "DEQUANTIZE", dtypes={0: "float32", 3: "float32"})
    assert place(graph) == (placement.DATA_TYPE, "", placement.DATA_TYPE)


def test_a_float_network_does_not_map_at_all():
    dtypes = dict.fromkeys(range(4), "float32")
    assert place(_chain("RELU", "RELU", "RELU", dtypes=dtypes)) == (placement.DATA_TYPE,) * 3


def test_ranks_and_dynamic_shapes():
    assert _single("ADD", (2, 8, 8, 4), (2, 8, 8, 4)) == placement.RANK
    assert _single("RESHAPE", (1, 2, 3, 4, 5), (1, 120)) == placement.RANK
    assert _single("ADD", (1, 1, 8, 8, 4), (1, 1, 8, 8, 4)) == ""
    assert _single("ADD", (1, -1, 8, 4), (1, -1, 8, 4)) == placement.DYNAMIC


FILTER, BIAS = Tensor(-1, "int8", (4, 3, 3, 4)), Tensor(-1, "int32", (4,))
MAP = (1, 8, 8, 4)


@pytest.mark.parametrize(
    ("reason", "maps"),
    [
        (_single("CONV_2D", MAP, MAP, FILTER, BIAS, kernel=(3, 3)), True),
        (_single("CONV_2D", MAP, MAP, FILTER, BIAS, kernel=(3, 3), dilation=(2, 2)), True),
        (_single("CONV_2D", MAP, MAP, FILTER, BIAS, kernel=(3, 3), dilation=(2, 1)), False),
        (_single("CONV_2D", MAP, MAP), False),
        (_single("CONV_2D", (1, 8, 8, 8), MAP, FILTER, BIAS, kernel=(3, 3)), False),
        (_single("MAX_POOL_2D", MAP, MAP, kernel=(2, 2)), True),
        (_single("MAX_POOL_2D", MAP, MAP, kernel=(2, 2), activation="RELU"), False),
        (_single("CONCATENATION", MAP, MAP, activation="RELU6"), False),
        (_single("FULLY_CONNECTED", (1, 8), (1, 4), Tensor(-1, "int8", (4, 8))), True),
        (_single("FULLY_CONNECTED", (2, 8), (2, 4), Tensor(-1, "int8", (4, 8))), False),
        (_single("SOFTMAX", (1, 1001), (1, 1001)), True),
        (_single("SOFTMAX", (1, 16384), (1, 16384)), True),
        (_single("SOFTMAX", (1, 20000), (1, 20000)), False),
        (_single("SOFTMAX", (1, 8, 8, 21), (1, 8, 8, 21)), True),
        (_single("SOFTMAX", (1, 756, 4, 16), (1, 756, 4, 16)), True),  # YOLOv8 at 192, and at 320
        (_single("SOFTMAX", (1, 2100, 4, 16), (1, 2100, 4, 16)), False),
        (_single("TRANSPOSE", (1, 24, 24, 144), (1, 144, 24, 24)), True),
        (_single("TRANSPOSE", (1, 30, 30, 90), (1, 90, 30, 30)), False),
        (_single("TRANSPOSE", (1, 20, 20, 256), (1, 256, 20, 20)), False),
        (_single("TRANSPOSE", (1, 1600, 3, 85), (1, 3, 1600, 85)), True),  # channels stay the last
        (_single("RESHAPE", (1, 3, 400, 85), (1, 1200, 85)), True),
        (_single("RESHAPE", (1, 3, 6400, 8), (1, 19200, 8)), False),
        (_single("RESHAPE", (1, 40, 40, 810), (1, 14400, 90)), True),  # EfficientDet
        (_single("MEAN", (1, 7, 7, 30), (1, 30)), True),
        (_single("MEAN", (1, 7, 7, 32), (1, 7, 7, 1)), True),
        (_single("MEAN", (1, 7, 7, 30), (1, 7, 7, 1)), False),
        (_single("PRELU", MAP, MAP, Tensor(-1, "int8", (1, 1, 4))), True),
        (_single("PRELU", MAP, MAP, Tensor(-1, "int8", (8, 8, 4))), False),
        (_single("RESIZE_BILINEAR", MAP, (1, 16, 16, 4)), True),
        (_single("RESIZE_BILINEAR", (1, 1, 1, 256), (1, 33, 33, 256)), False),
    ],
)
def test_limits_of_operators(reason, maps):
    assert reason == ("" if maps else placement.LIMITATION)


def test_an_lstm_keeps_a_16_bit_state():
    state = _tensor(2, (1, 20), "int16")
    lstm = Layer(0, "UNIDIRECTIONAL_SEQUENCE_LSTM", (_tensor(0, (1, 28, 28)), state), (_tensor(1, (1, 28, 20)),))
    assert unsupported(lstm) == ""
    assert unsupported(replace(lstm, op="ADD")) == placement.DATA_TYPE


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.pattern)
def test_generated_networks_map_as_a_whole_but_for_float_input_and_output(family):
    """And for what GoogLeNet of PyTorch does with the colours first: a large transposition, and gathers."""
    graph = generate(family.example)
    assert graph is not None
    floats = [any(tensor.dtype == "float32" for tensor in (*layer.inputs, *layer.outputs)) for layer in graph.layers]
    colours = [layer.op == "GATHER" or (layer.op == "TRANSPOSE" and not layer.index) for layer in graph.layers]
    assert list(map(bool, place(graph))) == [a or b for a, b in zip(floats, colours, strict=True)]


def test_deeplab_keeps_its_decoder_on_the_cpu():
    path = MODELS / "deeplabv3_mnv2_pascal_quant.tflite"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    reasons = place(read_graph(path))
    assert reasons[-8:] == (
        placement.LIMITATION,
        *[placement.MORE_THAN_ONE_SUBGRAPH] * 4,
        placement.MORE_THAN_ONE_SUBGRAPH,
        placement.LIMITATION,
        placement.NOT_SUPPORTED,
    )
    assert not any(reasons[:-8])
