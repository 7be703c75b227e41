"""Which next step helps most: what-if scenarios simulated one by one, ranked, and the cheapest set-up under limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from hwmodels.errors import InputError
from hwmodels.parts import part_names
from sim.scenario import Scenario, parse_models

__all__ = ["Limits", "advise"]

#: Cost of a step of each kind, for "cheapest": accelerators by size, then a thread or a setting as next to nothing.
#: Relative figures, not prices: a larger array costs its area, a faster host what its class costs.
SIZE_COST = {"small": 0.6, "coral": 1.0, "large": 3.0}
HOST_COST = {
    "raspberry-pi-3b": 0.5, "raspberry-pi-3b-plus": 0.5, "raspberry-pi-4": 0.8, "raspberry-pi-cm4": 0.8,
    "raspberry-pi-5": 1.1, "dev-board": 1.6, "jetson-nano": 1.6, "x86-desktop": 6.0, "x86-xeon": 10.0,
}  # fmt: skip
OTHER_COST = 4.0
SETTING_COST = 0.01
MOST_THREADS, MOST_ACCELERATORS = 16, 4
NOTABLE = 0.02  # a gain below this is called no gain
LINKS = ("usb2", "usb3", "pcie")
FULL = 0.9  # use of a resource above which it is called full


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a set-up has to meet: inferences/s at least, 95th percentile of the latency (ms) and power (W) at most."""

    min_ips: float | None = None
    max_p95_ms: float | None = None
    max_w: float | None = None

    def __post_init__(self) -> None:
        """Raise :class:`InputError` for a limit that is not above 0."""
        for key in fields(self):
            value = getattr(self, key.name)
            if value is not None and not value > 0:
                raise InputError(f"--{key.name.replace('_', '-')}", value, "a number above 0")

    @property
    def given(self) -> bool:
        """Whether there is any limit."""
        return any(getattr(self, key.name) is not None for key in fields(self))

    def met(self, summary: Mapping[str, Any]) -> bool:
        """Whether a run's summary meets every limit."""
        return (
            (self.min_ips is None or summary["throughput_ips"] >= self.min_ips)
            and (self.max_p95_ms is None or summary["latency_ms"]["p95"] <= self.max_p95_ms)
            and (self.max_w is None or summary["power_w"]["total"] <= self.max_w)
        )


@dataclass(frozen=True)
class _Step:
    """One change: in words, the options it changes, and why it should help where the bottleneck is one of these."""

    change: str
    options: Mapping[str, Any]
    reason: str


def advise(scenario: Scenario, limits: Limits | None = None) -> dict[str, Any]:
    """Rank the next steps from a scenario by their gain in throughput, and find the cheapest set-up under limits.

    Returns ``now`` (the summary of the run), ``steps`` (each a ``change`` with ``throughput_ips``, ``gain``,
    ``p95_ms``, ``p95_change``, ``energy_mj_per_inference``, ``energy_gain`` and ``why`` in one sentence) and
    ``cheapest``: the scenario of least relative cost that meets the limits with its figures, or None where nothing
    tried does or there is no limit. Raises :class:`InputError` for a scenario that cannot be built.

    Notes
    -----
    Each candidate changes one thing of the scenario and is simulated with the same seed.
    """
    from sim.engine import simulate

    now = simulate(scenario).summary
    steps = [row for step in _steps(scenario) for row in _tried(scenario, step, now)]
    steps.sort(key=lambda row: (-round(row["gain"], 4), row["p95_ms"], row["change"]))
    cheapest = _cheapest(scenario, limits) if limits and limits.given else None
    return {"now": now, "steps": steps, "cheapest": cheapest}


def _steps(scenario: Scenario) -> Iterator[_Step]:
    """Every change that the scenario admits."""
    for make in (_threads, _accelerators, _size, _link, _host, _software, _policies):
        yield from make(scenario)


def _count(scenario: Scenario) -> int:
    """Accelerators of the scenario."""
    counts = [part.rpartition(":")[2] for part in scenario.size.split(",")]
    listed = sum(int(c) if c.isdecimal() else 1 for c in counts)
    return max(scenario.accelerators, listed)


def _own_counts(scenario: Scenario) -> bool:
    return any(count for _, count in parse_models(scenario.models))


def _threads(scenario: Scenario) -> Iterator[_Step]:
    if scenario.mode == "pipeline" or _own_counts(scenario):
        return
    threads = max(scenario.threads, len(parse_models(scenario.models)))
    reason = "a thread's host work overlaps the other threads' time on the accelerator"
    yield _Step("one more thread", {"threads": threads + 1}, reason)
    if threads < 4:
        yield _Step("four threads", {"threads": 4}, reason)


def _accelerators(scenario: Scenario) -> Iterator[_Step]:
    if "," in scenario.size or ":" in scenario.size or scenario.mode == "pipeline" or "," in scenario.link:
        return
    more = _count(scenario) + 1
    reason = "two inferences can be on accelerators at once"
    threads = {} if _own_counts(scenario) else {"threads": max(scenario.threads + 1, more)}
    yield _Step("one more accelerator (and a thread)", {"accelerators": more, **threads}, reason)
    single = len(parse_models(scenario.models)) == 1 and not _own_counts(scenario)
    if single and scenario.mode == "threads" and scenario.arrivals == "closed":
        pipeline = {"mode": "pipeline", "threads": 1, "accelerators": max(2, more), "num_segments": max(2, more)}
        reason = "each accelerator keeps a part of the network's parameters on chip"
        yield _Step(f"a pipeline over {max(2, more)} accelerators", pipeline, reason)


def _size(scenario: Scenario) -> Iterator[_Step]:
    order = ("small", "coral", "large")
    if scenario.size in order[:-1]:
        larger = order[order.index(scenario.size) + 1]
        reason = "the array computes faster and holds more parameters on chip"
        yield _Step(f"size {larger}", {"size": larger, "clock": "max"}, reason)
    if scenario.clock == "std":
        yield _Step("clock max", {"clock": "max"}, "the array's clock doubles")


def _has(host: str, link: str) -> bool:
    """Whether the host's part file knows the link: a host without such a port is no step."""
    from hwmodels.host import load_host

    return load_host(host).bus(link)[0] > 0


def _link(scenario: Scenario) -> Iterator[_Step]:
    for link in LINKS[LINKS.index(scenario.link) + 1 :] if scenario.link in LINKS else ():
        if _has(scenario.host, link):
            clock = {"clock": "max"} if link == "pcie" else {}
            yield _Step(f"link {link}", {"link": link, **clock}, "instructions, inputs and parameters cross it faster")


def _host(scenario: Scenario) -> Iterator[_Step]:
    from hwmodels.host import load_host

    host = load_host(scenario.host)
    cores = scenario.cores or host.cores
    yield _Step(f"{2 * cores} cores", {"cores": 2 * cores}, "threads do not wait for a core")
    names = part_names("host")
    faster = [name for name in ("raspberry-pi-4", "raspberry-pi-5", "x86-desktop") if name in names]
    for name in faster:
        faster_work = load_host(name).cast_ns_per_byte < 0.8 * host.cast_ns_per_byte
        if faster_work and (_has(name, scenario.link) or scenario.link not in LINKS):
            yield _Step(f"host {name}", {"host": name, "cores": 0}, "host work of an inference takes less time")
            return


def _software(scenario: Scenario) -> Iterator[_Step]:
    several = len(parse_models(scenario.models)) > 1
    if several and not scenario.cocompile:
        yield _Step(
            "compile the models together", {"cocompile": True}, "no parameters are sent again at a model's turn"
        )
    if scenario.mode == "threads" and (scenario.threads > 1 or several or scenario.busy_python_threads):
        yield _Step("processes instead of threads", {"mode": "processes"}, "nobody waits for Python's global lock")
    if scenario.cpu_kernels == "builtin":
        yield _Step("XNNPACK kernels", {"cpu_kernels": "xnnpack"}, "operators on the CPU run faster")
    if scenario.num_threads == 1:
        yield _Step("two interpreter threads", {"num_threads": 2}, "convolutions on the CPU use two cores")


def _policies(scenario: Scenario) -> Iterator[_Step]:
    """Another dispatch where there are accelerators to choose from, another discipline where models differ."""
    if _count(scenario) > 1 and scenario.dispatch == "bind" and scenario.mode in ("threads", "processes"):
        reason = "a thread takes the accelerator with the fewest others"
        yield _Step("dispatch least_loaded", {"dispatch": "least_loaded"}, reason)
    if len(parse_models(scenario.models)) > 1 and scenario.discipline == "fifo":
        yield _Step("discipline affinity", {"discipline": "affinity"}, "requests of one model are served in a row")


def _tried(scenario: Scenario, step: _Step, now: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Simulate a step; one that the set-up does not admit (no such clock, no such cut) is left out."""
    from sim.engine import simulate

    try:
        then = simulate(replace(scenario, **step.options), compare=False).summary
    except InputError:
        return
    gain = then["throughput_ips"] / now["throughput_ips"]
    p95, energy = then["latency_ms"]["p95"], then["energy_mj_per_inference"]
    yield {
        "change": step.change, "throughput_ips": then["throughput_ips"], "gain": gain, "p95_ms": p95,
        "p95_change": p95 / now["latency_ms"]["p95"] if now["latency_ms"]["p95"] else 1.0,
        "energy_mj_per_inference": energy, "energy_gain": now["energy_mj_per_inference"] / energy,
        "power_w": then["power_w"]["total"], "options": dict(step.options), "why": _why(step, gain, now, then),
    }  # fmt: skip


BUSY = {
    "accelerator": "the accelerator", "link_out": "the link", "link_in": "the link", "cpu": "the cores",
    "gil": "the GIL",
}  # fmt: skip


def _why(step: _Step, gain: float, now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """One sentence: what the step changes, and what holds it back or remains."""
    used, after = now["utilisation"], then["utilisation"]
    full = max(used, key=lambda key: used[key])
    last = max(after, key=lambda key: after[key])
    if gain < 1 - NOTABLE:
        return f"Slower: {_rise(now, then)}."
    if gain < 1 + NOTABLE and used[full] > FULL:
        return f"No gain: {BUSY[full]} {_are(full)} used {used[full]:.0%} of the time already, whatever this changes."
    if gain < 1 + NOTABLE:
        return f"No gain: {_longest(now)}, and this changes little of that."
    rest = f"then {BUSY[last]} {_are(last)} used {after[last]:.0%} of the time"
    return f"{step.reason[0].upper()}{step.reason[1:]}; {rest}."


def _are(name: str) -> str:
    return "are" if name == "cpu" else "is"


def _rise(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """The part of a request's time that grew most."""
    before, after = now["time_breakdown_ms"], then["time_breakdown_ms"]
    worst = max(after, key=lambda key: after[key] - before[key])
    return f"the time for {worst.replace('_', ' ')} goes from {before[worst]:.2f} to {after[worst]:.2f} ms"


def _longest(now: Mapping[str, Any]) -> str:
    """The largest part of a request's time, in words."""
    parts = now["time_breakdown_ms"]
    name = max(parts, key=lambda key: parts[key])
    words = {"instructions": "dispatch and instructions", "parameters": "streamed parameters"}
    share = parts[name] / max(1e-9, sum(parts.values()))
    return f"{share:.0%} of an inference is {words.get(name, name.replace('_', ' '))}"


def _cheapest(scenario: Scenario, limits: Limits) -> dict[str, Any] | None:
    """Try set-ups in the order of their cost, those first that the closed form expects to meet the limits."""
    from sim.engine import simulate

    rows = sorted(_candidates(scenario), key=lambda row: (_cost(row), row.threads, row.size, row.host, row.link))
    for row in rows:
        if not _may_meet(row, limits):
            continue
        summary = simulate(row, compare=False).summary
        if limits.met(summary):
            changed = {k: v for k, v in row.options().items() if v != scenario.options()[k]}
            keys = ("throughput_ips", "latency_ms", "energy_mj_per_inference", "power_w", "utilisation")
            return {"change": changed, "relative_cost": _cost(row), "scenario": row.options()} | {
                key: summary[key] for key in keys
            }
    return None


def _candidates(scenario: Scenario) -> Iterator[Scenario]:
    """Set-ups around the scenario: sizes, hosts, links, accelerators, threads; the rest as it is."""
    others = (name for name in HOST_COST if name != scenario.host and name in part_names("host"))
    names = [scenario.host, *(name for name in others if _has(name, scenario.link))]
    plain = scenario.size in SIZE_COST and scenario.mode != "pipeline"
    sizes = tuple(SIZE_COST) if plain else (scenario.size,)
    counts = range(1, MOST_ACCELERATORS + 1) if plain and "," not in scenario.link else (scenario.accelerators,)
    threads = (1, 2, 3, 4, 6, 8, MOST_THREADS) if plain and not _own_counts(scenario) else (scenario.threads,)
    for host in names:
        for size in sizes:
            for many in counts:
                for number in threads:
                    if number >= many or not plain:
                        yield replace(scenario, host=host, size=size, accelerators=many, threads=number, cores=0)


def _cost(scenario: Scenario) -> float:
    accelerators = SIZE_COST.get(scenario.size, 1.0) * _count(scenario)
    return accelerators + HOST_COST.get(scenario.host, OTHER_COST) + SETTING_COST * scenario.threads


SLACK = 1.02  # the closed form is an upper bound on throughput; a little room for rounding


def _may_meet(scenario: Scenario, limits: Limits) -> bool:
    """Whether the closed form, which is never too low in throughput, leaves it possible."""
    from sim.bounds import throughput_bound
    from sim.setup import build

    try:
        setup = build(scenario)
    except InputError:
        return False
    ips = throughput_bound(setup)
    enough = limits.min_ips is None or ips * SLACK >= limits.min_ips
    alone_ms = min(times.latency_ns for row in setup.networks for times in row) / 1e6
    return enough and (limits.max_p95_ms is None or alone_ms <= SLACK * limits.max_p95_ms)
