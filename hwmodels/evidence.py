"""How well a host is known: whether its CPU was measured, or from which other host its times come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwmodels.cache import remembered
from hwmodels.host import Host
from hwmodels.parts import giver, label, shipped_name

__all__ = ["CpuEvidence", "cpu_evidence"]

#: The number that speaks for all costs of operators: whoever fits one fits them all.
WITNESS = "conv_ns_per_mac"


@dataclass(frozen=True)
class CpuEvidence:
    """Where the times of a host's CPU come from.

    Attributes
    ----------
    status
        ``measured`` on this host, ``taken over`` from another one as they are, or ``scaled`` from one.
    near
        That host; this one where it was measured. Empty for a part that goes back to no shipped one.
    source
        What the part file says of it.
    """

    status: Literal["measured", "taken over", "scaled"]
    near: str
    source: str


@remembered(256)
def cpu_evidence(host: Host) -> CpuEvidence:
    """Return where the times of a host's CPU come from, as its file or the one that it is based on says."""
    quantity, shipped = host.quantities[WITNESS], shipped_name("host", host)
    if quantity.status == "assumed":
        near = label("host", shipped, "scaled_from") if shipped else ""
        return CpuEvidence("scaled" if near else "taken over", near, quantity.source)
    near = giver("host", Host, shipped, WITNESS) if shipped else ""
    return CpuEvidence("measured" if near == shipped else "taken over", near, quantity.source)
