"""The closed-form estimate of a scenario: the same answer as a run, as far as a closed form has it.

Throughput by :mod:`sim.closed_form.bounds` (``method="bounds"``) or mean value analysis (``mva``, ``mix``;
:mod:`sim.closed_form.mva`), latency by Little's law, utilisation and energy by their linear laws. Percentiles are left
out: a closed form does not know them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hwmodels.link import Direction
from sim.answer import Figures, answer, trusted
from sim.closed_form.bounds import throughput_bound
from sim.closed_form.columns import stage_columns
from sim.closed_form.demands import demand_of
from sim.closed_form.flows import Flow, flows, power_at
from sim.closed_form.lines import changing_hands_ns, expected_ips, keeps_home, limits, lines, turn_loads
from sim.closed_form.mva import LIMITS, METHODS, estimate_many, throughput
from sim.closed_form.waits import wait_ms
from sim.machine.states import BREAKDOWN, Group, states_of
from sim.power import Performance
from sim.scenario import Scenario
from sim.setup import Setup, build, with_best_cut

__all__ = ["LIMITS", "METHODS", "estimate", "estimate_many", "estimate_setup"]

#: Name of a bound -> (bottleneck of the JSON contract, what is the matter).
LIMITING = {
    "threads": ("cpu", "Nothing is full: every accelerator waits for work at times."),
    "operators": ("cpu", "Every operator runs on the CPU, and cores are left over."),
    "accelerator": ("accelerator", "The accelerators are busy all the time."),
    "cpu": ("cpu", "All cores are busy."),
    "gil": ("gil", "Python's global lock is held all the time."),
    "out": ("link", "The shared bus to the accelerators is full."),
    "in": ("link", "The shared bus from the accelerators is full."),
    "arrivals": ("arrivals", "Requests do not come faster."),
    "segment": ("accelerator", "The slowest segment is busy all the time."),
    "chain": ("accelerator", "One input at a time goes through all segments: each waits while the others work."),
}
ALL_BUSY = "Every thread is busy all the time."  # with more requests than they serve

AROUND = ("preprocess", "postprocess", "app", "app_wait")  # of a request, outside invoke()
NO_BOUND = 0.999  # of what no run exceeds: an estimate below may be exceeded
SHOWN_FULL = 0.995  # use that is printed as 100 %
FULL = 0.999  # use at which a resource is what limits a pipeline


def estimate(scenario: Scenario, method: str = "bounds", correction: Any = None) -> dict[str, Any]:
    """Estimate a scenario in closed form; the keys are those of ``run --json`` as far as they apply.

    ``method`` is ``bounds`` (for constant service times, the simulator's default), ``mva`` or ``mix`` (for random
    ones); a fitted :class:`sim.closed_form.correction.Correction` corrects the throughput and adds
    ``throughput_std_ips``. Raises :class:`InputError` for a scenario that cannot be built or an unknown method.

    Parameters
    ----------
    method
        ``bounds`` for the simulator's constant times; ``mva`` and ``mix`` for random ones.
    correction
        Fitted on simulated points; it knows neither pipelines nor mixes in turn, which keep the closed form's rate.
    """
    return estimate_setup(with_best_cut(build(scenario), expected_ips), method, correction)


def estimate_setup(setup: Setup, method: str = "bounds", correction: Any = None) -> dict[str, Any]:
    """Estimate a set-up; see :func:`estimate`."""
    ips, std = _throughput(setup, method, correction)
    limit, offered = _limit(setup), setup.scenario.arrival_process.offered_ips(setup.scenario.inferences)
    skipped = {"skipped_share": max(0.0, 1 - ips / offered)} if setup.scenario.cameras else {}
    if offered and offered < ips:
        ips, limit = offered, "arrivals"
    more = {"method": method, **skipped} | ({} if std is None else {"throughput_std_ips": std})
    found = _figures(setup, ips, limit, more)
    return trusted(setup, answer(setup, found), _left_out(setup))


def _figures(setup: Setup, ips: float, limit: str, more: Mapping[str, Any]) -> Figures:
    """The figures that follow from a rate and what limits it."""
    rows = flows(setup, ips)
    parts = _breakdown_ms(setup, rows, ips, limit)
    mean_ms = sum(parts.values())
    overloaded = _is_overloaded(setup, limit)
    kind, text = LIMITING[limit]
    text = ALL_BUSY if overloaded and limit == "threads" else text
    return Figures(
        performance=Performance(ips, power_at(setup, rows)),
        latency_ms={"mean": mean_ms},
        invoke_ms={"mean": mean_ms - sum(parts[key] for key in AROUND)},
        utilisation=_utilisation(setup, rows),
        breakdown_ms=parts,
        limit=(kind if limit != "threads" else _longest(parts), text),
        models=_by_model(setup, rows, parts["wait"] + parts["gil_wait"]),
        is_overloaded=overloaded,
        more=more,
    )


def _is_overloaded(setup: Setup, limit: str) -> bool:
    """Whether requests come faster than they are served, and wait in a line that grows."""
    arrivals = setup.scenario.arrival_process
    return limit != "arrivals" and bool(arrivals.rate_ips) and not arrivals.process.sheds


def _left_out(setup: Setup) -> list[str]:
    """What the closed form does not know of a set-up."""
    scenario, notes = setup.scenario, []
    if len(setup.models) > 1 and not setup.pipelines:
        notes += _about_mixes(setup)
    elif setup.unlike_on_a_bus and expected_ips(setup) < NO_BOUND * throughput_bound(setup):
        notes.append(
            "the closed form does not know how unlike accelerators share a full bus: only a run tells their rates"
        )
    if len(setup.thread_models) > 1 and any(bus.is_fluid and bus.channel.is_lane for bus in setup.buses):
        notes.append(
            "the closed form takes cards on one lane to meet at random, and they may fall into step: only a run tells "
            "their rates"
        )
    unknown = _above_the_run(setup)
    if unknown:
        notes.append(f"the closed form does not know {' and '.join(unknown)}: its rate is an upper bound")
    if scenario.thermal != "off":
        notes.append("the closed form does not know of heat: the clock is not lowered")
    if setup.hand_over is not None and setup.share_a_lock and setup.is_crowded:
        notes.append("the closed form leaves out that a woken waiter of the accelerator's lock needs a core")
    arrivals = scenario.arrival_process
    if arrivals.rates and len(setup.models) > 1:
        notes.append(
            "the closed form does not know in which order requests of networks with rates of their own come: what a "
            "late one is served is rough, and only a run tells each network's latency"
        )
    if arrivals.cameras and not arrivals.is_even:
        notes.append(
            "how the regions of frames wait for each other, only a run tells: latency and skipped_share are rough"
        )
    if arrivals.kind != "closed" and not arrivals.rate_ips and arrivals.count != 1:
        found = "its latency has none" if arrivals.path else "its rate is an upper bound, its latency a closed loop's"
        notes.append(f"the closed form knows no waits of requests of this arrival process for each other: {found}")
    return notes


def _above_the_run(setup: Setup) -> list[str]:
    """What holds a run up that the closed form does not know."""
    waits = ["a core"] if setup.is_crowded else []
    waits += ["a bus that others use"] if setup.turn_buses else []
    waits += ["Python's lock"] if setup.pipelines and setup.gil else []
    found = [f"how long one that others wait for waits for {' and '.join(waits)}"] if waits else []
    chooses = setup.are_unlike and not keeps_home(setup)
    return found + ([f"which of unlike accelerators --dispatch {setup.scenario.dispatch} takes"] if chooses else [])


def _about_mixes(setup: Setup) -> list[str]:
    """Where unlike networks get in each other's way as only a run tells: on a bus, for a full lock, by the policies."""
    ways = ["a shared bus"] if setup.turn_buses else []
    ways += ["Python's lock, which is full"] if _limit(setup) == "gil" else []
    ways += [f"--discipline {setup.scenario.discipline}"] if setup.scenario.discipline != "fifo" else []
    ways += ["a cascade"] if setup.follows else []
    costs = setup.hand_over
    may_win_again = setup.turns and setup.share_a_lock and costs is not None and not costs.is_fair
    ways += ["a lock that a thread may win again"] if may_win_again else []
    ways += [f"--dispatch {setup.scenario.dispatch}"] if not keeps_home(setup) else []
    text = "the closed form does not know how unlike networks get in each other's way with"
    return [f"{text} {' and '.join(ways)}: only a run tells their rates"] if ways else []


def _throughput(setup: Setup, method: str, correction: Any) -> tuple[float, float | None]:
    """Throughput, and its standard deviation where a correction knows it.

    Bounds know mixes, pipelines and several sizes exactly; mean value analysis and the correction are ratios to the
    bounds of the mean network, which is the network itself unless they are mixed.
    """
    bound = expected_ips(setup)
    if method == "bounds" and (correction is None or setup.pipelines):
        return bound, None
    columns: dict[str, Any] = {**stage_columns(setup), **_counts(setup)}
    base, _ = throughput(columns, "bounds")
    found, _ = throughput(columns, method)
    if correction is None or setup.pipelines:
        return (bound if setup.pipelines else bound * float(found[0] / base[0])), None
    ips, std = correction.predict({key: [value] for key, value in columns.items()}, return_std=True)
    return bound * float(ips[0] / base[0]), bound * float(std[0] / base[0])


def _counts(setup: Setup) -> dict[str, float]:
    return {"threads": len(setup.thread_models), "accelerators": len(setup.accelerators), "cores": setup.cores}


def _limit(setup: Setup) -> str:
    """The bound that holds; ``accelerator`` where the lines' own bound is their accelerators'."""
    if setup.pipelines:
        return _limit_of_pipelines(setup)
    rows = lines(setup)
    every = limits(setup, rows)
    name = min(every, key=lambda key: every[key])
    if name != "threads":
        return name
    if setup.is_on_cpu:
        return "cpu" if _utilisation(setup, flows(setup))["cpu"] >= SHOWN_FULL else "operators"
    full = sum(row.ips * (row.need.held_ns + changing_hands_ns(setup, row.need, row.threads)) / 1e9 for row in rows)
    return "accelerator" if full >= SHOWN_FULL * min(len(setup.accelerators), len(setup.thread_models)) else "threads"


def _limit_of_pipelines(setup: Setup) -> str:
    """The resource that is full where the slowest segment is not; else that segment's accelerator."""
    used = _utilisation(setup, flows(setup))
    names = {"link_out": "out", "link_in": "in", "cpu": "cpu", "gil": "gil"}
    full = max(names, key=lambda name: used[name])
    return names[full] if used[full] >= FULL else "chain" if setup.is_chained else "segment"


def _utilisation(setup: Setup, rows: Sequence[Flow]) -> dict[str, float]:
    """Shares of time by the utilisation law, as a run has them: means over accelerators, buses and cores."""
    count, buses, second = len(setup.accelerators), len(setup.buses), 1e9

    def used(key: str) -> float:
        """Time that the inferences of a second ask of a resource (ns)."""
        return float(sum(row.ips * getattr(row.need, key) for row in rows))

    def on_buses(way: Direction, key: str, load_ns: str = "") -> float:
        """Time for which buses are taken (ns), were each accelerator alone on its own."""
        each = [0.0] * count
        for row in rows:
            networks = [setup.stage_times[model][row.accelerator] for model in row.models]
            spent = [times.total(key) + row.reload * (times.total(load_ns) if load_ns else 0) for times in networks]
            each[row.accelerator] += row.ips * sum(spent) / len(spent)
        return sum(setup.bus_ns(bus, each, way) for bus in setup.buses) / buses

    shares = {
        "accelerator": used("held_ns") / count, "link_out": on_buses("out", "sent_ns", "load_ns"),
        "link_in": on_buses("in", "output_ns"),
        "cpu": setup.core_ns(second, used("cpu_ns")) / setup.cores,
        "gil": second if setup.gil and setup.has_python_core else used("gil_ns"),
    }  # fmt: skip
    return {name: min(1.0, ns / second) for name, ns in shares.items()}


def _breakdown_ms(setup: Setup, rows: Sequence[Flow], ips: float, limit: str) -> dict[str, float]:
    """Mean time of a request in each state; what Little's law leaves over is waiting."""
    parts = {state.name.lower(): 0.0 for state in BREAKDOWN}
    stages = len(setup.pipelines[0]) if setup.pipelines else 1
    whole = sum(row.ips for row in rows)
    for row in rows:
        for model in row.models:
            times = setup.stage_times[model][row.accelerator]
            for name, ns in (times.alone_ns | {"load_parameters": row.reload * times.load_ns}).items():
                parts[name] += ns * row.ips / whole / len(row.models) * stages / 1e6
    waited = wait_ms(setup, rows, ips, sum(parts.values()))
    parts["gil_wait" if limit == "gil" else "wait"] += max(0.0, waited)
    return parts


def _longest(parts: Mapping[str, float]) -> str:
    """The bottleneck where nothing is full: the longest kind of work."""
    groups: tuple[Group, ...] = ("accelerator", "link", "cpu", "app")
    kinds = {group: sum(parts[state.name.lower()] for state in states_of(group=group)) for group in groups}
    kind = max(kinds, key=lambda kind: kinds[kind])
    return "cpu" if kind == "app" else kind  # the program around the network is the host's


def _in_turn(setup: Setup, ips: float, waited_ms: float) -> dict[str, dict[str, float]]:
    """Rate and mean latency of each network of a turn: its own time, what it has to send, and the wait of all."""
    found: dict[str, dict[str, float]] = {}
    loads = turn_loads(setup, 0)
    for m, name in enumerate(setup.models):
        times = setup.stage_times[m][0]
        own = [load for load, model in zip(loads, setup.turns, strict=True) if model == m]
        alone_ns = demand_of(times, setup).alone_ns + times.load_ns * sum(own) / len(own)
        found[name] = {
            "throughput_ips": ips * len(own) / len(loads), "latency_mean_ms": alone_ns / 1e6 + waited_ms
        }  # fmt: skip
    return found


def _by_model(setup: Setup, rows: Sequence[Flow], waited_ms: float) -> dict[str, dict[str, float]]:
    """Rate and mean latency of each network: by Little's law in a closed loop, else its own time and the wait."""
    if setup.pipelines:
        return {setup.whole_name: {"throughput_ips": sum(row.ips for row in rows) / len(setup.pipelines[0])}}
    if setup.turns:
        return _in_turn(setup, sum(row.ips for row in rows), waited_ms)
    ips, alone_ns = [0.0] * len(setup.models), [0.0] * len(setup.models)
    for row in rows:
        for model in row.models:
            rate, load_ns = row.ips / len(row.models), row.reload * row.need.load_ns
            ips[model] += rate
            alone_ns[model] += rate * (demand_of(setup.stage_times[model][row.accelerator], setup).alone_ns + load_ns)
    is_open = setup.scenario.arrival_process.process.is_open
    threads = Counter(setup.thread_models)
    return {
        name: {
            "throughput_ips": rate,
            "latency_mean_ms": ns / rate / 1e6 + waited_ms if is_open else threads[m] / rate * 1e3,
        }
        for m, (name, rate, ns) in enumerate(zip(setup.models, ips, alone_ns, strict=True))
    }
