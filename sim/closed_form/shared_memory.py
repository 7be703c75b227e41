"""Several accelerators on one memory: how much longer each takes because of the others, in closed form.

A mean field: while one accelerator moves bytes, each other one moves some too with the share of time that it does so,
and all share the memory fairly. The slower a transfer, the longer that share: iterated to a fixed point. A step takes
the longer of its cycles and its bytes at the rate that results, so only steps that memory bounds stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

from hwmodels.cache import remembered
from hwmodels.link import fair_rates
from hwmodels.stages import AcceleratorStage, StageTimes
from sim.setup import Setup

__all__ = ["beside_others"]

ROUNDS = 40
CLOSE = 1e-3
MOST_SUBSETS = 10  # other accelerators of which every subset is looked at; of more, their mean number counts


def beside_others(setup: Setup, rates_of: Callable[[Setup], Sequence[float]]) -> Setup:
    """Return the set-up with each accelerator's steps as long as they take beside the others on its memory.

    Parameters
    ----------
    setup
        As it is returned where no memory is shared.
    rates_of
        (a set-up) -> inferences per ns through each of its accelerators, nobody being in anybody's way.
    """
    if not any(bus.is_memory for bus in setup.buses):
        return setup
    factors, now = [1.0] * len(setup.accelerators), setup
    for _ in range(ROUNDS):
        found = _factors(setup, rates_of(now), factors)
        moved = max(abs(a - b) for a, b in zip(found, factors, strict=True))
        factors = [(a + b) / 2 for a, b in zip(found, factors, strict=True)]
        now = _with_factors(setup, factors)
        if moved < CLOSE:
            break
    return now


def _with_factors(setup: Setup, factors: Sequence[float]) -> Setup:
    times = tuple(
        tuple(_stretched(network, round(factors[i], 4)) for i, network in enumerate(row)) for row in setup.stage_times
    )
    return replace(setup, stage_times=times)


def _factors(setup: Setup, rates: Sequence[float], factors: Sequence[float]) -> list[float]:
    """By how much longer a transfer takes on each accelerator than on its own port, from how long it took so far."""
    found = list(factors)
    for bus in setup.buses:
        if bus.is_memory:
            ports = [setup.channels[i].out_bytes_per_s for i in bus.accelerators]
            moving = [min(1.0, rates[i] * factors[i] * _mean_moving_ns(setup, i)) for i in bus.accelerators]
            for number, i in enumerate(bus.accelerators):
                found[i] = ports[number] / _mean_rate(number, ports, bus.channel.memory_bytes_per_s, moving)
    return found


def _mean_moving_ns(setup: Setup, accelerator: int) -> float:
    """Time for which an inference moves bytes through an accelerator's own port, over the threads bound to it (ns)."""
    mine = setup.thread_models[accelerator :: len(setup.accelerators)] or setup.thread_models
    spent = [sum(s.parameters_ns for stage in _passes(setup, m, accelerator) for s in stage.steps) for m in mine]
    return sum(spent) / len(spent)


def _passes(setup: Setup, model: int, accelerator: int) -> Sequence[AcceleratorStage]:
    return setup.stage_times[model][accelerator].accelerator_stages


def _mean_rate(one: int, ports: Sequence[float], memory: float, moving: Sequence[float]) -> float:
    """Bytes/s that an accelerator's transfer gets on average over which others move bytes too."""
    others = [i for i in range(len(ports)) if i != one and moving[i] > 0]
    if len(others) > MOST_SUBSETS:
        extra = sum(moving[i] for i in others)
        return min(ports[one], memory / (1 + extra))
    rate = 0.0
    for states in product((False, True), repeat=len(others)):
        chance, limits = 1.0, [ports[one]]
        for i, state in zip(others, states, strict=True):
            chance *= moving[i] if state else 1 - moving[i]
            if state:
                limits.append(ports[i])
        rate += chance * fair_rates(limits, memory)[0]
    return rate


@remembered(512)
def _stretched(times: StageTimes, factor: float) -> StageTimes:
    """The network with every transfer that much longer."""
    return times.with_passes(lambda stage: _slower(stage, factor))


def _slower(stage: AcceleratorStage, factor: float) -> AcceleratorStage:
    steps = tuple(replace(step, parameters_ns=round(step.parameters_ns * factor)) for step in stage.steps)
    return replace(stage, steps=steps)
