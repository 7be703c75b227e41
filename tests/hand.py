"""Stage times of round numbers, for timelines drawn by hand."""

from __future__ import annotations

from typing import Any

from hwmodels.timing import StageTimes, StepTime, TpuStage


def tpu_stage(**changes: Any) -> TpuStage:
    """A stage of round numbers (ns): dispatch 10 + 10, instructions 20, input 30, program 100, output 20, copy 30."""
    times: dict[str, Any] = {
        "driver_ns": 10, "latency_ns": 10, "load_bytes": 1000, "load_ns": 100, "instruction_bytes": 200,
        "instructions_ns": 20, "input_bytes": 300, "input_ns": 30, "steps": (StepTime(100, 0, 0),),
        "output_bytes": 20, "output_ns": 20, "copy_ns": 30,
    }  # fmt: skip
    return TpuStage(**{**times, **changes})


def network(name: str = "a", *stages: Any, **changes: Any) -> StageTimes:
    return StageTimes(name, token=name, stages=stages or (tpu_stage(),), **changes)
