"""What the accelerators of every family have in common: clocks, energies, and what each of their numbers acts on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cache
from typing import ClassVar, Literal, Self

from hwmodels.cache import remembered
from hwmodels.energy import Energies
from hwmodels.errors import InputError
from hwmodels.link import Link
from hwmodels.networks.graph import LayerGraph
from hwmodels.part_keys import number
from hwmodels.parts import Part

__all__ = ["Accelerator", "Effect"]

#: What a number of an accelerator acts on: cycles of layers and no byte, the clock, the rate of its port to memory,
#: powers and energies, how sure an answer is, the area it takes; or what is compiled, with everything that follows.
Effect = Literal["cycles", "clock", "port", "energy", "spread", "area", "memory", "program"]


@dataclass(frozen=True, kw_only=True)
class Accelerator(Part, ABC):
    """An accelerator of any family, as the simulator knows it; a family's own class adds its numbers.

    Attributes
    ----------
    clock_hz, clock_std_hz
        Core clock, and the lower one of the ``std`` runtime (0: there is none).
    latency_spread, latency_spread_dense
        Relative standard deviation of latencies from those that were measured; of networks of dense layers alone.
    """

    #: Numbers of the structure: a size in which one of them is assumed was never measured.
    STRUCTURE: ClassVar[tuple[str, ...]] = ()

    clock_hz: float = number("Core clock with the max runtime.", effect="clock")
    clock_std_hz: float = number("Core clock with the std runtime; 0: there is none.", 0, effect="clock")
    latency_spread: float = number("Relative standard deviation of a latency about the model's.", effect="spread")
    latency_spread_dense: float = number(
        "The same of networks of dense layers alone; 0: as of others.", 0, effect="spread"
    )

    @property
    @abstractmethod
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates in a cycle with everything busy."""

    @property
    def port_bytes_per_s(self) -> float:
        """What its own port to a memory carries at the highest clock; 0: it has none."""
        return 0.0

    @property
    @abstractmethod
    def energies(self) -> Energies:
        """Powers and energies of this part."""

    @abstractmethod
    def without_leakage(self) -> Self:
        """Return the part as if it leaked no more when it is warm."""

    @remembered(1024)
    def spread_of(self, graph: LayerGraph) -> float:
        """Relative standard deviation of a network's latency about the model's."""
        working = {layer.op for layer in graph.layers if layer.macs}
        return (self.latency_spread_dense if working == {"FULLY_CONNECTED"} else 0.0) or self.latency_spread

    @property
    def area(self) -> dict[str, float]:
        """What it takes of a chip, by resource; empty where that is not known."""
        return {spec.name: float(getattr(self, spec.name)) for spec in fields(self) if self.effect(spec.name) == "area"}

    @property
    def is_extrapolated(self) -> bool:
        """Whether its structure is assumed: nobody measured such a chip."""
        return any(self.quantities[key].status == "assumed" for key in self.STRUCTURE if key in self.quantities)

    @classmethod
    @cache
    def effect(cls, key: str) -> Effect:
        """Return what a number acts on; an unknown key is a mistake of the caller."""
        (spec,) = (spec for spec in fields(cls) if spec.name == key)
        found: Effect = spec.metadata.get("effect", "program")
        return found

    def moved(self, key: str, value: float) -> Self:
        """Return the part with one number moved, and whatever goes with it."""
        return self.with_numbers({key: value}, "a sensitivity")

    def at_clock(self, state: str, link: Link) -> float:
        """Return the core clock in Hz for ``max`` or ``std``.

        Raises :class:`InputError` where the accelerator has no such state, or for ``std`` over a link without it
        (libedgetpu sets PCIe parts to 500 MHz whatever the runtime).
        """
        if state == "max":
            return self.clock_hz
        if state != "std":
            raise InputError.value("--clock", state, "max or std")
        if not self.clock_std_hz or not link.std_clock:
            raise InputError.problem(
                "--clock",
                f"cannot be std on {self.name} over {link.name}",
                "take max here, as only coral and small over USB have std",
            )
        return self.clock_std_hz
