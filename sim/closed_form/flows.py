"""Flows: a rate shared out among accelerators and models, and the power that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sim.closed_form.demands import Demand, demand
from sim.closed_form.lines import beside_the_cpu, expected_ips, line_rates, lines
from sim.machine.records import Activity, Totals
from sim.machine.states import State
from sim.power import Power, mean_power
from sim.setup import Setup

__all__ = ["Flow", "flows", "heat_w", "power_at"]

ROUNDING = 1e-9
WINDOW_NS = 10**12


@dataclass(frozen=True, slots=True)
class Flow:
    """Inferences per second of some models, equally often, through one accelerator."""

    accelerator: int
    models: tuple[int, ...]
    ips: float
    need: Demand
    reload: float = 0.0


def flows(setup: Setup, ips: float | None = None) -> list[Flow]:
    """Share a throughput (the bound if None) out among the accelerators and models of a set-up.

    Parameters
    ----------
    ips
        Inferences per second of all models; the closed form's where None.
    """
    whole = expected_ips(setup) if ips is None else ips
    if setup.pipelines:
        each = whole / len(setup.pipelines)
        return [Flow(i, (m,), each, _mean(setup, (m,), i)) for i, m in enumerate(setup.thread_models)]
    rows = lines(setup)
    rates = line_rates(setup, rows)
    if setup.scenario.mode == "coexec":  # whoever is slowed down by full cores: copies on the CPU, or all alike
        beside = beside_the_cpu(setup, rows, rates)
        rates = beside if sum(beside) >= whole * (1 - ROUNDING) else rates
    scale = whole / sum(rates)
    return [
        Flow(row.accelerator, row.models, scale * rate, row.need, row.reload)
        for row, rate in zip(rows, rates, strict=True)
    ]


def _mean(setup: Setup, models: Sequence[int], accelerator: int) -> Demand:
    return demand([setup.stage_times[model][accelerator] for model in models], setup)


def power_at(setup: Setup, rows: Sequence[Flow]) -> Power:
    """Mean power (W) of a set-up in which every flow runs at its rate."""
    count = len(setup.accelerators)
    done = Activity(WINDOW_NS, [], [Totals() for _ in range(count)], [Totals() for _ in range(count)])
    for row in rows:
        _account(setup, row, done)
    done.core_ns = setup.core_ns(WINDOW_NS, done.core_ns)
    return mean_power(setup, done)


def heat_w(setup: Setup) -> float:
    """What the accelerators leak more than at rest, warm from their own work at the bound of throughput (W)."""
    cold = replace(setup, accelerators=tuple(part.without_leakage() for part in setup.accelerators))
    rows = flows(setup)
    return power_at(setup, rows).accelerators_w - power_at(cold, rows).accelerators_w


def _account(setup: Setup, row: Flow, done: Activity) -> None:
    """Add a flow's time on its accelerator, bytes on its link, actions and core time."""
    inferences = row.ips * WINDOW_NS / 1e9
    done.core_ns += inferences * row.need.cpu_ns
    device, link = done.accelerators[row.accelerator], done.links[row.accelerator]
    for model in row.models:
        for stage in setup.stage_times[model][row.accelerator].accelerator_stages:
            device.add_pass(link, stage, inferences / len(row.models))
            link.n_bytes[State.TRANSFER_OUT] += inferences / len(row.models) * row.reload * stage.load_bytes
