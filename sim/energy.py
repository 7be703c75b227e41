"""Spans to energy: power states times time, and energy of actions (multiply-accumulates, memory and link bytes).

Accounting: an accelerator draws its base and initialised-idle power all the time, an active part while it computes, and
an energy for every action; the host draws its board's base, and per core a busy or an idle power; a link an energy per
byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.accelerator import Accelerator
from hwmodels.timing import TpuStage
from sim.records import State
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


def mean_power(
    setup: Setup, time_ns: list[list[int]], n_bytes: list[list[int]], core_ns: int, elapsed_ns: int,
    done: list[list[int]],
) -> Power:  # fmt: skip
    """Return mean powers over a window from the totals of its spans.

    ``time_ns`` and ``n_bytes`` are by component and state (threads, accelerators, links), ``done[model][accelerator]``
    the inferences in the window.
    """
    threads, count = len(setup.thread_models), len(setup.accelerators)
    accelerators = sum(
        _accelerator_j(setup, i, time_ns[threads + i], elapsed_ns, [row[i] for row in done]) for i in range(count)
    )
    links = sum(sum(n_bytes[threads + count + i]) * setup.channels[i].energy_pj_per_byte * 1e-12 for i in range(count))
    seconds = elapsed_ns / 1e9
    return Power(accelerators / seconds, links / seconds, host_w(setup, core_ns, elapsed_ns))


def host_w(setup: Setup, core_ns: int, elapsed_ns: int) -> float:
    """Board base, busy cores, and the rest of them idle (W)."""
    busy = core_ns / elapsed_ns
    idle = max(0.0, setup.cores - busy)
    return setup.host.power_board_w + busy * setup.host.power_core_busy_w + idle * setup.host.power_core_idle_w


def _accelerator_j(setup: Setup, number: int, time_ns: list[int], elapsed_ns: int, done: list[int]) -> float:
    part = setup.accelerators[number]
    clock = setup.clocks_hz[number] / part.clock_hz
    static = (part.power_base_w + part.power_idle_w) * elapsed_ns
    active = part.power_active_clock_w * clock * sum(time_ns[state] for state in ACTIVE)
    actions = sum(n * _actions_pj(setup, model, number, part) for model, n in enumerate(done))
    return (static + active) * 1e-9 + actions * 1e-12


def _actions_pj(setup: Setup, model: int, number: int, part: Accelerator) -> float:
    stages = [stage for stage in setup.networks[model][number].stages if isinstance(stage, TpuStage)]
    return sum(
        stage.macs * part.energy_mac_pj
        + stage.wide_bytes * part.energy_wide_pj_per_byte
        + stage.narrow_bytes * part.energy_narrow_pj_per_byte
        for stage in stages
    )
