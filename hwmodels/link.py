"""Links: how long a transfer between host and accelerator takes.

The bus's own limits and protocol are in the link's part file; what a host's controller and driver make of it is in the
host's part file. The slower of the two counts. Protocol facts: libedgetpu ``driver/usb`` (docs/execution.md).

Two views of the same bus: :class:`Link` is what the bus could do, :class:`Channel` what one host makes of it;
everything that times transfers takes a channel. ``sim.link`` says who waits for the bus, this module how long nobody
waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Literal

from hwmodels.host import Host
from hwmodels.parts import Part, load

__all__ = ["Channel", "Link", "channel", "load_link", "transfer_ns"]

Direction = Literal["out", "in"]


@dataclass(frozen=True, kw_only=True)
class Link(Part):
    """A bus: its rates in bytes/s (out = to the accelerator), its largest transfer, the energy of a byte in pJ.

    Attributes
    ----------
    out_bytes_per_s, in_bytes_per_s
        Rates towards the accelerator and towards the host.
    floor_ns
        Fixed time of an inference (dispatch, completion), where the host's file has none of its own.
    chunk_bytes
        Largest transfer at a time: the grain in which several accelerators share a USB controller.
    header_bytes
        Before every transfer; 0 for PCIe, whose accelerators have a lane each and share nothing.
    energy_pj_per_byte
        Energy of a byte, either way.
    overlaps_input
        Share of an input (0 to 1) that may cross while the accelerator computes its first layer.
    """

    DIVISORS: ClassVar[frozenset[str]] = frozenset(["out_bytes_per_s", "in_bytes_per_s", "chunk_bytes"])

    out_bytes_per_s: float
    in_bytes_per_s: float
    floor_ns: float
    chunk_bytes: int
    header_bytes: int
    energy_pj_per_byte: float
    overlaps_input: float = 0


@dataclass(frozen=True, slots=True)
class Channel:
    """A link as one host drives it: rates in bytes/s, fixed time of an inference and of an instruction byte in ns.

    Made by :func:`channel`. ``instruction_ns_per_byte`` is extra CPU time of the driver for a byte of instructions, on
    top of its transfer.
    """

    name: str
    out_bytes_per_s: float
    in_bytes_per_s: float
    floor_ns: float
    instruction_ns_per_byte: float
    chunk_bytes: int
    header_bytes: int
    energy_pj_per_byte: float
    overlaps_input: float = 0


def load_link(name_or_path: str) -> Link:
    """Load a link by name (``usb3``, ``usb2``, ``pcie``) or from a part file.

    Raises
    ------
    InputError
        For an unknown name (with the nearest one), an unreadable file, an unknown key, or a number out of its range.
    """
    return load("link", Link, name_or_path)


def channel(link: Link, host: Host) -> Channel:
    """Return the link as this host drives it: the slower of bus and host, the host's own fixed costs.

    A host that says nothing of a bus (0) takes the bus's own numbers.
    """
    out, inward, floor, per_byte = host.bus(link.root)
    return Channel(
        link.name,
        min(link.out_bytes_per_s, out or link.out_bytes_per_s),
        min(link.in_bytes_per_s, inward or link.in_bytes_per_s),
        floor or link.floor_ns,
        per_byte,
        link.chunk_bytes,
        link.header_bytes,
        link.energy_pj_per_byte,
        min(1.0, link.overlaps_input),
    )


def transfer_ns(n_bytes: float, channel: Channel, direction: Direction) -> int:
    """Time of a transfer that has the link for itself, in ns, rounded up; 0 bytes take no time.

    Parameters
    ----------
    n_bytes
        Size of the transfer; may be broken, as repeated passes over streamed parameters are fitted.
    channel
        The link as the host drives it.
    direction
        ``out`` towards the accelerator, ``in`` towards the host.

    Notes
    -----
    t = bytes / rate. The fixed time of an inference is no part of it: it is paid once (:attr:`Channel.floor_ns`).
    """
    rate = channel.out_bytes_per_s if direction == "out" else channel.in_bytes_per_s
    return ceil(n_bytes * 1e9 / rate)
