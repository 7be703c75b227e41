"""Mean power of a run: what sleeps, what heat and streams cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwmodels.energy import host_w
from hwmodels.host import load_host
from sim import Scenario, simulate
from sim.machine.records import Activity, Totals
from sim.machine.states import State
from sim.power import mean_power
from sim.setup import build


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


def test_mean_power_by_hand():
    """A second in which one accelerator computes for a quarter and one rests, and 3 MB cross a link."""
    setup = build(Scenario(models="mobilenet_v1_0.25_128", threads=2, accelerators=2, link="pcie", host="x86-desktop"))
    setup = replace(setup, accelerators=tuple(part.without_leakage() for part in setup.accelerators))
    done = Activity(10**9, [], [Totals(), Totals()], [Totals(), Totals()], core_ns=5e8)
    busy, line = done.accelerators[0], done.links[0]
    busy.time_ns[State.COMPUTE], busy.time_ns[State.OUTPUT], busy.actions = 25e7, 1e8, (1e9, 2e8, 3e8)
    line.n_bytes[State.TRANSFER_OUT], line.n_bytes[State.TRANSFER_IN] = 2e6, 1e6
    part, found = setup.accelerators[0], mean_power(setup, done)
    actions_pj = 1e9 * part.energy_mac_pj + 2e8 * part.energy_wide_pj_per_byte + 3e8 * part.energy_narrow_pj_per_byte
    rest = 2 * (part.power_base_w + part.power_idle_w)
    assert found.accelerators_w == pytest.approx(rest + 0.25 * part.power_active_clock_w + actions_pj * 1e-12)
    assert found.links_w == pytest.approx(3e6 * setup.channels[0].energy_pj_per_byte * 1e-12)
    assert found.host_w == host_w(setup.host, setup.cores, 0.5)
    assert found.total_w == found.accelerators_w + found.links_w + found.host_w


@pytest.mark.parametrize("thermal", ["off", "60"])
def test_twice_the_same_work_in_twice_the_time_is_the_same_power(thermal):
    results = simulate(
        Scenario(models="inception_v3_299", link="pcie", host="dev-board", thermal=thermal), compare=False
    )
    once = results.window
    twice = Activity(
        2 * once.elapsed_ns, [], [doubled(part) for part in once.accelerators], [doubled(part) for part in once.links],
        2 * once.core_ns,
    )  # fmt: skip
    first, second = mean_power(results.setup, once), mean_power(results.setup, twice)
    assert second.total_w == pytest.approx(first.total_w)


def doubled(part):
    time_ns, n_bytes = ([2 * value for value in values] for values in (part.time_ns, part.n_bytes))
    return Totals(time_ns, n_bytes, 2 * part.waited_ns, tuple(2 * action for action in part.actions))
