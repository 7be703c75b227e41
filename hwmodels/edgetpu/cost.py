"""What one layer costs on the accelerator: cycles of its core clock, actions that take energy, passes of parameters.

The cycles of an operator's work are its row's in :mod:`hwmodels.edgetpu.operators`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.array import fill_class
from hwmodels.edgetpu.operators import OPERATORS, READS
from hwmodels.executable import LayerPlan
from hwmodels.networks.graph import Layer

__all__ = ["Cost", "cycles", "layer_cost", "more_cycles", "stream_class", "stream_passes"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Cycles on the critical path, multiply-accumulates, and bytes read from wide and moved in narrow memory.

    Attributes
    ----------
    cycles
        Of the core clock, the layer's own overhead included.
    macs
        By the filter's shape, padding not counted.
    wide_bytes
        Rows of weights read from wide memory: multiply-accumulates over those of a cell.
    narrow_bytes
        Inputs read and outputs written.
    """

    cycles: float
    macs: int
    wide_bytes: int
    narrow_bytes: int


def cycles(layer: Layer, accelerator: EdgeTpu) -> float:
    """Cycles of a layer's work and of its own overhead; none for an operator without a row, which runs on the CPU."""
    row = OPERATORS.get(layer.op)
    return row.cost(layer, accelerator) + accelerator.layer_cycles if row else 0.0


#: Numbers that are a cost and nothing else; any other (the grid, a memory) may change every layer.
COSTS = frozenset(["layer_cycles"]).union(*READS.values())


def more_cycles(plans: Iterable[tuple[LayerPlan, int]], old: EdgeTpu, new: EdgeTpu, key: str) -> float:
    """Return how many cycles more layers take on a part that differs in one number.

    Parameters
    ----------
    plans
        Layers with their cycles on the old part, and how many there are of each kind.
    old, new
        The parts.
    key
        The number in which they differ.
    """
    of_each, more = new.layer_cycles - old.layer_cycles, 0.0
    for plan, count in plans:
        is_read = key in READS.get(OPERATORS[plan.layer.op].cost, (key,)) or key not in COSTS
        more += count * (cycles(plan.layer, new) - plan.cycles if is_read else of_each)
    return more


def layer_cost(layer: Layer, accelerator: EdgeTpu) -> Cost:
    """Return what a layer costs on an accelerator: cycles, MACs, weight rows read, activation bytes moved.

    Parameters
    ----------
    layer
        With its shapes.
    accelerator
        Grid, cells and fitted constants.
    """
    macs = layer.macs
    wide = macs // max(1, accelerator.macs_per_cell)
    narrow = sum(tensor.n_bytes for tensor in (*layer.inputs, *layer.outputs))
    return Cost(cycles(layer, accelerator), macs, wide, narrow)


def stream_class(layer: Layer, accelerator: EdgeTpu) -> int:
    """Line of the part's table of passes that a streamed layer falls into, from 1 (0: weights not broadcast)."""
    row = OPERATORS.get(layer.op)
    return fill_class(layer, accelerator) if row and row.broadcasts else 0


def stream_passes(layer: Layer, accelerator: EdgeTpu) -> float:
    """How often a streamed layer's parameters cross the link in one inference.

    Once while inputs and outputs fit a tile's narrow memory; beyond, once per band of positions that does
    (device-model.md: regimes of the streamed convolution sweep; the part's table of tile bytes and passes).
    """
    line = stream_class(layer, accelerator)
    return accelerator.stream_passes[line - 1][1] if line else 1.0
