"""Powers and energies of parts: clocks, actions, leakage and hosts, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.energy import active_j, heated_w, host_w, idle_w
from hwmodels.host import load_host

CORAL = load_accelerator("coral")


def test_clocked_energy_goes_with_the_clock_and_actions_do_not():
    clocked, actions = replace(CORAL, energy_mac_pj=0.0), (10**9, 0, 0)
    assert active_j(clocked.energies, 0.5, 1e6, 1000, actions) == pytest.approx(
        active_j(clocked.energies, 1.0, 1e6, 1000, actions) / 2
    )
    assert active_j(CORAL.energies, 1.0, 0, 0, actions) == pytest.approx(10**9 * CORAL.energy_mac_pj * 1e-12)
    assert active_j(CORAL.energies, 1.0, 0, 10**6, (0, 0, 0)) == pytest.approx(CORAL.energy_stream_pj_per_byte * 1e-6)


def test_heat_leaks_more_the_warmer_it_is_and_never_runs_away():
    rest = idle_w(CORAL.energies)
    assert heated_w(CORAL.energies, rest, rest) == pytest.approx(rest, abs=1e-9)
    extra = [heated_w(CORAL.energies, rest + more, rest) - rest - more for more in (0.5, 1.0, 2.0)]
    assert 0 < extra[0] < extra[1] < extra[2] < 1
    assert heated_w(CORAL.energies, rest, rest, 45.0) > rest > heated_w(CORAL.energies, rest, rest, 0.0)
    assert heated_w(replace(CORAL, power_heat_c_per_w=1000).energies, rest + 2, rest) < 10
    assert heated_w(replace(CORAL, power_leakage_w=0).energies, 1.7, rest) == 1.7


def test_a_host_adds_up():
    host = load_host("dev-board")
    idle = host_w(host, host.cores, 0, 0.0)
    assert idle + idle_w(CORAL.energies) == pytest.approx(3.08, abs=0.02)  # deepedgebench: 3.081 W at rest
    assert host_w(host, host.cores, 0) - idle == pytest.approx(host.power_awake_w)
    one_more = host_w(host, host.cores, 2) - host_w(host, host.cores, 1)
    assert one_more == pytest.approx(host.power_core_busy_w - host.power_core_idle_w)
