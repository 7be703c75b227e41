"""The cheapest set-up within limits, among what can be bought and plugged in; the nearest one where none meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from typing import Any

from hwmodels.errors import InputError
from hwmodels.families import family_of_size, sizes
from hwmodels.link import load_link, plugged_links
from hwmodels.parts import part_names
from sim.choices.market import HOURS_A_YEAR, Prices, cannot_be_had, has_port, power_notes
from sim.choices.steps import on_cpu_options, orders_together, own_counts
from sim.closed_form.bounds import throughput_bound
from sim.engine import simulate
from sim.power import rest_w
from sim.scenario import Scenario
from sim.setup import Setup, accelerator_count, build

__all__ = ["MOST_SKIPPED", "Limits", "Shop", "search"]

#: Relative cost of an accelerator by size, and of another host: figures to rank by, no prices. A larger array costs its
#: area, a faster host what its class costs; a thread or a setting next to nothing.
SIZE_COST = {
    "small": 0.6, "coral": 1.0, "large": 3.0, "dpu-b512": 0.51, "dpu-b800": 0.56, "dpu-b1152": 0.62, "dpu-b1024": 0.66,
    "dpu-b1600": 0.74, "dpu-b2304": 0.81, "dpu-b3136": 0.89, "dpu-b4096": 1.0,
}  # fmt: skip
HOST_COST = {
    "raspberry-pi-3b": 0.5, "raspberry-pi-3b-plus": 0.5, "raspberry-pi-4": 0.8, "raspberry-pi-cm4": 0.8,
    "raspberry-pi-5": 1.1, "dev-board": 1.6, "jetson-nano": 1.6, "x86-desktop": 6.0, "x86-xeon": 10.0,
}  # fmt: skip
OTHER_COST = 4.0
SETTING_COST = 0.01
THREADS = (1, 2, 3, 4, 6, 8, 16)
MOST_ACCELERATORS = 4
MOST_SKIPPED = 0.01  # share of dropped frames of a set-up that is said to serve its cameras
SLACK = 1.02  # the closed form is an upper bound on throughput; a little room for rounding
WORTH = 0.999  # a set-up that costs more to buy has to save so much of the whole
NEAREST = 3  # set-ups that are simulated to find the one that misses the limits least


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a set-up has to meet: inferences/s at least, percentiles of the latency (ms) and power (W) at most."""

    min_ips: float | None = None
    max_p95_ms: float | None = None
    max_p99_ms: float | None = None
    max_w: float | None = None

    def __post_init__(self) -> None:
        """Raise :class:`InputError` for a limit that is not above 0."""
        for key in fields(self):
            value = getattr(self, key.name)
            if value is not None and not value > 0:
                raise InputError.value(f"--{key.name.replace('_', '-')}", value, "a number above 0")

    @property
    def given(self) -> bool:
        """Whether there is any limit."""
        return any(getattr(self, key.name) is not None for key in fields(self))

    def met(self, summary: Mapping[str, Any]) -> bool:
        """Whether a run's summary meets every limit, serves every network and keeps up with what comes."""
        return all(row["throughput_ips"] for row in summary["models"].values()) and not self.broken_by(summary)

    def misses(self, summary: Mapping[str, Any]) -> dict[str, float]:
        """Return how many times too far a run's summary is from each limit that it breaks, by what it reaches."""
        latency, power_w = summary.get("age_ms", summary["latency_ms"]), summary["power_w"]["total"]
        ips, most = summary["throughput_ips"], float("inf")
        far = {
            f"{ips:.4g} inferences a second, not {self.min_ips or 0:g}": (self.min_ips or 0) / max(1e-9, ips),
            f"p95 {latency['p95']:.4g} ms, not {self.max_p95_ms or 0:g}": latency["p95"] / (self.max_p95_ms or most),
            f"p99 {latency['p99']:.4g} ms, not {self.max_p99_ms or 0:g}": latency["p99"] / (self.max_p99_ms or most),
            f"{power_w:.3g} W, not {self.max_w or 0:g}": power_w / (self.max_w or most),
            f"{summary.get('skipped_share', 0):.0%} of the frames skipped":
                1 + (summary.get("skipped_share", 0) - MOST_SKIPPED),
            "it does not keep up": 2.0 * summary["overloaded"],
        }  # fmt: skip
        return {words: times for words, times in far.items() if times > 1}

    def broken_by(self, summary: Mapping[str, Any]) -> str:
        """Return which limit a run's summary breaks, in words; empty where it keeps them all.

        With cameras, latencies are the ages of their results.
        """
        latency, most = summary.get("age_ms", summary["latency_ms"]), float("inf")
        broken = {
            "it does not keep up": summary["overloaded"],
            f"more than {MOST_SKIPPED:.0%} of the frames skipped": summary.get("skipped_share", 0) > MOST_SKIPPED,
            f"fewer than {self.min_ips or 0:g} inferences a second": summary["throughput_ips"] < (self.min_ips or 0),
            f"p95 above {self.max_p95_ms or 0:.4g} ms": latency["p95"] > (self.max_p95_ms or most),
            f"p99 above {self.max_p99_ms or 0:.4g} ms": latency["p99"] > (self.max_p99_ms or most),
            f"more than {self.max_w or 0:g} W": summary["power_w"]["total"] > (self.max_w or most),
        }
        return next((words for words, is_broken in broken.items() if is_broken), "")


@dataclass(frozen=True)
class Shop:
    """What may be chosen: everything (``what_if``), or what can be bought; at prices of the user's, where there are."""

    what_if: bool = False
    prices: Prices | None = None
    progress: Callable[[str], None] = field(default=lambda _: None)

    def has(self, candidate: Scenario, now: Scenario) -> bool:
        """Whether a set-up can be had; what the present one has already can."""
        return self.what_if or not cannot_be_had(candidate) - cannot_be_had(now)

    def cost(self, candidate: Scenario, now: Scenario) -> float | None:
        """What has to be bought; None where that has no price. Parts that are there cost nothing."""
        if self.prices is not None:
            return self.prices.of(candidate, now)
        is_same = (candidate.size, candidate.link) == (now.size, now.link)
        more = accelerator_count(candidate) - (accelerator_count(now) if is_same else 0)
        host = 0.0 if candidate.host == now.host else HOST_COST.get(candidate.host, OTHER_COST)
        return max(0, more) * SIZE_COST.get(candidate.size, 1.0) + host + SETTING_COST * candidate.threads

    def total(self, cost: float, summary: Mapping[str, Any]) -> float:
        """What has to be bought, and the energy of the years that count."""
        return cost if self.prices is None else self.prices.total(cost, summary["power_w"]["total"])


def search(scenario: Scenario, limits: Limits, now: Mapping[str, Any], shop: Shop) -> dict[str, Any]:
    """Look for the cheapest set-up that meets limits, those first that cost least.

    Parameters
    ----------
    scenario, now
        The set-up as it is, and the summary of its run.
    limits, shop
        What has to hold, and what may be chosen.

    Returns
    -------
    dict
        ``already_met``; ``cheapest`` with its ``change``, cost and figures, or None; ``nearest`` where none meets the
        limits: the same of the set-up that misses them least, and ``misses``, in words, by how many times.
    """
    priced = [(cost, row) for row in _candidates(scenario, shop) if (cost := shop.cost(row, scenario)) is not None]
    priced.sort(
        key=lambda pair: (pair[0], pair[1].threads, pair[1].accelerators, pair[1].size, pair[1].host, pair[1].link)
    )
    tried: dict[Scenario, Mapping[str, Any]] = {scenario: now}
    left: list[tuple[float, float, Scenario]] = []
    best: tuple[float, float, Scenario] | None = None
    for cost, row in priced:
        if best is not None and cost >= best[0]:  # what comes now costs more before it has run for an hour
            break
        far = _least_miss(row, limits)
        if far is None:
            continue
        if far <= 1:
            shop.progress(f"trying {_words(_changed(row, scenario))} ...")
            tried[row] = simulate(row, compare=False, trust=False).summary if row != scenario else now
            if limits.met(tried[row]):
                total = shop.total(cost, tried[row])
                best = (total, cost, row) if best is None or total < WORTH * best[0] else best
                continue
        left.append((far, cost, row))
    if best is not None:
        _, cost, row = best
        cheapest = _row(row, scenario, tried[row], cost, shop)
        return {"already_met": limits.met(now), "cheapest": cheapest, "nearest": None}
    return {"already_met": False, "cheapest": None, "nearest": _nearest(scenario, limits, tried, left, shop)}


def _nearest(
    scenario: Scenario, limits: Limits, tried: dict[Scenario, Mapping[str, Any]],
    left: list[tuple[float, float, Scenario]], shop: Shop,
) -> dict[str, Any] | None:  # fmt: skip
    """The set-up that misses the limits least, of those that the closed form has nearest and those that were tried."""
    costs = {row: cost for _, cost, row in left}
    for _, _, row in sorted(left, key=lambda one: one[:2])[:NEAREST]:
        if row not in tried:
            tried[row] = simulate(row, compare=False, trust=False).summary
    found = [
        (max(limits.misses(tried[row]).values(), default=9e9), cost, row) for row, cost in costs.items() if row in tried
    ]
    if not found:
        return None
    _, cost, row = min(found, key=lambda one: one[:2])
    return _row(row, scenario, tried[row], cost, shop) | {"misses": limits.misses(tried[row])}


def _row(row: Scenario, now: Scenario, summary: Mapping[str, Any], cost: float, shop: Shop) -> dict[str, Any]:
    """A set-up as the answer shows it."""
    keys = ("throughput_ips", "latency_ms", "energy_mj_per_inference", "power_w", "utilisation")
    return {
        "change": _changed(row, now), ("price" if shop.prices else "relative_cost"): cost, "scenario": row.options(),
        "notes": power_notes(row), "kwh_per_year": summary["power_w"]["total"] * HOURS_A_YEAR / 1e3,
        **_money(shop, cost, summary),
    } | {key: summary[key] for key in keys}  # fmt: skip


def _money(shop: Shop, cost: float, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a year of its power costs, and all that counts over the years, where there are prices."""
    if shop.prices is None:
        return {}
    found = {"money_per_year": shop.prices.a_year(summary["power_w"]["total"])}
    return found | ({"years": shop.prices.years, "total": shop.total(cost, summary)} if shop.prices.years else {})


def _changed(row: Scenario, now: Scenario) -> dict[str, Any]:
    return {key: value for key, value in row.options().items() if value != now.options().get(key)}


def _words(change: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in change.items()) or "no change"


def _candidates(scenario: Scenario, shop: Shop) -> Iterator[Scenario]:
    """Set-ups around the scenario that can be had: hosts, links, sizes, accelerators, threads, compiled together."""
    start = scenario.with_options(accelerators=1) if scenario.is_on_cpu else scenario
    for host, link in _places(start):
        for options in _choices(start):
            clock = {} if load_link(link.split(",")[0].strip()).std_clock else {"clock": "max"}
            row = start.with_options(**{"host": host, "link": link, **clock, **_cores(host, scenario), **options})
            if shop.has(row, scenario):
                yield row
    if scenario.mode in ("threads", "processes"):
        yield from filter(lambda row: shop.has(row, scenario), _on_the_cpu(scenario))


def _cores(host: str, scenario: Scenario) -> dict[str, int]:
    return {} if host == scenario.host else {"cores": 0}


def _on_the_cpu(scenario: Scenario) -> Iterator[Scenario]:
    """Without an accelerator: where there is none now on other hosts, too."""
    start = scenario if scenario.is_on_cpu else scenario.with_options(**on_cpu_options(scenario))
    hosts = [scenario.host, *(_other_hosts(scenario) if scenario.is_on_cpu else ())]
    for host, threads in product(hosts, [scenario.threads] if own_counts(scenario) else THREADS):
        yield start.with_options(host=host, threads=threads, **_cores(host, scenario))


def _places(scenario: Scenario) -> list[tuple[str, str]]:
    """Hosts, each with the links that it has a port for; the scenario's own first."""
    known = plugged_links()
    plain = _is_plain(scenario) and scenario.link in known
    links = [scenario.link, *(link for link in known if plain and link != scenario.link)]
    pairs = [
        (host, link) for host in (scenario.host, *_other_hosts(scenario)) for link in links if has_port(host, link)
    ]
    return list(dict.fromkeys([(scenario.host, scenario.link), *pairs]))


def _other_hosts(scenario: Scenario) -> list[str]:
    return [name for name in HOST_COST if name != scenario.host and name in part_names("host")]


def _is_plain(scenario: Scenario) -> bool:
    """Whether size and number of accelerators can be varied."""
    return scenario.size in SIZE_COST and scenario.mode in ("threads", "processes") and not scenario.is_on_cpu


def _choices(scenario: Scenario) -> Iterator[dict[str, Any]]:
    """Sizes, numbers of accelerators and threads, and orders of compiling together."""
    plain, kin = _is_plain(scenario), sizes(family_of_size(scenario.size))
    chosen = tuple(size for size in SIZE_COST if size in kin) if plain else (scenario.size,)
    counts = range(1, MOST_ACCELERATORS + 1) if plain and "," not in scenario.link else (scenario.accelerators,)
    threads = dict.fromkeys([*THREADS, scenario.threads] if plain and not own_counts(scenario) else [scenario.threads])
    together: list[dict[str, Any]] = [{}, *(options for _, options in orders_together(scenario))]
    for size, many, number, compiled in product(chosen, counts, threads, together):
        if number >= many or not plain or own_counts(scenario):
            yield {"size": size, "accelerators": many, "threads": number, **compiled}


def _least_miss(scenario: Scenario, limits: Limits) -> float | None:
    """How far from the limits a set-up is at least, by closed forms that flatter it; None where it cannot be built."""
    try:
        setup = build(scenario)
    except InputError:
        return None
    return None if setup.no_room else max(_misses(setup, limits), default=0.0)


def _misses(setup: Setup, limits: Limits) -> Iterator[float]:
    alone_ms = min(times.latency_ns for row in setup.stage_times for times in row) / 1e6
    least_ips = max(limits.min_ips or 0.0, setup.scenario.arrival_process.rate_ips)  # what comes has to be served, too
    yield least_ips / max(1e-9, SLACK * throughput_bound(setup))
    for most in (limits.max_p95_ms, limits.max_p99_ms):
        if most is not None:
            yield alone_ms / (SLACK * most)
    if limits.max_w is not None:
        yield rest_w(setup) / (SLACK * limits.max_w)
