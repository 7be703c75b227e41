"""Seeded random streams: one for each purpose, so that one stream does not move another.

They need the standard library alone, so that a browser, which has nothing else, draws what a terminal draws.
"""

from __future__ import annotations

import math
from random import Random

__all__ = ["lognormal_factor", "poisson_count", "random_stream"]


def random_stream(seed: int, purpose: str, source: int = 0) -> Random:
    """Return the stream of a purpose (such as ``arrivals``) and of its source by number, from a scenario's seed."""
    return Random(f"{seed} {purpose} {source}")


def poisson_count(stream: Random, mean: float) -> int:
    """Draw from a Poisson distribution: how many exponential gaps of mean 1 end within ``mean``."""
    count, left = 0, mean - stream.expovariate(1.0)
    while left > 0:
        count, left = count + 1, left - stream.expovariate(1.0)
    return count


def lognormal_factor(stream: Random, variation: float) -> float:
    """Draw a lognormal factor of mean 1 and the given coefficient of variation."""
    square = math.log1p(variation**2)
    return stream.lognormvariate(-square / 2, math.sqrt(square))
