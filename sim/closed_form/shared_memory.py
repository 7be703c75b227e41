"""Several accelerators on one memory, or behind one lane: how much longer each takes because of the others.

A mean field: while one accelerator moves bytes, each other one moves some too with the share of time that it does so,
and all share the memory or lane fairly. The slower a transfer, the longer that share: iterated to a fixed point. A step
takes the longer of its cycles and its bytes at the rate that results, so only steps that memory bounds stretch. A lane
carries bytes both ways at once, and each way is looked at by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

from hwmodels.cache import remembered
from hwmodels.link import Direction, fair_rates
from hwmodels.stages import AcceleratorStage, StageTimes
from sim.machine.states import WAYS
from sim.setup import Setup

__all__ = ["beside_others"]

ROUNDS = 40
CLOSE = 1e-3
MOST_SUBSETS = 10  # other accelerators of which every subset is looked at; of more, their mean number counts


def beside_others(setup: Setup, rates_of: Callable[[Setup], Sequence[float]], by_others: float = 1.0) -> Setup:
    """Return the set-up with each accelerator's transfers as long as they take beside the others on memory or lane.

    Parameters
    ----------
    setup
        As it is returned where no memory and no lane is shared.
    rates_of
        (a set-up) -> inferences per ns through each of its accelerators, nobody being in anybody's way.
    by_others
        Share of the other accelerators' inferences that are not of the same thread: one that is here is not there.
    """
    if not setup.is_fluid:
        return setup
    both = {way: [1.0] * len(setup.accelerators) for way in WAYS.values()}
    now = setup
    for _ in range(ROUNDS):
        rates = [by_others * rate for rate in rates_of(now)]
        found = {way: _factors(setup, rates, factors, way) for way, factors in both.items()}
        moved = max(abs(a - b) for way in both for a, b in zip(found[way], both[way], strict=True))
        both = {way: [(a + b) / 2 for a, b in zip(found[way], both[way], strict=True)] for way in both}
        now = _with_factors(setup, both["out"], both["in"])
        if moved < CLOSE:
            break
    return now


def _with_factors(setup: Setup, out: Sequence[float], inward: Sequence[float]) -> Setup:
    times = tuple(
        tuple(_stretched(network, round(out[i], 4), round(inward[i], 4)) for i, network in enumerate(row))
        for row in setup.stage_times
    )
    return replace(setup, stage_times=times)


def _factors(setup: Setup, rates: Sequence[float], factors: Sequence[float], way: Direction) -> list[float]:
    """By how much longer a transfer takes on each accelerator than on its own port, from how long it took so far."""
    found = list(factors)
    for bus in setup.buses:
        if bus.is_fluid:
            ports = [setup.channels[i].rate(way) for i in bus.accelerators]
            moving = [min(1.0, rates[i] * factors[i] * _mean_moving_ns(setup, i, way)) for i in bus.accelerators]
            for number, i in enumerate(bus.accelerators):
                found[i] = ports[number] / _mean_rate(number, ports, bus.channel.memory_bytes_per_s, moving)
    return found


def _mean_moving_ns(setup: Setup, accelerator: int, way: Direction) -> float:
    """Time for which an inference moves bytes through an accelerator's own port, over the threads bound to it (ns)."""
    mine = setup.thread_models[accelerator :: len(setup.accelerators)] or setup.thread_models
    key = "sent_ns" if way == "out" else "output_ns"
    spent = [setup.stage_times[model][accelerator].total(key) for model in mine]
    return sum(spent) / len(spent)


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
def _stretched(times: StageTimes, out: float, inward: float) -> StageTimes:
    """The network with every transfer that much longer, by its way."""
    return times.with_passes(lambda stage: _slower(stage, out, inward))


def _slower(stage: AcceleratorStage, out: float, inward: float) -> AcceleratorStage:
    steps = tuple(replace(step, parameters_ns=round(step.parameters_ns * out)) for step in stage.steps)
    sent = {key: round(getattr(stage, key) * out) for key in ("load_ns", "instructions_ns", "input_ns")}
    return replace(stage, steps=steps, output_ns=round(stage.output_ns * inward), **sent)
