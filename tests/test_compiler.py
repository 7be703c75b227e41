"""The compiler model: allocation in order, one subgraph: by hand, and conserved over the zoo."""

from __future__ import annotations

import pytest
from layers import chain, conv, coral, dense, like

from hwmodels.edgetpu import parameters
from hwmodels.edgetpu.coefficients import load_compiler
from hwmodels.edgetpu.compiler import cocompile, compile_graph, on_chip_bytes
from hwmodels.edgetpu.instructions import caching_instruction_bytes
from hwmodels.errors import InputError
from hwmodels.networks.graph import Layer, LayerGraph, Tensor, boundary, graph_hash
from hwmodels.networks.zoo import load_network, names
from hwmodels.parts import part_names

NEW = load_compiler("2021")
FEW = sorted(names())[::16]
SMALL = chain("small", conv(32, 3, 16), conv(32, 16, 16), dense(64, 10))
LARGE = chain("large", dense(1000, 4000), dense(4000, 2000), dense(2000, 100))


@pytest.mark.parametrize("compiler", part_names("compiler"))
@pytest.mark.parametrize("name", FEW)
def test_every_layer_is_somewhere_and_every_parameter_byte_is_sent_once(name, compiler):
    graph, part = load_network(name), coral()
    made = compile_graph(graph, part, compiler)
    assert [plan.layer for plan in made.plans] == list(graph.layers)
    for plan in made.plans:
        assert bool(plan.reason) + plan.cached + (plan.streamed_bytes > 0) <= 1
        if not plan.reason and not plan.cached:
            assert plan.streamed_bytes >= plan.blob_bytes
    assert sum(segment.cached_bytes for segment in made.segments) == sum(p.blob_bytes for p in made.plans if p.cached)
    assert on_chip_bytes(made) <= part.parameter_cache_bytes
    assert len(made.accelerator_segments) <= 1


@pytest.mark.parametrize("name", FEW)
def test_more_memory_never_streams_more(name):
    graph = load_network(name)
    streamed = [
        compile_graph(graph, coral(parameter_cache_bytes=megabytes * 10**6)).total("streamed_bytes")
        for megabytes in (1, 4, 8, 64)
    ]
    assert streamed == sorted(streamed, reverse=True)


def test_a_small_network_is_cached_whole():
    made = compile_graph(SMALL, coral())
    assert all(plan.cached for plan in made.plans)
    assert made.total("streamed_bytes") == 0
    assert made.total("cached_bytes") == sum(parameters.blob_bytes(one, NEW) for one in SMALL.layers)
    assert made.total("caching_instruction_bytes") == caching_instruction_bytes(SMALL.layers, NEW)


def test_parameters_are_allocated_in_order_of_execution_and_a_later_smaller_layer_may_still_fit():
    part = coral(parameter_cache_bytes=5_000_000)
    made = compile_graph(LARGE, part)
    assert [plan.cached for plan in made.plans] == [True, False, True]
    assert made.total("streamed_bytes") == parameters.blob_bytes(LARGE.layers[1], NEW)


def test_networks_compiled_together_share_a_token_and_the_memory():
    part = coral(parameter_cache_bytes=12_300_000)
    first, second = cocompile([LARGE, SMALL], part)
    assert first.token == second.token == f"{graph_hash(LARGE)}+{graph_hash(SMALL)}"
    assert on_chip_bytes(first) + on_chip_bytes(second) <= 12_300_000


def test_up_to_15_the_first_network_is_served_first_and_16_ranks_the_set():
    part = coral(parameter_cache_bytes=on_chip_bytes(compile_graph(LARGE, coral())) + 500_000)
    for version in ("2020", "14", "15"):
        first, _ = cocompile([LARGE, LARGE], part, version)
        assert on_chip_bytes(first) == on_chip_bytes(compile_graph(LARGE, part, version))
    kept = [on_chip_bytes(one) for one in cocompile([SMALL, LARGE], part, "16")]
    assert kept == [on_chip_bytes(one) for one in cocompile([LARGE, SMALL], part, "16")][::-1]


def test_bytes_at_the_ends_are_those_of_the_boundary():
    made = compile_graph(SMALL, coral())
    assert made.total("input_bytes") == parameters.input_wire_bytes(SMALL.inputs[0])
    assert made.total("output_bytes") == parameters.output_wire_bytes(SMALL.outputs[0])
    assert made.total("tensor_output_bytes") == 10


def test_what_follows_the_subgraph_runs_on_the_cpu():
    graph = chain("tail", conv(8, 3, 4), like("ARG_MAX", (1, 8, 8, 4)), like("RELU", (1, 8, 8, 4)))
    made = compile_graph(graph, coral())
    assert [segment.device for segment in made.segments] == ["accelerator", "cpu"]
    assert [bool(plan.reason) for plan in made.plans] == [False, True, True]


def test_what_feeds_the_subgraph_runs_before_it():
    layers = list(chain("head", like("CAST", (1, 8, 8, 3)), conv(8, 3, 4)).layers)
    made = compile_graph(LayerGraph("head", tuple(layers), layers[0].inputs, layers[-1].outputs), coral())
    assert [segment.device for segment in made.segments] == ["cpu", "accelerator"]


def test_the_boundary_is_what_goes_in_and_what_others_read():
    graph = chain("net", *(like("RELU", (1, 4)) for _ in range(4)))
    read, handed = boundary(graph, graph.layers[1:3])
    assert ([t.id for t in read], [t.id for t in handed]) == ([1], [3])
    read, handed = boundary(graph, graph.layers)
    assert ([t.id for t in read], [t.id for t in handed]) == ([0], [4])


def test_a_branch_that_leaves_the_middle_is_part_of_the_boundary():
    trunk = chain("net", *(like("RELU", (1, 4)) for _ in range(3))).layers
    side = Layer(3, "LOGISTIC", (trunk[0].outputs[0],), (Tensor(9, "int8", (1, 4)),))
    graph = LayerGraph("branch", (*trunk, side), trunk[0].inputs, (trunk[-1].outputs[0], side.outputs[0]))
    _, handed = boundary(graph, trunk)
    assert [tensor.id for tensor in handed] == [1, 3]


def test_an_unknown_compiler_is_refused():
    with pytest.raises(InputError, match="2020, 2021 or FILE"):
        compile_graph(SMALL, coral(), "1999")
