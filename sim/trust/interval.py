"""90 % intervals: parameter uncertainty through the closed form, and the spread of the calibration's residuals.

One standard error of each uncertain number at a time moves the closed form's throughput; the squares of the relative
changes add up with the spread of residuals that the calibration found (first-order propagation; GUM, JCGM 100:2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from hwmodels.accelerator import Accelerator
from hwmodels.cache import ByIdentity, remembered
from hwmodels.cpu import ProgramWork
from hwmodels.executable import Executable
from hwmodels.families import more_cycles_of
from hwmodels.host import Host
from hwmodels.link import Channel
from hwmodels.parts import Part
from hwmodels.quantities import Quantity
from hwmodels.stages import AcceleratorStage, StageTimes
from hwmodels.timing import cycles_to_ns
from sim.closed_form.lines import expected_ips, expected_ips_once
from sim.setup import Rows, Setup, host_work, retimed
from sim.trust.sensitivity import Sensitivity, sensitivities, sides, swept

__all__ = ["intervals", "relative_sd"]

P = TypeVar("P", bound=Part)
T = TypeVar("T")

Z90 = 1.645
# Energy also carries the power states' own uncertainty (USB stick idle power 0.90 to 1.00 W, host boards assumed).
ENERGY_SD = 0.12
LEFT_OUT = ("bus.", "power_", "cores")  # numbers of a host that an interval of times knows otherwise, or not
LARGEST_SD = 10.0  # says nothing any more, and stays finite


def intervals(setup: Setup, summary: dict[str, Any], found: Sequence[Sensitivity] = ()) -> dict[str, list[float]]:
    """Return [low, high] at 90 % for throughput, mean latency, mean invoke and energy of an inference.

    Parameters
    ----------
    setup
        Its parts say how sure each number is.
    summary
        The answer around which the intervals lie.
    found
        What the assumed numbers of extrapolated sizes do (:func:`sim.trust.sensitivity.sensitivities`): each widens the
        side to which it moves the answer.

    Returns
    -------
    dict
        ``throughput_ips``, ``latency_mean_ms``, ``invoke_mean_ms`` and ``energy_mj_per_inference``, each [low, high].
    """
    sd = _relative_sd(setup)
    down, up = sides([one.throughput for one in found])
    energy_down, energy_up = sides([one.energy for one in found])
    energy_sd = math.hypot(sd, ENERGY_SD)
    return {
        "throughput_ips": _rate(setup, summary, sd, (down, up)),
        "latency_mean_ms": _latency(setup, summary, sd, (up, down)),
        "invoke_mean_ms": _around(summary["invoke_ms"]["mean"], sd, up, down),
        "energy_mj_per_inference": _around(summary["energy_mj_per_inference"], energy_sd, energy_down, energy_up),
    }


def _rate(setup: Setup, summary: Mapping[str, Any], sd: float, sides: tuple[float, float]) -> list[float]:
    """Around the throughput; where requests come at a rate, no more are served than come, however fast they could be.

    What is uncertain then is what could be served: less than comes only as far as that may be less.
    """
    ips, arrivals = summary["throughput_ips"], setup.scenario.arrival_process
    if not (arrivals.process.is_open and arrivals.rate_ips):
        return _around(ips, sd, *sides)
    could = ips if summary["overloaded"] or summary.get("skipped_share", 0) > 0 else max(ips, expected_ips(setup))
    low, high = _around(could, sd, *sides)
    return [min(ips, low, arrivals.rate_ips), max(ips, min(high, arrivals.rate_ips))]


def _latency(setup: Setup, summary: Mapping[str, Any], sd: float, sides: tuple[float, float]) -> list[float]:
    """Around the mean latency; never less than the time without waiting, nor more than the whole run later.

    The second matters where a band of capacities holds the rate at which requests come: only a run's end bounds the
    queue then.
    """
    mean_ms = summary["latency_ms"]["mean"]
    low, high = _around(mean_ms, math.hypot(sd, _waiting_sd(setup, summary, sd)), *sides)
    working, _ = _around(mean_ms - summary["time_breakdown_ms"]["wait"], sd, *sides)
    run_ms = 1e3 * summary.get("inferences", math.inf) / max(1e-9, summary["throughput_ips"])
    _, longest = _around(mean_ms + run_ms, sd, *sides)
    return [min(mean_ms, max(low, working)), min(high, longest)]


def _waiting_sd(setup: Setup, summary: Mapping[str, Any], sd: float) -> float:
    """Relative standard deviation that waiting adds to the mean latency of an open loop.

    A relative error s of the service time moves the wait by about s / (1 - load). A run of n requests sees the mean
    wait with a relative error of load sqrt(2 / n) / (1 - load): the asymptotic variance of a queue's mean in heavy
    traffic (W. Whitt, "Planning queueing simulations", Management Science 35, 1989), for constant service.
    """
    if not setup.scenario.arrival_process.process.is_open:
        return 0.0
    if summary["overloaded"] or summary.get("skipped_share", 0) > 0:
        return 0.0
    load = min(0.999, summary["throughput_ips"] / expected_ips(setup))
    share = summary["time_breakdown_ms"]["wait"] / max(1e-9, summary["latency_ms"]["mean"])
    requests = summary.get("inferences", math.inf)
    return float(share / (1 - load) * math.hypot(sd, load * math.sqrt(2 / requests)))


def _around(value: float, sd: float, down: float, up: float) -> list[float]:
    low, high = (min(LARGEST_SD, math.hypot(sd, side)) for side in (down, up))
    return [value * math.exp(-Z90 * low), value * math.exp(Z90 * high)]


def relative_sd(setup: Setup) -> float:
    """Relative standard deviation of a prediction: uncertain numbers one by one, residual spread, assumed numbers."""
    return min(
        LARGEST_SD, math.hypot(_relative_sd(setup), max(sides([one.throughput for one in sensitivities(setup)])))
    )


def _relative_sd(setup: Setup) -> float:
    own = (executable.spread for row in setup.executables for executable in row)
    spread = max(*own, *(part.spread_of(one.graph) for row in setup.executables for part, one in _pairs(setup, row)))
    return min(LARGEST_SD, math.hypot(spread, *_shifts(setup)))


def _pairs(setup: Setup, row: Sequence[Executable]) -> Iterable[tuple[Accelerator, Executable]]:
    """Every kind of accelerator once, with what a network is compiled to for it."""
    return {id(part): (part, one) for part, one in zip(setup.accelerators, row, strict=True)}.values()


def _shifts(setup: Setup) -> Iterator[float]:
    """Relative change of the throughput's closed form for one standard error of each number.

    A number of a part moves every accelerator of that part, a number of a link every accelerator on such a link.
    """
    base, places = expected_ips(setup), list(dict.fromkeys(setup.kinds))
    for rows, host in _moved(setup):
        whole = tuple([tuple([row[places.index(kind)] for kind in setup.kinds]) for row in rows])
        yield expected_ips_once(setup.with_times(whole, host)) / base - 1
    yield from (expected_ips_once(more) / base - 1 for more in _memory_changes(setup))


def _what_moves(setup: Setup) -> tuple[Any, ...]:
    """All that the stage times depend on: alike for every number of threads, and of accelerators of a kind."""
    options = setup.scenario.mode, setup.is_on_cpu, *host_work(setup.scenario)
    return setup.host, setup.gil is None, setup.free_cores, *options, *setup.one_of_each


@remembered(128, of=_what_moves)
def _moved(setup: Setup) -> Sequence[tuple[Rows, Host]]:
    """Stage times with one standard error more of each number, by model and kind of accelerator, and that host.

    Numbers are left out that change nothing of which the closed form knows.
    """
    one = _one_of_each(setup)
    changes = [*_link_changes(one), *_port_changes(one), *_cycle_changes(one)]
    moved = [(_changed(one, change, where), one.host) for change, where in changes]
    moved += [(other.stage_times, other.host) for other in _host_changes(one)]
    now = one.stage_times, _beside_times(one)
    return [(rows, host) for rows, host in moved if (rows, _beside_times(one.with_times(rows, host))) != now]


def _one_of_each(setup: Setup) -> Setup:
    """The set-up with one accelerator of each kind."""
    kinds = list(dict.fromkeys(setup.kinds))

    def of_kinds(items: Sequence[T]) -> tuple[T, ...]:
        """Those of the kinds' first accelerators."""
        return tuple([items[kind] for kind in kinds])

    return replace(
        setup, accelerators=of_kinds(setup.accelerators), channels=of_kinds(setup.channels),
        clocks_hz=of_kinds(setup.clocks_hz), executables=tuple(map(of_kinds, setup.executables)),
        stage_times=tuple(map(of_kinds, setup.stage_times)),
    )  # fmt: skip


def _beside_times(setup: Setup) -> tuple[Any, ...]:
    """What the closed form knows of a host's numbers beside its stage times."""
    return setup.host.gil_share, setup.gil, setup.hand_over, setup.core_capacity


def _host_changes(setup: Setup) -> Iterator[Setup]:
    """Uncertain numbers of the host: its operators, frames, copies, calls and locks, as far as the set-up has them."""
    idle = _idle_numbers(setup)
    for key, quantity in setup.host.quantities.items():
        is_left_out = key.startswith(LEFT_OUT) or Host.acts_on(key) in idle
        if quantity.spread and isinstance(quantity.value, int | float) and not is_left_out:
            yield retimed(setup, _with_more_of(setup.host, key))


@remembered(1024)
def _with_more_of(part: P, key: str) -> P:
    """The part with one standard error more of a number; the same for every scenario."""
    quantity = part.quantities[key]
    assert not isinstance(quantity.value, list)
    return part.with_numbers({key: quantity.value + quantity.spread}, "an interval")


def _idle_numbers(setup: Setup) -> set[str]:
    """Kinds of the host's numbers that nothing in a set-up asks for."""
    networks = [network for row in setup.executables for network in row]
    on_cpu = (
        setup.scenario.mode == "coexec"
        or setup.is_on_cpu
        or any(
            network.work != ProgramWork() or len(network.accelerator_segments) < len(network.segments)
            for network in networks
        )
    )
    has_frame = setup.scenario.preprocess != "none" or any(network.work != ProgramWork() for network in networks)
    return ({"operator"} if not on_cpu else set()) | ({"frame"} if not has_frame else set())


#: (a network's times on an accelerator, number of the model) -> the times with one number changed.
Change = Callable[[StageTimes, int], StageTimes]


def _changed(setup: Setup, change: Change, where: Collection[int]) -> Rows:
    """Stage times, those of some accelerators changed."""
    return tuple(
        tuple([change(times, model) if i in where else times for i, times in enumerate(row)])
        for model, row in enumerate(setup.stage_times)
    )


def _groups(items: Iterable[Any]) -> dict[Any, list[int]]:
    """Positions of equal items."""
    found: dict[Any, list[int]] = {}
    for position, item in enumerate(items):
        found.setdefault(item, []).append(position)
    return found


def _link_changes(setup: Setup) -> Iterator[tuple[Change, Sequence[int]]]:
    for line, where in _groups(setup.channels).items():
        for key, scale in _link_scales(setup.host, line):
            yield partial(_with_scaled, key, scale), where


def _port_changes(setup: Setup) -> Iterator[tuple[Change, Sequence[int]]]:
    """Uncertain rates of accelerators' own ports to a memory, where it is the port that limits them."""
    for cached, where in _groups(map(ByIdentity, setup.accelerators)).items():
        for key, quantity in cached.value.quantities.items():
            limited = [i for i in where if setup.channels[i].out_bytes_per_s < setup.channels[i].memory_bytes_per_s]
            if limited and cached.value.effect(key) == "port" and isinstance(quantity.value, int | float):
                yield partial(_with_scaled, "out_bytes_per_s", 1 + quantity.spread / quantity.value), limited


def _memory_changes(setup: Setup) -> Iterator[Setup]:
    """A memory or lane that gives more, where several accelerators contend for it."""
    for bus in setup.buses:
        quantity = _what_all_get(setup.host, bus.channel)
        if bus.is_fluid and quantity and isinstance(quantity.value, int | float):
            more = bus.channel.memory_bytes_per_s * (1 + quantity.spread / quantity.value)
            lines = (
                replace(line, memory_bytes_per_s=more) if i in bus.accelerators else line
                for i, line in enumerate(setup.channels)
            )
            yield replace(setup, channels=tuple(lines))


def _what_all_get(host: Host, line: Channel) -> Quantity | None:
    """The number of a memory in the host's file, or of a lane in the link's."""
    if line.is_lane and line.link:
        return line.link.quantities.get("lane_bytes_per_s")
    return host.quantities.get(f"bus.{line.host_row}.out_bytes_per_s")


def _with_scaled(key: str, scale: float, times: StageTimes, _model: int) -> StageTimes:
    return _scaled(times, key, scale)


def _link_scales(host: Host, bus: Channel) -> Iterator[tuple[str, float]]:
    if bus.out_bytes_per_s < bus.memory_bytes_per_s and not bus.is_lane:  # the accelerator's own port is slower
        return
    for key in ("out_bytes_per_s", "in_bytes_per_s", "floor_ns"):
        quantity = host.quantities.get(f"bus.{bus.host_row}.{key}")
        value = quantity.value if quantity else 0
        if quantity and isinstance(value, int | float) and value:
            yield key, 1 + quantity.spread / value


def _scaled(times: StageTimes, key: str, scale: float) -> StageTimes:
    """The network with one kind of link time scaled."""
    return times.with_passes(lambda stage: replace(stage, **_SCALED[key](stage, scale)))


def _sent(stage: AcceleratorStage, scale: float) -> dict[str, Any]:
    steps = tuple(replace(step, parameters_ns=round(step.parameters_ns / scale)) for step in stage.steps)
    return {
        "instructions_ns": round(stage.instructions_ns / scale), "input_ns": round(stage.input_ns / scale),
        "steps": steps,
    }  # fmt: skip


#: Number of a link -> what one of its value times a scale changes in a pass.
_SCALED: dict[str, Callable[[AcceleratorStage, float], dict[str, Any]]] = {
    "floor_ns": lambda stage, scale: {"latency_ns": round(stage.latency_ns * scale)},
    "in_bytes_per_s": lambda stage, scale: {"output_ns": round(stage.output_ns / scale)},
    "out_bytes_per_s": _sent,
}


def _cycle_changes(setup: Setup) -> Iterator[tuple[Change, Sequence[int]]]:
    """Uncertain cycle costs: each changes every layer of its kind."""
    for cached, where in _groups(map(ByIdentity, setup.accelerators)).items():
        part, assumed = cached.value, swept(cached.value)
        for key, quantity in part.quantities.items():
            if key not in assumed and part.effect(key) == "cycles" and quantity.spread:
                more = [_more_cycles(row[where[0]], part, key) for row in setup.executables]
                extra = [cycles_to_ns(cycles, setup.clocks_hz[where[0]]) for cycles in more]
                yield partial(_with_more, extra), where


def _with_more(extra_ns: Sequence[int], times: StageTimes, model: int) -> StageTimes:
    return _slower(times, extra_ns[model])


@remembered(2048)
def _more_cycles(executable: Executable, part: Accelerator, key: str) -> float:
    """Cycles that one standard error of a cycle cost adds to a network; the same for every scenario."""
    return max(0.0, more_cycles_of(executable, part, _with_more_of(part, key), key))


def _slower(times: StageTimes, more_ns: int) -> StageTimes:
    """The network with time added to its first pass."""
    first = times.accelerator_stages[:1]
    return times.with_passes(
        lambda stage: replace(stage, latency_ns=stage.latency_ns + more_ns) if stage in first else stage
    )
