"""Cycles of the array: words of inputs against groups of outputs, in bands where activations do not fit a tile.

Per tile, p = positions of the output map that the tile owns, a word = 4 input channels of one tap. Forms and constants:
a study of published single-inference latencies (docs/device-model.md); constants live in the part files.
"""

from __future__ import annotations

from math import ceil

from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.tiles import LANE_GROUP, LANES, WORD, activation_bytes_per_tile, ceil_to
from hwmodels.networks.graph import Layer

__all__ = ["bands", "conv_cycles", "fill_class", "lane_groups", "positions"]


def positions(layer: Layer, accelerator: EdgeTpu) -> int:
    """Positions of the output map that one tile owns."""
    height, width, _ = layer.output.hwc
    return accelerator.positions_per_tile(height, width)


def lane_groups(accelerator: EdgeTpu) -> int:
    """Groups of 64 outputs that a tile's cells make at once."""
    return max(1, accelerator.cells_per_tile // LANE_GROUP)


def fill_class(layer: Layer, accelerator: EdgeTpu) -> int:
    """Line of the part's table of passes that a layer's activations fall into, counted from 1 (they fit a tile)."""
    tile_bytes = activation_bytes_per_tile(layer, accelerator)
    limits = [limit for limit, _ in accelerator.stream_passes]
    return next((line for line, limit in enumerate(limits, 1) if tile_bytes <= limit), len(limits))


def bands(layer: Layer, accelerator: EdgeTpu) -> float:
    """Return in how many bands of positions a convolution runs: 1 where all its activations fit a tile.

    Two where inputs and outputs fit, but not with the border that the kernel reads from neighbouring tiles; beyond, the
    part's table. Seen as steps of 15 % of the multiply-accumulates in the 3x3 sweep, at 302 and 392 filters.
    """
    line = fill_class(layer, accelerator)
    if line > 1:
        return accelerator.stream_passes[line - 1][1]
    return 2.0 if _bordered_bytes(layer, accelerator) > accelerator.narrow_bytes_per_tile else 1.0


def _bordered_bytes(layer: Layer, accelerator: EdgeTpu) -> int:
    """Bytes of a tile's input and output with the kernel's border around both."""
    height, width = (extent - 1 for extent in layer.kernel)
    return sum(
        (ceil(rows / accelerator.tiles_y) + height)
        * (ceil(columns / accelerator.tiles_x) + width)
        * ceil_to(channels, WORD)
        for rows, columns, channels in (layer.input.hwc, layer.output.hwc)
    )


def conv_cycles(n_positions: int, row: int, outputs: int, accelerator: EdgeTpu, n_bands: float = 1) -> float:
    """Cheaper of two ways to use several lane groups: for more outputs, or for more positions (one group: the same).

    Parameters
    ----------
    n_positions
        That one tile owns.
    row
        Words of inputs that go into one result.
    outputs
        Results of a position.
    accelerator
        Cells of a tile, and the fitted costs.
    n_bands
        How often weights are loaded.
    """
    groups = lane_groups(accelerator)
    wide = _cycles(n_positions, row, outputs, accelerator, accelerator.cells_per_tile, n_bands)
    narrow = _cycles(ceil(n_positions / groups), row, outputs, accelerator, LANE_GROUP, n_bands)
    return min(wide, narrow) if groups > 1 else wide


def _cycles(n_positions: int, row: int, outputs: int, accelerator: EdgeTpu, lanes: int, n_bands: float) -> float:
    """Cycles for ``n_positions`` x ``outputs`` results of ``row`` words of inputs each, ``lanes`` outputs at a time.

    A word's weights are loaded before the positions of a band use it, or read again for every position: the compiler
    takes the cheaper order. The outputs of one position drain while the next computes: the slower of the two counts.
    """
    load = accelerator.weight_load_cycles * lanes / LANE_GROUP * n_bands
    overhead = min(load / n_positions, accelerator.weight_reread_factor - 1)
    step = accelerator.conv_cycles_per_step * row * (1 + overhead)
    full, rest = divmod(outputs, lanes)
    drain = accelerator.drain_cycles_per_output
    last = max(step, drain * ceil_to(rest, LANES)) if rest else 0.0
    return n_positions * (full * max(step, drain * lanes) + last)
