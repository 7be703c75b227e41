"""The pipelines that were measured, cut by the compiler and by Google's profiling partitioner."""

from __future__ import annotations

from calibration.measurements import Measurement
from calibration.shipped import load_dataset


def pipeline_rows() -> list[Measurement]:
    return [row for row in load_dataset("villarrubia_synthetic") if row.mode == "pipeline"]


def timed(rows: list[Measurement], model: str, accelerators: int, segmentation: str, batch: int = 100) -> Measurement:
    wanted = (model, accelerators, segmentation, batch)
    return next(
        r for r in rows
        if (r.model, r.accelerators, r.segmentation, r.batch) == wanted and r.metric == "time_per_inference_ms"
    )  # fmt: skip
