"""What can be had, what ports give, and a user's prices."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodels.errors import InputError
from sim import Scenario
from sim.choices.market import HOURS_A_YEAR, Prices, cannot_be_had, power_notes, read_prices

NET = "mobilenet_v2_1.0_224"
EXAMPLE = Path(__file__).parent.parent / "docs" / "prices.toml"


@pytest.mark.parametrize("options, why", [
    ({"host": "raspberry-pi-4"}, ""),
    ({"host": "raspberry-pi-4", "accelerators": 4}, ""),
    ({"host": "raspberry-pi-4", "link": "pcie"}, "raspberry-pi-4 has no port for pcie"),
    ({"host": "raspberry-pi-5", "link": "pcie"}, ""),
    ({"host": "raspberry-pi-5", "link": "pcie", "accelerators": 2}, "raspberry-pi-5 has room for 1 over pcie"),
    ({"host": "raspberry-pi-cm4", "link": "usb3"}, "raspberry-pi-cm4 has room for 0 over usb3"),
    ({"host": "x86-desktop", "link": "pcie", "accelerators": 4}, ""),
    ({"size": "large"}, "size large was never built"),
    ({"size": "coral:1,small:1"}, "size small was never built"),
    ({"host": "raspberry-pi-4", "cores": 8}, "raspberry-pi-4 has 4 cores"),
    ({"host": "raspberry-pi-4", "accelerators": 0}, ""),
    ({"size": "dpu-b4096"}, ""),
])  # fmt: skip
def test_what_cannot_be_had_says_why(options, why):
    assert cannot_be_had(Scenario(models=NET, **options)) == ({why} if why else set())


@pytest.mark.parametrize("options, words", [
    ({"host": "raspberry-pi-4"}, ()),
    ({"host": "raspberry-pi-4", "accelerators": 2}, ("1.8 A", "1.2 A", "powered hub")),
    ({"host": "raspberry-pi-5", "accelerators": 2}, ("1.8 A", "1.6 A", "5 A supply")),
    ({"host": "raspberry-pi-5", "link": "pcie"}, ("HAT", "4 KB")),
    ({"host": "x86-desktop", "accelerators": 4}, ("3.6 A", "0.9 A by its standard", "a port of its own")),
    ({"host": "n100"}, ()), ({"host": "n100", "accelerators": 2}, ("1.8 A", "a port of its own", "powered hub")),
    ({"host": "nano", "accelerators": 2}, ("1.8 A", "0.9 A by its standard", "powered hub")),
    ({"host": "zero2w"}, ("a stick peaks at 0.9 A", "0.5 A by its standard", "powered hub")),
    ({"host": "n100", "link": "pcie", "accelerators": 2}, ()), ({"host": "n100", "link": "usb3,pcie", "accelerators": 2}, ()),
    ({"host": "raspberry-pi-4", "accelerators": 0}, ()),
])  # fmt: skip
def test_what_else_it_takes_is_said(options, words):
    notes = power_notes(Scenario(models=NET, **options))
    assert len(notes) == bool(words)
    assert all(word in notes[0] for word in words)


def test_what_is_there_costs_nothing():
    prices = Prices("EUR", 0.3, {"raspberry-pi-5": 80.0}, {"usb3": 60.0, "pcie": 25.0})
    now = Scenario(models=NET, host="raspberry-pi-4", accelerators=2)
    for options, price in (
        ({}, 0.0), ({"accelerators": 3}, 60.0), ({"accelerators": 1}, 0.0), ({"accelerators": 0}, 0.0),
        ({"host": "raspberry-pi-5"}, 80.0), ({"host": "raspberry-pi-5", "link": "pcie", "accelerators": 1}, 105.0),
        ({"host": "x86-desktop"}, None), ({"link": "usb2"}, 0.0),
    ):  # fmt: skip
        assert prices.of(now.with_options(**options), now) == price, options


def test_a_year_of_power_at_a_price():
    assert Prices(per_kwh=0.3).a_year(10) == pytest.approx(10 * 365.25 * 24 / 1000 * 0.3)
    assert Prices().a_year(10) is None
    assert HOURS_A_YEAR == 365.25 * 24


def test_the_shipped_example_claims_nothing():
    prices = read_prices(EXAMPLE)
    assert {prices.per_kwh, *prices.hosts.values(), *prices.accelerators.values()} == {1.0}
    assert prices.currency == "units"


@pytest.mark.parametrize("text, said", [
    ("host = 1", "did you mean 'hosts'"), ("hosts = 1", "a table"), ("[hosts]\na = -1", "a price from 0"),
    ("[hosts]\na = 'x'", "a price from 0"), ("per_kwh = nan", "a price from 0"), ("currency = 1", "a text"), ("[", "cannot be read"),
])  # fmt: skip
def test_a_bad_table_is_refused_in_one_sentence(tmp_path, text, said):
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_prices(file)
    with pytest.raises(InputError, match="cannot be read"):
        read_prices(tmp_path / "none.toml")
