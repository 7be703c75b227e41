"""The columns of an estimator: enough for the closed form, and each what its name says."""

from __future__ import annotations

import numpy as np
import pytest
from hand import accelerator_stage, network

from hwmodels.stages import CpuStage, StepTime
from sim.closed_form.bounds import throughput_bound
from sim.closed_form.columns import STAGE_COLUMNS, stage_columns, visits
from sim.closed_form.flows import flows, power_at
from sim.closed_form.lines import expected_ips
from sim.closed_form.mva import estimate_many
from sim.power import rest_w
from sim.scenario import Scenario
from sim.setup import build

NET = "mobilenet_v1_0.25_128"


def table(setup):
    """The columns of one set-up."""
    counts = {"threads": len(setup.thread_models), "accelerators": len(setup.accelerators), "cores": setup.cores}
    return stage_columns(setup) | counts


@pytest.mark.parametrize("threads", [1, 4, 7])
@pytest.mark.parametrize(("link", "accelerators"), [("pcie", 2), ("usb3", 1), ("usb3", 3)])
def test_vectorised_and_scalar_agree(threads, link, accelerators):
    setup = build(
        Scenario(
            models=NET,
            threads=threads,
            accelerators=accelerators,
            link=link,
            host="dev-board",
            preprocess="resize",
            numbers={"host.lock_wake_ns": 0},  # columns do not have it
        )
    )
    columns = {key: np.array([value, value]) for key, value in table(setup).items()}
    many = estimate_many(columns)
    assert many["throughput_ips"][1] == pytest.approx(throughput_bound(setup))
    power = power_at(setup, flows(setup))
    assert many["power_w_total"][0] == pytest.approx(power.total_w)
    assert many["energy_mj_per_inference"][0] == pytest.approx(power.total_w / throughput_bound(setup) * 1e3)
    assert many["speedup_vs_one_thread"][0] == pytest.approx(
        throughput_bound(setup) * setup.stage_times[0][0].latency_ns / 1e9
    )


def test_every_column_is_there_and_no_other():
    setup = build(Scenario(models=NET, threads=2))
    assert set(stage_columns(setup)) == set(STAGE_COLUMNS)


def test_times_by_kind_of_work_by_hand():
    """Two steps: 100 of cycles, and 50 of cycles under 80 of parameters; the operators on the CPU take 500."""
    stage = accelerator_stage(steps=(StepTime(100, 0, 0), StepTime(50, 80, 600)))
    found = visits(network("a", stage, CpuStage(500), python_ns=7, preprocess_ns=1000, postprocess_ns=200))
    assert found == {
        "stage_driver_ns": 10, "stage_send_ns": 50, "stage_program_ns": 180, "stage_compute_ns": 150,
        "stage_program_half_ns": 100 + 160, "stage_link_turns": 2, "stage_copy_ns": 30, "stage_ops_ns": 500,
        "stage_python_ns": 1207, "stage_load_ns": 100,
    }  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
def test_power_at_any_rate_is_rest_and_energy_of_an_inference(threads):
    """Linear in the rate but for the leakage of heat: exact at the expected rate and at none."""
    setup = build(Scenario(models=NET, threads=threads, host="dev-board", link="pcie"))
    columns, ips = stage_columns(setup), expected_ips(setup)
    busy = power_at(setup, flows(setup))
    assert columns["stage_static_w"] == pytest.approx(rest_w(setup))
    assert columns["stage_static_w"] + columns["stage_dynamic_mj"] * ips / 1e3 == pytest.approx(busy.total_w)
    own = columns["stage_accelerator_static_w"] + columns["stage_accelerator_dynamic_mj"] * ips / 1e3
    assert own == pytest.approx(busy.accelerators_w)
