"""Activations on 4 x 4 tiles by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import conv, coral

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.tiles import ceil_to, path_fill, tensor_bytes_per_tile
from hwmodels.networks.graph import Tensor


@pytest.mark.parametrize(("value", "multiple", "up"), [(0, 4, 0), (1, 4, 4), (4, 4, 4), (5, 4, 8), (1001, 16, 1008)])
def test_rounding_up(value, multiple, up):
    assert ceil_to(value, multiple) == up


@pytest.mark.parametrize(
    ("shape", "n_bytes"),
    [
        ((1, 224, 224, 3), 56 * 56 * 4),  # 3 channels take 4
        ((1, 112, 112, 32), 28 * 28 * 32),
        ((1, 7, 7, 1280), 2 * 2 * 1280),  # 7 rows over 4 tiles: the first ones have 2
        ((1, 1001), 1004),
        ((1, 1, 1, 1), 4),
    ],
)
def test_bytes_of_the_largest_tile(shape, n_bytes):
    assert tensor_bytes_per_tile(Tensor(0, "int8", shape), coral()) == n_bytes


extents = st.integers(1, 600)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(extents, extents, extents)
def test_tiles_together_hold_the_map(height, width, channels):
    """16 tiles hold at least the tensor, and a tile at most its padded share: one row, column and word more."""
    tensor = Tensor(0, "int8", (1, height, width, channels))
    assert 16 * tensor_bytes_per_tile(tensor, coral()) >= tensor.n_bytes
    assert tensor_bytes_per_tile(tensor, coral()) <= (height + 3) / 4 * (width + 3) / 4 * (channels + 3)


def test_a_layer_s_path_is_its_first_input_and_output():
    assert path_fill(conv(64, 32, 48), coral()) == 16 * 16 * (32 + 48) / 196_608
    assert path_fill(conv(64, 32, 48, stride=2), coral()) == (16 * 16 * 32 + 8 * 8 * 48) / 196_608


# Geometry is the size's own: tests of small (4 x 1 tiles of 512 KiB) and large (4 x 4 of 512 KiB) beside Coral


@pytest.mark.parametrize(
    ("size", "n_bytes"), [("coral", 2 * 2 * 1280), ("large", 2 * 2 * 1280), ("small", 7 * 2 * 1280)]
)
def test_a_map_lies_on_the_size_s_own_grid(size, n_bytes):
    """Seven rows over one row of tiles stay together."""
    assert tensor_bytes_per_tile(Tensor(0, "int8", (1, 7, 7, 1280)), load_accelerator(size)) == n_bytes


@pytest.mark.parametrize(("size", "fill"), [("coral", 64 * 64 * 128 / 196_608), ("large", 1.0), ("small", 4.0)])
def test_what_fills_a_tile_is_the_size_s_own(size, fill):
    """64 + 64 channels on 256x256: 512 KiB in each of 16 tiles, 2 MiB in each of four."""
    assert path_fill(conv(256, 64, 64), load_accelerator(size)) == fill
