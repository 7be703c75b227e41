"""Tables of service and switch times as measurement rows: what one inference takes, and what loading takes.

A network's switch time is what a request takes more when another network ran before it: its parameters are sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from calibration.measurements import Measurement
from calibration.shipped import flagged
from calibration.tables import FOLDER, Cells, positive_number, read_table

__all__ = ["SERVICE_HEADER", "service_rows", "service_tables"]

SERVICE_HEADER = ("network", "service_ms", "switch_ms")
METRICS = {"service_ms": "invoke_latency_ms", "switch_ms": "param_load_ms"}


def service_tables() -> list[Path]:
    """Return the shipped tables of service and switch times."""
    return sorted((FOLDER / "mixes").glob("*_services.csv"))


def service_rows(path: Path) -> list[Measurement]:
    """Read a table of service and switch times as two rows a network (ms).

    Raises :class:`InputError` for a cell that is no time.
    """
    return flagged(row for line, cells in read_table(path)[1] for row in _rows(path, line, cells))


def _rows(path: Path, line: int, cells: Cells) -> Iterator[Measurement]:
    named: dict[str, Any] = {
        key: cells.get(key, "") for key in ("source_id", "host_id", "link", "clock_id", "conditions", "citation")
    }
    for column, metric in METRICS.items():
        value = positive_number(path, line, cells, column)
        row = Measurement(file=path.name, line=line, model=cells["network"], metric=metric, value=value)
        yield replace(row, mode="single", **named)
