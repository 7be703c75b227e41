"""Other programs on the host's cores: what they do to the host's part of an inference.

Under processor sharing a burst of work x on a core that is busy for a share b of the time takes x / (1 - b) in the
mean, whatever the bursts of the others are like (Kleinrock, *Queueing Systems* vol. 2, 1976, section 4.4).
"""

from __future__ import annotations

from dataclasses import replace

from hwmodels.timing import CpuStage, StageTimes, TpuStage

__all__ = ["stretch", "stretched"]


def stretch(background_load: float) -> float:
    """Return how many times as long host work takes beside other programs with this share of the cores' time."""
    return 1 / (1 - background_load)


def stretched(times: StageTimes, factor: float) -> StageTimes:
    """Return stage times whose work on the host's cores takes ``factor`` times as long.

    That is pre- and postprocessing, the call, CPU operators, the driver's dispatch and the copy of the result; what
    the link and the accelerator do stays.
    """
    if factor == 1:
        return times
    return replace(
        times, stages=tuple(_stage(stage, factor) for stage in times.stages),
        python_ns=round(times.python_ns * factor), preprocess_ns=round(times.preprocess_ns * factor),
        postprocess_ns=round(times.postprocess_ns * factor),
    )  # fmt: skip


def _stage(stage: TpuStage | CpuStage, factor: float) -> TpuStage | CpuStage:
    if isinstance(stage, CpuStage):
        return replace(stage, ops_ns=round(stage.ops_ns * factor))
    return replace(stage, driver_ns=round(stage.driver_ns * factor), copy_ns=round(stage.copy_ns * factor))
