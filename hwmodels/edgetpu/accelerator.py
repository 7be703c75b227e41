"""The Edge TPU: tiles, cells, memories, and the costs of its layers.

Structure: libedgetpu ``beagle_chip_structures.h``; the cycle model's form: see :mod:`hwmodels.edgetpu.operators`.

One source of every number: the part files of ``accelerators/`` (status and uncertainty with each). ``coral`` is the
chip that was sold ("beagle" in libedgetpu); ``small`` and ``large`` keep its cells and costs and change the grid of
tiles and the memories, so their answers are extrapolations (:attr:`EdgeTpu.is_extrapolated`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import ClassVar, Self

from hwmodels.accelerator import Accelerator
from hwmodels.energy import Energies
from hwmodels.part_keys import number
from hwmodels.parts import load
from hwmodels.quantities import Given

__all__ = ["EdgeTpu", "load_accelerator"]


@dataclass(frozen=True, kw_only=True)
class EdgeTpu(Accelerator):
    """One size: a grid of tiles, each with cells that multiply and accumulate.

    Memories in bytes, clocks in Hz, costs in cycles, powers in W, action energies in pJ.
    """

    DIVISORS: ClassVar[frozenset[str]] = frozenset(
        [
            "tiles_x",
            "tiles_y",
            "cells_per_tile",
            "macs_per_cell",
            "clock_hz",
            "narrow_bytes_per_tile",
            "power_leakage_doubling_c",
        ]
    )
    STRUCTURE: ClassVar[tuple[str, ...]] = ("tiles_x", "tiles_y", "cells_per_tile")

    tiles_x: int = number("Columns of the grid of tiles.")
    tiles_y: int = number("Rows of the grid of tiles.")
    cells_per_tile: int = number("Cells of a tile; each makes one output channel at a time.", effect="cycles")
    macs_per_cell: int = number("Multiply-accumulates of a cell in a cycle.")
    narrow_bytes_per_tile: int = number("Memory of a tile for activations.")
    parameter_cache_bytes: int = number(
        "Memory of the chip for parameters that stay from one inference to the next.", effect="memory"
    )
    weight_buffer_share: float = number("Share of a tap's weights that the compiler's buffers take.")
    conv_cycles_per_step: float = number(
        "A step of a convolution: one word of inputs to one group of outputs.", effect="cycles"
    )
    weight_load_cycles: float = number("Loading a word of weights, once for each band of positions.", effect="cycles")
    weight_reread_factor: float = number(
        "Limit on how much loading weights again makes a step longer.", effect="cycles"
    )
    drain_cycles_per_output: float = number(
        "Writing an output element, where that takes longer than its sum.", effect="cycles"
    )
    dense_cycles_per_step: float = number("A word of a fully connected layer's input.", effect="cycles")
    depthwise_cycles_per_tap: float = number(
        "A tap of one channel of a depthwise convolution, in one tile.", effect="cycles"
    )
    pool_cycles_per_tap: float = number("A tap of one channel of a pooling window, in one tile.", effect="cycles")
    elementwise_cycles_per_element: float = number(
        "An element of an addition's or multiplication's operand, in one tile.", effect="cycles"
    )
    move_cycles_per_element: float = number(
        "An element that a concatenation or a resize writes, in one tile.", effect="cycles"
    )
    activation_cycles_per_element: float = number(
        "An element of an activation function on its own, in one tile.", effect="cycles"
    )
    prelu_cycles_per_element: float = number(
        "An element of a rectifier with a slope of its own, in one tile.", effect="cycles"
    )
    reshape_cycles_per_position: float = number("A position that a reshape makes of channels.", effect="cycles")
    softmax_cycles_per_class: float = number("A class of a softmax.", effect="cycles")
    layer_cycles: float = number("Fixed cost of a layer.", effect="cycles")
    spill_factor: float = number(
        "Factor on a depthwise convolution whose maps exceed a tile's memory.", effect="cycles"
    )
    stream_passes: tuple[tuple[float, float], ...] = number(
        "Pairs: with up to so many bytes of maps in a tile, streamed parameters cross the link so often."
    )
    power_base_w: float = number("The stick before its first use.", effect="energy")
    power_idle_w: float = number("What the initialised accelerator adds.", effect="energy")
    power_active_clock_w: float = number("What its clocks add while a program runs.", effect="energy")
    energy_mac_pj: float = number("A multiply-accumulate.", effect="energy")
    energy_wide_pj_per_byte: float = number("A byte read from the memory for parameters.", effect="energy")
    energy_narrow_pj_per_byte: float = number("A byte moved in the memory for activations.", effect="energy")
    energy_stream_pj_per_byte: float = number("A byte of streamed parameters taken in.", 0, effect="energy")
    power_leakage_w: float = number("Leakage at 25 C, a part of the base.", 0, effect="energy")
    power_leakage_doubling_c: float = number("Degrees that double the leakage.", 25, effect="energy")
    power_heat_c_per_w: float = number("Degrees above the surroundings for a watt.", 10, effect="energy")

    @cached_property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.tiles_x * self.tiles_y

    @cached_property
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates in a cycle with every cell busy."""
        return self.tiles * self.cells_per_tile * self.macs_per_cell

    @cached_property
    def energies(self) -> Energies:
        """Powers and energies of this part."""
        return Energies(
            self.power_base_w, self.power_idle_w, self.power_active_clock_w, self.energy_stream_pj_per_byte,
            (self.energy_mac_pj, self.energy_wide_pj_per_byte, self.energy_narrow_pj_per_byte),
            self.power_leakage_w, self.power_leakage_doubling_c, self.power_heat_c_per_w,
        )  # fmt: skip

    def without_leakage(self) -> Self:
        """Return the part as if it leaked no more when it is warm."""
        return replace(self, power_leakage_w=0)

    def positions_per_tile(self, height: int, width: int) -> int:
        """Output positions of a map that one tile owns: ceil(H / tiles_y) * ceil(W / tiles_x).

        Maps are cut into ``tiles_y`` x ``tiles_x`` rectangles, so the first tile has the most: a map of 7 x 7 on 4 x 4
        tiles gives it 2 x 2 positions.
        """
        return ceil(height / self.tiles_y) * ceil(width / self.tiles_x)

    def moved(self, key: str, value: float) -> Self:
        """Return the part with one number moved; bands are as large as the narrow memory that holds them."""
        numbers: dict[str, Given] = {key: value}
        if key == "narrow_bytes_per_tile":
            scale = value / self.narrow_bytes_per_tile
            numbers["stream_passes"] = [(limit * scale, passes) for limit, passes in self.stream_passes]
        return self.with_numbers(numbers, "a sensitivity")


def load_accelerator(name_or_path: str) -> EdgeTpu:
    """Load a size by name (``small``, ``coral``, ``large``) or from a part file.

    Raises
    ------
    InputError
        For an unknown name (with the nearest one), an unreadable file, an unknown key, or a number out of its range.
    """
    return load("accelerator", EdgeTpu, name_or_path)
