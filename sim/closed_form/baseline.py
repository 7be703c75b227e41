"""What gains compare with: the same work done by one thread on one accelerator, nothing cut into segments.

One thread alone waits for nobody, so the closed form is exact. The work is that of the run: the same networks in the
proportions in which it completed them, the same arrivals, the same host. Of several accelerators it gets the one that
does this work fastest. Where networks alternate, parameters are sent again at each change that the proportions need.
Where the run was measured from its cold start, the baseline sends its parameters for the first time, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hwmodels.cache import remembered
from sim.closed_form.demands import demand_of, with_load
from sim.closed_form.flows import Flow, power_at
from sim.power import Performance
from sim.scenario import option_defaults, option_fields
from sim.setup import Setup, base_name, retimed

__all__ = ["Baseline", "baseline", "baseline_setup", "on_accelerator"]

RESET = ("dispatch", "discipline", "affinity_batch")  # options that one thread has no use for
OTHERS = {*RESET, "threads", "mode", "accelerators", "size", "link"}  # options that are not those of the set-up


@dataclass(frozen=True)
class Baseline:
    """The same work with one thread on one accelerator, or the reason why there is no fair comparison."""

    performance: Performance | None
    setup: Setup
    mix: Mapping[str, float]
    reason: str = ""


def baseline(setup: Setup, counts: Sequence[float], offered_ips: float = 0.0, cold: int = 0) -> Baseline:
    """Return the baseline of a set-up for the inferences that it completed, by model.

    Parameters
    ----------
    setup
        What ran.
    counts
        Inferences, or rates, of each of ``setup.models``.
    offered_ips
        Requests that came in a second, where they do not wait for each other; 0 in a closed loop.
    cold
        Inferences that were measured from a cold start on; 0 where it was left out.
    """
    work = _work(setup, counts)
    whole = sum(work)
    if not whole or not all(work):
        one = baseline_setup(setup)
        idle = ", ".join(name for name, count in zip(one.models, work, strict=True) if not count)
        return Baseline(None, one, {}, f"{idle or 'nothing'} was never served: the work is not the same")
    return _of_shares(setup, offered_ips, cold, *[count / whole for count in work])


def _what_counts(setup: Setup, offered_ips: float, cold: int, *shares: float) -> tuple[Any, ...]:
    """All that the baseline of a set-up depends on: alike for every number of threads and accelerators."""
    whole = setup.whole or setup
    scenario = whole.scenario
    kept = [getattr(scenario, name) for name in option_fields() if name not in OTHERS]
    mode = scenario.mode if scenario.mode in ("processes", "coexec") else "threads"
    return (
        whole.host, whole.cores, whole.models, scenario.models, scenario.numbers, setup.is_on_cpu, mode, offered_ips,
        cold, *shares, *kept, *whole.one_of_each,
    )  # fmt: skip


@remembered(256, of=_what_counts)
def _of_shares(setup: Setup, offered_ips: float, cold: int, *shares: float) -> Baseline:
    one = baseline_setup(setup)
    each = [on_accelerator(one, i) for i in dict.fromkeys(one.kinds)]  # alike ones are equally fast
    fastest = min(each, key=lambda single: _time_ns(_flows(single, shares, cold)))
    rows = _flows(fastest, shares, cold)
    ips = 1e9 / _time_ns(rows)
    ips = min(ips, offered_ips) if offered_ips else ips
    rates = [replace(row, ips=ips * row.ips) for row in rows]
    mix = dict(zip(one.models, shares, strict=True)) if len(shares) > 1 else {}
    return Baseline(Performance(ips, power_at(fastest, rates)), fastest, mix)


def baseline_setup(setup: Setup) -> Setup:
    """Return the set-up with one thread: the whole network of a pipeline, none of coexecution's copies on the CPU."""
    whole = setup.whole or setup
    mode = whole.scenario.mode if whole.scenario.mode == "processes" else "threads"
    plain = option_defaults()
    reset = {key: plain[key] for key in RESET}
    scenario = replace(whole.scenario, mode=mode, threads=1, **reset)
    one = replace(whole, scenario=scenario, thread_models=(0,), turns=(), pipelines=(), whole=None)
    return _without_copies(one) if whole.scenario.mode == "coexec" else one


def _without_copies(one: Setup) -> Setup:
    """The networks on the accelerator: each in the place of its copy on the CPU, too."""
    rows = dict(zip(map(base_name, one.models), one.executables, strict=True))
    return retimed(replace(one, models=tuple(rows), executables=tuple(rows.values())), one.host)


def on_accelerator(one: Setup, number: int) -> Setup:
    """Return the set-up with one of its accelerators alone."""
    only = slice(number, number + 1)
    many = min(1, one.scenario.accelerators)  # none where everything runs on the CPU
    scenario = replace(
        one.scenario, accelerators=many, size=one.accelerators[number].name, link=one.channels[number].name
    )
    return replace(
        one, scenario=scenario,
        accelerators=one.accelerators[only], channels=one.channels[only], clocks_hz=one.clocks_hz[only],
        executables=tuple(row[only] for row in one.executables),
        stage_times=tuple(row[only] for row in one.stage_times),
    )  # fmt: skip


def _work(setup: Setup, counts: Sequence[float]) -> list[float]:
    """Inferences of each network of the baseline: a pipeline's are those of its segments, each counted once."""
    if setup.pipelines:
        return [max(counts)]
    if setup.scenario.mode != "coexec":
        return list(counts)
    done: dict[str, float] = {}
    for name, count in zip(setup.models, counts, strict=True):
        done[base_name(name)] = done.get(base_name(name), 0.0) + count
    return list(done.values())


def _flows(one: Setup, shares: Sequence[float], cold: int) -> list[Flow]:
    """One flow for each network at its share; every flow knows how often parameters are sent again."""
    return [
        Flow(0, (model,), share, with_load(demand_of(row[0], one), reload), reload)
        for model, (row, share) in enumerate(zip(one.stage_times, shares, strict=True))
        for reload in [_reload(one, model, shares, cold)]
    ]


def _reload(one: Setup, model: int, shares: Sequence[float], cold: int) -> float:
    """Share of a network's inferences that send parameters.

    They follow another token's, in a mix that is spread as evenly as it can be; or they are the first of all.
    """
    token = one.stage_times[model][0].token
    same = sum(share for other, share in enumerate(shares) if one.stage_times[other][0].token == token)
    again = min(1.0, (1 - same) / same)
    return again + (1 - again) / max(1.0, same * cold) if cold else again


def _time_ns(rows: Sequence[Flow]) -> float:
    """Mean time of an inference."""
    return sum(row.ips * row.need.alone_ns for row in rows)
