"""The closed-form estimate of a scenario: the same answer as a run, as far as a closed form has it.

Throughput by :mod:`sim.bounds` (``method="bounds"``) or mean value analysis (``mva``, ``mix``; :mod:`sim.vectorised`),
latency by Little's law, utilisation and energy by their linear laws. Percentiles are left out: a closed form does not
know them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.bounds import limits, lines, one_thread_ips, throughput_bound
from sim.calibrated import outside
from sim.extrapolation import notes, reaches
from sim.interval import intervals
from sim.results import made_by, overload_note
from sim.scenario import Scenario
from sim.setup import Setup, build
from sim.stages import Flow, flows, power_at, stage_columns, visits
from sim.vectorised import LIMITS, METHODS, estimate_many, throughput

__all__ = ["LIMITS", "METHODS", "estimate", "estimate_many", "estimate_setup"]

#: Name of a bound -> (bottleneck of the JSON contract, what to do about it).
ADVICE = {
    "threads": ("cpu", "every accelerator waits for work at times: another thread helps"),
    "accelerator": ("accelerator", "the accelerators are busy all the time: another or a larger one helps"),
    "cpu": ("cpu", "all cores are busy: more cores or less host work helps"),
    "gil": ("gil", "Python's global lock is held all the time: processes instead of threads help"),
    "out": ("link", "the shared link to the accelerators is full: a faster link, or one for each, helps"),
    "in": ("link", "the shared link from the accelerators is full: a faster link, or one for each, helps"),
    "arrivals": ("arrivals", "requests do not come faster"),
}
RATES = ("poisson", "server")
WAITING = ("multistream", "offline", "trace")


def estimate(scenario: Scenario, method: str = "bounds", correction: Any = None) -> dict[str, Any]:
    """Estimate a scenario in closed form; the keys are those of ``run --json`` as far as they apply.

    ``method`` is ``bounds`` (for constant service times, the simulator's default), ``mva`` or ``mix`` (for random
    ones); a fitted :class:`sim.correction.Correction` corrects the throughput and adds ``throughput_std_ips``. Raises
    :class:`InputError` for a scenario that cannot be built or an unknown method.

    Parameters
    ----------
    method
        ``bounds`` for the simulator's constant times; ``mva`` and ``mix`` for random ones.
    correction
        Fitted on simulated points; it knows neither pipelines nor mixes in turn, which keep the closed form's rate.
    """
    return estimate_setup(build(scenario), method, correction)


def estimate_setup(setup: Setup, method: str = "bounds", correction: Any = None) -> dict[str, Any]:
    """Estimate a set-up; see :func:`estimate`."""
    ips, std = _throughput(setup, method, correction)
    limit = _limit(setup)
    offered = _offered(setup)
    if offered and offered < ips:
        ips, limit = offered, "arrivals"
    one = _one_thread(setup)
    alone_ips = min(one_thread_ips(one), offered or float("inf"))
    rows, alone_rows = flows(setup, ips), flows(one, alone_ips)
    power, alone_power = power_at(setup, rows), power_at(one, alone_rows)
    energy, accelerator = power.total_w / ips * 1e3, power.accelerators_w / ips * 1e3
    parts = _breakdown_ms(setup, rows, ips, limit)
    kind, text = ADVICE[limit]
    summary = {
        "scenario": setup.scenario.options() | {"cores": setup.cores, "threads": len(setup.thread_models)},
        "method": method,
        "throughput_ips": ips,
        "latency_ms": {"mean": sum(parts.values())},
        "invoke_ms": {"mean": sum(parts.values()) - parts["preprocess"] - parts["postprocess"]},
        "energy_mj_per_inference": energy,
        "energy_accelerator_mj_per_inference": accelerator,
        "power_w": {
            "total": power.total_w, "accelerators": power.accelerators_w, "links": power.links_w, "host": power.host_w,
        },
        "utilisation": _utilisation(setup, rows),
        "time_breakdown_ms": parts,
        "speedup_vs_one_thread": ips / alone_ips,
        "energy_gain_vs_one_thread": alone_power.total_w / alone_ips * 1e3 / energy,
        "energy_accelerator_gain_vs_one_thread": alone_power.accelerators_w / alone_ips * 1e3 / accelerator,
        "bottleneck": kind if limit != "threads" else _longest(parts),
        "bottleneck_text": f"Bound by the {kind}: {text}." if limit != "threads" else f"Not bound by anything: {text}.",
        "steady": True,
        "overloaded": limit != "arrivals" and bool(offered),
        "warnings": [],
        "made_by": made_by(setup),
        "models": {name: {"throughput_ips": rate} for name, rate in _by_model(setup, rows).items()},
    }  # fmt: skip
    if std is not None:
        summary["throughput_std_ips"] = std
    found = reaches(setup)
    over = overload_note(bool(summary["overloaded"]), ips)
    summary["warnings"] = [*over, *setup.warnings, *outside(setup), *_left_out(setup.scenario), *notes(setup, found)]
    summary["interval90"] = intervals(setup, summary, found)
    return summary


def _left_out(scenario: Scenario) -> list[str]:
    """What the closed form does not know of a scenario."""
    notes = []
    if scenario.thermal != "off":
        notes.append("the closed form does not know of heat: the clock is not lowered")
    if scenario.arrivals.split(":")[0] in WAITING:
        notes.append("the closed form's latency leaves out how requests of this arrival process wait for each other")
    return notes


def _throughput(setup: Setup, method: str, correction: Any) -> tuple[float, float | None]:
    """Throughput, and its standard deviation where a correction knows it.

    Bounds know mixes, pipelines and several sizes exactly; mean value analysis and the correction are ratios to the
    bounds of the mean network, which is the network itself unless they are mixed.
    """
    bound = throughput_bound(setup)
    columns: dict[str, Any] = {**stage_columns(setup), **_counts(setup)}
    base, _ = throughput(columns, "bounds")
    found, _ = throughput(columns, method)
    if correction is None or setup.pipelines or setup.turns:
        return (bound if setup.pipelines or setup.turns else bound * float(found[0] / base[0])), None
    ips, std = correction.predict({key: [value] for key, value in columns.items()}, return_std=True)
    return bound * float(ips[0] / base[0]), bound * float(std[0] / base[0])


def _counts(setup: Setup) -> dict[str, float]:
    return {"threads": len(setup.thread_models), "accelerators": len(setup.accelerators), "cores": setup.cores}


def _one_thread(setup: Setup) -> Setup:
    """The set-up that gains are compared with, as in a run (which see)."""
    from sim.engine import one_thread

    return one_thread(setup)


def _limit(setup: Setup) -> str:
    """The bound that holds; ``accelerator`` where the lines' own bound is their accelerators'."""
    if setup.turns or setup.pipelines:
        return "accelerator" if setup.pipelines else "threads"
    rows = lines(setup)
    every = limits(setup, rows)
    name = min(every, key=lambda key: every[key])
    if name != "threads":
        return name
    full = sum(row.ips * row.need.held_ns / 1e9 for row in rows)
    return "accelerator" if full >= 0.999 * min(len(setup.accelerators), len(setup.thread_models)) else "threads"


def _offered(setup: Setup) -> float:
    """Requests per second that arrive, 0 in a closed loop."""
    kind, _, rate = setup.scenario.arrivals.partition(":")
    return float(rate) if kind in RATES else 0.0


def _utilisation(setup: Setup, rows: Sequence[Flow]) -> dict[str, float]:
    """Shares of time, as a run has them; a link's is that of one bus."""
    from sim.bounds import shared_links

    buses = 1 if shared_links(setup) else len(setup.accelerators)
    many = {"held": len(setup.accelerators), "in": buses, "out": buses, "cpu": setup.cores, "gil": 1}
    names = {"held": "accelerator", "in": "link_in", "out": "link_out", "cpu": "cpu", "gil": "gil"}
    return {
        names[key]: min(1.0, sum(row.ips * getattr(row.need, f"{key}_ns") for row in rows) / 1e9 / count)
        for key, count in many.items()
    }


def _breakdown_ms(setup: Setup, rows: Sequence[Flow], ips: float, limit: str) -> dict[str, float]:
    """Mean time of a request in each state; what Little's law leaves over is waiting."""
    parts = dict.fromkeys(
        ("preprocess", "wait", "load_parameters", "instructions", "input", "parameters", "compute", "output",
         "host_copy", "cpu_ops", "postprocess", "gil_wait"), 0.0,
    )  # fmt: skip
    stages = len(setup.pipelines[0]) if setup.pipelines else 1
    whole = sum(row.ips for row in rows)
    for row in rows:
        for model in row.models:
            for name, ns in _alone_ns(setup, row, model).items():
                parts[name] += ns * row.ips / whole / len(row.models) * stages / 1e6
    waited = _wait_ms(setup, rows, ips, sum(parts.values()))
    parts["gil_wait" if limit == "gil" else "wait"] += max(0.0, waited)
    return parts


def _wait_ms(setup: Setup, rows: Sequence[Flow], ips: float, alone_ms: float) -> float:
    """Mean time a request waits: Little's law in a closed loop, full queues in a pipeline, M/D/c in an open loop."""
    if setup.turns:
        return 0.0
    if setup.pipelines:
        return _pipeline_wait_ms(setup, rows, ips)
    if not 0 < _offered(setup) <= ips:
        return len(setup.thread_models) / ips * 1e3 - alone_ms
    held_ms = sum(row.ips * row.need.held_ns for row in rows) / ips / 1e6
    many = min(len(setup.accelerators), len(setup.thread_models))
    return max(_md_wait_ms(ips, alone_ms, len(setup.thread_models)), _md_wait_ms(ips, held_ms, many))


def _pipeline_wait_ms(setup: Setup, rows: Sequence[Flow], ips: float) -> float:
    """Queues up to the slowest segment are full (a place each, one request waits to go in); batches go in at once."""
    each_ms = len(setup.pipelines) / ips * 1e3
    slow = [row.need.alone_ns for row in rows[: len(setup.pipelines[0])]]
    if setup.scenario.batch:
        return max(slow) / 1e6 * (setup.scenario.batch - 1) / 2
    last = slow.index(max(slow))
    return 2 * each_ms * (1 + last) - sum(slow[:last]) / 1e6


def _md_wait_ms(ips: float, service_ms: float, servers: int) -> float:
    """Mean wait of M/D/c: half of M/M/c's (Erlang C; exact for one server, within some per cent for more)."""
    load = ips * service_ms / 1e3
    if load <= 0 or load >= servers:
        return 0.0
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = load * blocking / (n + load * blocking)
    queued = blocking / (1 - load / servers * (1 - blocking))
    return 0.5 * queued * service_ms / (servers - load)


def _alone_ns(setup: Setup, row: Flow, model: int) -> dict[str, float]:
    """A network's time alone by state."""
    from hwmodels.timing import TpuStage

    times = setup.networks[model][row.accelerator]
    tpu = [stage for stage in times.stages if isinstance(stage, TpuStage)]
    kinds = visits(times)
    return {
        "preprocess": times.preprocess_ns, "postprocess": times.postprocess_ns,
        "load_parameters": row.reload * times.load_ns,
        "instructions": sum(s.driver_ns + s.latency_ns + s.instructions_ns for s in tpu),
        "input": sum(s.input_ns for s in tpu),
        "compute": kinds["stage_compute_ns"], "parameters": kinds["stage_program_ns"] - kinds["stage_compute_ns"],
        "output": sum(s.output_ns for s in tpu),
        "host_copy": kinds["stage_copy_ns"] + times.python_ns, "cpu_ops": kinds["stage_ops_ns"],
    }  # fmt: skip


def _longest(parts: dict[str, float]) -> str:
    """The bottleneck where nothing is full: the longest kind of work."""
    kinds = {
        "accelerator": parts["compute"],
        "link": sum(parts[k] for k in ("load_parameters", "instructions", "input", "parameters", "output")),
        "cpu": sum(parts[k] for k in ("preprocess", "host_copy", "cpu_ops", "postprocess")),
    }
    return max(kinds, key=lambda kind: kinds[kind])


def _by_model(setup: Setup, rows: Sequence[Flow]) -> dict[str, float]:
    """Inferences per second of each model."""
    found = dict.fromkeys(setup.models, 0.0)
    for row in rows:
        for model in row.models:
            found[setup.models[model]] += row.ips / len(row.models)
    return found
