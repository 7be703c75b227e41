"""Small files that claim to be large: each is refused at once, however its tables share their vectors."""

from __future__ import annotations

import flatbuffers
import pytest
import tflite

from hwmodels.errors import InputError
from hwmodels.networks.graph import MAX_RANK, checked_tensor
from hwmodels.networks.tflite import read_graph

COUNT = 20_000


def vector(builder, start, offsets):
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def numbers(builder, start, values):
    start(builder, len(values))
    for value in reversed(values):
        builder.PrependInt32(value)
    return builder.EndVector()


def model(path, builder, tensors, operators=(), codes=()):
    """Write a file of one subgraph."""
    found = vector(builder, tflite.SubGraphStartTensorsVector, tensors)
    run = vector(builder, tflite.SubGraphStartOperatorsVector, operators)
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, found)
    tflite.SubGraphAddOperators(builder, run)
    graphs = vector(builder, tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(builder)])
    kinds = vector(builder, tflite.ModelStartOperatorCodesVector, codes)
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddOperatorCodes(builder, kinds)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def tensor(builder, shape):
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, tflite.TensorType.INT8)
    return tflite.TensorEnd(builder)


@pytest.mark.parametrize("extents", [9, 100_000])
def test_a_tensor_of_more_extents_than_tflite_has(tmp_path, extents):
    builder = flatbuffers.Builder(1024)
    shape = numbers(builder, tflite.TensorStartShapeVector, [0x7FFFFFFF] * extents)
    path = model(tmp_path / "big.tflite", builder, [tensor(builder, shape)])
    with pytest.raises(InputError, match=f"a tensor of {extents} extents where at most {MAX_RANK} are possible"):
        read_graph(path)


def test_many_operators_that_share_one_long_list_of_inputs(tmp_path):
    """Without a limit: 20 000 operators of 20 000 inputs each, out of a file of less than 1 MB."""
    builder = flatbuffers.Builder(1024)
    one = tensor(builder, numbers(builder, tflite.TensorStartShapeVector, [1, 8]))
    shared = numbers(builder, tflite.OperatorStartInputsVector, [0] * COUNT)
    operators = []
    for _ in range(COUNT):
        tflite.OperatorStart(builder)
        tflite.OperatorAddInputs(builder, shared)
        operators.append(tflite.OperatorEnd(builder))
    tflite.OperatorCodeStart(builder)
    path = model(tmp_path / "shared.tflite", builder, [one], operators, [tflite.OperatorCodeEnd(builder)])
    assert path.stat().st_size < 1e6
    with pytest.raises(InputError, match="bytes together in a file of"):
        read_graph(path)


def test_many_operator_codes_that_share_one_long_name(tmp_path):
    builder = flatbuffers.Builder(1024)
    name = builder.CreateString("x" * 1_000_000)
    codes = []
    for _ in range(COUNT):
        tflite.OperatorCodeStart(builder)
        tflite.OperatorCodeAddCustomCode(builder, name)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, tflite.BuiltinOperator.CUSTOM)
        codes.append(tflite.OperatorCodeEnd(builder))
    with pytest.raises(InputError, match="bytes together in a file of"):
        read_graph(model(tmp_path / "names.tflite", builder, [], [], codes))


def test_a_trace_of_such_a_tensor():
    assert checked_tensor(0, "int8", (1,) * MAX_RANK)
    with pytest.raises(ValueError, match="9 extents"):
        checked_tensor(0, "int8", (1,) * (MAX_RANK + 1))
