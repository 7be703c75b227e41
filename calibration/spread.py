"""How far predictions of each kind of row lie from measurements when the row's network is left out of the fit.

One relative standard deviation for each kind, robustly from leave-one-model-out residuals: the 90 % quantile of their
absolute logarithms over 1.645 (``python -m calibration.spread`` writes ``datasets/spreads.csv`` anew).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import log
from typing import Any

from calibration.answers import Z90
from calibration.kinds import kind_of
from calibration.measurements import Measurement
from calibration.meter import with_meter
from calibration.shipped import dataset_names, load_dataset
from calibration.tables import FOLDER, write_table
from calibration.validation import Validator

__all__ = ["measured_spreads"]

FEW = 6


def measured_spreads(pairs: Iterable[tuple[Measurement, dict[str, Any]]]) -> dict[str, float]:
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
    validator = Validator("model")
    rows = [row for name in dataset_names() for row in with_meter(load_dataset(name)) if row.mode != "pipeline"]
    found = measured_spreads((row, validator.answer(row)) for row in rows)
    lines = [{"kind": kind, "spread": f"{spread:.3f}"} for kind, spread in found.items()]
    write_table(FOLDER / "spreads.csv", ("kind", "spread"), lines)


if __name__ == "__main__":
    main()
