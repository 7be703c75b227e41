"""What an estimator is given of a point: stage times, who shares what, and the power that goes with a rate.

These are the ``stage_...`` columns of the results files; :func:`sim.estimator.estimate_many` takes nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from hwmodels.cache import remembered
from hwmodels.stages import StageTimes
from sim.closed_form.demands import mean_demand
from sim.closed_form.flows import flows, power_at
from sim.closed_form.lines import expected_ips, hand_over_ns, keeps_home, lines
from sim.setup import Setup

__all__ = ["STAGE_COLUMNS", "stage_columns", "visits"]

#: Column -> what it is (for schema.json); times in ns for one inference, alone and with its parameters cached.
STAGE_COLUMNS = {
    "stage_alone_ns": "one inference with nothing in its way: pre- and postprocessing, invoke, the program's own work",
    "stage_held_ns": "time for which it holds its accelerator's lock",
    "stage_hand_over_ns": "time between two holders of that lock, where several threads queue for it",
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
    "stage_python_ns": "pre- and postprocessing, the call itself, and the program's own work on a core",
    "stage_load_ns": "sending the cached parameters, when another network's are there",
    "stage_cpu_ns": "all time on cores, as long as it takes when all of them are busy",
    "stage_gil_ns": "time under Python's global lock (0: no such lock)",
    "stage_shared_link": "1 where several accelerators share one bus",
    "stage_bound": "1 where a thread keeps its accelerator, 0 where all share all",
    "stage_static_w": "power at rest, whole system (W)",
    "stage_dynamic_mj": "energy that one inference adds to it (mJ)",
    "stage_accelerator_static_w": "power at rest of the accelerators (W)",
    "stage_accelerator_dynamic_mj": "energy that one inference adds to it (mJ)",
}


@remembered(1024)
def visits(times: StageTimes) -> dict[str, float]:
    """Return a network's times by kind of work, in ns (the columns that need no set-up)."""
    steps = [step for stage in times.accelerator_stages for step in stage.steps]
    return {
        "stage_driver_ns": times.total("driver_ns"),
        "stage_send_ns": times.total("send_ns"),
        "stage_program_ns": times.total("program_ns"),
        "stage_compute_ns": times.total("compute_ns"),
        "stage_program_half_ns": sum(max(step.compute_ns, 2 * step.parameters_ns) for step in steps),
        "stage_link_turns": len(times.accelerator_stages) + sum(1 for step in steps if step.streamed_bytes),
        "stage_copy_ns": times.total("copy_ns"),
        "stage_ops_ns": times.ops_ns,
        "stage_python_ns": times.host_python_ns,
        "stage_load_ns": times.load_ns,
    }


def stage_columns(setup: Setup) -> dict[str, float]:
    """Return the columns of :data:`STAGE_COLUMNS` for a set-up; means over its threads where they differ.

    Returns
    -------
    dict
        Times in ns, powers in W, energies in mJ of one inference; flags are 0 or 1.
    """
    steady = replace(setup, pipelines=()) if setup.pipelines else setup
    rows = lines(steady)
    need = mean_demand([row.need for row in rows for _ in range(max(1, round(row.threads)))])
    kinds = [visits(setup.stage_times[model][row.accelerator]) for row in rows for model in row.models]
    mean = {key: sum(kind[key] for kind in kinds) / len(kinds) for key in kinds[0]}
    one = expected_ips(steady)
    rest, busy = power_at(steady, ()), power_at(steady, flows(steady, one))
    return {
        "stage_alone_ns": need.alone_ns, "stage_held_ns": need.held_ns, **mean,
        "stage_hand_over_ns": hand_over_ns(steady, need) if setup.share_a_lock else 0.0,
        "stage_out_ns": need.out_ns, "stage_in_ns": need.in_ns,
        "stage_cpu_ns": need.cpu_ns * setup.free_cores / setup.core_capacity, "stage_gil_ns": need.gil_ns,
        "stage_shared_link": float(bool(setup.turn_buses)),
        "stage_bound": float(keeps_home(setup)),
        "stage_static_w": rest.total_w, "stage_dynamic_mj": (busy.total_w - rest.total_w) / one * 1e3,
        "stage_accelerator_static_w": rest.accelerators_w,
        "stage_accelerator_dynamic_mj": (busy.accelerators_w - rest.accelerators_w) / one * 1e3,
    }  # fmt: skip
