"""Hosts: every board has a part, and every number a source and a plausible size."""

import pytest

from hwmodels.host import BusCosts, load_host
from hwmodels.parts import part_names

BOARDS = {
    "x86-xeon",
    "x86-xeon-w2135",
    "x86-desktop",
    "x86-laptop",
    "dev-board",
    "dev-board-mini",
    "dev-board-micro",
    "raspberry-pi-2",
    "raspberry-pi-2-32bit",
    "raspberry-pi-3b",
    "raspberry-pi-3b-32bit",
    "raspberry-pi-3b-plus",
    "raspberry-pi-3b-plus-32bit",
    "raspberry-pi-3b-plus-tensorflow",
    "raspberry-pi-4",
    "raspberry-pi-4-32bit",
    "raspberry-pi-5",
    "raspberry-pi-cm4",
    "jetson-nano",
    "orange-pi-6-plus",
    "rk3399",
    "odroid-xu4",
}


def test_every_board_has_a_part():
    assert set(part_names("host")) >= BOARDS


@pytest.mark.parametrize("name", part_names("host"))
def test_every_number_says_where_it_comes_from_and_how_sure_it_is(name):
    host = load_host(name)
    for key, quantity in host.quantities.items():
        assert len(quantity.source) > 3, key
        if quantity.status in ("fitted", "assumed"):
            assert quantity.std_error or quantity.range, key
        if quantity.range:
            assert quantity.range[0] <= quantity.value <= quantity.range[1], key


@pytest.mark.parametrize("name", part_names("host"))
def test_numbers_are_plausible(name):
    host = load_host(name)
    assert host.cores >= 1
    assert 0 < host.thread_efficiency <= 1
    assert 0 <= host.gil_share <= 1
    assert host.power_core_idle_w < host.power_core_busy_w
    assert any(costs.out_bytes_per_s for costs in host.buses.values())


def test_an_unknown_bus_says_nothing():
    assert load_host("x86-xeon").bus("firewire") == ("", BusCosts())
    name, costs = load_host("dev-board").bus("pcie")
    assert (name, costs.out_bytes_per_s) == ("pcie", pytest.approx(389e6, rel=0.05))
