"""Read a power meter's CSV: samples of watts (or volts and amperes) with a time in unix seconds or ISO 8601."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

from hwmodels.errors import InputError, reason

__all__ = ["mean_power_w", "read_meter"]

TIMES = ("unix_s", "time_s", "time", "timestamp", "t")
WATTS = ("power_w", "watts", "power", "w")
VOLTS, AMPERES = ("voltage_v", "volts", "voltage", "v"), ("current_a", "amps", "current", "a")


def read_meter(path: Path) -> list[tuple[float, float]]:
    """Return (unix time in s, W) of every sample, in order of time; a time without zone is UTC.

    Columns, in any case: one of unix_s, time_s, time, timestamp, t; and power_w, watts, power, w or voltage and
    current.
    Raises :class:`InputError` for a file without them or with a sample that is no number.

    Returns
    -------
    list of (float, float)
        Sorted, as loggers may write out of order.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError.problem(
            str(path), f"cannot be read ({reason(error)})", "give a readable CSV file of a power meter"
        ) from None
    return sorted(_sample(path, number, line) for number, line in enumerate(lines, 2))


def _sample(path: Path, number: int, line: dict[str, str]) -> tuple[float, float]:
    found = {str(key).strip().lower(): str(value).strip() for key, value in line.items()}
    try:
        watts = _pick(found, WATTS)
        power = float(watts) if watts else float(_pick(found, VOLTS)) * float(_pick(found, AMPERES))
        return _seconds(_pick(found, TIMES)), power
    except ValueError:
        allowed = "a time (unix seconds or ISO 8601) and power_w, or voltage and current"
        raise InputError.value(f"{path}: line {number}", ", ".join(found.values()), allowed) from None


def _pick(found: dict[str, str], names: tuple[str, ...]) -> str:
    return next((found[name] for name in names if name in found), "")


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def mean_power_w(path: Path, start_s: float, end_s: float) -> tuple[float, int]:
    """Return the mean power in W from ``start_s`` to ``end_s`` (unix seconds) and the number of samples.

    Raises :class:`InputError` when no sample lies in between: the meter must log while the harness runs.
    """
    watts = [power for moment, power in read_meter(path) if start_s <= moment <= end_s]
    if not watts:
        raise InputError.problem(
            str(path),
            f"has no sample between {start_s:.0f} and {end_s:.0f}",
            "log in unix seconds while the harness runs",
        )
    return sum(watts) / len(watts), len(watts)
