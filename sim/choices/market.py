"""What can be bought and plugged into a host, what the ports give, and what it costs by a table of the user's.

Prices are nobody's but the user's: none is shipped. ``docs/prices.toml`` shows the form.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hwmodels.errors import InputError, nearest, reason
from hwmodels.families import load_accelerator
from hwmodels.files import read_text
from hwmodels.host import BusCosts, load_host
from hwmodels.link import load_link
from sim.scenario import Scenario
from sim.setup import accelerator_count

__all__ = ["HOURS_A_YEAR", "Prices", "cannot_be_had", "has_port", "power_notes", "read_prices"]

MOST_YEARS = 50
HOURS_A_YEAR = 8766  # 365.25 days
STICK_A = 0.9  # peak of a USB accelerator (its datasheet; google-coral/edgetpu issues 11 and 154)
PORT_A = {"usb2": 0.5, "usb3": 0.9}  # what one port gives (Universal Serial Bus 2.0, 7.2.1; 3.2, 11.4.5)
#: (host, link) -> what else it takes (geerlingguy/raspberry-pi-pcie-devices issue 44).
ALSO = {
    ("raspberry-pi-5", "pcie"): "an M.2 card on a Raspberry Pi 5 takes a HAT with a slot and a kernel of 4 KB pages",
    ("dev-board", "usb3"): "this is a stick on a Dev Board; the chip that it has itself is --link pcie",
}


def has_port(host: str, links: str) -> bool:
    """Whether the host's part file knows every link: a host without such a port is no step."""
    return all(_row(host, name)[0] for name in links.split(","))


def _row(host: str, link: str) -> tuple[str, BusCosts]:
    part = load_link(link.strip())
    return load_host(host).bus(part.name, *part.bases)


def cannot_be_had(scenario: Scenario) -> set[str]:
    """Return why a set-up cannot be bought or plugged in, a sentence for each reason; none where it can."""
    found = set(_parts(scenario)) if not scenario.is_on_cpu else set()
    host = load_host(scenario.host)
    if scenario.cores not in (0, host.cores):
        found.add(f"{host.name} has {host.cores} cores")
    return found


def _parts(scenario: Scenario) -> Iterator[str]:
    """Accelerators that nobody sells, and those that find no place."""
    names = [part.rpartition(":")[0] or part for part in scenario.size.split(",")]
    for part in map(load_accelerator, names):
        if part.is_extrapolated:
            yield f"size {part.name} was never built"
    for link in dict.fromkeys(scenario.link.split(",")):
        if not has_port(scenario.host, link):
            yield f"{scenario.host} has no port for {link}"
        most = _row(scenario.host, link)[1].places
        if scenario.accelerators > most:
            yield f"{scenario.host} has room for {most} over {link}"


def power_notes(scenario: Scenario) -> list[str]:
    """Return what a set-up takes besides its parts: a powered hub, a card that carries a slot."""
    if scenario.is_on_cpu:
        return []
    links = [link.strip() for link in scenario.link.split(",")]
    each = links * accelerator_count(scenario) if len(links) == 1 else links
    also = [ALSO[scenario.host, link] for link in dict.fromkeys(links) if (scenario.host, link) in ALSO]
    sticks = [link for link in each if load_link(link).std_clock]
    if not sticks:
        return also
    given = load_host(scenario.host).usb_ports_a
    need_a = len(sticks) * STICK_A
    peak = f"{len(sticks)} sticks peak at {need_a:g} A ({STICK_A * 1e3:.0f} mA each)"
    peak = peak if len(sticks) > 1 else f"a stick peaks at {STICK_A:g} A"
    if given and need_a > given:
        supply = " with a 5 A supply" if scenario.host == "raspberry-pi-5" else ""
        also += [f"{peak}, the ports of {scenario.host} give {given:g} A together{supply}: use a powered hub"]
    elif not given and any(PORT_A[_standard(link)] < STICK_A for link in sticks):
        standard = f"a USB 2 port gives {PORT_A['usb2']:g} A by its standard"
        also += [f"{peak}, {standard}: use a powered hub where it gives no more"]
    elif not given and len(sticks) > 1:
        standard = f"a USB 3 port gives {PORT_A['usb3']:g} A by its standard"
        also += [f"{peak}, {standard}: give each a port of its own, or use a powered hub"]
    return also


def _standard(link: str) -> str:
    """The USB standard of a stick's link: its own, or that of the link that it is based on."""
    part = load_link(link)
    return next((name for name in (part.name, *part.bases) if name in PORT_A), "usb3")


@dataclass(frozen=True)
class Prices:
    """A user's table: what a part costs, in a currency of theirs, and a kilowatt-hour.

    Attributes
    ----------
    hosts, accelerators
        Price by name; of an accelerator by its link, as a stick and a card are different things.
    per_kwh
        0 where it is not given.
    years
        Over how many years energy counts in what is cheapest.
    """

    currency: str = ""
    per_kwh: float = 0.0
    hosts: Mapping[str, float] = field(default_factory=dict)
    accelerators: Mapping[str, float] = field(default_factory=dict)
    years: float = 0.0

    def over(self, years: float | None) -> Prices:
        """Return the table with the years over which energy counts; None leaves it away.

        Raises :class:`InputError` for years that are none, and where energy has no price.
        """
        if years is None:
            return self
        if not 0 < years <= MOST_YEARS:
            raise InputError.value("--years", years, f"a number above 0, and at most {MOST_YEARS}")
        if not self.per_kwh:
            raise InputError.problem("--years", "cannot act, as energy has no price", "give --prices with a per_kwh")
        return replace(self, years=years)

    def of(self, scenario: Scenario, now: Scenario) -> float | None:
        """Return what has to be bought to get from one set-up to another; None where something has no price."""
        parts = [] if scenario.is_on_cpu else [link.strip() for link in scenario.link.split(",")]
        wanted = (parts * scenario.accelerators)[: max(len(parts), scenario.accelerators)]
        owned = [] if now.is_on_cpu else [link.strip() for link in now.link.split(",")]
        owned = (owned * now.accelerators)[: max(len(owned), now.accelerators)]
        for link in owned:
            fitting = next((one for one in wanted if _plug(one) == _plug(link)), None)
            if fitting is not None:
                wanted.remove(fitting)
        bought = [(self.accelerators, link) for link in wanted]
        bought += [(self.hosts, scenario.host)] if scenario.host != now.host else []
        if any(name not in table for table, name in bought):
            return None
        return sum(table[name] for table, name in bought)

    def a_year(self, power_w: float) -> float | None:
        """Return what a year of that power costs; None without a price of energy."""
        return power_w * HOURS_A_YEAR / 1e3 * self.per_kwh if self.per_kwh else None

    def total(self, price: float, power_w: float) -> float:
        """Return a price and the energy of the years that count."""
        return price + self.years * (self.a_year(power_w) or 0.0)


def read_prices(path: str | Path) -> Prices:
    """Read a table of prices.

    Raises :class:`InputError` for a file that cannot be read, an unknown key, or a price that is no number from 0.
    """
    try:
        table = tomllib.loads(read_text(Path(path)))
    except (OSError, ValueError) as error:
        raise InputError.problem(
            str(path), f"cannot be read ({reason(error)})", "give a TOML file such as docs/prices.toml"
        ) from None
    known = ("currency", "per_kwh", "hosts", "accelerators")
    for key in table:
        if key not in known:
            raise InputError.problem(
                f"{path}: {key}", "is an unknown key", f"choose from {', '.join(known)}", nearest(key, known)
            )
    currency = table.get("currency", "")
    if not isinstance(currency, str):
        raise InputError.value(f"{path}: currency", currency, "a text")
    return Prices(
        currency, _price(f"{path}: per_kwh", table.get("per_kwh", 0.0)),
        _prices(path, "hosts", table), _prices(path, "accelerators", table),
    )  # fmt: skip


def _prices(path: str | Path, key: str, table: Mapping[str, Any]) -> dict[str, float]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise InputError.value(f"{path}: {key}", found, f"a table [{key}]")
    return {name: _price(f"{path}: {key}.{name}", value) for name, value in found.items()}


def _plug(link: str) -> str:
    """What an accelerator is plugged in by: a stick fits every USB port."""
    return "USB" if load_link(link).std_clock else link


def _price(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError.value(where, value, "a price from 0")
    return float(value)
