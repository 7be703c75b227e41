"""Service demands: how long one inference asks for each resource (Lazowska et al., ch. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from hwmodels.cache import remembered
from hwmodels.stages import StageTimes
from sim.setup import Setup

__all__ = ["Demand", "demand", "mean_demand", "with_load"]


class Demand(NamedTuple):
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
    n, (alone, *rest) = len(rows), zip(*rows, strict=True)
    return Demand(n / sum([1 / max(1.0, alone_ns) for alone_ns in alone]), *[sum(column) / n for column in rest])


def demand_of(times: StageTimes, setup: Setup | None = None) -> Demand:
    """Return the demand of one network, its parameters cached."""
    if setup is None:
        return _demand(times, 0, 1.0, 0, 0, False)
    gil = setup.gil
    share, interval_ns, turn_ns = (setup.host.gil_share, gil.interval_ns, gil.turn_ns) if gil else (None, 0, 0)
    return _demand(times, setup.native_slowdown - 1, share, interval_ns, turn_ns, setup.has_python_core)


@remembered(4096)
def _demand(
    times: StageTimes, slower: int, share: float | None, interval_ns: int, turn_ns: int, has_python_core: bool
) -> Demand:
    locked, waited = _under_gil(times, share, interval_ns, turn_ns) if share is not None else (0, 0)
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


def _under_gil(times: StageTimes, share: float, interval_ns: int, turn_ns: int) -> tuple[float, float]:
    """Python work under the GIL, and the switch intervals that other busy Python threads make it wait (ns)."""
    locked = (share * times.preprocess_ns, times.python_ns, share * times.postprocess_ns, times.app.locked_ns)
    waited = sum(ceil(part / interval_ns) for part in locked) * turn_ns if turn_ns else 0
    return sum(locked), waited


def with_load(need: Demand, share: float) -> Demand:
    """Return the demand when that share of inferences sends its cached parameters first."""
    extra = share * need.load_ns
    return need._replace(alone_ns=need.alone_ns + extra, held_ns=need.held_ns + extra, out_ns=need.out_ns + extra)
