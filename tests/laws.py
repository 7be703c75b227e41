"""Laws that hold for every scenario that builds: each is a function that raises AssertionError where it is broken.

They use public functions alone, and each says of which scenarios it speaks. ``test_scenarios.py`` tries them on random
scenarios, ``benchmarks/search.py`` on thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isclose
from typing import Any

from retiming import retimed
from scenarios import ANY, Focus

from hwmodels.errors import InputError
from hwmodels.stages import StageTimes
from sim import Results, Scenario, estimate, simulate
from sim.closed_form.bounds import throughput_bound
from sim.engine import run, settled
from sim.scenario import in_turn, name_and_count, parse_models, parse_rates
from sim.setup import Setup, build

__all__ = ["LAWS", "Law", "answer", "broken", "estimated", "is_exact", "networks_of"]

ROUNDING = 1e-6
SHIFT = 1e-4  # completions repeat themselves while one wait still gives way to another
SHOWN_FULL = 0.995  # use that is printed as 100 %
RANDOM = 0.05  # two runs of one distribution, or windows that cut requests at both ends
BOUND = 0.001
OPEN = ("poisson", "server")


@lru_cache(maxsize=256)
def results(scenario: Scenario) -> Results:
    """A simulated scenario, remembered."""
    return simulate(scenario)


def answer(scenario: Scenario) -> dict[str, Any]:
    """What ``edgetpusim run`` answers, without the time it took."""
    return {key: value for key, value in results(scenario).summary.items() if key != "wall_s"}


@lru_cache(maxsize=256)
def estimated(scenario: Scenario) -> dict[str, Any]:
    """What ``edgetpusim estimate`` answers."""
    return estimate(scenario)


def is_exact(scenario: Scenario) -> bool:
    """Whether the run repeats itself: then its means are those of whole periods."""
    return results(scenario).window.periodic


def near(a: float, b: float, relative: float) -> bool:
    """Whether two numbers agree."""
    return isclose(a, b, rel_tol=relative, abs_tol=1e-12)


# Which scenarios a law speaks of


def networks_of(scenario: Scenario) -> list[str]:
    """The networks that a scenario names, each as often as it is named."""
    return [one for name, _ in parse_models(scenario.models) for one in in_turn(name)]


def has_one_network(scenario: Scenario) -> bool:
    return len(set(networks_of(scenario))) == 1


def is_closed(scenario: Scenario) -> bool:
    """Every thread starts its next request when its last is done."""
    return scenario.arrivals == "closed" and not parse_rates(scenario.models)


def is_open(scenario: Scenario) -> bool:
    """Requests come at random, whether or not a thread is free."""
    return bool(parse_rates(scenario.models)) or scenario.arrivals.split(":")[0] in OPEN


def lasts(scenario: Scenario) -> bool:
    """The run has no last request, so that its beginning does not count."""
    return is_closed(scenario) or is_open(scenario)


def in_threads(scenario: Scenario) -> bool:
    """Every thread runs whole inferences: no pipeline, nobody on the CPU alone."""
    return scenario.mode in ("threads", "processes")


def devices(scenario: Scenario) -> list[tuple[str, str]]:
    """Size and link of each accelerator."""
    pairs = [name_and_count("--size", part) for part in scenario.size.split(",")]
    sizes = [name for name, count in pairs for _ in range(max(1, count))]
    sizes = sizes * scenario.accelerators if len(sizes) == 1 else sizes
    links = scenario.link.split(",")
    return list(zip(sizes, links if len(links) == len(sizes) else links * len(sizes), strict=True))


def are_alike(scenario: Scenario) -> bool:
    """Whether all accelerators are of one size and on one kind of link."""
    return len(set(devices(scenario))) == 1


def is_crowded(scenario: Scenario) -> bool:
    """Whether threads may wait for a core, and so take slices of a fixed length."""
    setup = build(scenario)
    others = scenario.busy_python_threads + len(setup.accelerators)
    return setup.cores < (len(setup.thread_models) + others) * scenario.num_threads


# One answer


def whatever_builds_is_answered(scenario: Scenario) -> None:
    assert answer(scenario)["throughput_ips"] > 0
    assert estimated(scenario)["throughput_ips"] > 0


def a_bound_is_never_below_the_run(scenario: Scenario) -> None:
    _is_not_below(throughput_bound(settled(scenario)), scenario)


def the_estimate_of_one_network_is_a_bound(scenario: Scenario) -> None:
    if not any("only a run tells" in note for note in estimated(scenario)["warnings"]):
        _is_not_below(estimated(scenario)["throughput_ips"], scenario)


def _is_not_below(bound_ips: float, scenario: Scenario) -> None:
    least, ips = answer(scenario)["throughput_ci95_ips"][0], answer(scenario)["throughput_ips"]
    slack = RANDOM if is_open(scenario) else BOUND  # what comes is random
    assert bound_ips >= least * (1 - slack), f"the bound is {bound_ips:.6g} /s, the run reaches {ips:.6g} /s"


def an_estimate_far_from_the_run_says_so(scenario: Scenario) -> None:
    """Where something is in the way that no closed form knows, a note says what."""
    ran, closed = answer(scenario)["throughput_ips"], estimated(scenario)
    told = any("closed form" in note for note in closed["warnings"])
    assert told or near(closed["throughput_ips"], ran, 0.05), f"{closed['throughput_ips']:.6g} /s, the run {ran:.6g} /s"


def requests_in_the_system_are_its_threads(scenario: Scenario) -> None:
    """Little's law: L = X R, and in a closed loop every thread has one request."""
    found = answer(scenario)
    inside = sum(row["throughput_ips"] * row["latency_mean_ms"] / 1e3 for row in found["models"].values())
    starved = any("is not served" in note for note in found["warnings"])
    threads = found["scenario"]["threads"] if is_closed(scenario) else 1
    if starved:  # a thread that waits for ever ends nothing
        assert inside <= threads * (1 + RANDOM)
        return
    assert near(inside, threads, ROUNDING if is_exact(scenario) else RANDOM), (
        f"{inside:.6g} requests, {threads} threads"
    )


def the_breakdown_is_the_table_of_stages(scenario: Scenario) -> None:
    """The parts add up to the mean latency; computing takes what the table says, nothing takes less."""
    found, least = answer(scenario), _table_ms(settled(scenario))
    parts = found["time_breakdown_ms"]
    slack = SHIFT if is_exact(scenario) else RANDOM
    assert near(sum(parts.values()), found["latency_ms"]["mean"], 1e-9)
    assert all(part >= 0 for part in parts.values()), parts
    assert near(parts["compute"], least["compute"], slack), ("compute", parts["compute"], least["compute"])
    for name, table in least.items():
        assert parts[name] >= table * (1 - slack) - 1e-9, (name, parts[name], table)


def _table_ms(setup: Setup) -> dict[str, float]:
    """What an inference that waits for nobody takes by state, over all segments of a pipeline."""
    rows = [row[0].alone_ns for row in setup.stage_times][: None if setup.scenario.mode == "pipeline" else 1]
    names = {name: None for row in rows for name in row}  # a segment on the CPU alone has none of the accelerator's
    return {name: sum(row.get(name, 0) for row in rows) / 1e6 for name in names}


def energy_is_power_over_throughput(scenario: Scenario) -> None:
    for found in (answer(scenario), estimated(scenario)):
        power, ips = found["power_w"], found["throughput_ips"]
        assert near(power["total"], power["accelerators"] + power["links"] + power["host"], ROUNDING), power
        assert near(found["energy_mj_per_inference"], power["total"] / ips * 1e3, ROUNDING)
        assert near(found["energy_accelerator_mj_per_inference"], power["accelerators"] / ips * 1e3, ROUNDING)
        assert min(power.values()) > 0, power


def the_interval_holds_the_point(scenario: Scenario) -> None:
    for found in (answer(scenario), estimated(scenario)):
        points = {
            "throughput_ips": found["throughput_ips"],
            "latency_mean_ms": found["latency_ms"]["mean"],
            "invoke_mean_ms": found["invoke_ms"]["mean"],
            "energy_mj_per_inference": found["energy_mj_per_inference"],
        }
        for name, point in points.items():
            low, high = found["interval90"][name]
            assert 0 < low <= point <= high < float("inf"), (name, low, point, high)
    ran = answer(scenario)
    low, high = ran["throughput_ci95_ips"]
    assert low <= ran["throughput_ips"] <= high
    ranks = [ran["latency_ms"][key] for key in ("p50", "p90", "p95", "p99", "max")]
    assert ranks == sorted(ranks), ranks
    assert ran["latency_ms"]["mean"] <= ranks[-1] * (1 + ROUNDING)


def a_network_that_is_never_served_is_said(scenario: Scenario) -> None:
    found = answer(scenario)
    for name, row in found["models"].items():
        said = not found["steady"] and any(name in note for note in found["warnings"])
        assert row["throughput_ips"] > 0 or said, f"{name}: 0 /s, steady {found['steady']}, no word about it"


def an_estimate_leaves_over_only_what_is_not_full(scenario: Scenario) -> None:
    """No sentence says that nothing is full beside a use that is printed as 100 %."""
    found = estimated(scenario)
    used, text = found["utilisation"], found["bottleneck_text"]
    assert "Nothing is full" not in text or used["accelerator"] < SHOWN_FULL, (used, text)
    assert "cores are left over" not in text or used["cpu"] < SHOWN_FULL, (used, text)


def no_estimate_draws_more_than_busy_cores(scenario: Scenario) -> None:
    """Shares of time add up: the cores draw at most what all of them busy draw."""
    found, host = estimated(scenario), build(scenario).host
    most = host.power_board_w + host.power_awake_w + host.cores * max(host.power_core_busy_w, host.power_core_idle_w)
    assert found["power_w"]["host"] <= most * (1 + ROUNDING), (found["power_w"], most)


def coexecution_starves_nobody(scenario: Scenario) -> None:
    """A thread that can run gets a core: the system's scheduler shares them out in slices."""
    rates = {name: row["throughput_ips"] for name, row in answer(scenario)["models"].items()}
    assert min(rates.values()) > 0, rates


def use_means_the_same_in_run_and_estimate(scenario: Scenario) -> None:
    """Utilisation law: U = X D, and the demand D of a resource does not depend on who asks."""
    ran, closed = answer(scenario), estimated(scenario)
    slack = 0.01 if is_exact(scenario) else RANDOM
    for name in ("link_out", "link_in", "cpu", "gil", "accelerator"):
        used, known = ran["utilisation"][name], closed["utilisation"][name]
        assert 0 <= used <= 1, (name, used)
        assert 0 <= known <= 1, (name, known)
        if max(used, known) > 0.999 or name in _held_longer(scenario):
            continue
        a, b = used / ran["throughput_ips"] * 1e3, known / closed["throughput_ips"] * 1e3
        assert isclose(a, b, rel_tol=slack, abs_tol=1e-4), f"{name}: {a:.5g} ms an inference in run, {b:.5g} estimated"


def _held_longer(scenario: Scenario) -> set[str]:
    """What is held longer where its user waits for a bus or a core meanwhile: no closed form knows how long."""
    many = devices(scenario)
    shares_a_bus = len(many) > 1 and any(link != "pcie" for _, link in many)
    found = {"accelerator"} if shares_a_bus else set()
    return found | ({"accelerator", "cpu", "gil"} if is_crowded(scenario) else set())


def threads_gain_at_most_their_number(scenario: Scenario) -> None:
    """One thread keeps one core or one accelerator busy at a time; and nobody gains from arrivals that do not come."""
    found = answer(scenario)
    gain, threads = found["speedup_vs_one_thread"], found["scenario"]["threads"]
    slack = ROUNDING if is_exact(scenario) else RANDOM
    assert gain is None or gain <= threads * (1 + slack), f"{threads} threads gain {gain:.4g} x"
    keeps_up = is_open(scenario) and not found["overloaded"]
    assert gain is None or not keeps_up or gain >= 1 - RANDOM, (
        f"what comes is served, and one thread gains: {gain:.4g} x"
    )


def what_comes_is_served_or_overload_is_said(scenario: Scenario) -> None:
    found = answer(scenario)
    rate = sum(parse_rates(scenario.models)) or float(scenario.arrivals.partition(":")[2])
    served = near(found["throughput_ips"], rate, 0.08)  # 2000 arrivals: three standard deviations are 7 %
    assert served or found["overloaded"], f"{rate:g} /s come, {found['throughput_ips']:.5g} are served"
    assert not (found["overloaded"] and found["steady"])


# Two answers


def a_sink_and_a_second_run_change_nothing(scenario: Scenario) -> None:
    """One seed, one answer, watched or not."""
    spans: list[Any] = []
    watched = simulate(scenario, sink=spans.append).summary
    assert {key: value for key, value in watched.items() if key != "wall_s"} == answer(scenario)
    assert spans


def equal_words_mean_the_same(scenario: Scenario) -> None:
    first = answer(scenario)
    for other in _other_words(scenario):
        try:
            second = answer(other)
        except InputError as error:
            raise AssertionError(f"refused in other words: {error}") from None
        for key in first.keys() - {"scenario", "made_by", "bottleneck_text", "warnings", "baseline", "remedies"}:
            assert first[key] == second[key], f"{key}: {first[key]}, in other words {second[key]}"


def _other_words(scenario: Scenario) -> Iterator[Scenario]:
    many = devices(scenario)
    if len(many) > 1:
        yield replace(scenario, size=",".join(size for size, _ in many), accelerators=len(many))
        yield replace(scenario, link=",".join(link for _, link in many))
    kind, _, rate = scenario.arrivals.partition(":")
    if kind in OPEN:
        yield replace(scenario, arrivals=f"{'server' if kind == 'poisson' else 'poisson'}:{rate}")
    if in_threads(scenario) and len(networks_of(scenario)) == 1 and scenario.threads > 1:
        yield replace(scenario, models=f"{scenario.models}:{scenario.threads}", threads=1)


def the_order_of_accelerators_does_not_matter(scenario: Scenario) -> None:
    same(scenario, _turned(scenario), measured)


def gains_and_intervals_see_every_accelerator(scenario: Scenario) -> None:
    same(scenario, _turned(scenario), told)


def _turned(scenario: Scenario) -> Scenario:
    """The accelerators, each with its link, in the other order."""
    turned = devices(scenario)[::-1]
    sizes, links = zip(*turned, strict=True)
    return replace(scenario, size=",".join(sizes), link=",".join(links), accelerators=len(turned))


def the_order_of_networks_does_not_matter(scenario: Scenario) -> None:
    same(scenario, replace(scenario, models=_reversed(scenario.models)), measured, told)


def _reversed(models: str) -> str:
    mark = "+" if "+" in models else ","
    return mark.join(models.split(mark)[::-1])


def a_network_named_twice_has_both_counts(scenario: Scenario) -> None:
    (name, count), *_ = parse_models(scenario.models)
    threads = max(count, scenario.threads)
    twice = f"{name}:{threads - threads // 2},{name}:{threads // 2}"
    once = f"{name}:{threads}"
    same(replace(scenario, models=once, threads=1), replace(scenario, models=twice, threads=1), measured)


Figures = Callable[[Mapping[str, Any]], dict[str, float]]


def same(scenario: Scenario, other: Scenario, *figures: Figures) -> None:
    """Assert that two scenarios have the same figures."""
    slack = 0.001 if is_exact(scenario) and is_exact(other) else RANDOM
    if answer(scenario)["overloaded"]:
        return  # a queue that grows has no mean
    for kind in figures:
        first, second = kind(answer(scenario)), kind(answer(other))
        for name, value in first.items():
            assert near(value, second[name], slack), f"{name}: {value:.6g}, the other way {second[name]:.6g}"


def measured(summary: Mapping[str, Any]) -> dict[str, float]:
    """Figures of the run itself."""
    found = {"throughput": summary["throughput_ips"], "mean latency": summary["latency_ms"]["mean"]}
    return found | {"energy": summary["energy_mj_per_inference"], "power": summary["power_w"]["total"]}


def told(summary: Mapping[str, Any]) -> dict[str, float]:
    """What is said about them: the gain, and the intervals around them."""
    found = {"gain": summary["speedup_vs_one_thread"] or 0.0}
    for name, (low, high) in summary["interval90"].items():
        found |= {f"interval of {name}, low": low, f"interval of {name}, high": high}
    return found


TIMES = 3


def all_times_scaled_scale_the_answer(scenario: Scenario) -> None:
    setup = build(scenario)
    plain, longer = run(setup), run(_scaled(setup, TIMES))
    assert near(longer.throughput_ips * TIMES, plain.throughput_ips, 1e-4), (
        plain.throughput_ips,
        longer.throughput_ips * TIMES,
    )


def _scaled(setup: Setup, k: int) -> Setup:
    """Every time of stages and host k times as long."""
    host = setup.host
    names = ("switch_ns", "lock_wake_ns", "gil_handover_ns", "thread_wake_ns", "python_stage_ns")
    return replace(
        retimed(setup, lambda ns: ns * k),
        scenario=replace(setup.scenario, switch_interval_ms=setup.scenario.switch_interval_ms * k),
        host=replace(host, **{name: getattr(host, name) * k for name in names}),
    )


def a_microsecond_changes_little(scenario: Scenario) -> None:
    """An answer that hangs on who is first in the same nanosecond is no answer."""
    setup = build(scenario)
    first, *rest = setup.stage_times
    later = replace(setup, stage_times=(tuple(map(_a_microsecond_more, first)), *rest))
    a, b = run(setup).throughput_ips, run(later).throughput_ips
    assert near(a, b, 0.01), f"{a:.6g} /s, and {b:.6g} /s where the first network's dispatch takes 1 us more"


def _a_microsecond_more(times: StageTimes) -> StageTimes:
    if times.accelerator_stages:
        return times.with_passes(lambda stage: replace(stage, latency_ns=stage.latency_ns + 1000))
    return replace(times, python_ns=times.python_ns + 1000)


# The table of laws


@dataclass(frozen=True)
class Law:
    """A law and the scenarios that it speaks of."""

    check: Callable[[Scenario], None]
    applies: Callable[[Scenario], bool] = lambda _: True
    focus: Focus = ANY

    @property
    def name(self) -> str:
        return self.check.__name__


def _has_one_cut(s: Scenario) -> bool:
    """The run and the estimate have the same segments: neither looks for a cut by its own lights."""
    return s.segmentation not in ("profiled", "best")


def _has_plain_times(s: Scenario) -> bool:
    """Stage times are those of the table: no jitter, no heat."""
    return s.jitter == "none" and s.thermal == "off"


def _threads_are_shared_out(s: Scenario) -> bool:
    """Every accelerator has as many threads of the same network, whichever is first."""
    even = build(s).thread_models.__len__() % len(devices(s)) == 0
    return in_threads(s) and has_one_network(s) and even and not is_crowded(s)


def _takes_networks_in_any_order(s: Scenario) -> bool:
    """A mix on one accelerator that nobody ranks: neither a discipline, nor memory that the first one fills."""
    ranked = s.discipline == "priority" or s.cocompile
    return in_threads(s) and len(set(networks_of(s))) > 1 and len(devices(s)) == 1 and lasts(s) and not ranked


ONE, MANY, SEVERAL, THREADS, CLOSED, CONSTANT = (
    ("one",),
    ("counts", "turns"),
    (2, 3, 4),
    ("threads", "processes"),
    (True,),
    ("none",),
)

LAWS = (
    Law(whatever_builds_is_answered),
    Law(a_bound_is_never_below_the_run),
    Law(the_estimate_of_one_network_is_a_bound, has_one_network, Focus(networks=ONE)),
    Law(
        an_estimate_far_from_the_run_says_so,
        lambda s: is_closed(s) and _has_plain_times(s),
        Focus(closed=CLOSED, jitter=CONSTANT),
    ),
    Law(
        requests_in_the_system_are_its_threads,
        lambda s: s.mode != "pipeline" and (is_closed(s) or s.arrivals == "singlestream"),
        Focus(modes=(*THREADS, "coexec"), closed=CLOSED),
    ),
    Law(
        the_breakdown_is_the_table_of_stages,
        lambda s: s.mode != "coexec" and has_one_network(s) and are_alike(s) and _has_plain_times(s),
        Focus(networks=ONE, unlike=(False,), jitter=CONSTANT),
    ),
    Law(energy_is_power_over_throughput),
    Law(the_interval_holds_the_point),
    Law(a_network_that_is_never_served_is_said, lambda s: len(networks_of(s)) > 1, Focus(networks=MANY)),
    Law(an_estimate_leaves_over_only_what_is_not_full),
    Law(no_estimate_draws_more_than_busy_cores, lambda s: s.mode == "coexec", Focus(modes=("coexec",))),
    Law(
        coexecution_starves_nobody,
        lambda s: s.mode == "coexec" and is_closed(s) and lasts(s),
        Focus(modes=("coexec",), closed=CLOSED),
    ),
    Law(
        use_means_the_same_in_run_and_estimate,
        lambda s: (
            s.mode != "coexec"
            and has_one_network(s)
            and are_alike(s)
            and _has_plain_times(s)
            and lasts(s)
            and _has_one_cut(s)
        ),
        Focus(networks=ONE, unlike=(False,), jitter=CONSTANT),
    ),
    Law(
        threads_gain_at_most_their_number,  # not in coexecution: a copy on the CPU may be the faster one
        lambda s: in_threads(s) and has_one_network(s) and are_alike(s),
        Focus(modes=THREADS, networks=ONE, unlike=(False,)),
    ),
    Law(what_comes_is_served_or_overload_is_said, is_open, Focus(closed=(False,))),
    Law(a_sink_and_a_second_run_change_nothing),
    Law(equal_words_mean_the_same),
    Law(
        the_order_of_accelerators_does_not_matter,
        lambda s: not are_alike(s) and _threads_are_shared_out(s),
        Focus(modes=THREADS, accelerators=SEVERAL, networks=ONE, unlike=(True,)),
    ),
    Law(
        gains_and_intervals_see_every_accelerator,
        lambda s: not are_alike(s) and _threads_are_shared_out(s),
        Focus(modes=THREADS, accelerators=SEVERAL, networks=ONE, unlike=(True,)),
    ),
    Law(
        the_order_of_networks_does_not_matter,
        _takes_networks_in_any_order,
        Focus(modes=THREADS, accelerators=(1,), networks=MANY),
    ),
    Law(
        a_network_named_twice_has_both_counts,
        lambda s: (
            in_threads(s)
            and len(networks_of(s)) == 1
            and s.discipline != "priority"
            and len(build(s).thread_models) > 1
        ),
        Focus(modes=THREADS, networks=ONE),
    ),
    Law(
        all_times_scaled_scale_the_answer,
        lambda s: is_closed(s) and s.jitter == "none" and not is_crowded(s),
        Focus(closed=CLOSED, jitter=CONSTANT),
    ),
    Law(
        a_microsecond_changes_little,  # not where operators on several cores crowd them: they lock in step in other ways
        lambda s: is_closed(s) and s.jitter == "none" and not (s.num_threads > 1 and is_crowded(s)),
        Focus(closed=CLOSED, jitter=CONSTANT),
    ),
)


def broken(law: Law, scenario: Scenario) -> str:
    """How a scenario breaks a law, or nothing where it does not speak of it or holds."""
    if not law.applies(scenario):
        return ""
    try:
        law.check(scenario)
    except AssertionError as error:
        return str(error) or "broken"
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return f"ends with {error!r}"
    return ""
