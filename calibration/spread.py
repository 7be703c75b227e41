"""How far predictions of each kind of row lie from measurements when the row's network is left out of the fit.

``datasets/spreads.csv`` holds one relative standard deviation for each kind, robustly from leave-one-model-out
residuals (written by ``edgetpusim-calibrate fit --spreads``); small and large accelerators take their part's own.
"""

from __future__ import annotations

from functools import cache

from calibration.data import FOLDER, Row, read_table
from calibration.predict import conditions

__all__ = ["kind_of", "spread_of", "spreads"]

DEFAULT = 0.35
SMALLEST = 0.015
SWEEPS = ("conv5x3x3", "conv7x7", "dense", "stride", "padding", "baseline_io", "depthwise_k5")
DETECTORS = ("ssd", "efficientdet", "spaghetti", "yolo", "centernet", "deeplab", "posenet", "bodypix", "mobiledet", "movenet")


def kind_of(row: Row) -> str:
    """Kind of a row: what was measured, and on which class of networks and set-ups."""
    if row.metric.endswith("_bytes"):
        return "bytes"
    if conditions(row).link == "none":
        return "cpu"
    if row.metric in ("invoke_latency_ms", "invoke_latency_p50_ms") and row.mode == "single" and row.accelerators <= 1:
        known = "stated" if "host_id" not in conditions(row).assumed else "assumed"
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
    path = FOLDER / "spreads.csv"
    records = read_table(path)[1] if path.is_file() else []
    return {record["kind"]: float(record["spread"]) for _, record in records}


def spread_of(row: Row) -> float:
    """Relative standard deviation of a row's prediction."""
    return max(SMALLEST, spreads().get(kind_of(row), DEFAULT))
