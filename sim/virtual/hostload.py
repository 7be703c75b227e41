"""Whether other programs were on the cores while a session ran: then wall-clock figures mean little."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

__all__ = ["MOST_OTHERS", "HostLoad"]

#: Share of the cores' time that others may take before a row is marked.
MOST_OTHERS = 0.1
STAT = Path("/proc/stat")


class HostLoad:
    """Times of all cores and of our own processes, from its making on."""

    def __init__(self) -> None:
        self.start = _busy_and_all_s()
        self.own_s = _own_s()

    def report(self) -> dict[str, Any]:
        """Return the share of the cores that others took (None where the system does not say), and whether it counts.

        Where the share is not known, a load average above half the cores counts.
        """
        average = os.getloadavg()[0]
        end = _busy_and_all_s()
        if self.start is None or end is None or end[1] <= self.start[1]:
            return {"load_average": average, "others": None, "loaded": average > 0.5 * (os.cpu_count() or 1)}
        busy_s = end[0] - self.start[0] - (_own_s() - self.own_s)
        others = max(0.0, busy_s) / (end[1] - self.start[1])
        return {"load_average": average, "others": others, "loaded": others > MOST_OTHERS}


def _busy_and_all_s() -> tuple[float, float] | None:
    """Busy and total time of all cores (s) since the machine started."""
    try:
        fields = [int(text) for text in STAT.read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    return (sum(fields) - fields[3] - fields[4]) / ticks, sum(fields) / ticks


def _own_s() -> float:
    """CPU time (s) of this process and of those that it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
