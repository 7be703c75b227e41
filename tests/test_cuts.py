"""Cuts into segments: fastest slowest by brute force, parameters up to their share, nothing lost."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import chain, conv, dense

from hwmodels.cuts import cut_by_parameters, cut_by_time, segment_cuts, split
from hwmodels.errors import InputError
from hwmodels.networks.zoo import load_network

SMALL = chain("small", conv(32, 3, 16), conv(32, 16, 16), dense(64, 10))


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
    graph = load_network("mobilenet_v1_1.0_224")
    assert segment_cuts(graph, 3, "compiler") == cut_by_parameters(graph, 3)
    assert segment_cuts(graph, 3, "12,30") == [12, 30]
    with pytest.raises(InputError, match="compiler, profiled"):
        segment_cuts(graph, 3, "evenly")
