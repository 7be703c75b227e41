"""Gains that were measured on boards, beside the predicted ones: no measurement has several threads on an Edge TPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from sim.study.findings import Finding
from sim.study.statistics import quantile, rank_correlation

__all__ = ["measured_findings", "measured_gains"]

FILE = Path(__file__).with_name("measured_gains.json")


@cache
def measured_gains(family: str) -> tuple[dict[str, Any], ...]:
    """Return board, network, task, measured and predicted gain on accelerators of a family; none where none are known.

    ``python -m calibration.boards.ratios --write`` makes the file.
    """
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(found["gains"]) if found["family"] == family else ()


def measured_findings(family: str) -> Iterator[Finding]:
    """Yield a sentence for each board with one core: how close the predicted gains of threads are."""
    for board in dict.fromkeys(row["board"] for row in measured_gains(family)):
        rows = [row for row in measured_gains(family) if row["board"] == board]
        sizes = sorted(abs(row["predicted"] / row["measured"] - 1) for row in rows)
        rho, low, high = rank_correlation([row["measured"] for row in rows], [row["predicted"] for row in rows])
        top = max(rows, key=lambda row: float(row["measured"]))
        text = (
            f"{board}: the gains of many threads on one core, measured for {len(rows)} networks, are predicted within "
            f"{median(sizes):.1%} in the median and {quantile(sizes, 0.9):.0%} for 90 % of them (rank correlation "
            f"{rho:.2f}, 95 % {low:.2f} to {high:.2f}); the largest measured one is {top['measured']:.2f}x "
            f"({top['network']}), predicted {top['predicted']:.2f}x."
        )
        values = {
            "board": board, "networks": len(rows), "median": median(sizes), "rho": rho, "largest": top["measured"],
            "gains": rows,
        }  # fmt: skip
        yield {"id": "measured", "text": text, "values": values}
