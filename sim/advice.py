"""Which next step helps most: what-if scenarios simulated one by one, ranked, and the cheapest set-up under limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwmodels.cache import still
from hwmodels.errors import InputError
from hwmodels.numerals import plain_number
from sim.answer import Results, figures
from sim.bottleneck import spoken
from sim.cheapest import Limits, Shop, search
from sim.choices.market import HOURS_A_YEAR, power_notes
from sim.choices.steps import Step, steps
from sim.closed_form.remedies import Remedy, weights_ns, worded
from sim.machine.states import BREAKDOWN, STATES, TRAITS
from sim.scenario import Scenario
from sim.setup import base_name

__all__ = ["Limits", "Shop", "advise"]

NOTABLE = 0.02  # a gain below this is called no gain
FULL = 0.9  # use of a resource above which it is called full


@still()
def advise(scenario: Scenario, limits: Limits | None = None, shop: Shop | None = None) -> dict[str, Any]:
    """Rank the next steps from a scenario by their gain, and find the cheapest set-up under limits.

    A gain is one of throughput. In a mix it is one of work: every inference counts as long as it takes alone in the
    set-up as it is, so that rates of unlike networks are not added up. ``judged_by`` says which. A step that leaves a
    network unserved comes last.

    Parameters
    ----------
    scenario
        The set-up as it is.
    limits
        What the cheapest set-up has to meet; none is looked for without.
    shop
        What may be chosen: only what can be bought and plugged in, unless it says otherwise; and at which prices.

    Returns
    -------
    dict
        ``now`` (the summary of the run; what helps is what the steps say) and ``notes`` about its power;
        ``judged_by`` (``throughput`` or ``work``);
        ``steps``, each a ``change`` with ``throughput_ips``, ``gain``, ``p95_ms``, ``p95_change``,
        ``energy_mj_per_inference``, ``energy_gain``, ``kwh_per_year``, ``not_served``, ``notes``, and ``why`` in one
        sentence, with prices also ``price`` and ``money_per_year``; ``cheapest``, ``nearest`` and ``already_met`` as
        :func:`sim.cheapest.search` has them.

    Raises
    ------
    InputError
        For a scenario that cannot be built.

    Notes
    -----
    Each candidate changes one thing of the scenario and is simulated with the same seed.
    """
    from sim.engine import simulate

    shop = shop or Shop()
    _check_years(shop, limits)
    found = simulate(scenario)
    is_mix, weights = len(found.summary["models"]) > 1, weights_ns(found.setup)
    each = weights if is_mix else dict.fromkeys(map(base_name, found.summary["models"]), 1.0)
    now = _Measure(found.summary, each, scenario.arrival_process.process.is_open, shop)
    rows = [row for step in _steps(scenario, shop) for row in _tried(scenario, step, now)]
    rows.sort(key=lambda row: (bool(row["not_served"]) or row["overloads"], *_rank(row, now.is_open), row["change"]))
    none = {"already_met": False, "cheapest": None, "nearest": None}
    best = search(scenario, limits, found.summary, shop) if limits and limits.given else none
    return {
        "now": _with_helps(found, rows, now.is_open), "notes": power_notes(scenario),
        "judged_by": "work" if is_mix else "throughput", "steps": rows, **best,
    }  # fmt: skip


def _first_said(remedy: Remedy) -> tuple[float, bool]:
    """The largest gain first; of those that look alike, what nobody has to buy."""
    return -round(remedy.gain, 2), bool(remedy.options.keys() & {"host", "link", "accelerators", "size"})


def _check_years(shop: Shop, limits: Limits | None) -> None:
    """Raise :class:`InputError` for years that count in what is cheapest, where nothing is looked for."""
    if shop.prices and shop.prices.years and not (limits and limits.given):
        remedy = "give --min-ips, --max-p95-ms, --max-p99-ms or --max-w"
        raise InputError.problem("--years", "cannot act, as there is no limit that a set-up has to meet", remedy)


def _with_helps(found: Results, rows: Sequence[Mapping[str, Any]], is_open: bool) -> dict[str, Any]:
    """The summary of a run that says what helps as the steps found it, which were simulated and can be had.

    Where requests come at a rate, a step that shortens their wait is not called useless, though no more is done.
    """
    summary = found.summary
    served = [row for row in rows if not (row["not_served"] or row["overloads"])]
    if is_open:
        served = [row for row in served if row["gain"] > 1 + NOTABLE or row["p95_change"] > 1 - NOTABLE]
    tried = [Remedy(row["change"], row["options"], round(row["gain"], 6)) for row in served]
    tried = [] if summary["bottleneck"] == "arrivals" else sorted(tried, key=_first_said)
    text = f"{figures(found.setup, found.window).limit[1]} {spoken(tried)}".strip()
    return summary | {"bottleneck_text": text, "remedies": worded(tried)}


def _steps(scenario: Scenario, shop: Shop) -> Iterator[Step]:
    """Steps that can be had, with a sign of life for each."""
    for step in steps(scenario):
        if shop.has(scenario.with_options(**step.options), scenario):
            shop.progress(f"trying {step.change} ...")
            yield step


@dataclass(frozen=True)
class _Measure:
    """A set-up as it is: its summary, and what an inference of each network counts."""

    summary: Mapping[str, Any]
    weights_ns: Mapping[str, float]
    is_open: bool
    shop: Shop

    def work(self, summary: Mapping[str, Any]) -> float:
        """Work that a set-up does in a second."""
        rows = summary["models"].items()
        return sum(float(row["throughput_ips"]) * self.weights_ns[base_name(name)] for name, row in rows)


def _tried(scenario: Scenario, step: Step, measure: _Measure) -> Iterator[dict[str, Any]]:
    """Simulate a step; one that the set-up does not admit (no such clock, no such cut) is left out."""
    from sim.engine import simulate

    changed = scenario.with_options(**step.options)
    try:
        tried = simulate(changed, compare=False, trust=False)
    except InputError:
        return
    if tried.setup.no_room:
        return
    then = tried.summary
    now = measure.summary
    gain = measure.work(then) / measure.work(now)
    overloads = then["overloaded"] and not now["overloaded"]
    lost = [name for name, row in now["models"].items() if row["throughput_ips"] and not _rate(then, name)]
    why = f"Not advised: {' and '.join(lost)} would not be served." if lost else _reason(step, gain, measure, then)
    why = "Not advised: requests would come faster than they are served." if overloads else why
    p95, before, energy = _p95_ms(then), _p95_ms(now), then["energy_mj_per_inference"]
    yield {
        "change": step.change, "throughput_ips": then["throughput_ips"], "gain": gain, "p95_ms": p95,
        "p95_change": p95 / before if before else 1.0,
        **({"skipped_share": then["skipped_share"]} if "skipped_share" in then else {}),
        "energy_mj_per_inference": energy, "energy_gain": now["energy_mj_per_inference"] / energy,
        "power_w": then["power_w"]["total"], "options": dict(step.options), "not_served": lost, "overloads": overloads,
        "why": why, "notes": _notes(changed, tried.setup.warnings, now),
        **_costs(changed, scenario, then, measure.shop),
    }  # fmt: skip


def _notes(changed: Scenario, warnings: Sequence[str], now: Mapping[str, Any]) -> list[str]:
    """What a step takes besides its parts, and what is to be minded of it that is not of the set-up as it is."""
    return [*power_notes(changed), *(text for text in warnings if text not in now["warnings"])]


def _costs(changed: Scenario, scenario: Scenario, then: Mapping[str, Any], shop: Shop) -> dict[str, Any]:
    """A year of its power, and what that and its parts cost where there are prices."""
    power_w, prices = then["power_w"]["total"], shop.prices
    found = {"kwh_per_year": power_w * HOURS_A_YEAR / 1e3}
    if prices is None:
        return found
    return found | {"price": prices.of(changed, scenario), "money_per_year": prices.a_year(power_w)}


def _p95_ms(summary: Mapping[str, Any]) -> float:
    """95th percentile of the latency; of the age of a result where there are cameras."""
    return float(summary.get("age_ms", summary["latency_ms"])["p95"])


def _rank(row: Mapping[str, Any], is_open: bool) -> tuple[float, ...]:
    """What the best step has least of: skipped frames and latency where requests come at a rate, else lost rate."""
    if is_open:
        return round(row.get("skipped_share", 0.0), 3), row["p95_change"], -row["gain"]
    return -round(row["gain"], 4), row["p95_ms"]


def _rate(summary: Mapping[str, Any], name: str) -> float:
    return float(summary["models"].get(name, {}).get("throughput_ips", 0.0))


BUSY = {
    "accelerator": "the accelerator", "link_out": "the link", "link_in": "the link", "cpu": "the cores",
    "gil": "the GIL",
}  # fmt: skip


def _reason(step: Step, gain: float, measure: _Measure, then: Mapping[str, Any]) -> str:
    now = measure.summary
    return _latency(step, gain, now, then) if measure.is_open else _why(step, gain, now, then)


def _latency(step: Step, gain: float, now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """One sentence where requests come at a rate of their own: what becomes of the latency."""
    before, after = _p95_ms(now), _p95_ms(then)
    old, new = _ms(before), _ms(after)
    times = _beside(f"95 % of the requests take at most {new}", old, new)
    if "age_ms" in then:
        was, is_ = (f"{row['skipped_share']:.0%}" for row in (now, then))
        times = _beside(f"{is_} of the frames are skipped", was, is_)
        times += _beside(f"; 95 % of the results are at most {new} old", old, new)
    if after > before * (1 + NOTABLE):
        return f"Slower: {times}, as {_rise(now, then, gain)}."
    if after > before * (1 - NOTABLE):
        return f"No gain: {times}."
    return f"{step.reason[0].upper()}{step.reason[1:]}: {times}."


def _ms(number: float) -> str:
    return f"{plain_number(number, 3)} ms"


def _beside(text: str, before: str, after: str) -> str:
    """A sentence with a figure, and what it was where that is not the same."""
    return f"{text}, {'as before' if before == after else f'not {before}'}"


def _why(step: Step, gain: float, now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """One sentence: what the step changes, and what holds it back or remains."""
    used, after = now["utilisation"], then["utilisation"]
    full = max(used, key=lambda key: used[key])
    last = max(after, key=lambda key: after[key])
    if gain < 1 - NOTABLE:
        return f"Slower: {_rise(now, then, gain)}."
    if gain < 1 + NOTABLE and used[full] > FULL:
        return f"No gain: {BUSY[full]} {_are(full)} used {used[full]:.0%} of the time already, whatever this changes."
    if gain < 1 + NOTABLE:
        return f"No gain: {_longest(now)}, and this changes little of that."
    rest = f"then {BUSY[last]} {_are(last)} used {after[last]:.0%} of the time"
    return f"{step.reason[0].upper()}{step.reason[1:]}; {rest}."


def _are(name: str) -> str:
    return "are" if name == "cpu" else "is"


WAITS = ("wait", "gil_wait")  # what grows here is the consequence of something else
CAUSE = {
    "load_parameters": "parameters are swapped", "parameters": "parameters do not fit the memory and are streamed",
    "cpu_ops": "operators run on the CPU", "instructions": "dispatch and instructions cost more",
}  # fmt: skip


def _rise(now: Mapping[str, Any], then: Mapping[str, Any], gain: float) -> str:
    """The cause of a longer request: the work that grew most; where none did, what everybody waits for.

    Times are compared for the same work (``gain`` as much is done in a second): a mix may change its proportions.
    """
    before, after = now["time_breakdown_ms"], then["time_breakdown_ms"]
    same = then["throughput_ips"] / max(1e-9, now["throughput_ips"]) / max(1e-9, gain)
    grown = {key: after[key] * same - before[key] for key in after if key not in WAITS}
    worst = max(grown, key=lambda key: grown[key])
    whole = sum(after.values()) - sum(before.values())
    if grown[worst] > NOTABLE * max(whole, sum(before.values())):
        words = CAUSE.get(worst, f"{TRAITS[STATES[worst]].words} takes longer")
        return f"{words} ({before[worst]:.2f} to {after[worst]:.2f} ms of a request)"
    wait = max(WAITS, key=lambda key: after[key] - before[key])
    used = then["utilisation"]
    full = max(used, key=lambda key: used[key])
    return (
        f"requests wait for each other ({before[wait]:.2f} to {after[wait]:.2f} ms) while {BUSY[full]} {_are(full)} "
        f"used {used[full]:.0%} of the time"
    )


def _longest(now: Mapping[str, Any]) -> str:
    """The largest part of a request's time, in words."""
    parts = now["time_breakdown_ms"]
    name = max(parts, key=lambda key: parts[key])
    words = {state.name.lower(): TRAITS[state].words for state in BREAKDOWN}
    share = parts[name] / max(1e-9, sum(parts.values()))
    return f"{share:.0%} of an inference is {words[name]}"
