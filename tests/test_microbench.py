"""The microbenchmarks: networks that grow by one operator, and the files that are written of them."""

import pytest

from calibration.harness.microbench import CHAINS, MICROBENCHES, export, micro_network, table_markdown
from calibration.harness.tflite_writer import model_bytes
from hwmodels.errors import InputError
from hwmodels.graph import Layer, LayerGraph, Tensor, graph_hash
from hwmodels.tflite import read_graph


def test_every_microbenchmark_reads_back_as_it_was_written(tmp_path):
    names = [name for bench in MICROBENCHES for name in bench.networks]
    small = [name for name in names if micro_network(name).parameter_bytes < 1e6]
    assert len(small) > len(set(names)) / 2
    for path in export(tmp_path, small):
        graph, read = micro_network(path.stem), read_graph(path)
        assert graph_hash(read) == graph_hash(graph), path.stem
        assert (read.macs, read.parameter_bytes) == (graph.macs, graph.parameter_bytes)


def test_the_table_names_every_series_and_its_reason():
    text = table_markdown()
    assert text.count("\n") == len(MICROBENCHES) + 2
    assert all(bench.reason in text and len(bench.networks) > 1 for bench in MICROBENCHES)


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_grows_by_its_operator_alone(kind):
    one, three = (micro_network(f"micro_{kind}_s32_c16_n{count}") for count in (1, 3))
    step = (len(three.layers) - len(one.layers)) / 2
    assert step in (1, 2)
    assert one.inputs[0].shape == three.inputs[0].shape == (1, 2, 2, 3)
    assert one.outputs[0].n_elements == three.outputs[0].n_elements <= 4


@pytest.mark.parametrize("name", ["micro_fft_s8_c8_n1", "micro_add_s9999_c8_n1", "micro_add_s8_c8_n0"])
def test_microbenchmarks_that_are_none_are_refused(name):
    with pytest.raises(InputError):
        micro_network(name)


def test_a_name_outside_the_table_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(InputError, match="did you mean"):
        export(tmp_path, ["stride64x64"])


def test_the_writer_refuses_operators_that_it_has_not():
    tensor = Tensor(0, "int8", (1, 4))
    graph = LayerGraph("odd", (Layer(0, "CUMSUM", (tensor,), (Tensor(1, "int8", (1, 4)),)),), (tensor,), ())
    with pytest.raises(InputError, match="CUMSUM"):
        model_bytes(graph)


def test_weights_are_the_same_for_the_same_seed():
    graph = micro_network("dense_64")
    assert model_bytes(graph, 1) == model_bytes(graph, 1)
    assert model_bytes(graph, 1) != model_bytes(graph, 2)
