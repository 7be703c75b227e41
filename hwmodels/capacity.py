"""How much of the parameter memory a network's own weight buffers take away.

Weights of a convolution are broadcast to all tiles, 64 outputs at a time; each tile needs room for what it receives.
One formula, found on the capacities that compiler logs print (jetson_nano_layers.csv, docs/device-model.md): 8.02 MiB
for dense networks, 7.14 for MobileNet v1, 6.91 for v2, 6.25 for ResNet-50 and 5.01 for a stack of 7x7 convolutions.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, prod

from hwmodels.accelerator import Accelerator
from hwmodels.graph import Layer

__all__ = ["buffer_bytes", "parameter_capacity_bytes", "prefetch_bytes"]

GROUP = 64  # outputs whose weights are broadcast together


def parameter_capacity_bytes(layers: Iterable[Layer], accelerator: Accelerator) -> int:
    """Bytes of parameters that the tiles can keep beside the largest weight buffer of the layers.

    Parameters
    ----------
    layers
        Those that run on the accelerator: the largest weight buffer among them counts.
    accelerator
        ``parameter_cache_bytes`` over all tiles, less that buffer in each tile.

    Returns
    -------
    int
        What :func:`hwmodels.memory.allocate` may fill; never below 0.
    """
    return max(0, accelerator.parameter_cache_bytes - _buffers_bytes(layers, accelerator))


def prefetch_bytes(layers: Iterable[Layer], accelerator: Accelerator) -> int:
    """Bytes of streamed parameters that may come during the layer before their own: half of all tiles' weight buffers.

    The other half holds the weights in use: what a layer's computation leaves of the link's time fetches for the next.
    """
    return _buffers_bytes(layers, accelerator) // 2


def _buffers_bytes(layers: Iterable[Layer], accelerator: Accelerator) -> int:
    return accelerator.tiles * max((buffer_bytes(layer, accelerator) for layer in layers), default=0)


def buffer_bytes(layer: Layer, accelerator: Accelerator) -> int:
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
    return ceil(inputs * GROUP * (2 * taps if is_whole else accelerator.weight_buffer_share))
