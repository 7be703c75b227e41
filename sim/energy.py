"""Spans to energy: power states times time, and energy of actions (multiply-accumulates, memory and link bytes).

Accounting: an accelerator draws its base and initialised-idle power all the time, an active part while it computes, and
an energy for every action; the host draws its board's base, and per core a busy or an idle power; a link an energy per
byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.records import State

if TYPE_CHECKING:
    from sim.results import Window
    from sim.scenario import Setup

__all__ = ["Power", "mean_power"]

ACTIVE = (State.COMPUTE, State.PARAMETERS)


@dataclass(frozen=True, slots=True)
class Power:
    """Mean power in W of the accelerators, links and host over a window."""

    accelerators_w: float
    links_w: float
    host_w: float

    @property
    def total_w(self) -> float:
        """The whole system."""
        return self.accelerators_w + self.links_w + self.host_w


def mean_power(setup: Setup, window: Window) -> Power:
    """Return mean powers over a window, from the totals of its spans."""
    threads, count = len(setup.thread_models), len(setup.accelerators)
    accelerators = sum(accelerator_j(setup, window, i) for i in range(count))
    links = sum(
        sum(window.n_bytes[threads + count + i]) * setup.channels[i].energy_pj_per_byte * 1e-12 for i in range(count)
    )
    seconds = window.elapsed_ns / 1e9
    return Power(accelerators / seconds, links / seconds, host_w(setup, window))


def host_w(setup: Setup, window: Window) -> float:
    """Board base, busy cores, and the rest of them idle (W)."""
    busy = window.core_ns / window.elapsed_ns
    idle = max(0.0, setup.cores - busy)
    return setup.host.power_board_w + busy * setup.host.power_core_busy_w + idle * setup.host.power_core_idle_w


def accelerator_j(setup: Setup, window: Window, number: int) -> float:
    """Energy of one accelerator over the window (J): static, active and by action."""
    part, row = setup.accelerators[number], len(setup.thread_models) + number
    clock = setup.clocks_hz[number] / part.clock_hz
    active_ns = sum(window.time_ns[row][state] for state in ACTIVE)
    static = (part.power_base_w + part.power_idle_w) * window.elapsed_ns
    macs, wide, narrow = window.actions[row]
    actions_pj = (
        macs * part.energy_mac_pj + wide * part.energy_wide_pj_per_byte + narrow * part.energy_narrow_pj_per_byte
    )
    return (static + part.power_active_clock_w * clock * active_ns) * 1e-9 + actions_pj * 1e-12
