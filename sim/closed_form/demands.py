"""Service demands: how long one inference asks for each resource (Lazowska et al., ch. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from hwmodels.cache import remembered
from hwmodels.stages import StageTimes
from sim.setup import GilRules, Setup

__all__ = ["Demand", "demand", "mean_demand", "with_load"]


@dataclass(frozen=True, slots=True)
class Demand:
    """Time (ns) that one inference asks of each resource, and its time alone.

    ``held_ns`` of the accelerator's lock, ``out_ns`` and ``in_ns`` of the link, ``cpu_ns`` of cores, ``gil_ns`` of
    Python's lock; ``load_ns`` is what sending the cached parameters again adds to the first three.
    """

    alone_ns: float
    held_ns: float
    out_ns: float
    in_ns: float
    cpu_ns: float
    gil_ns: float
    load_ns: float = 0.0


def demand(times: Sequence[StageTimes], setup: Setup | None = None) -> Demand:
    """Return the mean demand of the networks of a mix, equally often, each with its parameters cached.

    Without a set-up all Python work is taken to hold the GIL.
    """
    return mean_demand([demand_of(network, setup) for network in times])


def mean_demand(rows: Sequence[Demand]) -> Demand:
    """Mean of each time; the time alone is the harmonic mean, as threads that run at their own pace add their rates."""
    n = len(rows)
    alone_ns = n / sum(1 / max(1.0, row.alone_ns) for row in rows)
    rest = (sum(getattr(row, key) for row in rows) / n for key in list(Demand.__slots__)[1:])
    return Demand(alone_ns, *rest)


def demand_of(times: StageTimes, setup: Setup | None = None) -> Demand:
    """Return the demand of one network, its parameters cached."""
    if setup is None:
        return _demand(times, 0, *_under_gil(times, 1.0), False)
    locked, waited = _under_gil(times, setup.host.gil_share, setup.gil) if setup.gil else (0, 0)
    return _demand(times, setup.native_slowdown - 1, locked, waited, setup.has_python_core)


@remembered(4096)
def _demand(times: StageTimes, slower: int, locked: float, waited: float, has_python_core: bool) -> Demand:
    on_python_core = locked if has_python_core else 0.0
    driver_ns = times.total("driver_ns")
    native = times.op_core_ns + times.host_python_ns + driver_ns + times.total("copy_ns") - on_python_core
    return Demand(
        alone_ns=times.latency_ns + waited + slower * native,
        held_ns=times.total("held_ns") + slower * driver_ns,
        out_ns=times.total("sent_ns"),
        in_ns=times.total("output_ns"),
        cpu_ns=(1 + slower) * native,
        gil_ns=locked + waited,
        load_ns=times.load_ns,
    )


def _under_gil(times: StageTimes, share: float, gil: GilRules | None = None) -> tuple[float, float]:
    """Python work under the GIL, and the switch intervals that other busy Python threads make it wait (ns)."""
    locked = (share * times.preprocess_ns, times.python_ns, share * times.postprocess_ns, times.app.locked_ns)
    if gil is None or not gil.turn_ns:
        return sum(locked), 0
    return sum(locked), sum(ceil(part / gil.interval_ns) for part in locked) * gil.turn_ns


def with_load(need: Demand, share: float) -> Demand:
    """Return the demand when that share of inferences sends its cached parameters first."""
    extra = share * need.load_ns
    return replace(need, alone_ns=need.alone_ns + extra, held_ns=need.held_ns + extra, out_ns=need.out_ns + extra)
