"""Layers against shared memory: cycles and bytes by hand on a board of round numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from layers import chain, conv, dense, depthwise, like

from hwmodels.dpu.board import load_board
from hwmodels.dpu.roofline import Phase, compute_scale, network_s, phases

#: 8 pixels x 16 inputs x 16 outputs in a cycle at 100 MHz; a port of 1 GB/s, 2 GB/s for all, weights 1.5 GB/s.
BOARD = replace(
    load_board("zcu104"), pixel_parallel=8, input_parallel=16, output_parallel=16, clock_hz=100e6,
    port_bytes_per_cycle=10, memory_bytes_per_s=2e9, layer_memory_bytes_per_s=2e9, layer_weights_bytes_per_s=1.5e9,
    feature_bytes_factor=0.5,
)  # fmt: skip


def one(layer):
    (found,) = phases(chain("net", layer), BOARD)
    return found


def test_a_convolution_s_cycles_go_by_its_parallelism():
    assert one(conv(32, 16, 16)).cycles == 32 * 4 * 9
    assert one(conv(32, 17, 16)).cycles == 2 * 32 * 4 * 9
    assert one(conv(32, 16, 17)).cycles == 2 * 32 * 4 * 9
    assert one(conv(33, 16, 16)).cycles == 33 * 5 * 9


def test_a_depthwise_layer_uses_half_the_pixels():
    assert one(depthwise(32, 16)).cycles == 2 * 32 * 32 // 8 * 9


def test_a_dense_layer_streams_its_weights():
    found = one(dense(160, 32))
    assert found.cycles == 10 * 2
    assert found.weights_only


def test_bytes_are_weights_and_a_share_of_the_maps():
    found = one(conv(32, 16, 16))
    assert found.n_bytes == (16 * 9 * 16 + 4 * 16) + 0.5 * 2 * 32 * 32 * 16
    assert not found.weights_only


def test_an_addition_reads_the_other_operand_only():
    added = one(like("ADD", (1, 32, 32, 16), 2))
    assert added.cycles == 0
    assert added.n_bytes == 0.5 * 32 * 32 * 16


@pytest.mark.parametrize("op", ["RESHAPE", "PAD", "CONCATENATION", "SOFTMAX"])
def test_what_the_accelerator_fuses_is_no_phase(op):
    assert phases(chain("net", like(op, (1, 8, 8, 16))), BOARD) == []


COMPUTES = Phase(1_000_000, 1e3, False)  # 10 ms
MOVES = Phase(1_000, 10e6, False)  # 10 ms at 1 GB/s
WEIGHTS = Phase(1_000, 15e6, True)  # 15 ms at 1 GB/s


def test_a_layer_takes_the_longer_of_its_cycles_and_its_bytes():
    assert network_s([COMPUTES], BOARD, 1, 1.0) == pytest.approx(10e-3)
    assert network_s([MOVES], BOARD, 1, 1.0) == pytest.approx(10e-3)
    assert network_s([COMPUTES, MOVES], BOARD, 1, 1.0) == pytest.approx(20e-3)


@pytest.mark.parametrize(("cores", "ms"), [(1, 10), (2, 10), (3, 15), (4, 20)])
def test_cores_share_the_memory_once_it_is_less_than_their_ports(cores, ms):
    assert network_s([MOVES], BOARD, cores, 1.0) == pytest.approx(ms * 1e-3)
    assert network_s([COMPUTES], BOARD, cores, 1.0) == pytest.approx(10e-3)


def test_weights_have_a_rate_of_their_own():
    assert network_s([WEIGHTS], BOARD, 2, 1.0) == pytest.approx(20e-3)
    assert network_s([replace(WEIGHTS, weights_only=False)], BOARD, 2, 1.0) == pytest.approx(15e-3)


def test_a_slow_port_slows_its_own_core():
    assert network_s([MOVES], BOARD, 1, 1.0, port_factor=0.5) == pytest.approx(20e-3)


@pytest.mark.parametrize("scale", [0.1, 1.0, 3.0])
def test_the_compute_scale_is_found_again(scale):
    layers = [COMPUTES, Phase(2_000_000, 1e4, False)]
    assert compute_scale(layers, BOARD, network_s(layers, BOARD, 1, scale)) == pytest.approx(scale)


def test_a_time_that_memory_alone_exceeds_has_the_least_scale():
    assert compute_scale([MOVES], BOARD, 1e-3) == pytest.approx(0.02, abs=1e-3)
