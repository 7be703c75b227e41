"""One large accelerator or several small ones: every mix of a family's sizes that fits the area of its largest.

Rates are those of the closed form, on a board whose cores share one memory; some are simulated as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations_with_replacement
from statistics import fmean, median

from hwmodels.errors import InputError
from hwmodels.families import load_accelerator, sizes
from sim.closed_form.flows import flows, power_at
from sim.closed_form.lines import expected_ips, lines
from sim.engine import run
from sim.scenario import Scenario
from sim.setup import Setup, build
from sim.study.executors import Each
from sim.study.findings import Finding
from sim.study.statistics import pareto

__all__ = ["AreaPoint", "area_findings", "mixes", "points"]

RESOURCE = "dsp"
MOST_CORES = 4  # of one image (PG338)
THREADS = 8
CLOCKS_HZ = (200e6, 300e6)
BOARD = "zcu102"  # three ports, one of them slower: what a core's place does shows
CHECKED = 3
NEARLY = 0.8  # share of the area that a mix has to use: others are no rivals


@dataclass(frozen=True, slots=True)
class AreaPoint:
    """One network on one mix of sizes.

    Attributes
    ----------
    throughput_ips, latency_ms, energy_mj
        Of many threads, of one request alone on its fastest core, and of an inference.
    evenness
        Time of an inference on the fastest core over that on the slowest.
    """

    network: str
    mix: tuple[str, ...]
    clock_hz: float
    throughput_ips: float
    latency_ms: float
    energy_mj: float
    evenness: float

    @property
    def name(self) -> str:
        """The mix in words: ``3 x dpu-b1024 at 300 MHz``."""
        return f"{named(self.mix)} at {self.clock_hz / 1e6:g} MHz"


def named(mix: Sequence[str]) -> str:
    """A mix of sizes in words, the largest first."""
    return " and ".join(f"{count} x {size}" for size, count in Counter(reversed(mix)).items())


@cache
def mixes(family: str) -> tuple[tuple[str, ...], ...]:
    """Return the mixes of at most four cores, of at most two sizes, that fill the area of the family's largest core."""
    names = sizes(family)
    area = {name: load_accelerator(name).area.get(RESOURCE, 0.0) for name in names}
    budget = max(area.values())
    if not budget:
        return ()
    every = (mix for n in range(1, MOST_CORES + 1) for mix in combinations_with_replacement(names, n))
    fitting = (mix for mix in every if len(set(mix)) <= 2)
    return tuple(mix for mix in fitting if NEARLY * budget <= sum(area[size] for size in mix) <= budget)


def points(network: str, family: str) -> list[AreaPoint]:
    """Return a network's point on every mix and clock; none where it cannot be built."""
    found = []
    for mix in mixes(family):
        for clock_hz in CLOCKS_HZ if len(set(mix)) == 1 else CLOCKS_HZ[-1:]:
            try:
                found.append(_point(network, mix, clock_hz))
            except InputError:
                continue
    return found


def scenario_of(network: str, mix: Sequence[str], clock_hz: float) -> Scenario:
    """Return the scenario of a mix: eight threads that go to whichever core is least loaded where cores differ."""
    dispatch = "least_loaded" if len(set(mix)) > 1 else "bind"
    return Scenario(
        models=network, size=",".join(reversed(mix)), accelerators=len(mix), threads=THREADS, host=BOARD, link="memory",
        dispatch=dispatch, numbers={"size.clock_hz": clock_hz},
    )  # fmt: skip


def _point(network: str, mix: tuple[str, ...], clock_hz: float) -> AreaPoint:
    setup = build(scenario_of(network, mix, clock_hz))
    ips = expected_ips(setup)
    watts = power_at(setup, flows(setup, ips)).total_w
    held = [row.need.held_ns for row in lines(setup) if row.need.held_ns]
    alone_ms = min(times.latency_ns for times in setup.stage_times[0]) / 1e6
    return AreaPoint(network, mix, clock_hz, ips, alone_ms, watts / ips * 1e3, min(held) / max(held) if held else 1.0)


def area_findings(networks: Sequence[str], family: str, each: Each = map) -> Iterator[Finding]:
    """Yield what the same area does as one core or as several, over all networks; ``each`` maps over them."""
    rows = [row for found in each(partial(points, family=family), networks) for row in found]
    if not rows:
        return
    largest = (sizes(family)[-1],)
    top_hz = max(CLOCKS_HZ)
    base = {row.network: row for row in rows if row.mix == largest and row.clock_hz == top_hz}
    yield _winners(rows, len(base))
    for mix in mixes(family):
        mine = [row for row in rows if row.mix == mix and row.clock_hz == top_hz and row.network in base]
        if mix != largest and mine:
            yield _against(mix, mine, base)
    yield _fronts(rows)
    yield _check(list(base)[:: max(1, len(base) // CHECKED)][:CHECKED], family)


def _against(mix: tuple[str, ...], mine: Sequence[AreaPoint], base: Mapping[str, AreaPoint]) -> Finding:
    rate = [row.throughput_ips / base[row.network].throughput_ips for row in mine]
    slower = [row.latency_ms / base[row.network].latency_ms for row in mine]
    energy = [row.energy_mj / base[row.network].energy_mj for row in mine]
    even = fmean(row.evenness for row in mine)
    (largest,) = next(iter(base.values())).mix
    better = sum(r > 1 for r in rate)
    text = (
        f"{named(mix)} against 1 x {largest} ({_more_area(mix, largest)}): {median(rate):.2f}x the throughput in the "
        f"median ({min(rate):.2f}x to {max(rate):.2f}x, better for {better} of {len(rate)} networks), "
        f"{median(slower):.2f}x the latency of one request and {median(energy):.2f}x the energy. The fastest core "
        f"takes {even:.0%} of the slowest's time in the mean."
    )
    values = {
        "mix": list(mix), "name": named(mix), "area": _more_area(mix, largest), "rate": median(rate),
        "lowest": min(rate), "highest": max(rate), "better": better, "networks": len(rate), "latency": median(slower),
        "energy": median(energy), "even": even,
    }  # fmt: skip
    return {"id": "area_mix", "text": text, "values": values}


def _more_area(mix: Sequence[str], largest: str) -> str:
    """Resources of a mix as multiples of the largest core's."""
    whole = load_accelerator(largest).area
    shares = {key: sum(load_accelerator(size).area[key] for size in mix) / most for key, most in whole.items()}
    return ", ".join(f"{share:.2f}x the {key}" for key, share in shares.items())


def _winners(rows: Sequence[AreaPoint], networks: int) -> Finding:
    """Which mix gives most of each network's inferences."""
    best: dict[str, AreaPoint] = {}
    for row in rows:
        if row.network not in best or row.throughput_ips > best[row.network].throughput_ips:
            best[row.network] = row
    counts = Counter(row.name for row in best.values())
    words = ", ".join(f"{name} for {count}" for name, count in counts.most_common(4))
    text = (
        f"In no more {RESOURCE} than the largest core has, {THREADS} threads on {BOARD}: most inferences come from "
        f"{words} of {networks} networks."
    )
    return {"id": "area", "text": text, "values": {"best": dict(counts)}}


def _fronts(rows: Sequence[AreaPoint]) -> Finding:
    """Which mixes lie on the networks' fronts of throughput, latency and energy."""
    counts: Counter[str] = Counter()
    by_network: dict[str, list[AreaPoint]] = {}
    for row in rows:
        by_network.setdefault(row.network, []).append(row)
    for mine in by_network.values():
        table = [
            {"throughput_ips": row.throughput_ips, "latency_ms": row.latency_ms, "energy_mj": row.energy_mj}
            for row in mine
        ]
        counts.update(mine[i].name for i in pareto(table, ("throughput_ips", "latency_ms", "energy_mj")))
    words = ", ".join(f"{name} ({count})" for name, count in counts.most_common(5))
    text = f"On the fronts of throughput, latency of one request and energy, of {len(by_network)} networks: {words}."
    return {"id": "area", "text": text, "values": {"front": dict(counts)}}


def _check(networks: Sequence[str], family: str) -> Finding:
    """Simulate some of the points, and compare."""
    errors = []
    for network in networks:
        for mix in mixes(family)[:: max(1, len(mixes(family)) // CHECKED)]:
            setup = build(scenario_of(network, mix, max(CLOCKS_HZ)))
            errors.append(expected_ips(setup) / run(_short(setup)).throughput_ips - 1)
    mean, worst = fmean(map(abs, errors)), max(map(abs, errors))
    text = (
        f"{len(errors)} of these points by simulation: the closed form is within {mean:.1%} in the mean and "
        f"{worst:.1%} at worst."
    )
    return {"id": "area", "text": text, "values": {"mean": mean, "worst": worst}}


def _short(setup: Setup) -> Setup:
    return replace(setup, scenario=replace(setup.scenario, inferences=200))
