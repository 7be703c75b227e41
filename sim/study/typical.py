"""Which seed's requests come as they do on average: the chance of one stream decides over a limit of a tail.

The 99th percentile of some ten thousand requests at random is off by several percent by chance alone. A queue of one
server with the set-up's own pace sees the same chance, and costs a fraction of a simulation (Lindley's recursion). Of
many seeds, the one is taken whose queue exceeds the limit as often as the mean of all: conditional sampling on a
control variate (A. M. Law, Simulation Modeling and Analysis, ch. 11). Its run can be repeated by anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from statistics import fmean

from sim.closed_form.lines import expected_ips
from sim.machine.workloads import poisson_gaps_ns
from sim.setup import Setup
from sim.steady import FIRST_CHECK

__all__ = ["SEEDS", "share_late", "typical_seed"]

SEEDS = 100  # that are compared
TOGETHER = 5  # seeds that together say at which load they are compared
REFERENCE_IPS = 1e6  # at which gaps are drawn, to be stretched to any rate
HIGHEST = 0.999  # load of the queue
CLOSE = 1.01  # the load at which seeds are compared is known to within this factor
WARM_UP = 0.25  # most of a run that is left out


def typical_seed(setup: Setup, limit_ms: float, late: float, requests: int) -> tuple[int, float]:
    """Return the seed, from the scenario's own on, whose requests are late as often as those of all seeds on average.

    With it comes about the rate (1/s) at which they are late as often as they may be; 0 where that is not known.

    Parameters
    ----------
    setup
        A closed loop, for the pace of its service and the time of a request alone.
    limit_ms, late
        Latency that only so small a share of the requests may exceed.
    requests
        Length of a run.
    """
    first, service_ns = setup.scenario.seed, 1e9 / expected_ips(setup)
    alone_ns = min(times.latency_ns for row in setup.stage_times for times in row)
    wait = (limit_ms * 1e6 - alone_ns) / service_ns
    if wait <= 0:
        return first, 0.0
    gaps = [list(islice(poisson_gaps_ns(REFERENCE_IPS, seed), requests)) for seed in range(first, first + SEEDS)]
    load = _highest_load(list(chain.from_iterable(gaps[:TOGETHER])), wait, late)
    shares = [share_late(row, load, wait) for row in gaps]
    mean = fmean(shares)
    return first + min(range(SEEDS), key=lambda i: abs(shares[i] - mean)), load * 1e9 / service_ns


def _highest_load(gaps_ns: Sequence[int], wait: float, late: float) -> float:
    """The load at which the queue exceeds the wait as often as it may."""
    low, high = 1e-3, HIGHEST
    while high > CLOSE * low:
        middle = (low + high) / 2
        low, high = (low, middle) if share_late(gaps_ns, middle, wait) > late else (middle, high)
    return low


def share_late(gaps_ns: Sequence[int], load: float, wait: float) -> float:
    """Return the share of requests that wait longer than so many services, the warm-up of a run left out.

    Parameters
    ----------
    gaps_ns
        Between requests that come at :data:`REFERENCE_IPS`.
    load, wait
        Rate at which they come instead, and the wait, both by the service time.
    """
    first = FIRST_CHECK
    while 2 * first <= WARM_UP * len(gaps_ns):
        first *= 2
    scale, waiting, count = REFERENCE_IPS / 1e9 / load, 0.0, 0
    for number, gap in enumerate(gaps_ns):
        waiting -= gap * scale
        if waiting < 0:
            waiting = 0.0
        if waiting > wait and number >= first:
            count += 1
        waiting += 1.0
    return count / max(1, len(gaps_ns) - first)
