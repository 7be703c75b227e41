"""The accelerator: tiles, cells, clock, memories and powers; how many cycles one layer takes.

Structure: libedgetpu ``beagle_chip_structures.h``; the cycle model's form: see :mod:`hwmodels.opcost`.

One source of every number: the part files of ``accelerators/`` (status and uncertainty with each). ``coral`` is the
chip that was sold ("beagle" in libedgetpu); ``small`` and ``large`` keep its cells and costs and change the grid of
tiles and the memories, so their answers are extrapolations (:attr:`Accelerator.is_extrapolated`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import ClassVar

from hwmodels.errors import InputError
from hwmodels.graph import Layer, Tensor
from hwmodels.parts import Part, load

__all__ = ["Accelerator", "cycles_to_ns", "load_accelerator"]


@dataclass(frozen=True, kw_only=True)
class Accelerator(Part):
    """One accelerator size: a grid of tiles, each with cells that multiply and accumulate.

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

    tiles_x: int
    tiles_y: int
    cells_per_tile: int
    macs_per_cell: int
    clock_hz: float
    clock_std_hz: float = 0
    narrow_bytes_per_tile: int
    parameter_cache_bytes: int
    weight_buffer_share: float
    conv_cycles_per_step: float
    weight_load_cycles: float
    weight_reread_factor: float
    drain_cycles_per_output: float
    dense_cycles_per_step: float
    depthwise_cycles_per_tap: float
    pool_cycles_per_tap: float
    elementwise_cycles_per_element: float
    move_cycles_per_element: float
    activation_cycles_per_element: float
    softmax_cycles_per_class: float
    layer_cycles: float
    spill_factor: float
    stream_passes: tuple[tuple[float, float], ...]
    latency_spread: float
    power_base_w: float
    power_idle_w: float
    power_active_clock_w: float
    energy_mac_pj: float
    energy_wide_pj_per_byte: float
    energy_narrow_pj_per_byte: float
    energy_stream_pj_per_byte: float = 0
    power_leakage_w: float = 0
    power_leakage_doubling_c: float = 25
    power_heat_c_per_w: float = 10

    @cached_property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.tiles_x * self.tiles_y

    @cached_property
    def peak_macs_per_cycle(self) -> int:
        """Multiply-accumulates in a cycle with every cell busy."""
        return self.tiles * self.cells_per_tile * self.macs_per_cell

    @property
    def is_extrapolated(self) -> bool:
        """Whether its structure is assumed: nobody measured such a chip."""
        keys = ("tiles_x", "tiles_y", "cells_per_tile")
        return any(self.quantities[key].status == "assumed" for key in keys if key in self.quantities)

    def positions_per_tile(self, height: int, width: int) -> int:
        """Output positions of a map that one tile owns: ceil(H / tiles_y) * ceil(W / tiles_x).

        Maps are cut into ``tiles_y`` x ``tiles_x`` rectangles, so the first tile has the most: a map of 7 x 7 on 4 x 4
        tiles gives it 2 x 2 positions.
        """
        return ceil(height / self.tiles_y) * ceil(width / self.tiles_x)

    def at_clock(self, state: str, link: str) -> float:
        """Return the core clock in Hz for ``max`` or ``std``.

        Raises :class:`InputError` where the accelerator has no such state, or for ``std`` off USB (libedgetpu sets
        PCIe parts to 500 MHz whatever the runtime).
        """
        if state == "max":
            return self.clock_hz
        if state != "std":
            raise InputError("--clock", state, "max, std")
        if not self.clock_std_hz or link.startswith("pcie"):
            raise InputError("--clock", f"std on {self.name} over {link}", "max here; std for coral and small over USB")
        return self.clock_std_hz


def load_accelerator(name_or_path: str) -> Accelerator:
    """Load an accelerator size by name (``small``, ``coral``, ``large``) or from a part file.

    Raises
    ------
    InputError
        For an unknown name (with the nearest one), an unreadable file, an unknown key, or a number out of its range.
    """
    return load("accelerator", Accelerator, name_or_path)


def cycles_to_ns(cycles: float, clock_hz: float) -> int:
    """Cycles to whole nanoseconds, rounded up: the only place where cycles become time.

    Parameters
    ----------
    cycles
        Of the core clock; may be broken, as costs are fitted.
    clock_hz
        Core clock at which they run (500 MHz, or 250 MHz with the ``std`` runtime over USB).

    Returns
    -------
    int
        ceil(cycles / clock), less a billionth of a ns, so that a whole number of ns stays what it is.
    """
    return ceil(cycles * 1e9 / clock_hz - 1e-9)


def tensor_bytes_per_tile(tensor: Tensor, accelerator: Accelerator) -> int:
    """Narrow memory that a map takes in the fullest tile, channels padded to 4 (bytes)."""
    height, width, channels = tensor.hwc
    return accelerator.positions_per_tile(height, width) * ceil(channels / 4) * 4


def activation_bytes_per_tile(layer: Layer, accelerator: Accelerator) -> int:
    """Narrow memory that a layer's inputs and outputs take in one tile, channels padded to 4 (device-model.md).

    Returns
    -------
    int
        Bytes in the fullest tile, to be compared with ``narrow_bytes_per_tile`` (192 KiB on Coral).
    """
    return sum(tensor_bytes_per_tile(tensor, accelerator) for tensor in (*layer.inputs, *layer.outputs))
