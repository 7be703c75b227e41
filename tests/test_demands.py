"""Service demands by hand, of one network, of a mix, and with parameters that are sent again."""

from __future__ import annotations

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import CpuStage, StepTime
from sim.closed_form.demands import Demand, demand, demand_of, mean_demand, with_load


def test_a_demand_by_hand():
    need = demand(
        [network("a", accelerator_stage(), CpuStage(500), python_ns=7, preprocess_ns=1000, postprocess_ns=200)]
    )
    assert need.alone_ns == 190 + 30 + 500 + 7 + 1200
    assert need.held_ns == 190
    assert (need.out_ns, need.in_ns) == (50, 20)
    assert need.cpu_ns == 500 + 1207 + 10 + 30
    assert need.gil_ns == 1207
    assert need.load_ns == 100


def test_streamed_parameters_are_sent_whether_they_stick_out_or_not():
    need = demand([network("a", accelerator_stage(steps=(StepTime(100, 70, 700), StepTime(10, 50, 500))))])
    assert need.out_ns == 50 + 120
    assert need.held_ns == 90 + 100 + 50


def test_the_mean_of_a_mix():
    rows = [Demand(100, 10, 2, 4, 6, 8, 1), Demand(300, 30, 6, 8, 10, 12, 3)]
    assert mean_demand(rows) == Demand(pytest.approx(150), 20, 4, 6, 8, 10, 2)  # harmonic, then arithmetic


def test_a_reload_makes_an_inference_longer_where_it_happens():
    need = with_load(Demand(100, 50, 20, 5, 30, 1, 40), 0.5)
    assert need == Demand(120, 70, 40, 5, 30, 1, 40)


def test_busy_python_threads_make_every_turn_at_the_lock_wait(hand_setup):
    """Turns of 5 ms: 12 ms of Python before take three, the call and 3 ms after take one each."""
    one = network("a", accelerator_stage(), preprocess_ns=12_000_000, python_ns=1000, postprocess_ns=3_000_000)
    alone = hand_setup([one], threads=1, mode="threads", busy_python_threads=0)
    busy = hand_setup([one], threads=1, mode="threads", busy_python_threads=2)
    assert alone.gil is None
    turn = 2 * 5_000_000 + busy.gil.handover_ns
    need = demand_of(one, busy)
    assert need.gil_ns == 15_001_000 + 5 * turn
    assert need.alone_ns - demand_of(one, alone).alone_ns == 5 * turn
    assert (demand_of(one, alone).gil_ns, demand_of(one).gil_ns) == (0, 15_001_000)
