"""Links: how long a transfer between host and accelerator takes.

The bus's own limits and protocol are in the link's part file; what a host's controller and driver make of it is in the
host's part file. The slower of the two counts. Protocol facts: libedgetpu ``driver/usb`` (docs/execution.md).

Two views of the same bus: :class:`Link` is what the bus could do, :class:`Channel` what one host makes of it;
everything that times transfers takes a channel. ``sim.machine.link`` says who waits for the bus. This module says
how long a transfer takes when nobody waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import ClassVar, Literal

from hwmodels.cache import read_once, remembered
from hwmodels.host import Host
from hwmodels.part_keys import number
from hwmodels.parts import Part, load, part_names

__all__ = [
    "Channel",
    "Direction",
    "Link",
    "channel",
    "fair_rates",
    "load_link",
    "plugged_links",
    "port",
    "rate_notes",
    "transfer_ns",
    "usual_link",
]

RATES = ("out_bytes_per_s", "in_bytes_per_s")
Direction = Literal["out", "in"]


@dataclass(frozen=True, kw_only=True)
class Link(Part):
    """A bus: its rates in bytes/s (out = to the accelerator), its largest transfer, the energy of a byte in pJ."""

    DIVISORS: ClassVar[frozenset[str]] = frozenset(["out_bytes_per_s", "in_bytes_per_s", "chunk_bytes"])

    out_bytes_per_s: float = number("Rate towards the accelerator.")
    in_bytes_per_s: float = number("Rate towards the host.")
    floor_ns: float = number("Fixed time of an inference (dispatch, completion) where the host's file has none.")
    chunk_bytes: int = number("Largest transfer at a time: the grain in which accelerators share the bus.")
    shared: bool = number("1 where all accelerators of a host controller share it, 0 where each has its own lane.")
    energy_pj_per_byte: float = number("Energy of a byte, either way.")
    overlaps_input: float = number("Share of an input (0 to 1) that may cross while the first layer is computed.", 0)
    throttles: bool = number("1 where the driver lowers the accelerator's clock when it is hot.", False)
    std_clock: bool = number("1 where the std runtime runs the accelerator at its lower clock.", False)
    fluid: bool = number("1 where transfers share its rate at every moment (a memory), 0 where they take turns.", False)
    lane_bytes_per_s: float = number(
        "What cards that share one lane at every moment get together, each way (0: no such lane).",
        0,
    )
    on_board: bool = number("1 where only hosts have it whose file says so: it is a part of the board.", False)


@dataclass(frozen=True, slots=True)
class Channel:
    """A link as one host drives it: rates in bytes/s, fixed time of an inference and of an instruction byte in ns.

    Made by :func:`channel`. ``instruction_ns_per_byte`` is extra CPU time of the driver for a byte of instructions, on
    top of its transfer. ``host_row`` names the row of the host's file that counts, and is empty where none does.
    ``link`` is the part from which the channel was made. Of a memory, the rates are those of one accelerator's own
    port, and ``memory_bytes_per_s`` is what all ports get together (0: no memory). Of a lane (``is_lane``) it is what
    all cards behind it get together, each way.
    """

    name: str
    out_bytes_per_s: float
    in_bytes_per_s: float
    floor_ns: float
    instruction_ns_per_byte: float
    chunk_bytes: int
    shared: bool
    energy_pj_per_byte: float
    overlaps_input: float = 0
    throttles: bool = False
    host_row: str = ""
    memory_bytes_per_s: float = 0
    is_lane: bool = False
    link: Link | None = field(default=None, repr=False, compare=False)

    def rate(self, direction: Direction) -> float:
        """Bytes/s to the accelerator (``out``) or from it (``in``), with nobody in the way."""
        return self.out_bytes_per_s if direction == "out" else self.in_bytes_per_s


def load_link(name_or_path: str) -> Link:
    """Load a link by name (``usb3``, ``usb2``, ``pcie``) or from a part file.

    Raises
    ------
    InputError
        For an unknown name (with the nearest one), an unreadable file, an unknown key, or a number out of its range.
    """
    return load("link", Link, name_or_path)


@read_once
def plugged_links() -> tuple[str, ...]:
    """Return the shipped links to one accelerator that are plugged in, from the slowest to the fastest.

    What is wired on a board is none of them, nor is a lane that several cards share.
    """
    every = map(load_link, part_names("link"))
    parts = [part for part in every if not (part.on_board or part.lane_bytes_per_s)]
    return tuple(part.name for part in sorted(parts, key=lambda part: (part.out_bytes_per_s, part.in_bytes_per_s)))


def usual_link(host: Host, usual: str) -> str:
    """Return the link over which a host is used where nobody names one: ``usual``, or the fastest that it has."""
    if not host.buses or load_link(usual).on_board or _has_place(host, usual):
        return usual
    return next((name for name in reversed(plugged_links()) if _has_place(host, name)), usual)


def _has_place(host: Host, link: str) -> bool:
    row, costs = host.bus(link)
    return bool(row) and costs.places > 0


@remembered(256)
def channel(link: Link, host: Host) -> Channel:
    """Return the link as this host drives it: the slower of bus and host, the host's own fixed costs.

    The host's row with the link's own name counts, or else the row of the nearest link that it is based on. Without a
    row, or where the row has 0, the bus's own numbers count.
    """
    row, costs = host.bus(link.name, *link.bases)
    lane = link.lane_bytes_per_s
    return Channel(
        link.name,
        min(link.out_bytes_per_s, costs.out_bytes_per_s or link.out_bytes_per_s, lane or link.out_bytes_per_s),
        min(link.in_bytes_per_s, costs.in_bytes_per_s or link.in_bytes_per_s, lane or link.in_bytes_per_s),
        costs.floor_ns or link.floor_ns,
        costs.instruction_ns_per_byte,
        link.chunk_bytes,
        link.shared,
        link.energy_pj_per_byte,
        min(1.0, link.overlaps_input),
        link.throttles,
        row,
        lane,
        lane > 0,
        link=link,
    )


def port(line: Channel, port_bytes_per_s: float, number: int, host: Host) -> Channel:
    """Return a memory as one accelerator sees it through a port of its own.

    Parameters
    ----------
    line
        The memory, with the rate that all ports get together.
    port_bytes_per_s
        What the accelerator's port carries.
    number
        Of the accelerator, from 0: the host's file may name one whose port is slower.
    host
        Whose memory it is.
    """
    _, costs = host.bus(line.host_row)
    share = costs.slow_port_factor if number + 1 == costs.slow_port else 1.0
    carried = port_bytes_per_s * costs.port_factor
    out, inward = (share * min(rate, carried) for rate in (line.out_bytes_per_s, line.in_bytes_per_s))
    return replace(line, out_bytes_per_s=out, in_bytes_per_s=inward, memory_bytes_per_s=line.out_bytes_per_s)


@remembered(256)
def rate_notes(link: Link, host: Host) -> list[str]:
    """Return a sentence where a link's numbers are not those that a reader expects: another bus's, or the host's.

    Returns
    -------
    list of str
        A sentence for each; none where the host has a row for the link and the link's numbers are as shipped.
    """
    row, costs = host.bus(link.name, *link.bases)
    slower = {key: limit for key in RATES if 0 < (limit := getattr(costs, key)) < getattr(link, key)}
    if not row:
        return [f"host {host.name} has no port for {link.name} that is known here: the link's own rates are used"]
    if row != link.name and not link.lane_bytes_per_s:  # a lane is what the link is
        what = "is taken at {}'s rates" if slower else "takes {}'s fixed time of an inference"
        return [f"{link.name} on {host.name} {what.format(row)}: the host's file has no [bus.{link.name}]"]
    plain = load_link(link.name) if link.name in part_names("link") else link
    without = {key: f"gives no more than {limit:g}" for key, limit in slower.items()}
    if costs.floor_ns:
        without["floor_ns"] = f"has its own, {costs.floor_ns:g} (bus.{row}.floor_ns)"
    return [
        f"{key} of {link.name} is {getattr(link, key):g}, but {host.name} {words}"
        for key, words in without.items()
        if getattr(plain, key) != getattr(link, key)
    ]


def transfer_ns(n_bytes: float, channel: Channel, direction: Direction) -> int:
    """Time of a transfer that has the link for itself, in ns, rounded up; 0 bytes take no time.

    Parameters
    ----------
    n_bytes
        Size of the transfer. It may be fractional, because the number of passes over streamed parameters is fitted.
    channel
        The link as the host drives it.
    direction
        ``out`` towards the accelerator, ``in`` towards the host.

    Notes
    -----
    t = bytes / rate. The fixed time of an inference is no part of it: it is paid once (:attr:`Channel.floor_ns`).
    """
    return ceil(n_bytes * 1e9 / channel.rate(direction))


def fair_rates(limits: Sequence[float], total: float) -> list[float]:
    """Share ``total`` among transfers with a limit each, equally, what one cannot use going to the others (bytes/s).

    Parameters
    ----------
    limits
        What each transfer's own port carries (bytes/s).
    total
        What the memory gives together (bytes/s).

    Notes
    -----
    Max-min fairness by progressive filling: the smallest limit first, each gets its limit or an even share of what is
    left.
    """
    rates, left = [0.0] * len(limits), total
    for place, i in enumerate(sorted(range(len(limits)), key=limits.__getitem__)):
        rates[i] = min(limits[i], left / (len(limits) - place))
        left -= rates[i]
    return rates
