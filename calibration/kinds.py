"""Kinds of rows, and how far predictions of each kind lie from measurements.

``datasets/spreads.csv`` holds one relative standard deviation for each kind; :mod:`calibration.spread` writes it.
"""

from __future__ import annotations

from functools import cache

from calibration.measurements import Measurement
from calibration.setups import conditions_of
from calibration.tables import shipped_table

__all__ = ["kind_of", "network_kind", "spread_of", "spreads"]

DEFAULT = 0.35
SMALLEST = 0.015
SWEEPS = ("conv5x3x3", "conv7x7", "dense", "stride", "padding", "baseline_io", "depthwise_k5")
DETECTORS = (
    "ssd", "efficientdet", "spaghetti", "yolo", "centernet", "deeplab", "posenet", "bodypix", "mobiledet", "movenet",
)  # fmt: skip


def kind_of(row: Measurement) -> str:
    """Kind of a row: what was measured, and on which class of networks and set-ups."""
    if row.metric.endswith("_bytes"):
        return "bytes"
    if conditions_of(row).link == "none":
        return f"cpu {network_kind(row.model)}"
    if row.metric in ("invoke_latency_ms", "invoke_latency_p50_ms") and row.mode == "single" and row.accelerators <= 1:
        known = "stated" if "host_id" not in conditions_of(row).assumed else "assumed"
        return f"invoke {network_kind(row.model)} {known}"
    return row.metric if row.mode != "pipeline" else "pipeline"


def network_kind(model: str) -> str:
    """Class of a network by its name: fc5, another sweep, detector (with its CPU tail), or classifier."""
    if model.startswith("fc5"):
        return "fc5"
    if model.startswith(SWEEPS):
        return "sweep"
    return "detector" if any(word in model for word in DETECTORS) else "classifier"


@cache
def spreads() -> dict[str, float]:
    """Relative standard deviation by kind."""
    return {cells["kind"]: float(cells["spread"]) for cells in shipped_table("spreads")}


def spread_of(row: Measurement) -> float:
    """Relative standard deviation of a row's prediction.

    Returns
    -------
    float
        At least :data:`SMALLEST`; :data:`DEFAULT` for a kind that has too few rows to tell.
    """
    return max(SMALLEST, spreads().get(kind_of(row), DEFAULT))
