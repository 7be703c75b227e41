"""Hosts that nobody measured: their costs are those of the nearest measured host, scaled, with a range to match.

``datasets/cores.csv`` says of every host what core it has, how fast that is, and which host is near.
``python -m calibration.scaling --write`` writes the scaled numbers into the files of the hosts that have no rows.

Speeds are a clock times what a core does in a cycle, relative to others of its instruction set. How far such a scaling
can be off is known from the measured hosts, each predicted from its near one (``tests/test_scaling.py``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from calibration.parttext import with_quantities
from calibration.tables import Cells, shipped_table
from hwmodels import parts
from hwmodels.files import write_text
from hwmodels.host import Host, load_host
from hwmodels.quantities import Quantity

__all__ = ["HOSTS", "SCALED", "Core", "cores", "scaled_buses", "scaled_text", "scaled_times"]

#: Hosts whose files this module writes; other scaled ones are older, and written by hand.
SCALED = ("apple-m1", "jetson-nano-5w", "mini-pc-n100", "nuc-i5", "raspberry-pi-zero-2w", "rock-3a")
#: A scaled time lies between this part and this multiple of it.
WITHIN = 3.0
#: A bus's rate or fixed time, taken over from another host: lowest and highest factor.
BUSES = {"out_bytes_per_s": (0.6, 1.4), "in_bytes_per_s": (0.4, 2.2), "floor_ns": (0.3, 4.0)}
#: A time that is no work of a core.
UNSCALED = ("gil_handover_ns",)
HOSTS = Path(parts.__file__).parent / "hosts"


@dataclass(frozen=True)
class Core:
    """What a host computes on: the core's name, its clock, work in a cycle relative to others, and the near host."""

    host: str
    isa: str
    core: str
    ghz: float
    per_clock: float
    near: str
    source: str

    @property
    def speed(self) -> float:
        """Relative speed among the cores of its instruction set."""
        return self.ghz * self.per_clock


def cores() -> dict[str, Core]:
    """Return the core of every host that the table knows, by host."""
    return {row["host"]: _core(row) for row in shipped_table("cores")}


def _core(row: Cells) -> Core:
    ghz, per_clock = float(row["ghz"]), float(row["per_clock"])
    return Core(row["host"], row["isa"], row["core"], ghz, per_clock, row["near"], row["source"])


def scaled_times(near: Host, slowdown: float, source: str) -> dict[str, Quantity]:
    """Return every time that a core's work takes on a host that is so much slower than another one.

    Parameters
    ----------
    near
        The host that was measured.
    slowdown
        Factor on its times.
    source
        Where the factor comes from.
    """
    return {
        key: _times(quantity, slowdown, source)
        for key, quantity in near.quantities.items()
        if "_ns" in key and not key.startswith("bus.") and key not in UNSCALED and quantity.value
    }


def scaled_buses(near: Host, source: str) -> dict[str, Quantity]:
    """Return the numbers of another host's buses as those of a host of its kind: the same, within wide ranges."""
    return {
        key: _within(quantity, BUSES[key.rpartition(".")[2]], source)
        for key, quantity in near.quantities.items()
        if key.startswith("bus.") and key.rpartition(".")[2] in BUSES and "memory" not in key and quantity.value
    }


def _times(quantity: Quantity, slowdown: float, source: str) -> Quantity:
    """A time of the near host, scaled; a range that was wider stays so."""
    low, high = quantity.range or (_value(quantity), _value(quantity))
    low, high = min(low, _value(quantity) / WITHIN), max(high, _value(quantity) * WITHIN)
    return Quantity(_value(quantity) * slowdown, "assumed", source, range=(low * slowdown, high * slowdown))


def _within(quantity: Quantity, factors: tuple[float, float], source: str) -> Quantity:
    low, high = factors
    return Quantity(_value(quantity), "assumed", source, range=(_value(quantity) * low, _value(quantity) * high))


def _value(quantity: Quantity) -> float:
    assert not isinstance(quantity.value, list)  # no time and no rate is a table
    return quantity.value


def scaled_text(name: str) -> str:
    """Return the text of a scaled host's file with its times as the near host's file and the table give them now."""
    known = cores()
    core = known[name]
    source = f"{core.near}, scaled: {core.source}"
    times = scaled_times(load_host(core.near), known[core.near].speed / core.speed, source)
    return with_quantities((HOSTS / f"{name}.toml").read_text(encoding="utf-8"), times, digits=3)


def main() -> None:
    """Print the files of the scaled hosts; with ``--write`` write them."""
    for name in SCALED:
        if "--write" in sys.argv[1:]:
            write_text(HOSTS / f"{name}.toml", scaled_text(name))
        else:
            print(scaled_text(name), end="")


if __name__ == "__main__":
    main()
