"""Compiled files of our own writer, read back by the reader that others' files are tested with."""

from __future__ import annotations

import pytest
from layers import like

from calibration.harness.darwinn_writer import Program, compiled_graph, package
from calibration.harness.tflite_writer import write_model
from hwmodels.edgetpu.darwinn import read_compiled_ops
from hwmodels.networks.graph import EDGETPU_OP
from hwmodels.networks.tflite import read_graph

PROGRAM = Program(
    token=0xF00D_0000_0000_0001, estimated_cycles=123_456, instruction_bytes=5008, cached_bytes=7000, streamed_bytes=900
)


def written(tmp_path, program, *tail):
    graph = compiled_graph("own", (1, 16, 16, 3), (1, 10), *tail)
    path = tmp_path / "own_edgetpu.tflite"
    write_model(graph, path, programs={0: package(program, graph.layers[0])})
    return path


def test_everything_that_a_program_moves_is_read_back(tmp_path):
    (op,) = read_compiled_ops(written(tmp_path, PROGRAM))
    assert (op.token, op.estimated_cycles, op.instruction_bytes) == (PROGRAM.token, 123_456, 5008)
    assert (op.cached_parameter_bytes, op.streamed_parameter_bytes) == (7000, 900)
    assert (op.caching_instruction_bytes, op.input_bytes, op.output_bytes) == (1024, 768, 10)
    assert [executable.type for executable in op.executables] == ["EXECUTION_ONLY", "PARAMETER_CACHING"]
    assert [hint.kind for hint in op.main.hints] == ["instructions", "input", "parameters", "output"]


def test_without_cached_parameters_a_program_stands_alone(tmp_path):
    (op,) = read_compiled_ops(written(tmp_path, Program(token=1, estimated_cycles=10, cached_bytes=0)))
    assert (op.main.type, op.caching, op.cached_parameter_bytes) == ("STAND_ALONE", None, 0)


def test_cpu_operators_follow_the_compiled_one(tmp_path):
    graph = read_graph(written(tmp_path, PROGRAM, like("SOFTMAX", (1, 10))))
    assert [layer.op for layer in graph.layers] == [EDGETPU_OP, "SOFTMAX"]
    assert graph.layers[1].input.id == graph.layers[0].output.id


def test_an_interpreter_accepts_the_file_but_for_the_missing_driver(tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="no interpreter: pip install '.[measure]'")
    loaded = interpreter.Interpreter(model_path=str(written(tmp_path, PROGRAM, like("SOFTMAX", (1, 10)))))
    with pytest.raises(RuntimeError, match=EDGETPU_OP):
        loaded.allocate_tensors()
