"""Layer graphs: sizes and multiply-accumulates by hand, and a trace that comes back as it was written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import chain, conv, dense, depthwise, layer, like

from hwmodels.errors import InputError
from hwmodels.networks.graph import (
    DTYPE_BYTES,
    MAX_ELEMENTS,
    Layer,
    LayerGraph,
    Tensor,
    check_layer,
    checked_tensor,
    from_json,
    graph_hash,
    to_json,
)
from hwmodels.networks.zoo import load_network, names

# Tensors


@pytest.mark.parametrize(
    ("dtype", "shape", "elements", "n_bytes"),
    [
        ("int8", (1, 4, 4, 3), 48, 48),
        ("float32", (1, 4, 4, 3), 48, 192),
        ("int16", (10,), 10, 20),
        ("int8", (), 1, 1),
        ("int8", (1, -1, 4, 3), 12, 12),  # a dynamic extent counts as 1
        ("complex128", (2,), 2, 32),
        ("resource", (1,), 1, 0),
    ],
)
def test_bytes_of_a_tensor(dtype, shape, elements, n_bytes):
    tensor = Tensor(0, dtype, shape)
    assert (tensor.n_elements, tensor.n_bytes) == (elements, n_bytes)


@pytest.mark.parametrize(
    ("shape", "hwc"),
    [
        ((1, 5, 6, 7), (5, 6, 7)),
        ((1, 7), (1, 1, 7)),
        ((7,), (1, 1, 7)),
        ((), (1, 1, 1)),
        ((2, 3, 4, 5, 6), (4, 5, 6)),
        ((1, -1, 6, 7), (1, 6, 7)),
    ],
)
def test_height_width_and_channels_are_the_last_three_extents(shape, hwc):
    assert Tensor(0, "int8", shape).hwc == hwc


def test_a_dynamic_extent_is_told():
    assert Tensor(0, "int8", (1, -1, 3)).is_dynamic
    assert not Tensor(0, "int8", (1, 1, 3)).is_dynamic


# Multiply-accumulates

LSTM = layer("UNIDIRECTIONAL_SEQUENCE_LSTM", (1, 28, 28), (1, 28, 20), *[(20, 28)] * 4, *[(20, 20)] * 4)


@pytest.mark.parametrize(
    ("one", "macs"),
    [
        (conv(8, 3, 16), 8 * 8 * 16 * 3 * 3 * 3),
        (conv(8, 3, 16, stride=2), 4 * 4 * 16 * 27),
        (depthwise(8, 16), 8 * 8 * 16 * 9),
        (dense(100, 10), 1000),
        (layer("TRANSPOSE_CONV", (1, 4, 4, 8), (1, 8, 8, 16), (16, 3, 3, 8)), 4 * 4 * 16 * 9 * 8),
        (layer("BATCH_MATMUL", (1, 4, 8), (1, 4, 6)), 4 * 6 * 8),
        (LSTM, 28 * (4 * 20 * 28 + 4 * 20 * 20)),
        (like("ADD", (1, 8, 8, 8), 2), 0),
        (layer("CONV_2D", (1, 8, 8, 8), (1, 8, 8, 8)), 0),  # without weights nobody knows
        (layer("CONV_2D", (1, 8, 8, 64), (1, 8, 8, 64), (64, 3, 3, 16), kernel=(3, 3)), 8 * 8 * 64 * 9 * 16),
    ],
)
def test_multiply_accumulates(one, macs):
    assert one.macs == macs


def test_groups_are_input_channels_over_filter_depth():
    grouped = layer("CONV_2D", (1, 8, 8, 64), (1, 8, 8, 64), (64, 3, 3, 16))
    assert grouped.groups == 4
    assert conv(8, 16, 16).groups == 1
    assert depthwise(8, 16).groups == 1


def test_parameters_are_all_constants():
    assert conv(8, 3, 16).parameter_bytes == 16 * 27 + 4 * 16
    assert like("ADD", (1, 4)).parameter_bytes == 0


def test_a_layer_without_tensors_reads_as_one_of_a_single_value():
    empty = Layer(0, "ODD", (), ())
    assert empty.input.n_elements == empty.output.n_elements == 1
    assert empty.macs == 0


def test_published_multiply_accumulates_of_mobilenet_v2():
    """Sandler et al. 2018, table 4: 300 M multiply-adds and 3.4 M parameters."""
    graph = load_network("mobilenet_v2_1.0_224")
    assert graph.macs == pytest.approx(300e6, rel=0.02)
    assert graph.parameter_bytes == pytest.approx(3.5e6, rel=0.05)


# Edges


def test_edges_are_the_tensors_that_layers_hand_on():
    graph = chain("net", conv(8, 3, 4), like("RELU", (1, 8, 8, 4)), like("RELU", (1, 8, 8, 4)))
    assert list(graph.edges()) == [(0, 1, 256), (1, 2, 256)]


def test_the_digraph_adds_up_tensors_between_the_same_layers():
    pair = Layer(0, "SPLIT", (Tensor(0, "int8", (1, 8)),), (Tensor(1, "int8", (1, 4)), Tensor(2, "int8", (1, 4))))
    join = Layer(1, "CONCATENATION", pair.outputs, (Tensor(3, "int8", (1, 8)),))
    found = LayerGraph("pair", (pair, join), pair.inputs, join.outputs).digraph
    assert dict(found.edges[0, 1]) == {"n_bytes": 8}
    assert found.nodes[1]["layer"] is join


@pytest.mark.parametrize("name", sorted(names())[::20])
def test_every_shipped_network_is_acyclic_and_in_order(name):
    import networkx as nx

    graph = load_network(name)
    assert nx.is_directed_acyclic_graph(graph.digraph)
    assert all(producer < consumer for producer, consumer, _ in graph.edges())
    assert [one.index for one in graph.layers] == list(range(len(graph.layers)))


# JSON


def sample():
    return replace(
        chain("net", conv(8, 3, 4), depthwise(8, 4), layer("RESHAPE", (1, 8, 8, 4), (1, 256)), dense(256, 10)),
        meta={"source": "by hand"},
    )


def test_a_graph_comes_back_as_it_was_written():
    graph = sample()
    again = from_json(to_json(graph))
    assert graph_hash(again) == graph_hash(graph)
    assert again.meta == graph.meta
    assert [one.op for one in again.layers] == [one.op for one in graph.layers]
    assert (again.macs, again.parameter_bytes) == (graph.macs, graph.parameter_bytes)
    assert to_json(again) == to_json(graph)


@pytest.mark.parametrize("name", sorted(names())[::30])
def test_every_shipped_trace_is_written_as_it_was_read(name):
    text = to_json(load_network(name))
    assert to_json(from_json(text)) == text


def test_defaults_are_not_written():
    row = json.loads(to_json(chain("net", like("RELU", (1, 4)))))["layers"][0]
    assert set(row) == {"op", "in", "out"}


def test_tensor_numbers_and_names_do_not_change_the_hash():
    graph = sample()
    moved = LayerGraph("other", tuple(_moved(one, 100) for one in graph.layers), graph.inputs, graph.outputs)
    assert graph_hash(moved) == graph_hash(graph)


def _moved(one, by):
    shift = lambda tensors: tuple(replace(tensor, id=tensor.id + by) for tensor in tensors)  # noqa: E731
    return replace(one, inputs=shift(one.inputs), outputs=shift(one.outputs))


@pytest.mark.parametrize(
    "change",
    [
        lambda g: replace(g, layers=g.layers[:2]),
        lambda g: replace(g, layers=(replace(g.layers[0], stride=(2, 2)), *g.layers[1:])),
        lambda g: replace(g, layers=(replace(g.layers[0], weights=()), *g.layers[1:])),
        lambda g: replace(g, layers=(replace(g.layers[0], op="TRANSPOSE_CONV"), *g.layers[1:])),
        lambda g: replace(g, layers=(replace(g.layers[0], activation="RELU"), *g.layers[1:])),
    ],
)
def test_another_computation_has_another_hash(change):
    assert graph_hash(change(sample())) != graph_hash(sample())


shapes = st.lists(st.integers(-1, 64), min_size=0, max_size=4).map(tuple)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(sorted(DTYPE_BYTES)), shapes), min_size=2, max_size=6))
def test_any_chain_of_tensors_comes_back(rows):
    tensors = [Tensor(i, dtype, shape) for i, (dtype, shape) in enumerate(rows)]
    layers = tuple(Layer(i, "RELU", (tensors[i],), (tensors[i + 1],)) for i in range(len(tensors) - 1))
    graph = LayerGraph("any", layers, (tensors[0],), (tensors[-1],))
    again = from_json(to_json(graph))
    assert again.layers == graph.layers
    assert (again.inputs, again.outputs) == (graph.inputs, graph.outputs)


GOOD = json.loads(to_json(sample()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        json.dumps({**GOOD, "schema": 2}),
        json.dumps({**GOOD, "layers": None}),
        json.dumps({**GOOD, "inputs": [99]}),
        json.dumps({**GOOD, "inputs": [-1]}),
        json.dumps({**GOOD, "inputs": [True]}),
        json.dumps({**GOOD, "tensors": [["int9", 1]] * 9}),
        json.dumps({**GOOD, "tensors": [["int8", 1.5]] * 9}),
        json.dumps({**GOOD, "tensors": [["int8", 2**31]] * 9}),
        json.dumps({key: value for key, value in GOOD.items() if key != "name"}),
        json.dumps({**GOOD, "layers": [{"op": "RELU", "in": [0]}]}),
        json.dumps({**GOOD, "layers": [{"op": "RELU", "in": [0], "out": [1], "kernel": [1]}]}),
    ],
)
def test_what_is_no_trace_is_told_with_where(text):
    with pytest.raises(InputError, match="my file") as error:
        from_json(text, "my file")
    assert "\n" not in str(error.value)


def test_sizes_that_no_network_has_are_refused():
    with pytest.raises(ValueError, match="elements"):
        checked_tensor(0, "int8", (MAX_ELEMENTS, 2))
    assert checked_tensor(0, "int8", (4,)).n_bytes == 4
    with pytest.raises(ValueError, match="more work"):
        check_layer(layer("CONV_2D", (1, 2**14, 2**14, 64), (1, 2**14, 2**14, 64), (64, 99, 99, 64), kernel=(99, 99)))
    with pytest.raises(ValueError, match="unknown size"):
        check_layer(layer("CONV_2D", (1, 4, 4, 4), (1, 4, 4, 4), (4, -1, 3, 4)))
    with pytest.raises(ValueError, match="scalar"):
        check_layer(layer("FULLY_CONNECTED", (), (1, 4), (4, 4)))
