"""90 % intervals: parameter uncertainty through the closed form, and the spread of the calibration's residuals.

One standard error of each uncertain number at a time moves the closed form's throughput; the squares of the relative
changes add up with the spread of residuals that the calibration found (first-order propagation; GUM, JCGM 100:2008).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from hwmodels.host import Host
from hwmodels.link import Channel
from hwmodels.timing import StageTimes, TpuStage
from sim.bounds import throughput_bound
from sim.extrapolation import Reach, reaches, sides, swept
from sim.setup import ByIdentity, Setup

__all__ = ["intervals", "relative_sd"]

Z90 = 1.645
# Energy also carries the power states' own uncertainty (USB stick idle power 0.90 to 1.00 W, host boards assumed).
ENERGY_SD = 0.12
LARGEST_SD = 10.0  # says nothing any more, and stays finite


def intervals(setup: Setup, summary: dict[str, Any], found: Sequence[Reach] = ()) -> dict[str, list[float]]:
    """Return [low, high] at 90 % for throughput, mean latency, mean invoke and energy of an inference.

    Parameters
    ----------
    setup
        Its parts say how sure each number is.
    summary
        The answer around which the intervals lie.
    found
        What the assumed numbers of extrapolated sizes do (:func:`sim.extrapolation.reaches`): each widens the side
        to which it moves the answer.

    Returns
    -------
    dict
        ``throughput_ips``, ``latency_mean_ms``, ``invoke_mean_ms`` and ``energy_mj_per_inference``, each [low, high].
    """
    sd = _relative_sd(setup)
    down, up = sides([reach.throughput for reach in found])
    energy_down, energy_up = sides([reach.energy for reach in found])
    energy_sd = math.hypot(sd, ENERGY_SD)
    return {
        "throughput_ips": _around(summary["throughput_ips"], sd, down, up),
        "latency_mean_ms": _around(summary["latency_ms"]["mean"], sd, up, down),
        "invoke_mean_ms": _around(summary["invoke_ms"]["mean"], sd, up, down),
        "energy_mj_per_inference": _around(summary["energy_mj_per_inference"], energy_sd, energy_down, energy_up),
    }


def _around(value: float, sd: float, down: float, up: float) -> list[float]:
    low, high = (min(LARGEST_SD, math.hypot(sd, side)) for side in (down, up))
    return [value * math.exp(-Z90 * low), value * math.exp(Z90 * high)]


def relative_sd(setup: Setup) -> float:
    """Relative standard deviation of a prediction: uncertain numbers one by one, residual spread, assumed numbers."""
    return min(LARGEST_SD, math.hypot(_relative_sd(setup), max(sides([reach.throughput for reach in reaches(setup)]))))


def _relative_sd(setup: Setup) -> float:
    part = setup.accelerators[0]
    spread = max(part.latency_spread, *(row[0].spread for row in setup.executables))
    return min(LARGEST_SD, math.hypot(spread, *_shifts(setup)))


def _shifts(setup: Setup) -> Iterator[float]:
    """Relative change of the throughput's closed form for one standard error of each number."""
    yield from _link_shifts(setup)
    yield from _cycle_shifts(setup)


def _base(setup: Setup) -> float:
    return throughput_bound(setup, [row[0] for row in setup.networks])


def _link_shifts(setup: Setup) -> Iterator[float]:
    host, bus, base = setup.host, setup.channels[0], _base(setup)
    for key, scale in _link_scales(host, bus):
        yield throughput_bound(setup, [_scaled(row[0], key, scale) for row in setup.networks]) / base - 1


def _link_scales(host: Host, bus: Channel) -> Iterator[tuple[str, float]]:
    for key in ("out_bytes_per_s", "in_bytes_per_s", "floor_ns"):
        quantity = host.quantities.get(f"{bus.name}_{key}")
        value = quantity.value if quantity else 0
        if quantity and isinstance(value, int | float) and value:
            yield key, 1 + quantity.spread / value


def _scaled(times: StageTimes, key: str, scale: float) -> StageTimes:
    """The network with one kind of link time scaled."""
    from dataclasses import replace

    def stage(s: Any) -> Any:
        """The stage with the one number scaled; CPU stages stay."""
        if not isinstance(s, TpuStage):
            return s
        if key == "floor_ns":
            return replace(s, latency_ns=round(s.latency_ns * scale))
        if key == "in_bytes_per_s":
            return replace(s, output_ns=round(s.output_ns / scale))
        steps = tuple(replace(step, parameters_ns=round(step.parameters_ns / scale)) for step in s.steps)
        sent = {"instructions_ns": round(s.instructions_ns / scale), "input_ns": round(s.input_ns / scale)}
        return replace(s, steps=steps, **sent)

    return replace(times, stages=tuple(stage(s) for s in times.stages))


def _cycle_shifts(setup: Setup) -> Iterator[float]:
    """Uncertain cycle costs: each changes every layer of its kind."""
    from hwmodels.accelerator import cycles_to_ns

    part, clock, base = setup.accelerators[0], setup.clocks_hz[0], _base(setup)
    assumed = swept(part)
    for key, quantity in part.quantities.items():
        if key in assumed or not _is_cycle_cost(key) or not quantity.spread:
            continue
        more = [_more_cycles(ByIdentity(row[0]), ByIdentity(part), key) for row in setup.executables]
        shifted = [
            _slower(row[0], cycles_to_ns(cycles, clock)) for row, cycles in zip(setup.networks, more, strict=True)
        ]
        yield throughput_bound(setup, shifted) / base - 1


def _is_cycle_cost(key: str) -> bool:
    return "cycles" in key or key.endswith("_factor")


@lru_cache(maxsize=2048)
def _more_cycles(executable: ByIdentity, part: ByIdentity, key: str) -> float:
    """Cycles that one standard error of a cycle cost adds to a network; the same for every scenario."""
    from hwmodels.opcost import layer_cost
    from hwmodels.parts import perturbed

    quantity, network = part.value.quantities[key], executable.value
    other = perturbed(part.value, key, quantity.value + quantity.spread)
    plans = [p for p in network.plans if not p.reason] if network.source == "modelled" else []
    more: float = sum(layer_cost(p.layer, other).cycles - p.cycles for p in plans)
    return max(0.0, more)


def _slower(times: StageTimes, more_ns: int) -> StageTimes:
    """The network with time added to its program."""
    from dataclasses import replace

    stages = list(times.stages)
    for i, stage in enumerate(stages):
        if isinstance(stage, TpuStage):
            stages[i] = replace(stage, latency_ns=stage.latency_ns + more_ns)
            break
    return replace(times, stages=tuple(stages))
