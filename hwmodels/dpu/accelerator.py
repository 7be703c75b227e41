"""AMD's DPU (DPUCZDX8G): parallelism of the array, port to memory, powers and area of its eight sizes.

Structure: product guide PG338. Everything that was fitted comes from ``edgetpusim-calibrate dpu`` (docs/dpu.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

from hwmodels.accelerator import Accelerator
from hwmodels.energy import Energies
from hwmodels.part_keys import number

__all__ = ["Dpu"]


@dataclass(frozen=True, kw_only=True)
class Dpu(Accelerator):
    """One core of one size: so many output rows, input channels and output channels in a cycle."""

    DIVISORS: ClassVar[frozenset[str]] = frozenset(
        ["pixel_parallel", "input_parallel", "output_parallel", "port_bytes_per_cycle", "clock_hz"]
    )
    STRUCTURE: ClassVar[tuple[str, ...]] = ("pixel_parallel", "input_parallel", "output_parallel")

    pixel_parallel: int = number("Rows of an output map that it computes at once.", effect="cycles")
    input_parallel: int = number("Input channels that it takes at once.")
    output_parallel: int = number("Output channels that it computes at once.")
    port_bytes_per_cycle: float = number("Bytes that its two data ports carry in a cycle.", effect="port")
    layer_cycles: float = number("Filling, emptying and fetching the program, for each layer.", effect="cycles")
    luts: int = number("Look-up tables that a core takes.", effect="area")
    dsp: int = number("DSP slices that a core takes.", effect="area")
    bram: int = number("Block memories of 36 Kbit that a core takes.", effect="area")
    idle_w_per_op: float = number("Idle power for each operation that a cycle can do.", effect="energy")
    power_active_w: float = number("What a running core adds, whatever it computes.", effect="energy")
    energy_mac_pj: float = number("A multiply-accumulate.", effect="energy")
    energy_memory_pj_per_byte: float = number("A byte to or from memory.", effect="energy")

    @cached_property
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates in a cycle with the whole array busy."""
        return self.pixel_parallel * self.input_parallel * self.output_parallel

    @property
    def port_bytes_per_s(self) -> float:
        """What its port carries where the memory gives as much."""
        return self.port_bytes_per_cycle * self.clock_hz

    @cached_property
    def energies(self) -> Energies:
        """Powers and energies of this part; no leakage of its own heat is known."""
        idle_w = 2 * self.peak_macs_per_cycle * self.idle_w_per_op
        actions = (self.energy_mac_pj, 0.0, 0.0)
        return Energies(idle_w, 0.0, self.power_active_w, self.energy_memory_pj_per_byte, actions)

    def without_leakage(self) -> Self:
        """Return the part itself: its leakage is not told apart."""
        return self
