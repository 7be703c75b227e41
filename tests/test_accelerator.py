"""The accelerator's geometry and clocks by hand; cycles become nanoseconds once, rounded up."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layers import conv, coral, like

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.tiles import activation_bytes_per_tile
from hwmodels.errors import InputError
from hwmodels.families import sizes
from hwmodels.link import load_link
from hwmodels.timing import cycles_to_ns


def test_coral_does_4_tera_operations_at_500_mhz():
    part = load_accelerator("coral")
    assert (part.tiles, part.peak_macs_per_cycle) == (16, 4096)
    assert 2 * part.peak_macs_per_cycle * part.clock_hz == pytest.approx(4.096e12)


def test_the_sizes_are_in_order_and_say_what_was_never_built():
    small, coral_part, large = (load_accelerator(name) for name in ("small", "coral", "large"))
    assert small.peak_macs_per_cycle < coral_part.peak_macs_per_cycle < large.peak_macs_per_cycle
    assert small.parameter_cache_bytes <= coral_part.parameter_cache_bytes <= large.parameter_cache_bytes
    assert [part.is_extrapolated for part in (small, coral_part, large)] == [True, False, True]


@pytest.mark.parametrize(
    ("height", "width", "positions"), [(1, 1, 1), (4, 4, 1), (5, 4, 2), (7, 7, 4), (224, 224, 3136), (1, 16, 4)]
)
def test_positions_of_the_largest_tile(height, width, positions):
    assert coral().positions_per_tile(height, width) == positions


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(1, 2000), st.integers(1, 2000))
def test_tiles_cover_the_map(height, width):
    part = coral()
    assert part.tiles * part.positions_per_tile(height, width) >= height * width
    assert part.positions_per_tile(height, width) <= height * width


def test_activations_are_inputs_and_outputs_with_channels_padded_to_4():
    assert activation_bytes_per_tile(conv(32, 3, 64), coral()) == 64 * (4 + 64)
    assert activation_bytes_per_tile(like("ADD", (1, 32, 32, 16), 2), coral()) == 64 * 3 * 16


@pytest.mark.parametrize(
    ("cycles", "clock_hz", "ns"), [(0, 500e6, 0), (1, 500e6, 2), (500e6, 500e6, 10**9), (1, 3e9, 1), (4, 3e9, 2)]
)
def test_cycles_become_whole_nanoseconds_rounded_up(cycles, clock_hz, ns):
    assert cycles_to_ns(cycles, clock_hz) == ns


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**12), st.sampled_from([125e6, 250e6, 500e6, 480e6, 1e9]))
def test_cycles_become_time_exactly(cycles, clock_hz):
    exact = ceil(Fraction(cycles) * 10**9 / Fraction(clock_hz))
    assert abs(cycles_to_ns(cycles, clock_hz) - exact) <= (1 if cycles > 10**6 else 0)


@pytest.mark.parametrize(
    ("name", "state", "link", "hz"),
    [
        ("coral", "max", "usb3", 500e6),
        ("coral", "max", "pcie", 500e6),
        ("coral", "std", "usb3", 250e6),
        ("coral", "std", "usb2", 250e6),
    ],
)
def test_clock_states(name, state, link, hz):
    assert load_accelerator(name).at_clock(state, load_link(link)) == hz


@pytest.mark.parametrize(
    ("name", "state", "link", "message"),
    [
        ("coral", "std", "pcie", "max here"),
        ("coral", "turbo", "usb3", "max or std"),
        ("coral", "", "usb3", "max or std"),
        ("large", "std", "usb3", "std on large over usb3"),
    ],
)
def test_clock_states_that_are_none_are_refused(name, state, link, message):
    with pytest.raises(InputError, match=message):
        load_accelerator(name).at_clock(state, load_link(link))


@pytest.mark.parametrize("name", sizes("edgetpu"))
def test_every_size_states_its_structure_and_its_powers(name):
    part = load_accelerator(name)
    for key in ("tiles_x", "tiles_y", "cells_per_tile", "macs_per_cell", "clock_hz", "parameter_cache_bytes"):
        assert getattr(part, key) > 0
    assert 0 < part.power_base_w <= part.power_base_w + part.power_idle_w
    assert part.latency_spread > 0


def test_an_unknown_size_is_told_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'coral'"):
        load_accelerator("korall")
