"""Power and energy: states, leakage, what a host keeps awake, what meters saw, and the fit of the few free numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.data import Row, load_dataset
from calibration.energy import fit_power, metered, with_meter
from calibration.predict import Parts
from hwmodels.accelerator import load_accelerator
from hwmodels.host import load_host
from sim import Scenario, simulate
from sim.energy import active_j, heated_w, host_w, idle_w

CORAL = load_accelerator("coral")
PLUG = "Coral USB Accelerator, UM34C USB power meter on the stick"


def watts(dataset: str, **wanted: str) -> dict[Row, float]:
    rows = with_meter(load_dataset(dataset))
    chosen = [row for row in rows if all(getattr(row, key) == value for key, value in wanted.items())]
    chosen = [row for row in chosen if row.model != "mixed classifiers"]
    return {row: metered(row, Parts()) for row in chosen}


def mean_error(rows: dict[Row, float]) -> float:
    return sum(abs(predicted / row.value - 1) for row, predicted in rows.items()) / len(rows)


def test_clocked_energy_goes_with_the_clock_and_actions_do_not():
    clocked, actions = replace(CORAL, energy_mac_pj=0.0), (10**9, 0, 0)
    assert active_j(clocked, 0.5, 1e6, 1000, actions) == pytest.approx(active_j(clocked, 1.0, 1e6, 1000, actions) / 2)
    assert active_j(CORAL, 1.0, 0, 0, actions) == pytest.approx(10**9 * CORAL.energy_mac_pj * 1e-12)
    assert active_j(CORAL, 1.0, 0, 10**6, (0, 0, 0)) == pytest.approx(CORAL.energy_stream_pj_per_byte * 1e-6)


def test_heat_leaks_more_the_warmer_it_is_and_never_runs_away():
    rest = idle_w(CORAL)
    assert heated_w(CORAL, rest, rest) == pytest.approx(rest, abs=1e-9)
    extra = [heated_w(CORAL, rest + more, rest) - rest - more for more in (0.5, 1.0, 2.0)]
    assert 0 < extra[0] < extra[1] < extra[2] < 1
    assert heated_w(CORAL, rest, rest, 45.0) > rest > heated_w(CORAL, rest, rest, 0.0)
    assert heated_w(replace(CORAL, power_heat_c_per_w=1000), rest + 2, rest) < 10
    assert heated_w(replace(CORAL, power_leakage_w=0), 1.7, rest) == 1.7


def test_a_host_adds_up():
    host = load_host("dev-board")
    idle = host_w(host, host.cores, 0, 0.0)
    assert idle + idle_w(CORAL) == pytest.approx(3.08, abs=0.02)  # deepedgebench: 3.081 W at rest
    assert host_w(host, host.cores, 0) - idle == pytest.approx(host.power_awake_w)
    one_more = host_w(host, host.cores, 2) - host_w(host, host.cores, 1)
    assert one_more == pytest.approx(host.power_core_busy_w - host.power_core_idle_w)


def test_an_open_loop_that_waits_lets_the_host_sleep():
    common = {"models": "mobilenet_v2_1.0_224", "host": "dev-board", "link": "pcie"}
    seldom = simulate(Scenario(**common, arrivals="poisson:1", inferences=200), compare=False).summary["power_w"]
    host = load_host("dev-board")
    assert seldom["host"] - host_w(host, host.cores, 0, 0.0) < 0.05
    always = simulate(Scenario(**common), compare=False).summary["power_w"]
    assert always["host"] > host_w(host, host.cores, 0)


def test_warm_surroundings_cost_power():
    common = {"models": "inception_v1_224", "host": "dev-board", "link": "pcie"}
    cold, warm = (simulate(Scenario(**common, thermal=t), compare=False).summary["power_w"] for t in ("5", "45"))
    assert warm["accelerators"] > cold["accelerators"] + 0.05
    assert warm["host"] == pytest.approx(cold["host"])


def test_streamed_parameters_cost_energy():
    def accelerator_mj(name):
        return simulate(Scenario(models=name), compare=False).summary["energy_accelerator_mj_per_inference"]

    assert accelerator_mj("conv5x3x3_f452_64x64") > accelerator_mj("conv5x3x3_f442_64x64") * 1.05


def test_a_stick_s_watts_are_those_of_its_plug_meter():
    rows = watts("qutibench_power", metric="power_full_w")
    stated = {row: value for row, value in rows.items() if "power_base_w" in row.conditions}
    assert len(stated) == 8
    assert mean_error(stated) < 0.09
    assert all(abs(value / row.value - 1) < 0.35 for row, value in rows.items())


@pytest.mark.parametrize(("dataset", "mean", "worst"), [("deepedgebench", 0.04, 0.1), ("issues_misc", 0.06, 0.15)])
def test_states_and_loads_of_boards_and_sticks(dataset, mean, worst):
    rows = {}
    for metric in ("power_w", "power_idle_w", "power_full_w", "energy_mj", "energy_above_idle_mj"):
        rows |= watts(dataset, metric=metric)
    assert len(rows) >= 8
    assert mean_error(rows) < mean
    assert max(abs(value / row.value - 1) for row, value in rows.items()) < worst


def test_rows_that_belong_together_share_their_base_and_period():
    def row(line, metric, value, **changes):
        return Row("f.csv", line, "m", metric, value, source_id="s", conditions=PLUG, clock_id="max", **changes)

    rows = with_meter([
        row(1, "power_base_w", 0.3), row(2, "system_throughput_fps", 100.0), row(3, "power_full_w", 0.5),
        row(4, "power_full_w", 0.9), row(5, "power_base_w", 0.8),
    ])  # fmt: skip
    assert rows[2].conditions.endswith("power_base_w 0.3; system_latency_ms 10")
    assert rows[3].conditions.endswith("power_base_w 0.8")
    assert rows[1].conditions == PLUG
    assert with_meter(rows) == rows


def test_a_low_base_averages_over_the_period_and_a_high_one_does_not():
    def at(conditions):
        conditions = f"{PLUG}; {conditions}"
        return metered(Row("f.csv", 1, "mobilenet_v1_1.0_224", "power_full_w", 1.0, conditions=conditions), Parts())

    assert at("power_base_w 0.25; system_latency_ms 10") > at("power_base_w 0.25; system_latency_ms 20") > 0.25
    assert at("power_base_w 0.8; system_latency_ms 10") == at("power_base_w 0.8; system_latency_ms 20")


def test_the_fit_gives_the_shipped_numbers_and_says_how_sure_it_is():
    found = fit_power()
    shipped = [
        CORAL.power_active_clock_w, CORAL.energy_stream_pj_per_byte,
        load_host("dev-board").power_awake_w, load_host("dev-board").power_core_busy_w,
    ]  # fmt: skip
    for value, number in zip(shipped, found["numbers"].values(), strict=True):
        assert abs(value - number["value"]) < 0.5 * number["std_error"]
    assert found["mape"] < 0.09
    assert found["mape_left_out"] < 0.12
