"""Cycles of the array: weights loaded for every band, nothing beats the peak."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import conv, coral, depthwise, like

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.cost import layer_cost
from hwmodels.edgetpu.tiles import activation_bytes_per_tile
from hwmodels.families import sizes

SIZES = [load_accelerator(name) for name in sizes("edgetpu")]


def test_cycles_go_with_positions_where_there_are_many():
    part = coral(layer_cycles=0, weight_load_cycles=0)
    for make in (lambda size: conv(size, 64, 64), lambda size: like("LOGISTIC", (1, size, size, 64))):
        small, large = (layer_cost(make(size), part).cycles for size in (64, 128))
        assert large == pytest.approx(4 * small, rel=0.01)


BY_HAND = {"layer_cycles": 0, "conv_cycles_per_step": 1, "weight_load_cycles": 32, "weight_reread_factor": 1.5}


@pytest.mark.parametrize(
    ("channels", "n_bands"), [(64, 1), (300, 1), (304, 2), (384, 2), (388, 4), (640, 4), (644, 6), (724, 8)]
)
def test_a_tile_of_256_positions_loads_weights_once_for_every_band(channels, n_bands):
    """18 x 18 x 304 x 2 = 196 992 bytes are more than 192 KiB; past 4 bands reading again (x 1.5) is the cheaper."""
    passes = ((196608, 1), (327680, 4), (368640, 6), (1e12, 8))
    part = coral(**BY_HAND, stream_passes=passes)
    words, groups = 9 * channels // 4, -(-channels // 64)
    assert layer_cost(conv(64, channels, channels), part).cycles == (256 + 32 * min(n_bands, 4)) * words * groups


def test_a_small_map_reads_weights_again_for_every_position():
    """7 x 7: 4 positions a tile, 256 words; 32 cycles a word would be nine times the time, half as much again is cheaper."""
    assert layer_cost(conv(7, 1024, 64, kernel=1), coral(**BY_HAND)).cycles == 4 * 256 * 1.5


def test_depthwise_layers_slow_down_where_activations_spill():
    part = coral(layer_cycles=0, spill_factor=3)
    roomy = replace(part, narrow_bytes_per_tile=10**9)
    fits, spills = depthwise(32, 64), depthwise(128, 512)
    assert activation_bytes_per_tile(fits, part) < part.narrow_bytes_per_tile < activation_bytes_per_tile(spills, part)
    assert layer_cost(fits, part).cycles == layer_cost(fits, roomy).cycles
    assert layer_cost(spills, part).cycles == pytest.approx(3 * layer_cost(spills, roomy).cycles)


channels = st.sampled_from([1, 3, 4, 16, 17, 64, 65, 100, 256])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(1, 64), channels, channels, st.sampled_from([1, 3, 5, 7]))
def test_no_convolution_beats_the_array_s_peak(size, inputs, outputs, kernel):
    """Every cell busy in every cycle is the least that its MACs can take; the fitted step is 1 cycle within 5 %."""
    for part in SIZES:
        one = conv(size, inputs, outputs, kernel)
        least = one.macs / part.peak_macs_per_cycle
        assert layer_cost(one, part).cycles >= 0.95 * least


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 64), channels, channels)
def test_a_larger_kernel_never_takes_fewer_cycles(size, inputs, outputs):
    cycles = [layer_cost(conv(size, inputs, outputs, kernel), coral()).cycles for kernel in (1, 3, 5)]
    assert cycles == sorted(cycles)
