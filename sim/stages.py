"""What an estimator is given of a point: stage times, who shares what, and the power that goes with a rate.

These are the ``stage_...`` columns of the results files; :func:`sim.estimator.estimate_many` takes nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from hwmodels.timing import CpuStage, StageTimes, TpuStage
from sim.bounds import Demand, demand, lines, mean_demand, reload_share, shared_links, throughput_bound
from sim.energy import Power, mean_power
from sim.records import State
from sim.setup import Setup

__all__ = ["STAGE_COLUMNS", "Flow", "flows", "heat_w", "power_at", "stage_columns", "visits"]

#: Column -> what it is (for schema.json); times in ns for one inference, alone and with its parameters cached.
STAGE_COLUMNS = {
    "stage_alone_ns": "one inference with nothing in its way: pre- and postprocessing, invoke",
    "stage_held_ns": "time for which it holds its accelerator's lock",
    "stage_driver_ns": "CPU time of the driver, inside the held time",
    "stage_send_ns": "instructions and input over the link",
    "stage_program_ns": "the accelerator's program with its streamed parameters",
    "stage_compute_ns": "its cycles alone",
    "stage_program_half_ns": "the program when its parameters come at half the link's speed",
    "stage_link_turns": "transfers to the accelerator that queue for a shared link one by one",
    "stage_out_ns": "everything sent over the link: instructions, input, streamed parameters",
    "stage_in_ns": "output over the link",
    "stage_copy_ns": "copying the output on the host",
    "stage_ops_ns": "operators on the CPU",
    "stage_python_ns": "pre- and postprocessing, and the call itself",
    "stage_load_ns": "sending the cached parameters, when another network's are there",
    "stage_cpu_ns": "all time on cores",
    "stage_gil_ns": "time under Python's global lock (0: no such lock)",
    "stage_shared_link": "1 where several accelerators share one bus",
    "stage_bound": "1 where a thread keeps its accelerator, 0 where all share all",
    "stage_static_w": "power at rest, whole system (W)",
    "stage_dynamic_mj": "energy that one inference adds to it (mJ)",
    "stage_accelerator_static_w": "power at rest of the accelerators (W)",
    "stage_accelerator_dynamic_mj": "energy that one inference adds to it (mJ)",
}
WINDOW_NS = 10**12


@dataclass(frozen=True, slots=True)
class Flow:
    """Inferences per second of some models, equally often, through one accelerator."""

    accelerator: int
    models: tuple[int, ...]
    ips: float
    need: Demand
    reload: float = 0.0


def flows(setup: Setup, ips: float | None = None) -> list[Flow]:
    """Share a throughput (the bound if None) out among the accelerators and models of a set-up.

    Parameters
    ----------
    ips
        Inferences per second of all models; the closed form's where None.
    """
    whole = throughput_bound(setup) if ips is None else ips
    if setup.turns:
        models = tuple(range(len(setup.models)))
        return [Flow(0, models, whole, _mean(setup, models, 0), reload_share(setup, models, 0))]
    if setup.pipelines:
        each = whole / len(setup.pipelines)
        return [Flow(i, (m,), each, _mean(setup, (m,), i)) for i, m in enumerate(setup.thread_models)]
    rows = lines(setup)
    scale = whole / sum(row.ips for row in rows)
    return [Flow(row.accelerator, row.models, scale * row.ips, row.need, row.reload) for row in rows]


def _mean(setup: Setup, models: Sequence[int], accelerator: int) -> Demand:
    return demand([setup.networks[model][accelerator] for model in models], setup)


@dataclass
class _Totals:
    """The totals of a window in which every flow ran at its rate: what :func:`sim.energy.mean_power` looks at."""

    elapsed_ns: int
    time_ns: list[list[float]]
    n_bytes: list[list[float]]
    actions: list[list[float]]
    core_ns: float


def power_at(setup: Setup, rows: Sequence[Flow]) -> Power:
    """Mean power (W) of a set-up in which every flow runs at its rate."""
    threads, count = len(setup.thread_models), len(setup.accelerators)
    size = threads + 2 * count
    totals = _Totals(
        WINDOW_NS, [[0.0] * len(State) for _ in range(size)], [[0.0] * len(State) for _ in range(size)],
        [[0.0] * 3 for _ in range(size)], 0.0,
    )  # fmt: skip
    for row in rows:
        _account(setup, row, totals, threads, count)
    return mean_power(setup, cast("Any", totals))


def heat_w(setup: Setup) -> float:
    """What the accelerators leak more than at rest, warm from their own work at the bound of throughput (W)."""
    cold = replace(setup, accelerators=tuple(replace(part, power_leakage_w=0) for part in setup.accelerators))
    rows = flows(setup)
    return power_at(setup, rows).accelerators_w - power_at(cold, rows).accelerators_w


def _account(setup: Setup, row: Flow, totals: _Totals, threads: int, count: int) -> None:
    """Add a flow's time on its accelerator, bytes on its link, actions and core time."""
    each = row.ips * WINDOW_NS / 1e9 / len(row.models)
    totals.core_ns += row.ips * WINDOW_NS / 1e9 * row.need.cpu_ns
    device, link = threads + row.accelerator, threads + count + row.accelerator
    for model in row.models:
        for stage in setup.networks[model][row.accelerator].stages:
            if isinstance(stage, TpuStage):
                totals.time_ns[device][State.COMPUTE] += each * stage.compute_ns
                totals.time_ns[device][State.PARAMETERS] += each * (stage.program_ns - stage.compute_ns)
                totals.n_bytes[device][State.PARAMETERS] += each * sum(step.streamed_bytes for step in stage.steps)
                totals.n_bytes[link][State.TRANSFER_OUT] += each * (_sent_bytes(stage) + row.reload * stage.load_bytes)
                totals.n_bytes[link][State.TRANSFER_IN] += each * stage.output_bytes
                for i, key in enumerate(("macs", "wide_bytes", "narrow_bytes")):
                    totals.actions[device][i] += each * getattr(stage, key)


def _sent_bytes(stage: TpuStage) -> int:
    return stage.instruction_bytes + stage.input_bytes + sum(step.streamed_bytes for step in stage.steps)


def visits(times: StageTimes) -> dict[str, float]:
    """Return a network's times by kind of work, in ns (the columns that need no set-up)."""
    tpu = [stage for stage in times.stages if isinstance(stage, TpuStage)]
    return {
        "stage_driver_ns": sum(s.driver_ns for s in tpu),
        "stage_send_ns": sum(s.instructions_ns + s.input_ns for s in tpu),
        "stage_program_ns": sum(s.program_ns for s in tpu),
        "stage_compute_ns": sum(s.compute_ns for s in tpu),
        "stage_program_half_ns": sum(max(t.compute_ns, 2 * t.parameters_ns) for s in tpu for t in s.steps),
        "stage_link_turns": sum(1 + sum(1 for t in s.steps if t.streamed_bytes) for s in tpu),
        "stage_copy_ns": sum(s.copy_ns for s in tpu),
        "stage_ops_ns": sum(s.ops_ns for s in times.stages if isinstance(s, CpuStage)),
        "stage_python_ns": times.python_ns + times.preprocess_ns + times.postprocess_ns,
        "stage_load_ns": times.load_ns,
    }


def stage_columns(setup: Setup) -> dict[str, float]:
    """Return the columns of :data:`STAGE_COLUMNS` for a set-up; means over its threads where they differ.

    Returns
    -------
    dict
        Times in ns, powers in W, energies in mJ of one inference; flags are 0 or 1.
    """
    steady = replace(setup, pipelines=(), turns=())
    rows = lines(steady)
    need = mean_demand([row.need for row in rows for _ in range(max(1, round(row.threads)))])
    kinds = [visits(setup.networks[model][row.accelerator]) for row in rows for model in row.models]
    mean = {key: sum(kind[key] for kind in kinds) / len(kinds) for key in kinds[0]}
    one = throughput_bound(steady)
    rest, busy = power_at(steady, flows(steady, 0.0)), power_at(steady, flows(steady, one))
    return {
        "stage_alone_ns": need.alone_ns, "stage_held_ns": need.held_ns, **mean,
        "stage_out_ns": need.out_ns, "stage_in_ns": need.in_ns,
        "stage_cpu_ns": need.cpu_ns, "stage_gil_ns": need.gil_ns,
        "stage_shared_link": float(shared_links(setup)), "stage_bound": float(setup.scenario.dispatch == "bind"),
        "stage_static_w": rest.total_w, "stage_dynamic_mj": (busy.total_w - rest.total_w) / one * 1e3,
        "stage_accelerator_static_w": rest.accelerators_w,
        "stage_accelerator_dynamic_mj": (busy.accelerators_w - rest.accelerators_w) / one * 1e3,
    }  # fmt: skip
