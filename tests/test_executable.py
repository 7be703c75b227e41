"""What the simulator knows of a network: steps joined, bytes summed, by hand."""

from __future__ import annotations

import pytest
from layers import chain, conv

from hwmodels.executable import MOST_STEPS, Executable, LayerPlan, Segment, Step

GRAPH = chain("net", *(conv(8, 4, 4) for _ in range(6)))


def plans(*streamed, cycles=10.0):
    return tuple(
        LayerPlan(one, cycles=cycles, streamed_bytes=n_bytes, macs=1)
        for one, n_bytes in zip(GRAPH.layers, streamed, strict=False)
    )


@pytest.mark.parametrize(
    ("streamed", "steps"),
    [
        ((), ()),
        ((0, 0, 0), (Step(30, 0),)),
        ((5,), (Step(10, 5),)),
        ((0, 0, 5), (Step(10, 0), Step(10, 0), Step(10, 5))),
        ((0, 5, 0, 0), (Step(10, 0), Step(10, 5), Step(20, 0))),
        ((5, 7, 0), (Step(10, 5), Step(10, 7), Step(10, 0))),
    ],
)
def test_cached_layers_in_a_row_are_one_step_and_streamed_ones_their_own(streamed, steps):
    assert Segment("accelerator", plans(*streamed)).steps == steps


def test_steps_of_a_file_are_taken_as_they_are():
    steps = (Step(1, 0), Step(2, 0))
    assert Segment("accelerator", plans(0, 0), file_steps=steps).steps == steps


def test_more_steps_than_a_simulation_bears_are_joined_without_losing_any():
    many = tuple(LayerPlan(GRAPH.layers[0], cycles=1, streamed_bytes=i + 1) for i in range(3 * MOST_STEPS + 7))
    segment = Segment("accelerator", many)
    assert len(segment.steps) <= MOST_STEPS
    assert sum(step.cycles for step in segment.steps) == len(many)
    assert segment.streamed_bytes == sum(range(1, len(many) + 1))


def test_streamed_bytes_are_those_of_all_steps():
    assert Segment("accelerator", plans(0, 5, 7, 0)).streamed_bytes == 12
    assert Segment("cpu", plans()).streamed_bytes == 0


def executable():
    before, main = (
        Segment("cpu", plans(0)),
        Segment("accelerator", plans(0, 4, 0)[1:], instruction_bytes=100, input_bytes=7),
    )
    after = Segment("accelerator", (LayerPlan(GRAPH.layers[3], cycles=1, macs=1),), instruction_bytes=11)
    return Executable("net", GRAPH, (before, after, main), "token")


def test_totals_are_of_the_accelerator_s_segments():
    made = executable()
    assert [segment.device for segment in made.accelerator_segments] == ["accelerator", "accelerator"]
    assert made.total("instruction_bytes") == 111
    assert made.total("input_bytes") == 7
    assert made.total("streamed_bytes") == 4
    assert made.macs == 3


def test_plans_come_by_layer_number():
    assert [plan.layer.index for plan in executable().plans] == [0, 1, 2, 3]
