"""Two classical estimates of a closed system, from what one thread alone shows: bounds and mean value analysis.

Sources: E. Lazowska et al., "Quantitative System Performance", 1984, chapters 5 (asymptotic bounds) and 6 (exact mean
value analysis, M. Reiser and S. Lavenberg, J. ACM 27(2), 1980).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.machine.states import states_of

__all__ = ["bound_ips", "demands_ms", "mva_ips"]

HELD = [state.name.lower() for state in states_of(held=True)]


def demands_ms(alone: Mapping[str, Any]) -> tuple[float, float]:
    """Return (time an inference holds the accelerator, time it spends elsewhere) in ms, from a one-thread answer."""
    parts = alone["time_breakdown_ms"]
    held = sum(parts[state] for state in HELD)
    return held, sum(parts.values()) - held


def bound_ips(threads: int, held_ms: float, elsewhere_ms: float, accelerators: int = 1) -> float:
    """Asymptotic bound: threads never wait, or the accelerators never rest; inferences per second."""
    return 1e3 * min(threads / (held_ms + elsewhere_ms), accelerators / held_ms)


def mva_ips(threads: int, held_ms: float, elsewhere_ms: float) -> float:
    """Exact mean value analysis of one accelerator with random (exponential) service; inferences per second."""
    queue, rate = 0.0, 0.0
    for n in range(1, threads + 1):
        response = held_ms * (1 + queue)
        rate = n / (elsewhere_ms + response)
        queue = rate * response
    return 1e3 * rate
