"""The answer of the JSON contract: its keys stand here once, for a run, an estimate and a row of a study."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hwmodels.version import program_version
from sim.bottleneck import bottleneck, spoken
from sim.choices.market import power_notes
from sim.closed_form.baseline import Baseline, baseline
from sim.closed_form.bounds import throughput_bound
from sim.closed_form.remedies import Remedy, explains, remedies, worded
from sim.machine.states import BREAKDOWN, WAYS, states_of
from sim.power import Performance, mean_power, ratio
from sim.scenario import place
from sim.setup import Setup
from sim.steady import LatencyCounts, first_check
from sim.trust.coverage import gaps, part_hashes
from sim.trust.interval import intervals
from sim.trust.sensitivity import notes, sensitivities
from sim.window import Window

__all__ = ["Figures", "Results", "answer", "figures", "latencies", "power_of", "summarise", "trusted"]

HELD = states_of(held=True)
FEW_SKIPPED = 0.01  # share of dropped frames from which on more is not served


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was found of a set-up, by simulation or in closed form: times in ms, shares from 0 to 1.

    Attributes
    ----------
    breakdown_ms
        Mean time of a request in each state.
    limit
        The limiting resource, and a sentence about it.
    models
        Figures of each network.
    cold
        Inferences that were measured from the cold start on; 0 where the start was left out.
    notes
        What is to be known of how this was found.
    more
        Keys that only this way of finding out has.
    """

    performance: Performance
    latency_ms: Mapping[str, float]
    invoke_ms: Mapping[str, float]
    utilisation: Mapping[str, float]
    breakdown_ms: Mapping[str, float]
    limit: tuple[str, str]
    models: Mapping[str, Mapping[str, Any]]
    is_steady: bool = True
    is_overloaded: bool = False
    starved: Sequence[str] = ()
    cold: int = 0
    notes: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(repr=False)
class Results:
    """A simulated scenario: ``summary`` is the JSON answer of ``edgetpusim run``."""

    summary: dict[str, Any]
    setup: Setup = field(repr=False)
    window: Window = field(repr=False)

    def to_json(self) -> str:
        """The summary as one JSON object."""
        return json.dumps(self.summary, indent=1)

    def __repr__(self) -> str:
        """What was asked and the figures that people look at first."""
        asked, s = self.setup.scenario, self.summary
        return (
            f"<Results: {asked.models} on {place(asked.options())}: "
            f"{s['throughput_ips']:.1f}/s, {s['latency_ms']['mean']:.2f} ms, "
            f"{s['energy_mj_per_inference']:.1f} mJ, limited by the {s['bottleneck']}>"
        )

    def _repr_html_(self) -> str:
        """The same as a small table, for notebooks."""
        from html import escape  # its table of entities is read by notebooks only

        s = self.summary
        low, high = s["interval90"].get("throughput_ips", (s["throughput_ips"],) * 2)
        rows = {
            "throughput": f"{s['throughput_ips']:.1f} /s (90 %: {low:.1f} to {high:.1f})",
            "latency, mean": f"{s['latency_ms']['mean']:.3f} ms",
            "energy per inference": f"{s['energy_mj_per_inference']:.2f} mJ",
            "gain over one thread": f"{s['speedup_vs_one_thread'] or 0:.2f} x",
            "limited by": f"the {s['bottleneck']}. {s['bottleneck_text']}",
        }
        cells = "".join(f"<tr><th>{escape(key)}</th><td>{escape(text)}</td></tr>" for key, text in rows.items())
        return f"<table><caption>{escape(self.setup.scenario.models)}</caption>{cells}</table>"


def answer(setup: Setup, found: Figures, compare: bool = True, one: Baseline | None = None) -> dict[str, Any]:
    """Return what was found of a set-up under the keys of the contract; :func:`trusted` adds how far to trust it.

    Parameters
    ----------
    setup, found
        What was asked, and what was found.
    compare
        Whether the gains over one thread on one accelerator are wanted; they are null without.
    one
        That baseline of a closed loop, where it is known already.
    """
    now, power = found.performance, found.performance.power
    kind, text = found.limit
    return {
        "scenario": setup.scenario.options() | {"cores": setup.cores, "threads": setup.threads},
        "throughput_ips": now.throughput_ips,
        "latency_ms": dict(found.latency_ms),
        "invoke_ms": dict(found.invoke_ms),
        "energy_mj_per_inference": now.energy_mj,
        "energy_accelerator_mj_per_inference": now.accelerator_mj,
        "power_w": {
            "total": power.total_w, "accelerators": power.accelerators_w, "links": power.links_w, "host": power.host_w,
        },
        "utilisation": dict(found.utilisation),
        "time_breakdown_ms": dict(found.breakdown_ms),
        **gains(setup, found, compare, one),
        "bottleneck": kind,
        "bottleneck_text": text,
        "interval90": {},
        "steady": found.is_steady and not found.is_overloaded and not found.starved,
        "overloaded": found.is_overloaded,
        "warnings": [
            *starvation_note(found.starved), *overload_note(found.is_overloaded, now.throughput_ips),
            *found.notes, *setup.warnings, *power_notes(setup.scenario), *gaps(setup),
        ],
        "models": {name: dict(row) for name, row in found.models.items()},
        "made_by": {"version": program_version(), **part_hashes(setup), "seed": setup.scenario.seed},
        **found.more,
    }  # fmt: skip


def gains(setup: Setup, found: Figures, compare: bool, one: Baseline | None = None) -> dict[str, Any]:
    """Return the gains over the same work with one thread on one accelerator, and what exactly that is."""
    keys = ("speedup_vs_one_thread", "energy_gain_vs_one_thread", "energy_accelerator_gain_vs_one_thread")
    if compare and setup.is_baseline:
        return dict.fromkeys(keys, 1.0) | {"baseline": setup.scenario.options() | {"models": setup.models[0]}}
    if compare and (one is None or found.cold):
        rates = [row["throughput_ips"] for row in found.models.values()]
        came = found.performance.throughput_ips if setup.scenario.arrival_process.process.is_open else 0.0
        one = baseline(setup, rates, came, found.cold)
    if not compare or one is None or one.performance is None:
        reason = one.reason if one else "not asked for"
        return dict.fromkeys(keys) | {"baseline": None, "baseline_reason": reason}
    now, alone = found.performance, one.performance
    values = (
        ratio(now.throughput_ips, alone.throughput_ips), ratio(alone.energy_mj, now.energy_mj),
        ratio(alone.accelerator_mj, now.accelerator_mj),
    )  # fmt: skip
    models = {"models": ",".join(one.setup.models)} | ({"mix": dict(one.mix)} if one.mix else {})
    return dict(zip(keys, values, strict=True)) | {"baseline": one.setup.scenario.options() | models}


def trusted(setup: Setup, summary: dict[str, Any], more_warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Return an answer with its 90 % intervals, and warnings about assumed numbers that matter."""
    assumed, tried = sensitivities(setup), _remedies(setup, summary)
    warnings = [*summary["warnings"], *more_warnings, *notes(setup, assumed)]
    text = f"{summary['bottleneck_text']} {spoken(tried)}".strip()
    more = {"bottleneck_text": text, "remedies": worded(tried), "interval90": intervals(setup, summary, assumed)}
    return summary | {"warnings": warnings} | more


def _remedies(setup: Setup, summary: Mapping[str, Any]) -> list[Remedy]:
    """What the closed form says of changes.

    Nothing where requests do not come faster, come at times of their own (it does not know for how long a change lets
    them wait), or where a network is replayed. Where it does not explain the run's rate, it does not know what is in
    vain.
    """
    arrivals = setup.scenario.arrival_process
    comes_at_times = arrivals.process.is_open and not arrivals.rate_ips
    is_known = all(row[0].segments for row in setup.executables) and not comes_at_times
    found = remedies(setup) if summary["bottleneck"] != "arrivals" and is_known else []
    is_sure = not found or explains(setup, {name: row["throughput_ips"] for name, row in summary["models"].items()})
    return [remedy for remedy in found if is_sure or remedy.helps is not False]


def summarise(setup: Setup, window: Window, compare: bool = True, trust: bool = True) -> Results:
    """Build the answer of a run.

    ``compare`` adds its gains over one thread on one accelerator, ``trust`` how far to trust it.
    """
    found = answer(setup, figures(setup, window), compare)
    return Results(trusted(setup, found) if trust else found, setup, window)


def figures(setup: Setup, window: Window) -> Figures:
    """Return what a run found.

    Parameters
    ----------
    setup, window
        What ran, and what was measured.
    """
    used, overloaded = utilisation(setup, window), is_overloaded(setup, window)
    late = overloaded or window.frames.skipped_share > FEW_SKIPPED
    return Figures(
        performance=power_of(setup, window),
        latency_ms=latencies(window).summary_ms(),
        invoke_ms=merged(window.invokes).summary_ms(),
        utilisation=used,
        breakdown_ms=breakdown_ms(window),
        limit=bottleneck(setup, window, used, late),
        models=models(setup, window),
        is_steady=window.periodic or is_settled(window),
        is_overloaded=overloaded,
        starved=starved(setup, window),
        cold=0 if window.start_ns else window.count,
        notes=[*warm_up_note(setup, window), *age_note(setup, window)],
        more={
            "throughput_ci95_ips": interval_of(window),
            "simulated_s": window.ran_ns / 1e9,
            "wall_s": 0.0,
            "inferences": window.completions,
            **frames(setup, window),
            **missed_share(setup, window),
        },
    )


def power_of(setup: Setup, window: Window) -> Performance:
    """Return the rate and the mean powers over a window."""
    return Performance(window.throughput_ips, mean_power(setup, window))


def latencies(window: Window) -> LatencyCounts:
    """Latencies of requests; of queries, where requests are their samples (MLPerf)."""
    return window.queries if window.queries.n else merged(window.latency)


def missed_share(setup: Setup, window: Window) -> dict[str, float]:
    """Share of requests (or queries, or frames of cameras) that took longer than the deadline; nothing without one."""
    limit_ms = setup.scenario.deadline_ms
    counted = ages(window) if setup.scenario.cameras else latencies(window)
    return {"missed_share": counted.share_above(round(limit_ms * 1e6))} if limit_ms else {}


def ages(window: Window) -> LatencyCounts:
    """How old the results of frames were when they were there."""
    counts = LatencyCounts()
    counts.extend(window.frames.ages_ns)
    return counts


def frames(setup: Setup, window: Window) -> dict[str, Any]:
    """Share of the cameras' frames that were dropped, and the age of the others' results; nothing without cameras."""
    if not setup.scenario.cameras:
        return {}
    return {"skipped_share": window.frames.skipped_share, "age_ms": ages(window).summary_ms()}


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
    """Whether an open loop does not keep up.

    Requests come faster than any run serves them, or more of them wait at the end than chance would leave there.
    """
    chance = 20 + 2 * len(setup.thread_models) + 0.03 * window.count
    return cannot_keep_up(setup) or (_queues_grow(setup) and window.queue_length > chance)


def cannot_keep_up(setup: Setup) -> bool:
    """Whether requests of an open loop come faster than any run serves them: known before it runs."""
    return _queues_grow(setup) and setup.scenario.arrival_process.rate_ips > throughput_bound(setup)


def _queues_grow(setup: Setup) -> bool:
    """Whether requests come whoever waits, and none is dropped."""
    process = setup.scenario.arrival_process.process
    return process.is_open and not process.sheds


def overload_note(overloaded: bool, ips: float) -> list[str]:
    """An open loop that does not keep up has a rate, and no latency: the longer the run, the longer its line."""
    words = f"overloaded: requests come faster than {ips:.3g}/s are served; latencies grow with the length of the run"
    return [words] if overloaded else []


def breakdown_ms(window: Window) -> dict[str, float]:
    """Mean time of a request in each state; time that overlaps is counted once, so the parts add up to the latency.

    A window cuts requests at both ends; over a period both cuts are alike, and else the parts are scaled to the mean.
    A query lasts longer than its samples do on average: they wait for the last of them.
    """
    mean, whole = merged(window.latency), latencies(window)
    spent_ns = {state.name.lower(): window.state_ns(state) for state in BREAKDOWN}
    scale = ratio(mean.sum_ns, sum(spent_ns.values()) * max(1, mean.n) * 1e6)
    parts = {name: ns * scale for name, ns in spent_ns.items()}
    if window.queries.n:
        parts["wait"] += (ratio(whole.sum_ns, whole.n) - ratio(mean.sum_ns, mean.n)) / 1e6
    return parts


def utilisation(setup: Setup, window: Window) -> dict[str, float]:
    """Shares of time in which the parts of a machine work: means over accelerators, buses and cores; the GIL's.

    An accelerator works while it is held by an inference. Its waits for a core or for a bus that others use are left
    out, so that its share is throughput times service demand, as in every closed form (the utilisation law).
    """
    elapsed, count = window.elapsed_ns, len(setup.accelerators)
    held = sum(part.spent_ns(HELD) - part.waited_ns for part in window.accelerators)
    sent, received = (
        sum(setup.bus_ns(bus, [part.time_ns[state] for part in window.links], way) for bus in setup.buses)
        / len(setup.buses)
        for state, way in WAYS.items()
    )
    shares = {
        "accelerator": held / count, "link_out": sent, "link_in": received,
        "cpu": window.core_ns / setup.cores, "gil": window.gil_ns,
    }  # fmt: skip
    return {name: min(1.0, max(0.0, ns / elapsed)) for name, ns in shares.items()}


def models(setup: Setup, window: Window) -> dict[str, dict[str, Any]]:
    """What each network did: rate, latencies, threads; of the whole network where a pipeline runs its segments."""
    rows = list(zip(setup.models, window.latency, window.invokes, strict=True))
    threads = Counter(setup.models[model] for model in setup.thread_models)
    if setup.pipelines:
        rows, threads = [(setup.whole_name, window.latency[0], window.invokes[0])], Counter()
    elif setup.turns or setup.follows:
        threads = Counter(dict.fromkeys(setup.models, len(setup.thread_models)))
    return {
        name: {
            "throughput_ips": latency.n * 1e9 / window.elapsed_ns,
            "latency_mean_ms": ratio(latency.sum_ns, latency.n) / 1e6,
            "latency_ms": latency.summary_ms(),
            "invoke_mean_ms": ratio(invoke.sum_ns, invoke.n) / 1e6,
            "threads": threads[name] or len(setup.pipelines),
        }
        for name, latency, invoke in rows
    }


def starved(setup: Setup, window: Window) -> list[str]:
    """Networks with a thread that ended no inference while the window was open; in an open loop, with no inference."""
    if setup.pipelines or not window.served:
        return []
    if setup.scenario.arrival_process.process.repeats:
        idle = [setup.models[model] for i, model in enumerate(setup.thread_models) if i not in window.served]
    else:
        idle = [name for name, counts in zip(setup.models, window.latency, strict=True) if not counts.n]
    return list(dict.fromkeys(idle))


def warm_up_note(setup: Setup, window: Window) -> list[str]:
    """Where a run's length was asked for, say that its start is not in the figures."""
    scenario = setup.scenario
    asked = scenario.inferences or scenario.duration_s
    longest = first_check(len(setup.thread_models))
    words = f"figures are those from {window.start_ns / 1e9:.3g} s on: the start, with the first inference, is left out"
    return [f"{words} (--inferences {longest} or fewer holds it)"] if asked and window.start_ns else []


def age_note(setup: Setup, window: Window) -> list[str]:
    """Say that no age is known, where no frame's last inference was seen."""
    is_unknown = setup.scenario.cameras and not window.frames.ages_ns
    return ["no frame was done while the run was measured: the age of a result is not known"] if is_unknown else []


def starvation_note(names: Sequence[str]) -> list[str]:
    """A network that is never served is said before anything else."""
    return [f"{name} is not served: a thread of it ended no inference while the run was measured" for name in names]
