"""Which layers keep their parameters on the chip: what room there is, what streams in any case, who is served first.

Found by holding plain files against their compiled twins and by printed logs; docs/compiler.md shows the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, pairwise
from math import ceil, prod

from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.banding import branch_bytes
from hwmodels.edgetpu.coefficients import Compiler
from hwmodels.edgetpu.operators import OPERATORS
from hwmodels.edgetpu.parameters import (
    footprint_bytes,
    has_parameters,
    is_dense,
    is_depthwise,
    weights_per_output,
)  # fmt: skip
from hwmodels.edgetpu.tiles import LANE_GROUP, activation_bytes_per_tile
from hwmodels.networks.graph import Layer

__all__ = [
    "allocate",
    "allocate_set",
    "buffer_bytes",
    "capacity_range_bytes",
    "parameter_capacity_bytes",
    "prefetch_bytes",
    "set_capacity_bytes",
]

Flags = tuple[bool, ...]
#: Share of a tile's narrow memory that the first layer's maps may take before logs show less for parameters.
QUARTER = 0.25


def parameter_capacity_bytes(layers: Iterable[Layer], accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Bytes of parameters that the tiles can keep for a network.

    Compilers up to 2.x leave room for the largest weight buffer of the layers in each tile: weights of a convolution
    are broadcast to all tiles, 64 outputs at a time. One formula, found on the capacities that logs print
    (jetson_nano_layers.csv, docs/device-model.md): 8.02 MiB for dense networks, 7.14 for MobileNet v1, 6.91 for v2,
    6.25 for ResNet-50 and 5.01 for a stack of 7x7 convolutions. From 14 on logs show the same room whatever the widest
    layer (compiler_logs.csv): so much for networks of a few layers, so much for all others.

    Parameters
    ----------
    layers
        Those that run on the accelerator.
    accelerator
        ``parameter_cache_bytes`` over all tiles.
    compiler
        What it keeps back in each tile.

    Returns
    -------
    int
        What :func:`allocate` may fill; never below 0.
    """
    mapped = list(layers)
    if not compiler.reserved_bytes_per_tile:
        return max(0, accelerator.parameter_cache_bytes - _buffers_bytes(mapped, accelerator, compiler))
    few = sum(bool(layer.weights) for layer in mapped) <= compiler.few_layers
    reserved = compiler.reserved_few_bytes_per_tile if few else compiler.reserved_bytes_per_tile
    return max(0, accelerator.parameter_cache_bytes - accelerator.tiles * reserved)


def capacity_range_bytes(layers: Sequence[Layer], accelerator: EdgeTpu, compiler: Compiler) -> tuple[int, int]:
    """Return the least and the most memory that a network may have: 90 % of the logs lie between.

    The larger the maps of the first layer, the less logs show, and where joined branches exceed a tile's narrow memory
    anything down to 1.4 MiB. No rule is known for that.
    """
    capacity = parameter_capacity_bytes(layers, accelerator, compiler)
    joined = max(branch_bytes(layers, accelerator).values(), default=0) > accelerator.narrow_bytes_per_tile
    low = compiler.capacity_low_joined if joined else _low_share(layers, accelerator, compiler)
    return round(low * capacity), min(accelerator.parameter_cache_bytes, round(compiler.capacity_high * capacity))


def _low_share(layers: Iterable[Layer], accelerator: EdgeTpu, compiler: Compiler) -> float:
    """Least share of the expected memory: falls from a quarter of a tile's narrow memory on, to half of it."""
    first = next((layer for layer in layers if layer.weights), None)
    fill = activation_bytes_per_tile(first, accelerator) / accelerator.narrow_bytes_per_tile if first else 0.0
    lost = (compiler.capacity_low - compiler.capacity_low_large) * max(0.0, fill - QUARTER) / (1 - QUARTER)
    return max(0.5, compiler.capacity_low - lost)


def prefetch_bytes(layers: Iterable[Layer], accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Bytes of streamed parameters that may come during the layer before their own: half of all tiles' weight buffers.

    The other half holds the weights in use: what a layer's computation leaves of the link's time fetches for the next.
    """
    return _buffers_bytes(layers, accelerator, compiler) // 2


def _buffers_bytes(layers: Iterable[Layer], accelerator: EdgeTpu, compiler: Compiler) -> int:
    return accelerator.tiles * max((buffer_bytes(layer, accelerator, compiler) for layer in layers), default=0)


def buffer_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Weight buffer of one layer in one tile.

    A larger kernel holds the weights of 64 outputs twice while positions are the outer loop (no more words of inputs
    than positions); everything else holds one tap's weights, of which the logs show ``weight_buffer_share``.

    Returns
    -------
    int
        Bytes in one tile; 0 for everything but convolutions, whose weights alone are broadcast.
    """
    if layer.op != "CONV_2D" or not layer.weights:
        return 0
    inputs = ceil(layer.input.hwc[2] // layer.groups / accelerator.macs_per_cell) * accelerator.macs_per_cell
    taps = prod(layer.kernel)
    words = taps * inputs // accelerator.macs_per_cell
    height, width, _ = layer.output.hwc
    is_whole = taps > 1 and words <= accelerator.positions_per_tile(height, width) + 1
    return ceil(inputs * compiler.broadcast_outputs * (2 * taps if is_whole else accelerator.weight_buffer_share))


def allocate(layers: Sequence[Layer], capacity_bytes: int, accelerator: EdgeTpu, compiler: Compiler) -> Flags:
    """Return which layers keep their parameters on the chip.

    A layer is cached if it still fits; else it streams as a whole and others, smaller ones, may still be cached. Early
    compilers serve layers in order of execution. Those from 14 on serve depthwise layers first, then dense
    ones from the smallest to the largest, then convolutions from the largest to the smallest, of equals the later one,
    and tables last. With 8.13 MB this gives what all 157 logs of single networks keep (villarrubia_synthetic.csv).

    Parameters
    ----------
    layers
        In order of execution, of one network or of several that are compiled together.
    capacity_bytes
        See :func:`parameter_capacity_bytes`, less what networks compiled together before this
        one took.
    accelerator
        Its tiles, over which dense layers may be spread.
    compiler
        The version, which ranks layers or takes them as they come.

    Returns
    -------
    tuple of bool
        For each layer, whether it is kept; true for layers without parameters.
    """
    sizes = [footprint_bytes(layer, accelerator, compiler) for layer in layers]
    order = sorted(range(len(layers)), key=lambda at: _rank(layers[at], at, sizes[at], compiler))
    cached, free = [True] * len(layers), capacity_bytes
    for at in order:
        cached[at] = sizes[at] <= free and not _always_streams(layers[at], compiler)
        free -= sizes[at] if cached[at] else 0
    return tuple(cached)


def _rank(layer: Layer, at: int, size: int, compiler: Compiler) -> tuple[int, int, int]:
    """Sort key by which layers are served; ``at`` is the place in order of execution, ``size`` the footprint."""
    if not compiler.ranks_layers:
        return 0, 0, at
    if is_depthwise(layer):
        return 0, -size, -at
    if is_dense(layer):
        return 1, size, at
    return 3 if compiler.has_tables(layer) else 2, -size, -at


def _always_streams(layer: Layer, compiler: Compiler) -> bool:
    """Whether a layer's parameters stream although there is room.

    Constants of element-wise operators do. So does a dense layer of which 64 outputs, which sit in one tile, do not fit
    its memory: one of more than 8 192 inputs.
    """
    row = OPERATORS.get(layer.op)
    if row is not None and row.streams_constants:
        return has_parameters(layer, compiler)
    return LANE_GROUP * weights_per_output(layer, compiler) > compiler.dense_group_bytes


def set_capacity_bytes(networks: Iterable[Sequence[Layer]], accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Bytes of parameters that networks compiled together can keep: as many as the most demanding one."""
    return min(parameter_capacity_bytes(layers, accelerator, compiler) for layers in networks)


def allocate_set(networks: Sequence[Sequence[Layer]], accelerator: EdgeTpu, compiler: Compiler) -> list[Flags]:
    """Return which layers of networks that are compiled together are kept, network by network.

    All have the room of the most demanding one. Version 16 ranks the layers of all together; those before serve one
    network after the other, in the order of the command line.
    """
    capacity = set_capacity_bytes(networks, accelerator, compiler)
    if compiler.ranks_set:
        flags = allocate(list(chain.from_iterable(networks)), capacity, accelerator, compiler)
        edges = accumulate((len(layers) for layers in networks), initial=0)
        return [flags[first:last] for first, last in pairwise(edges)]
    found = []
    for layers in networks:
        found.append(allocate(layers, capacity, accelerator, compiler))
        kept = [layer for layer, flag in zip(layers, found[-1], strict=True) if flag]
        capacity -= sum(footprint_bytes(layer, accelerator, compiler) for layer in kept)
    return found
