"""Small statistics for findings: quantiles, ranks, Spearman's correlation with its interval, Pareto fronts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["front", "is_better_high", "pareto", "quantile", "rank_correlation"]

Z95 = 1.96
#: Of these, more is better; of everything else (energy, latency, power) less is.
HIGHER_IS_BETTER = ("throughput", "speedup", "gain")


def quantile(values: Sequence[float], share: float) -> float:
    """Quantile of sorted values, linear between neighbours (of one value: itself)."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def ranks(values: Any) -> NDArray[np.float64]:
    """Ranks from 1; equal values share their mean rank."""
    import numpy as np

    _, place, count = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    return np.asarray((ends - (count - 1) / 2)[place])


def rank_correlation(x: Any, y: Any) -> tuple[float, float, float]:
    """Spearman's rank correlation and its 95 % interval (Bonett and Wright 2000); (0, -1, 1) where not defined.

    Parameters
    ----------
    x, y
        Numbers of one length; equal values share their mean rank.

    Returns
    -------
    tuple of float
        rho, low, high.

    Notes
    -----
    Fisher's z with the standard error sqrt((1 + rho^2 / 2) / (n - 3)).
    """
    import numpy as np

    a, b = ranks(x), ranks(y)
    if len(a) < 4 or a.std() == 0 or b.std() == 0:
        return 0.0, -1.0, 1.0
    rho = float(np.clip(np.corrcoef(a, b)[0, 1], -1, 1))
    if abs(rho) > 1 - 1e-12:
        return rho, rho, rho
    half = Z95 * math.sqrt((1 + rho * rho / 2) / (len(a) - 3))
    return rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def is_better_high(key: str) -> bool:
    """Whether more of a column is better."""
    return any(word in key for word in HIGHER_IS_BETTER)


def pareto(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[int]:
    """Positions of the rows that no other row beats: at least as good in every key and better in one.

    More is better for throughputs and gains, less for everything else; of equal rows the first stays.

    Parameters
    ----------
    rows
        With a number under each key.
    keys
        What to weigh against each other.

    Returns
    -------
    list of int
        In the order of the rows.
    """
    return front({key: [float(row[key]) for row in rows] for key in keys})


def front(columns: Mapping[str, Any]) -> list[int]:
    """As :func:`pareto`, of columns of numbers (sequences or arrays of one length) by name."""
    import numpy as np

    signed = [(-1.0 if is_better_high(key) else 1.0, column) for key, column in columns.items()]
    costs = np.array([sign * np.asarray(column, dtype=np.float64) for sign, column in signed]).T
    order = np.argsort(_places(costs), kind="stable") if costs.size else np.array([], dtype=int)
    found: list[int] = []
    while order.size:  # none of the rest beats the first: keep it, and what is better than it in some key
        found.append(int(order[0]))
        order = order[(costs[order] < costs[order[0]]).any(axis=1)]
    return sorted(found)


def _places(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sum of each row's places by every cost, equal costs having one place: whoever beats a row has a smaller sum.

    The row with the least is good in everything, and so beats most others.
    """
    import numpy as np

    places = np.zeros(len(costs), dtype=np.int64)
    for column in costs.T:
        places += np.unique(column, return_inverse=True)[1]
    return places
