"""The keys of a row's JSON answer, and the reach of a 90 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calibration.measurements import Measurement

__all__ = ["Z90", "around", "unanswered"]

#: Standard deviations to either side that hold 90 % of a normal distribution.
Z90 = 1.645


def unanswered(row: Measurement, link: str, host_id: str, assumed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the answer of a row before it is predicted: what it is, and nothing for the rest.

    Parameters
    ----------
    row
        The measurement.
    link, host_id
        What it was measured on, defaults filled in.
    assumed
        The columns that defaults filled.
    """
    return {
        "file": row.file, "line": row.line, "source_id": row.source_id, "device": row.device, "link": link,
        "host_id": host_id, "model": row.model, "metric": row.metric, "threads": row.threads,
        "accelerators": row.accelerators, "batch": row.batch, "mode": row.mode, "clock_id": row.clock_id,
        "segmentation": row.segmentation, "cut": row.cut, "measured": row.value,
        "predicted": None, "lo90": None, "hi90": None, "error": None, "assumed": list(assumed),
        "flag": f"outlier: {row.flag}" if row.flag else None, "skipped": None,
    }  # fmt: skip


def around(value: float, reach: float) -> dict[str, float]:
    """Return an interval as an answer has it, ``reach`` (relative) to either side of a value."""
    return {"lo90": value * (1 - reach), "hi90": value * (1 + reach)}
