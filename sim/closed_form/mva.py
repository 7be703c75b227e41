"""The closed form for many points at once: columns in, columns out (numpy).

``bounds`` is form A, the bounds of :mod:`sim.closed_form.bounds`; ``mva`` mean value analysis (exact for one
accelerator: Reiser and Lavenberg 1980; else Schweitzer's fixed point, one class of threads for each accelerator);
``mix`` is 0.8 A + 0.2 min(A, MVA). None of them knows what it costs to hand a lock over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError, either, nearest
from sim.closed_form.lines import is_queue, line_rate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

__all__ = ["LIMITS", "METHODS", "estimate_many", "exact_mva"]

METHODS = ("bounds", "mva", "mix")
#: What bounds a point, by the number in the column ``limit``.
LIMITS = ("threads", "accelerator", "cpu", "gil", "out", "in")
MIX = 0.8  # weight of form A in the mix
ROUNDS = 30


@dataclass
class _Network:
    """A batch of closed networks: threads on each accelerator (points x accelerators) and demands (points x 1), in ns.

    An inference alone is ``held`` (with the link in it) + ``gil`` + ``native`` (other time on cores).
    """

    threads: Column
    alone: Column
    held: Column
    out: Column
    inward: Column
    cpu: Column
    gil: Column
    native: Column
    cores: Column
    contended: Column
    hand_over: Column


def _network(columns: Mapping[str, Any]) -> _Network:
    """Read the columns; threads are bound round robin, or shared out evenly where every thread may use all."""
    import numpy as np

    def column(name: str) -> Column:
        """A column as an array of one row per scenario."""
        return np.asarray(columns[name], dtype=np.float64).reshape(-1, 1)

    threads, many = column("threads"), column("accelerators")
    number = np.arange(max(1, int(many.max())))[None, :]
    whole = np.floor(threads / many) + (number < threads % many)
    share = np.where(column("stage_bound") > 0, whole, threads / many) * (number < many)
    idle = column("stage_hand_over_ns") if "stage_hand_over_ns" in columns else np.zeros_like(threads)
    alone, held, gil = column("stage_alone_ns"), column("stage_held_ns"), column("stage_gil_ns")
    native = np.maximum(0.0, alone - held - gil)
    return _Network(
        share, np.maximum(1.0, alone), held, column("stage_out_ns"), column("stage_in_ns"), column("stage_cpu_ns"),
        gil * (threads > 1), native + gil * (threads <= 1), column("cores"), column("stage_shared_link"),
        idle,
    )  # fmt: skip


def _form_a(net: _Network) -> tuple[Column, Column]:
    """Inferences per ns by the bounds, and which bound it is."""
    import numpy as np

    held = net.held + np.where(is_queue(net.threads, net.alone, net.held), net.hand_over, 0)
    rate = line_rate(net.threads, net.alone, held, np.minimum, np.maximum)
    own = rate.sum(axis=1, keepdims=True)
    by_threads = (net.threads / net.alone).sum(axis=1, keepdims=True)
    shared = [
        net.cores / np.maximum(1e-9, net.cpu), 1 / np.maximum(1e-9, net.gil),
        *(1 / np.maximum(1e-9, need * net.contended) for need in (net.out, net.inward)),
    ]  # fmt: skip
    every = np.concatenate([own, *shared], axis=1)
    limit = every.argmin(axis=1) + 1
    limit = np.where((limit == 1) & (own[:, 0] > 0.999999 * by_threads[:, 0]), 0, limit)
    return every.min(axis=1), limit


def _stations(net: _Network) -> list[tuple[Column, bool]]:
    """Demand of each queueing station and whether all accelerators' threads meet there.

    Cores are several servers: Seidmann's approximation, a queue of 1/c of the demand and a delay of the rest.
    """
    link = net.contended * (net.out + net.inward)
    return [
        (net.held - link, False), (net.gil, True), (net.native / net.cores, True),
        (net.contended * net.out, True), (net.contended * net.inward, True),
    ]  # fmt: skip


def _mva(net: _Network) -> Column:
    """Inferences per ns by mean value analysis."""
    import numpy as np

    stations = _stations(net)
    delay = net.native * (1 - 1 / net.cores)
    single = (net.threads > 0).sum(axis=1) <= 1
    found = _schweitzer(net.threads, stations, delay)
    if single.any():
        exact = exact_mva([need[single, 0] for need, _ in stations], delay[single, 0], net.threads[single].sum(axis=1))
        found[single] = exact
    return np.asarray(found)


def _schweitzer(threads: Column, stations: list[tuple[Column, bool]], delay: Column) -> Column:
    """Fixed point of arrival queue = others' queue + (N - 1) / N of one's own class."""
    import numpy as np

    safe = np.maximum(1e-12, threads)
    own = np.maximum(0.0, 1 - 1 / safe)
    queues = [threads / len(stations) for _ in stations]
    rate = np.zeros_like(threads)
    for _ in range(ROUNDS):
        waits = []
        for (need, common), queue in zip(stations, queues, strict=True):
            others = queue.sum(axis=1, keepdims=True) - queue if common else 0.0
            waits.append(need * (1 + others + own * queue))
        rate = threads / np.maximum(1e-9, delay + sum(waits))
        queues = [rate * wait for wait in waits]
    return np.asarray(rate.sum(axis=1))


def exact_mva(demands: list[Column], delay: Column, population: Column) -> Column:
    """Throughput (1/ns) of closed single-class networks of queues and a delay, exactly, one network for each row.

    ``demands`` (ns) of the stations, ``delay`` (ns) without queueing, ``population`` a whole number for each network. A
    fractional number (of a shared pool) is rounded up.
    """
    import numpy as np

    queues = [np.zeros_like(delay) for _ in demands]
    rate = np.zeros_like(delay)
    for n in range(1, int(np.ceil(population.max(initial=0))) + 1):
        waits = [need * (1 + queue) for need, queue in zip(demands, queues, strict=True)]
        now = n <= np.ceil(population)
        rate = np.where(now, n / np.maximum(1e-9, delay + sum(waits)), rate)
        queues = [np.where(now, rate * wait, queue) for wait, queue in zip(waits, queues, strict=True)]
    return rate


def throughput(columns: Mapping[str, Any], method: str) -> tuple[Column, Column]:
    """Inferences per second of every row by a method, and the number of its limit in :data:`LIMITS`.

    Parameters
    ----------
    columns
        Arrays of one length, or scalars; times in ns (:data:`sim.closed_form.columns.STAGE_COLUMNS`).
    method
        One of :data:`METHODS`.

    Returns
    -------
    tuple of arrays
        Rates in 1/s, and numbers into :data:`LIMITS`.
    """
    import numpy as np

    if method not in METHODS:
        raise InputError.value("--method", method, either(METHODS), nearest(method, METHODS))
    net = _network(columns)
    form_a, limit = _form_a(net)
    if method == "bounds":
        return form_a * 1e9, limit
    lower = np.minimum(form_a, _mva(net))
    return (lower if method == "mva" else MIX * form_a + (1 - MIX) * lower) * 1e9, limit


def estimate_many(columns: Mapping[str, Any], method: str = "bounds", correction: Any = None) -> dict[str, Column]:
    """Estimate every row of a table at once.

    ``columns`` are those of a results file that :data:`sim.closed_form.columns.STAGE_COLUMNS` names, with ``threads``,
    ``accelerators`` and ``cores``. Returns ``throughput_ips``, ``latency_ms_mean``, the energies and utilisations, and
    ``limit`` (see :data:`LIMITS`); a fitted ``correction`` (:class:`sim.closed_form.correction.Correction`) corrects
    the throughput and adds its standard deviation ``throughput_std_ips``. Raises :class:`InputError` for an unknown
    method.
    """
    import numpy as np

    ips, limit = throughput(columns, method)
    found: dict[str, Column] = {}
    if correction is not None:
        ips, found["throughput_std_ips"] = correction.predict(columns, return_std=True)
    rows = {key: np.asarray(value, dtype=np.float64) for key, value in columns.items() if key in _NUMBERS}
    return found | {"throughput_ips": ips, "limit": limit} | _rest(rows, ips)


_NUMBERS = (
    "threads", "accelerators", "cores", "stage_held_ns", "stage_cpu_ns", "stage_gil_ns", "stage_alone_ns",
    "stage_static_w", "stage_dynamic_mj", "stage_accelerator_static_w", "stage_accelerator_dynamic_mj",
)  # fmt: skip


def _rest(rows: Mapping[str, Column], ips: Column) -> dict[str, Column]:
    """What follows from a throughput: latency by Little's law, energy and utilisation by their linear laws."""
    import numpy as np

    def share(busy_ns: Column, many: Column | float) -> Column:
        """Busy share of each of ``many`` parts."""
        return np.minimum(1.0, ips * busy_ns / many / 1e9)

    return {
        "latency_ms_mean": rows["threads"] / ips * 1e3,
        "energy_mj_per_inference": rows["stage_static_w"] / ips * 1e3 + rows["stage_dynamic_mj"],
        "energy_accelerator_mj_per_inference": rows["stage_accelerator_static_w"] / ips * 1e3
        + rows["stage_accelerator_dynamic_mj"],
        "power_w_total": rows["stage_static_w"] + rows["stage_dynamic_mj"] * ips / 1e3,
        "utilisation_accelerator": share(rows["stage_held_ns"], rows["accelerators"]),
        "utilisation_cpu": share(rows["stage_cpu_ns"], rows["cores"]),
        "utilisation_gil": share(rows["stage_gil_ns"], 1.0),
        "speedup_vs_one_thread": ips * rows["stage_alone_ns"] / 1e9,
    }
