"""How much a run costs: about how many events an inference takes, and how many inferences that allows."""

from __future__ import annotations

from hwmodels.errors import InputError
from hwmodels.timing import CpuStage, StageTimes, TpuStage
from sim.setup import Setup

__all__ = ["SLICE_NS", "check_effort", "events", "most_inferences"]

SLICE_NS = 4_000_000  # a scheduler's time slice when runnable threads outnumber cores
EVENTS = 8  # of an inference that nothing cuts into pieces
SCANNED = 32  # accelerators that a policy looks at in the time of an event
BUDGET = 8_000_000  # events, some 20 s: a run that finds no period ends
LARGEST = 4 * BUDGET  # events until a run can first be looked at: beyond these it is refused


def events(setup: Setup) -> float:
    """About how many events an inference takes, over the threads of a set-up."""
    rows = [_events(setup, network[0]) for network in setup.networks]
    models = setup.turns or setup.thread_models
    looks = len(setup.accelerators) / SCANNED if setup.scenario.dispatch in ("least_loaded", "affinity") else 0
    return sum(rows[model] for model in models) / len(models) + looks


def _events(setup: Setup, times: StageTimes) -> float:
    """Slices of CPU work, switch intervals of work under the GIL, transfers on a shared link, step by step."""
    tpu = [stage for stage in times.stages if isinstance(stage, TpuStage)]
    python_ns = times.preprocess_ns + times.python_ns + times.postprocess_ns
    ops_ns = sum(stage.ops_ns for stage in times.stages if isinstance(stage, CpuStage))
    crowded = len(setup.thread_models) > setup.cores
    slices = (ops_ns + python_ns) / SLICE_NS if crowded else 0.0
    turns = python_ns * setup.host.gil_share / (setup.scenario.switch_interval_ms * 1e6) if _has_gil(setup) else 0.0
    is_shared = len(setup.accelerators) > 1 and setup.channels[0].header_bytes
    return EVENTS + slices + 2 * turns + (2 * sum(len(stage.steps) for stage in tpu) if is_shared else 0)


def _has_gil(setup: Setup) -> bool:
    scenario = setup.scenario
    return scenario.mode != "processes" and bool(len(setup.thread_models) > 1 or scenario.busy_python_threads)


def most_inferences(setup: Setup, first: int, most: int) -> int:
    """Inferences after which a run without a period ends, between twice the ``first`` look at it and ``most``."""
    return min(most, max(2 * first, round(BUDGET / events(setup))))


def check_effort(setup: Setup, first: int) -> None:
    """Raise :class:`InputError` for a run that would take minutes before a ``first`` look at it."""
    total = first * events(setup)
    if total > LARGEST:
        got = f"{total:.2g} steps of simulation for the first {first} inferences"
        allowed = f"at most {LARGEST:.2g}: fewer threads, a longer --switch-interval-ms, a smaller frame or network"
        raise InputError(f"--threads {len(setup.thread_models)}", got, allowed)
