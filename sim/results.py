"""What a run found: the summary of the JSON contract, computed from a window's totals."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sim.bottleneck import bottleneck
from sim.calibrated import outside, part_hashes
from sim.energy import Power, mean_power
from sim.extrapolation import notes, reaches
from sim.interval import intervals
from sim.records import BREAKDOWN, State
from sim.setup import Setup
from sim.steady import LatencyCounts
from sim.tabular import program_version
from sim.workloads import OPEN

__all__ = ["Results", "Window", "summarise"]

HELD = (State.LOAD_PARAMETERS, State.INSTRUCTIONS, State.INPUT, State.PARAMETERS, State.COMPUTE, State.OUTPUT)


@dataclass
class Window:
    """Totals over the measured window: times, bytes and actions by component, latencies by model.

    Attributes
    ----------
    time_ns, n_bytes, actions
        By component, then by state (or multiply-accumulates, wide bytes, narrow bytes).
    core_ns, gil_ns
        Time on cores, and under Python's lock.
    latency, invoke
        Of the requests that ended in the window, latencies by model.
    interval_ips
        95 % interval of the rate from batch means.
    queue_length
        Requests that waited for a thread when it closed.
    periodic
        Whether it is a whole number of periods of a run that repeats itself.
    """

    start_ns: int
    end_ns: int
    time_ns: list[list[int]]
    n_bytes: list[list[int]]
    actions: list[list[int]]
    core_ns: int
    gil_ns: int
    latency: list[LatencyCounts]
    invoke: LatencyCounts
    interval_ips: tuple[float, float]
    queue_length: int
    periodic: bool
    completions: int

    @property
    def elapsed_ns(self) -> int:
        """Length of the window."""
        return max(1, self.end_ns - self.start_ns)

    @property
    def count(self) -> int:
        """Inferences completed in it."""
        return sum(counts.n for counts in self.latency)

    @property
    def throughput_ips(self) -> float:
        """Inferences per second."""
        return self.count * 1e9 / self.elapsed_ns

    def state_ns(self, state: State) -> int:
        """Time in a state, over all components."""
        return sum(row[state] for row in self.time_ns)


@dataclass
class Results:
    """A simulated scenario: ``summary`` is the JSON answer of ``edgetpusim run``."""

    summary: dict[str, Any]
    setup: Setup = field(repr=False)
    window: Window = field(repr=False)

    def to_json(self) -> str:
        """The summary as one JSON object."""
        return json.dumps(self.summary, indent=1)


def summarise(setup: Setup, window: Window, alone: Window, alone_setup: Setup) -> Results:
    """Build the summary of a run, with its gains over ``alone`` (one thread, one accelerator).

    Parameters
    ----------
    setup, window
        What ran, and what was measured.
    alone, alone_setup
        The same with one thread and one accelerator; the run itself where it is that.
    """
    latency = merged(window.latency)
    power, alone_power = power_of(setup, window), power_of(alone_setup, alone)
    ips = window.throughput_ips
    used = utilisation(setup, window)
    overloaded = is_overloaded(setup, window)
    kind, text = bottleneck(setup, window, used, overloaded)
    energy, accelerator_mj = energy_mj(power, ips)
    alone_energy, alone_accelerator_mj = energy_mj(alone_power, alone.throughput_ips)
    summary = {
        "scenario": setup.scenario.options() | {"cores": setup.cores, "threads": len(setup.thread_models)},
        "throughput_ips": ips,
        "throughput_ci95_ips": interval_of(window),
        "latency_ms": latency.summary_ms(),
        "invoke_ms": window.invoke.summary_ms(),
        "energy_mj_per_inference": energy,
        "energy_accelerator_mj_per_inference": accelerator_mj,
        "power_w": {
            "total": power.total_w, "accelerators": power.accelerators_w, "links": power.links_w, "host": power.host_w,
        },
        "utilisation": used,
        "time_breakdown_ms": breakdown_ms(window),
        "speedup_vs_one_thread": ratio(ips, alone.throughput_ips),
        "energy_gain_vs_one_thread": ratio(alone_energy, energy),
        "energy_accelerator_gain_vs_one_thread": ratio(alone_accelerator_mj, accelerator_mj),
        "bottleneck": kind,
        "bottleneck_text": text,
        "interval90": {},
        "steady": (window.periodic or is_settled(window)) and not overloaded,
        "overloaded": overloaded,
        "warnings": [],
        "simulated_s": window.end_ns / 1e9,
        "wall_s": 0.0,
        "inferences": setup.scenario.inferences or window.completions,
        "models": models(setup, window),
        "made_by": made_by(setup),
    }  # fmt: skip
    found = reaches(setup)
    summary["warnings"] = [*overload_note(overloaded, ips), *setup.warnings, *outside(setup), *notes(setup, found)]
    summary["interval90"] = intervals(setup, summary, found)
    return Results(summary, setup, window)


def made_by(setup: Setup) -> dict[str, Any]:
    """What a result comes from: version, hashes of the parts' numbers and of the networks, seed."""
    return {"version": program_version(), **part_hashes(setup), "seed": setup.scenario.seed}


def ratio(a: float, b: float) -> float:
    """Return a / b, or 0 where b is 0."""
    return a / b if b else 0.0


def merged(parts: list[LatencyCounts]) -> LatencyCounts:
    """All models' latencies together."""
    if len(parts) == 1:
        return parts[0]
    whole = LatencyCounts()
    for part in parts:
        for value, count in part.counts.items():
            whole.add(value, count)
    whole.sum_ns = sum(part.sum_ns for part in parts)
    return whole


def interval_of(window: Window) -> list[float]:
    """The 95 % interval of the throughput: the value itself in a periodic run, else from batch means."""
    ips = window.throughput_ips
    low, high = window.interval_ips
    if window.periodic or not 0 < low < high < 1e12:
        return [ips, ips]
    return [min(low, ips), max(high, ips)]


def is_settled(window: Window) -> bool:
    """Whether batch means of a run without a period lie close together (5 %)."""
    low, high = window.interval_ips
    return low > 0 and high - low <= 0.05 * low


def is_overloaded(setup: Setup, window: Window) -> bool:
    """Whether an open loop did not keep up: more requests wait at the end than chance would leave there."""
    chance = 20 + 2 * len(setup.thread_models) + 0.03 * window.count
    return setup.scenario.arrivals.split(":")[0] in OPEN and window.queue_length > chance


def overload_note(overloaded: bool, ips: float) -> list[str]:
    """An open loop that does not keep up has a rate, and no latency: the longer the run, the longer its line."""
    words = f"overloaded: requests come faster than {ips:.3g}/s are served; latencies grow with the length of the run"
    return [words] if overloaded else []


def breakdown_ms(window: Window) -> dict[str, float]:
    """Mean time of a request in each state; time that overlaps is counted once, so the parts add up to the latency.

    A window cuts requests at both ends; over a period both cuts are alike, and else the parts are scaled to the mean.
    """
    mean = merged(window.latency)
    total = sum(window.state_ns(state) for state in BREAKDOWN)
    scale = ratio(mean.sum_ns, total * max(1, mean.n) * 1e6)
    return {state.name.lower(): window.state_ns(state) * scale for state in BREAKDOWN}


def power_of(setup: Setup, window: Window) -> Power:
    """Mean powers over the window."""
    return mean_power(setup, window)


def energy_mj(power: Power, ips: float) -> tuple[float, float]:
    """Energy of an inference in mJ: whole system, accelerators alone."""
    return ratio(power.total_w * 1e3, ips), ratio(power.accelerators_w * 1e3, ips)


def utilisation(setup: Setup, window: Window) -> dict[str, float]:
    """Shares of time: accelerators held by an inference, links sending and receiving, cores busy, the GIL held."""
    threads, count = len(setup.thread_models), len(setup.accelerators)
    elapsed = window.elapsed_ns
    held = sum(window.time_ns[threads + i][state] for i in range(count) for state in HELD)
    buses = len({bus.name for bus in setup.channels}) if _shared(setup) else count
    sent, received = (
        sum(window.time_ns[threads + count + i][state] for i in range(count)) / buses
        for state in (State.TRANSFER_OUT, State.TRANSFER_IN)
    )
    shares = {
        "accelerator": held / count, "link_out": sent, "link_in": received,
        "cpu": window.core_ns / setup.cores, "gil": window.gil_ns,
    }  # fmt: skip
    return {name: min(1.0, max(0.0, ns / elapsed)) for name, ns in shares.items()}


def _shared(setup: Setup) -> bool:
    return len(setup.channels) > 1 and all(bus.header_bytes for bus in setup.channels)


def models(setup: Setup, window: Window) -> dict[str, dict[str, float]]:
    """Throughput and mean latency of each model; of the whole network where a pipeline runs its segments."""
    rows = list(zip(setup.models, window.latency, strict=True))
    if setup.pipelines:
        rows = [(setup.scenario.models, window.latency[0])]
    return {
        name: {
            "throughput_ips": counts.n * 1e9 / window.elapsed_ns,
            "latency_mean_ms": ratio(counts.sum_ns, counts.n) / 1e6,
        }
        for name, counts in rows
    }
