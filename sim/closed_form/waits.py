"""How long a request waits, in closed form: Little's law in closed loops, M/G/c queues where requests arrive."""

from __future__ import annotations

from collections.abc import Sequence

from sim.closed_form.flows import Flow
from sim.setup import Setup

__all__ = ["mgc_wait_ms", "wait_ms"]


def wait_ms(setup: Setup, rows: Sequence[Flow], ips: float, alone_ms: float) -> float:
    """Return the mean time that a request waits, over all networks; none is known where a file says when they come.

    Parameters
    ----------
    rows
        Flows of the set-up, whose rates add up to ``ips`` (in a pipeline: for each segment).
    ips
        Inferences per second.
    alone_ms
        Mean time of a request that waits for nobody.
    """
    arrivals = setup.scenario.arrival_process
    offered = 0 < arrivals.offered_ips(setup.scenario.inferences) <= ips * (1 + 1e-9)
    if offered and ((arrivals.is_even and len(setup.models) == 1) or arrivals.path):
        return 0.0
    if setup.pipelines:
        together = sum if setup.is_chained else max
        service_ms = together(row.need.alone_ns for row in rows[: len(setup.pipelines[0])]) / 1e6
        served = [(1.0, service_ms)]
        return mgc_wait_ms(ips, served, len(setup.pipelines)) if offered else _full_queues_ms(setup, rows, ips)
    if not offered:
        asking = arrivals.cameras.count if arrivals.cameras else len(setup.thread_models)
        return asking / ips * 1e3 - alone_ms
    services = [part for row in rows for part in _services(row, ips)]
    threads = len(setup.thread_models)
    many = min(len(setup.accelerators), threads)
    alone = [(row.ips / ips, row.need.alone_ns / 1e6) for row in rows]
    servers = max(1, min(threads, int(setup.core_capacity))) if setup.is_on_cpu else threads
    return max(mgc_wait_ms(ips, alone, servers), mgc_wait_ms(ips, services, many))


def _services(row: Flow, ips: float) -> list[tuple[float, float]]:
    """(share of all requests, ms at the lock) of a flow: those that send parameters first, and those that do not."""
    load_ms = row.need.load_ns / 1e6
    held_ms = row.need.held_ns / 1e6 - row.reload * load_ms
    share = row.ips / ips
    return [(share * row.reload, held_ms + load_ms), (share * (1 - row.reload), held_ms)]


def mgc_wait_ms(ips: float, services: Sequence[tuple[float, float]], servers: int) -> float:
    """Return the mean wait of M/G/c: M/M/c's times (1 + cv^2) / 2.

    Exact for one server (Pollaczek and Khinchine), within a few per cent for more (A. M. Lee and P. A. Longton, 1959).

    Parameters
    ----------
    ips
        Arrivals per second.
    services
        (share of the requests, service time in ms); shares add up to 1.
    servers
        c; its waiting probability is Erlang's C.
    """
    mean_ms = sum(share * ms for share, ms in services)
    load = ips * mean_ms / 1e3
    if load <= 0 or load >= servers:
        return 0.0
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = load * blocking / (n + load * blocking)
    queued = blocking / (1 - load / servers * (1 - blocking))
    spread = sum(share * ms**2 for share, ms in services) / mean_ms**2  # 1 + cv^2
    return 0.5 * spread * queued * mean_ms / (servers - load)


def _full_queues_ms(setup: Setup, rows: Sequence[Flow], ips: float) -> float:
    """Queues up to the slowest segment are full (a place each, one request waits to go in); batches go in at once."""
    each_ms = len(setup.pipelines) / ips * 1e3
    slow = [row.need.alone_ns for row in rows[: len(setup.pipelines[0])]]
    if setup.batch:
        return max(slow) / 1e6 * (setup.batch - 1) / 2
    last = slow.index(max(slow))
    return 2 * each_ms * (1 + last) - sum(slow[:last]) / 1e6
