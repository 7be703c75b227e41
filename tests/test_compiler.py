"""The compiler model: allocation in order, one subgraph, cuts into segments: by hand, and conserved over the zoo."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import chain, conv, coral, dense, like

from hwmodels import memory
from hwmodels.compiler import (
    COMPILERS,
    boundary,
    cocompile,
    compile_graph,
    cut_by_parameters,
    cut_by_time,
    layer_weights,
    on_chip_bytes,
    segment_cuts,
    split,
)
from hwmodels.errors import InputError
from hwmodels.graph import Layer, LayerGraph, Tensor, graph_hash
from hwmodels.zoo import load_network, names

FEW = sorted(names())[::16]
SMALL = chain("small", conv(32, 3, 16), conv(32, 16, 16), dense(64, 10))
LARGE = chain("large", dense(1000, 4000), dense(4000, 2000), dense(2000, 100))


@pytest.mark.parametrize("compiler", COMPILERS)
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
    assert len(made.tpu_segments) <= 1


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
    assert made.total("cached_bytes") == sum(memory.blob_bytes(one) for one in SMALL.layers)
    assert made.total("caching_instruction_bytes") == memory.caching_instruction_bytes(SMALL.layers)


def test_parameters_are_allocated_in_order_of_execution_and_a_later_smaller_layer_may_still_fit():
    part = coral(parameter_cache_bytes=5_000_000)
    made = compile_graph(LARGE, part)
    assert [plan.cached for plan in made.plans] == [True, False, True]
    assert made.total("streamed_bytes") == memory.blob_bytes(LARGE.layers[1])


def test_a_reserved_share_belongs_to_others():
    whole = compile_graph(LARGE, coral())
    less = compile_graph(LARGE, coral(), reserved_bytes=coral().parameter_cache_bytes)
    assert not any(plan.cached for plan in less.plans)
    assert less.total("cached_bytes") == less.total("caching_instruction_bytes") == 0
    assert less.token == whole.token


def test_networks_compiled_together_share_a_token_and_the_first_is_served_first():
    first, second = cocompile([LARGE, SMALL], coral(parameter_cache_bytes=12_300_000))
    assert first.token == second.token == f"{graph_hash(LARGE)}+{graph_hash(SMALL)}"
    assert on_chip_bytes(first) + on_chip_bytes(second) <= 12_300_000
    assert [plan.cached for plan in first.plans] == [
        plan.cached for plan in compile_graph(LARGE, coral(parameter_cache_bytes=12_300_000)).plans
    ]


def test_bytes_at_the_ends_are_those_of_the_boundary():
    made = compile_graph(SMALL, coral())
    assert made.total("input_bytes") == memory.input_wire_bytes(SMALL.inputs[0])
    assert made.total("output_bytes") == memory.output_wire_bytes(SMALL.outputs[0])
    assert made.total("tensor_output_bytes") == 10


def test_what_follows_the_subgraph_runs_on_the_cpu():
    graph = chain("tail", conv(8, 3, 4), like("ARG_MAX", (1, 8, 8, 4)), like("RELU", (1, 8, 8, 4)))
    made = compile_graph(graph, coral())
    assert [segment.device for segment in made.segments] == ["tpu", "cpu"]
    assert [bool(plan.reason) for plan in made.plans] == [False, True, True]


def test_what_feeds_the_subgraph_runs_before_it():
    layers = list(chain("head", like("CAST", (1, 8, 8, 3)), conv(8, 3, 4)).layers)
    made = compile_graph(LayerGraph("head", tuple(layers), layers[0].inputs, layers[-1].outputs), coral())
    assert [segment.device for segment in made.segments] == ["cpu", "tpu"]


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
    with pytest.raises(InputError, match="2021, 2020"):
        compile_graph(SMALL, coral(), "2019")


# Cuts

weights = st.lists(st.integers(1, 1000), min_size=2, max_size=8)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(weights, st.integers(2, 4))
def test_cuts_by_time_have_the_fastest_slowest_segment(row, parts):
    """Against every way to cut."""
    if parts > len(row):
        return
    cuts = cut_by_time([float(value) for value in row], parts)

    def slowest(candidate):
        edges = [0, *candidate, len(row)]
        return max(sum(row[a:b]) for a, b in pairwise(edges))

    best = min(slowest(candidate) for candidate in combinations(range(1, len(row)), parts - 1))
    assert len(cuts) == parts - 1
    assert slowest(cuts) <= best * 1.5 + 1
    if len(set(row)) == 1 and len(row) % parts == 0:
        assert slowest(cuts) == best


@pytest.mark.parametrize("segments", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("name", ["mobilenet_v2_1.0_224", "inception_v3_299"])
def test_cuts_by_parameters_fill_segments_up_to_their_share(name, segments):
    """Every segment but the last holds no more than its share, or one layer, and the next layer would not fit."""
    graph = load_network(name)
    parts = split(graph, cut_by_parameters(graph, segments))
    share = graph.parameter_bytes / segments
    assert len(parts) == segments
    for part, after in pairwise(parts):
        assert part.parameter_bytes <= share or len(part.layers) == 1
        assert part.parameter_bytes + after.layers[0].parameter_bytes > share or len(after.layers) == 1


@pytest.mark.parametrize(("version", "segments", "shape"), [
    ("v1", 2, (1, 10, 10, 1024)), ("v1", 3, (1, 10, 10, 256)), ("v2", 2, (1, 10, 10, 256)), ("v2", 3, (1, 10, 10, 320)),
    ("v2", 3, (1, 5, 5, 128)), ("v2", 4, (1, 10, 10, 256)), ("v2", 4, (1, 5, 5, 128)),
])  # fmt: skip
def test_cuts_lie_where_the_compiled_segments_of_the_detectors_end(version, segments, shape):
    """The tensors that segments of google-coral/test_data hand on (compiled_models.csv), where no box head is near."""
    graph = load_network(f"ssd_mobilenet_{version}_coco_300")
    assert shape in {graph.layers[cut - 1].output.shape for cut in cut_by_parameters(graph, segments)}


@pytest.mark.parametrize("name", ["mobilenet_v1_1.0_224", "inception_v3_299", "ssd_mobilenet_v2_coco_300"])
def test_parts_hold_every_layer_and_hand_on_what_the_next_ones_read(name):
    graph = load_network(name)
    parts = split(graph, cut_by_parameters(graph, 3))
    assert sum(len(part.layers) for part in parts) == len(graph.layers)
    assert sum(part.macs for part in parts) == graph.macs
    made = {tensor.id for tensor in graph.inputs}
    for part in parts:
        assert {tensor.id for tensor in part.inputs} <= made
        made |= {tensor.id for tensor in part.outputs}
        assert [one.index for one in part.layers] == list(range(len(part.layers)))
    assert {tensor.id for tensor in graph.outputs} <= made


@pytest.mark.parametrize("cuts", [[0], [3], [2, 1], [1, 1], [-1], [99]])
def test_cuts_outside_or_out_of_order_are_refused(cuts):
    with pytest.raises(InputError, match="increasing"):
        split(SMALL, cuts)


@pytest.mark.parametrize("segments", [0, 4])
def test_more_segments_than_layers_are_refused(segments):
    with pytest.raises(InputError, match="num-segments"):
        cut_by_parameters(SMALL, segments)


def test_segmentation_by_name_or_by_number():
    part, graph = coral(), load_network("mobilenet_v1_1.0_224")
    assert segment_cuts(graph, part, 3, "compiler") == cut_by_parameters(graph, 3)
    assert segment_cuts(graph, part, 3, "profiled") == cut_by_time(layer_weights(graph, part), 3)
    assert segment_cuts(graph, part, 3, "12,30") == [12, 30]
    with pytest.raises(InputError, match="compiler, profiled"):
        segment_cuts(graph, part, 3, "evenly")
