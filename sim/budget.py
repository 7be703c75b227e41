"""How much a run costs: about how many events an inference takes, and how many inferences that allows."""

from __future__ import annotations

from collections import Counter

from hwmodels.errors import InputError
from hwmodels.stages import StageTimes
from sim.machine.host import SLICE_NS
from sim.machine.policies import DISPATCHES
from sim.setup import Bus, Setup

__all__ = ["check_effort", "events", "most_inferences"]

EVENTS = 8  # of an inference that nothing cuts into pieces
LONG_FULL = 4  # times that all waiting frames are served before cameras that ask for too much have been seen
SCANNED = 32  # accelerators that a policy looks at in the time of an event
BUDGET = 8_000_000  # events, some 20 s: a run that finds no period ends
LARGEST = 4 * BUDGET  # events until a run can first be looked at: beyond these it is refused


def events(setup: Setup) -> float:
    """About how many events an inference takes, over the threads of a set-up."""
    count = len(setup.accelerators)
    models = setup.turns * len(setup.thread_models) or setup.thread_models
    loops = Counter((model, i % count) for i, model in enumerate(models))
    whole = sum(n * _events(setup, setup.stage_times[m][i], setup.bus_of[i]) for (m, i), n in loops.items())
    mean = whole / len(models)
    policy = DISPATCHES.get(setup.scenario.dispatch)
    return mean + _frames(setup) + (len(setup.accelerators) / SCANNED if policy and policy.order else 0)


def _frames(setup: Setup) -> float:
    """Frames of cameras that come while an inference is served, most of them to be dropped where far too many come."""
    cameras = setup.scenario.arrival_process.cameras
    if cameras is None:
        return 0.0
    alone_ns = min(times.latency_ns for row in setup.stage_times for times in row)
    served_ips = min(cameras.inferences_per_s, 1e9 * len(setup.thread_models) / alone_ns)
    return cameras.count * cameras.fps / served_ips


def _events(setup: Setup, times: StageTimes, bus: Bus) -> float:
    """Slices of CPU work, switch intervals of work under the GIL, transfers on a shared link, step by step."""
    slices = (times.ops_ns + times.host_python_ns) / SLICE_NS if setup.is_crowded else 0.0
    locked_ns = times.host_python_ns * setup.host.gil_share + times.app.locked_ns
    turns = locked_ns / setup.gil.interval_ns if setup.gil else 0.0
    steps = sum(len(stage.steps) for stage in times.accelerator_stages) if bus.is_shared else 0
    return EVENTS + slices + 2 * turns + 2 * steps


def most_inferences(setup: Setup, first: int, most: int) -> int:
    """Inferences after which a run without a period ends, between twice the ``first`` look at it and ``most``."""
    return min(most, max(2 * first, round(BUDGET / events(setup))))


def check_effort(setup: Setup, first: int, asked_for: int = 0) -> None:
    """Raise :class:`InputError` for a run that would take minutes before a ``first`` look at it.

    Or for all the inferences that were ``asked_for``.
    """
    each = events(setup)
    cameras = setup.scenario.arrival_process.cameras
    if cameras and (total := LONG_FULL * cameras.kept_inferences * each) > BUDGET:
        what = f"has {_frames(setup):.0f} frames for each inference that is served, {total:.2g} steps of simulation"
        raise InputError.problem(f"--cameras {setup.scenario.cameras}", what, "give fewer cameras or frames a second")
    if asked_for * each > LARGEST:
        what = f"takes {asked_for * each:.2g} steps of simulation, above {LARGEST:.2g}"
        raise InputError.problem(f"--inferences {asked_for}", what, "leave it out, as a run ends when it is steady")
    total = first * each
    if total > LARGEST:
        what = f"takes {total:.2g} steps of simulation for the first {first} inferences, above {LARGEST:.2g}"
        remedy = "take fewer threads, a longer --switch-interval-ms, a smaller frame or network"
        raise InputError.problem(f"--threads {len(setup.thread_models)}", what, remedy)
