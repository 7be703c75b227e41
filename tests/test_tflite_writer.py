"""Files of our own writer, read back and run."""

import importlib

import pytest

from calibration.harness import hostbench
from calibration.harness.microbench import MICROBENCHES, export, micro_network
from calibration.harness.tflite_writer import model_bytes
from hwmodels.errors import InputError
from hwmodels.networks.graph import Layer, LayerGraph, Tensor, graph_hash
from hwmodels.networks.tflite import read_graph


def test_every_microbenchmark_reads_back_as_it_was_written(tmp_path):
    names = [name for bench in MICROBENCHES for name in bench.networks]
    small = [name for name in names if micro_network(name).parameter_bytes < 1e6]
    assert len(small) > len(set(names)) / 2
    for path in export(tmp_path, small):
        graph, read = micro_network(path.stem), read_graph(path)
        assert graph_hash(read) == graph_hash(graph), path.stem
        assert (read.macs, read.parameter_bytes) == (graph.macs, graph.parameter_bytes)


def test_the_writer_refuses_operators_that_it_has_not():
    tensor = Tensor(0, "int8", (1, 4))
    graph = LayerGraph("odd", (Layer(0, "CUMSUM", (tensor,), (Tensor(1, "int8", (1, 4)),)),), (tensor,), ())
    with pytest.raises(InputError, match="CUMSUM"):
        model_bytes(graph)


def test_weights_are_the_same_for_the_same_seed():
    graph = micro_network("dense_64")
    assert model_bytes(graph, 1) == model_bytes(graph, 1)
    assert model_bytes(graph, 1) != model_bytes(graph, 2)


@pytest.mark.skipif(importlib.util.find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed")
@pytest.mark.parametrize("name", ["fc5_n140_in64_out10", "micro_concat_s16_c8_n2", "micro_resize_s16_c8_n1"])
def test_written_files_run_in_the_interpreter(name):
    graph = micro_network(name)
    interpreter = hostbench.make_interpreter(model_bytes(graph))
    interpreter.invoke()
    shape = interpreter.get_output_details()[0]["shape"]
    assert tuple(shape) == graph.outputs[0].shape
