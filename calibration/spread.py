"""How far predictions of each kind of row lie from measurements when the row's network is left out of the fit.

``datasets/spreads.csv`` holds one relative standard deviation for each kind, robustly from leave-one-model-out
residuals: the 90 % quantile of their absolute logarithms over 1.645 (``python -m calibration.spread`` writes it anew).
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from math import log
from typing import Any

from calibration.data import FOLDER, Row, read_table
from calibration.predict import conditions
from hwmodels.files import whole_file

__all__ = ["kind_of", "measured_spreads", "spread_of", "spreads"]

DEFAULT = 0.35
FEW = 6
Z90 = 1.645
SMALLEST = 0.015
SWEEPS = ("conv5x3x3", "conv7x7", "dense", "stride", "padding", "baseline_io", "depthwise_k5")
DETECTORS = (
    "ssd", "efficientdet", "spaghetti", "yolo", "centernet", "deeplab", "posenet", "bodypix", "mobiledet", "movenet",
)  # fmt: skip


def kind_of(row: Row) -> str:
    """Kind of a row: what was measured, and on which class of networks and set-ups."""
    if row.metric.endswith("_bytes"):
        return "bytes"
    if conditions(row).link == "none":
        return f"cpu {network_kind(row.model)}"
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
    """Relative standard deviation of a row's prediction.

    Returns
    -------
    float
        At least :data:`SMALLEST`; :data:`DEFAULT` for a kind that has too few rows to tell.
    """
    return max(SMALLEST, spreads().get(kind_of(row), DEFAULT))


def measured_spreads(pairs: Iterable[tuple[Row, dict[str, Any]]]) -> dict[str, float]:
    """Return the spread of each kind with at least FEW unflagged rows, from rows and their leave-one-out answers."""
    sizes: dict[str, list[float]] = defaultdict(list)
    for row, answer in pairs:
        if answer["error"] is not None and not row.flag:
            is_bytes = row.metric.endswith("_bytes")
            size = abs(answer["error"]) if is_bytes else abs(log(max(1e-9, answer["predicted"]) / row.value))
            sizes[kind_of(row)].append(size)
    return {kind: _quantile90(found) / Z90 for kind, found in sorted(sizes.items()) if len(found) >= FEW}


def _quantile90(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.9 * len(values)))]


def main() -> None:
    """Write ``spreads.csv`` from the shipped datasets, each network left out in turn."""
    from calibration.data import dataset_names, load_dataset
    from calibration.energy import with_meter
    from calibration.validation import Validator

    validator = Validator("model")
    rows = [row for name in dataset_names() for row in with_meter(load_dataset(name)) if row.mode != "pipeline"]
    found = measured_spreads((row, validator.answer(row)) for row in rows)
    with whole_file(FOLDER / "spreads.csv") as path, path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", "spread"])
        writer.writerows((kind, f"{spread:.3f}") for kind, spread in found.items())


if __name__ == "__main__":
    main()
