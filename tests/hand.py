"""Stage times and windows of round numbers, for timelines drawn by hand."""

from __future__ import annotations

from typing import Any

from hwmodels.stages import AcceleratorStage, StageTimes, StepTime
from sim.machine.records import Totals
from sim.steady import LatencyCounts
from sim.window import Window


def accelerator_stage(**changes: Any) -> AcceleratorStage:
    """A stage of round numbers (ns): dispatch 10 + 10, instructions 20, input 30, program 100, output 20, copy 30."""
    times: dict[str, Any] = {
        "driver_ns": 10, "latency_ns": 10, "load_bytes": 1000, "load_ns": 100, "instruction_bytes": 200,
        "instructions_ns": 20, "input_bytes": 300, "input_ns": 30, "steps": (StepTime(100, 0, 0),),
        "output_bytes": 20, "output_ns": 20, "copy_ns": 30,
    }  # fmt: skip
    return AcceleratorStage(**{**times, **changes})


def network(name: str = "a", *stages: Any, **changes: Any) -> StageTimes:
    return StageTimes(name, token=name, stages=stages or (accelerator_stage(),), **changes)


def counts(*latencies_ns: int) -> LatencyCounts:
    found = LatencyCounts()
    found.extend(list(latencies_ns))
    return found


def window(**changes: Any) -> Window:
    """A window of a microsecond with one thread, accelerator and link, and two inferences."""
    values: dict[str, Any] = {
        "elapsed_ns": 1000, "start_ns": 1000, "end_ns": 2000, "threads": [Totals()], "accelerators": [Totals()],
        "links": [Totals()], "latency": [counts(400, 600)], "invokes": [counts(300, 500)],
        "interval_ips": (0.0, float("inf")), "periodic": True, "completions": 2,
    }  # fmt: skip
    return Window(**{**values, **changes})
