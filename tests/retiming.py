"""A set-up with other stage times: scaled, a little longer, or shaken so that no two threads ask in the same moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from hwmodels.stages import AcceleratorStage, AppWork, CpuStage, StageTimes, StepTime
from sim.setup import Setup

__all__ = ["retimed", "shaken"]

Change = Callable[[int], int]
PASS = ("driver_ns", "latency_ns", "load_ns", "instructions_ns", "input_ns", "output_ns", "copy_ns")
AROUND = ("python_ns", "preprocess_ns", "postprocess_ns", "first_touch_ns")


def retimed(setup: Setup, change: Change) -> Setup:
    """The set-up with every stage time (ns) changed; bytes, and what the host costs besides, stay."""
    rows = tuple(tuple(_times(times, change) for times in row) for row in setup.stage_times)
    return replace(setup, stage_times=rows)


def _times(times: StageTimes, change: Change) -> StageTimes:
    stages = tuple(_cpu(s, change) if isinstance(s, CpuStage) else _pass(s, change) for s in times.stages)
    around = {key: change(getattr(times, key)) for key in AROUND}
    return replace(times, stages=stages, app=_app(times.app, change), **around)


def _app(app: AppWork, change: Change) -> AppWork:
    return AppWork(change(app.core_ns), change(app.locked_ns), change(app.wait_ns))


def _pass(stage: AcceleratorStage, change: Change) -> AcceleratorStage:
    steps = tuple(StepTime(change(s.compute_ns), change(s.parameters_ns), s.streamed_bytes) for s in stage.steps)
    return replace(stage, steps=steps, **{key: change(getattr(stage, key)) for key in PASS})


def _cpu(stage: CpuStage, change: Change) -> CpuStage:
    ops_ns = change(stage.ops_ns)
    return replace(stage, ops_ns=ops_ns, wide_ns=stage.wide_ns * ops_ns // max(1, stage.ops_ns))


def shaken(setup: Setup, seed: int, most: float = 0.002) -> Setup:
    """Every time longer or shorter by a random share of at most so much: ties are gone, means stay."""
    stream = Random(seed)
    return retimed(setup, lambda ns: round(ns * (1 + stream.uniform(-most, most))))
