"""The Edge TPU's operators: what has a cost maps, and what maps has a cost."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from layers import coral, example, like

from hwmodels.cpu import OPERATORS as ON_CPU
from hwmodels.edgetpu.cost import layer_cost
from hwmodels.edgetpu.operators import OPERATORS
from hwmodels.edgetpu.placement import NOT_SUPPORTED, unsupported
from hwmodels.networks.operators import OPERATORS as VOCABULARY

SHAPE = (1, 16, 16, 32)


@pytest.mark.parametrize("op", OPERATORS)
def test_what_has_a_cost_maps(op):
    assert unsupported(example(op, size=1 if op == "TILE" else 16)) == ""


@pytest.mark.parametrize("op", sorted(set(VOCABULARY) | set(ON_CPU)))
def test_what_maps_has_a_cost(op):
    maps = unsupported(example(op, size=1 if op == "TILE" else 16)) == ""
    assert maps == (layer_cost(example(op), coral()).cycles > 0)


@pytest.mark.parametrize(
    "op",
    ["DEPTH_TO_SPACE", "DIV", "HARD_SWISH", "L2_POOL_2D", "LEAKY_RELU", "MIRROR_PAD", "SPLIT_V", "UNPACK"],
)
def test_what_the_compiler_s_table_lacks_and_no_compiled_file_holds_stays_on_the_cpu(op):
    assert unsupported(like(op, SHAPE)) == NOT_SUPPORTED
    assert layer_cost(like(op, SHAPE), coral()).cycles == 0


def test_an_operator_that_does_not_map_costs_no_cycles():
    assert layer_cost(like("ARG_MAX", SHAPE), coral()).cycles == 0


channels = st.sampled_from([1, 3, 4, 16, 17, 64, 65, 100, 256])
