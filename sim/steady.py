"""When to stop: the periodic steady state of a deterministic run, or batch means of a random one.

A closed loop of constant times is a finite machine, so it repeats itself; :func:`period` finds that in the rows of its
completions. Where times are random, the rate's interval comes from means of equal batches, which are nearly independent
when a batch holds many completions (Law and Kelton, Simulation Modeling and Analysis, ch. 9).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

__all__ = ["EXACT_VALUES", "FIRST_CHECK", "LatencyCounts", "batch_means_interval", "first_check", "period"]

EXACT_VALUES = 4096
FIRST_CHECK = 64


def first_check(threads: int) -> int:
    """Return after how many completions a run is first looked at: a shorter one leaves no warm-up out."""
    return max(FIRST_CHECK, 4 * threads)


def period(history: list[tuple[int, ...]], least: int) -> int:
    """Return the shortest period (at least ``least`` long) that the end of the history repeats three times, or 0.

    Parameters
    ----------
    history
        One row for each completion: who, which network, its latency, time since the last completion.
    least
        Number of threads, as every one of them is in a period.
    """
    n = len(history)
    for length in range(max(1, least), n // 3 + 1):
        if history[-1] != history[-1 - length]:
            continue
        last = history[n - length :]
        if last == history[n - 2 * length : n - length] == history[n - 3 * length : n - 2 * length]:
            return length
    return 0


class LatencyCounts:
    """Latencies as counts: exact while few differ, then rounded to four digits, so that memory stays flat."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.sum_ns = 0
        self.n = 0
        self.rounded = False

    def add(self, latency_ns: int, times: int = 1) -> None:
        """Count one latency a number of times."""
        self.sum_ns += latency_ns * times
        self.n += times
        self.counts[_four_digits(latency_ns) if self.rounded else latency_ns] += times

    def extend(self, latencies_ns: Sequence[int]) -> None:
        """Count many latencies at once."""
        self.add_counts(Counter(latencies_ns))

    def round_all(self) -> None:
        """Round what was counted to four digits, and what will be."""
        if not self.rounded:
            self.rounded = True
            exact, self.counts = self.counts, Counter()
            for value, count in exact.items():
                self.counts[_four_digits(value)] += count

    def add_rounded(self, found: Mapping[int, int], sum_ns: int) -> None:
        """Count latencies that were rounded to four digits; exact is their sum."""
        self.round_all()
        self.sum_ns += sum_ns
        self.n += sum(found.values())
        self.counts.update(found)

    def add_counts(self, found: Mapping[int, int]) -> None:
        """Count latencies of which each is given with how often it came."""
        counts, rounded = self.counts, self.rounded
        for latency_ns, times in found.items():
            self.sum_ns += latency_ns * times
            self.n += times
            counts[_four_digits(latency_ns) if rounded else latency_ns] += times
        if len(self.counts) > EXACT_VALUES:
            self.round_all()

    def share_above(self, limit_ns: int) -> float:
        """Share of the latencies that are longer than a limit; 0 where there are none."""
        limit = _four_digits(limit_ns) if self.rounded else limit_ns
        return sum(count for value, count in self.counts.items() if value > limit) / max(1, self.n)

    def summary_ms(self) -> dict[str, float]:
        """Mean, 50th, 90th, 95th and 99th percentile (nearest rank) and maximum, in ms."""
        if not self.n:
            return dict.fromkeys(("mean", "p50", "p90", "p95", "p99", "max"), 0.0)
        marks = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
        ranks = {name: max(1, math.ceil(mark * self.n)) for name, mark in marks.items()}
        found: dict[str, float] = {"mean": self.sum_ns / self.n / 1e6}
        seen = 0
        for value, count in sorted(self.counts.items()):
            seen += count
            for name, rank in ranks.items():
                if name not in found and seen >= rank:
                    found[name] = value / 1e6
        return found


def _four_digits(value: int) -> int:
    scale: int = 10 ** max(0, len(str(value)) - 4)
    return (value + scale // 2) // scale * scale


def batch_means_interval(ends_ns: list[int], batches: int = 20) -> tuple[float, float]:
    """Return a 95 % interval of the completion rate (1/s) from the means of equal batches of completions.

    Student's t with ``batches`` - 1 degrees of freedom; with fewer than two completions in a batch, (0, infinity).

    Parameters
    ----------
    ends_ns
        Times of completion, in order; the first is the window's opening.
    batches
        Equal in completions; 20 is the usual compromise.
    """
    size = (len(ends_ns) - 1) // batches
    if size < 2:
        return 0.0, math.inf
    gaps = [(ends_ns[(i + 1) * size] - ends_ns[i * size]) / size for i in range(batches)]
    mean, half = fmean(gaps), 2.093 * stdev(gaps) / math.sqrt(batches)
    return 1e9 / (mean + half), (1e9 / (mean - half) if half < mean else math.inf)
