"""Closed-form throughput: deterministic bounds of the closed network of threads, accelerators, link, cores and GIL.

Form: Little's law and the utilisation law (Lazowska et al., Quantitative System Performance, ch. 5), per accelerator
with its own threads, then every resource that all share; exact where service is constant and threads do not get in each
other's way by chance (docs/concurrency.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from hwmodels.timing import CpuStage, StageTimes, TpuStage
from sim.setup import Setup

__all__ = ["Demand", "Line", "demand", "limits", "lines", "one_thread_ips", "throughput_bound"]

FIXED = ("bind",)  # dispatches under which a thread keeps its accelerator; under every other one it may use them all


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


@dataclass(frozen=True, slots=True)
class Line:
    """Threads that queue for one accelerator (a share of a thread where a pool is shared) and their mean demand.

    ``reload`` is the share of inferences that send cached parameters first (in the demand already).
    """

    accelerator: int
    models: tuple[int, ...]
    threads: float
    need: Demand
    reload: float = 0.0

    @property
    def ips(self) -> float:
        """Inferences per second that its threads and its accelerator allow."""
        by_threads = self.threads / max(1.0, self.need.alone_ns)
        return min(by_threads, 1 / self.need.held_ns if self.need.held_ns else by_threads) * 1e9


def demand(times: Sequence[StageTimes], setup: Setup | None = None) -> Demand:
    """Return the mean demand of the networks of a mix, equally often, each with its parameters cached.

    Without a set-up all Python work is taken to hold the GIL.
    """
    return mean_demand([_demand(network, setup) for network in times])


def mean_demand(rows: Sequence[Demand]) -> Demand:
    """Mean of each time; the time alone is the harmonic mean, as threads that run at their own pace add their rates."""
    n = len(rows)
    alone_ns = n / sum(1 / max(1.0, row.alone_ns) for row in rows)
    rest = (sum(getattr(row, key) for row in rows) / n for key in list(Demand.__slots__)[1:])
    return Demand(alone_ns, *rest)


def _demand(times: StageTimes, setup: Setup | None) -> Demand:
    tpu = [stage for stage in times.stages if isinstance(stage, TpuStage)]
    wide = setup.scenario.num_threads if setup else 1
    ops = sum(stage.ops_ns for stage in times.stages if isinstance(stage, CpuStage))
    python = times.python_ns + times.preprocess_ns + times.postprocess_ns
    gil, waited = _gil(times, setup)
    return Demand(
        alone_ns=times.latency_ns + waited,
        held_ns=sum(stage.held_ns for stage in tpu),
        out_ns=sum(s.instructions_ns + s.input_ns + sum(step.parameters_ns for step in s.steps) for s in tpu),
        in_ns=sum(stage.output_ns for stage in tpu),
        cpu_ns=wide * ops + python + sum(stage.driver_ns + stage.copy_ns for stage in tpu),
        gil_ns=gil + waited,
        load_ns=times.load_ns,
    )


def _gil(times: StageTimes, setup: Setup | None) -> tuple[float, float]:
    """Python work under the GIL, and the switch intervals that other busy Python threads make it wait (ns)."""
    share = setup.host.gil_share if setup else 1.0
    locked = (share * times.preprocess_ns, times.python_ns, share * times.postprocess_ns)
    if setup is None:
        return sum(locked), 0
    scenario = setup.scenario
    if scenario.mode == "processes" or (len(setup.thread_models) == 1 and not scenario.busy_python_threads):
        return 0, 0
    interval, busy = max(1.0, scenario.switch_interval_ms * 1e6), scenario.busy_python_threads
    turns = sum(ceil(part / interval) for part in locked) if busy else 0
    return sum(locked), turns * (busy * interval + setup.host.gil_handover_ns)


def lines(setup: Setup, times: Sequence[StageTimes] | None = None) -> list[Line]:
    """Return the waiting lines of a set-up: one for each accelerator with its threads, one for threads on the CPU.

    ``times`` (one for each model) stand in for the set-up's own stage times on every accelerator.
    """
    if setup.turns or setup.pipelines:
        return []
    count = len(setup.accelerators)
    rows = [[times[m]] * count if times else row for m, row in enumerate(setup.networks)]
    needs = [[_demand(each, setup) for each in row] for row in rows]
    bound = setup.scenario.dispatch in FIXED
    return list(_bound_lines(setup, needs) if bound else _pool_lines(setup, needs))


def _bound_lines(setup: Setup, needs: Sequence[Sequence[Demand]]) -> Iterator[Line]:
    """Thread i belongs to accelerator i modulo their number; one that never uses it is a line of its own."""
    count = len(setup.accelerators)
    for accelerator in range(count):
        mine = setup.thread_models[accelerator::count]
        users = tuple(model for model in mine if needs[model][accelerator].held_ns)
        rest = [model for model in mine if not needs[model][accelerator].held_ns]
        if users:
            yield Line(accelerator, users, len(users), *_loading(setup, users, accelerator, needs))
        yield from (Line(accelerator, (model,), 1, needs[model][accelerator]) for model in rest)


def _pool_lines(setup: Setup, needs: Sequence[Sequence[Demand]]) -> Iterator[Line]:
    """Every thread may use every accelerator: each gets its share of all threads; alike ones are computed once."""
    count, models = len(setup.accelerators), setup.thread_models
    found: dict[Any, tuple[Demand, float]] = {}
    for accelerator in range(count):
        kind = tuple((row[accelerator], setup.networks[m][accelerator].token) for m, row in enumerate(needs))
        if kind not in found:
            found[kind] = _loading(setup, models, accelerator, needs)
        yield Line(accelerator, models, len(models) / count, *found[kind])


def _loading(
    setup: Setup, models: Sequence[int], accelerator: int, needs: Sequence[Sequence[Demand]]
) -> tuple[Demand, float]:
    """Mean demand of threads on one accelerator, and the share of inferences that send parameters again."""
    share = reload_share(setup, models, accelerator)
    return mean_demand([with_load(needs[model][accelerator], share) for model in models]), share


def reload_share(setup: Setup, models: Sequence[int], accelerator: int) -> float:
    """Share of inferences that find another network's parameters.

    None where all have one token (one network, or compiled together); else all, as threads take turns, unless the
    discipline batches by model.

    Returns
    -------
    float
        Between 0 and 1.
    """
    if len({setup.networks[model][accelerator].token for model in models}) < 2:
        return 0.0
    return len(set(models)) / len(models) if setup.scenario.discipline == "affinity" and not setup.turns else 1.0


def with_load(need: Demand, share: float) -> Demand:
    """The demand when that share of inferences sends its cached parameters first."""
    extra = share * need.load_ns
    return replace(need, alone_ns=need.alone_ns + extra, held_ns=need.held_ns + extra, out_ns=need.out_ns + extra)


def shared_links(setup: Setup) -> bool:
    """Whether several accelerators share one bus: USB ones do (their transfers carry headers), PCIe ones do not."""
    names = [bus.name for bus in setup.channels]
    return any(bus.header_bytes and names.count(bus.name) > 1 for bus in setup.channels)


def limits(setup: Setup, rows: Sequence[Line]) -> dict[str, float]:
    """Inferences per second that each resource allows by itself, by name.

    ``threads`` are the lines with their accelerators; a shared resource allows the mix of the lines' rates up to its
    capacity.

    Parameters
    ----------
    rows
        Waiting lines of :func:`lines`.

    Returns
    -------
    dict
        ``threads`` (with their accelerators), ``cpu``, ``gil``, and ``out`` and ``in`` where a link is shared.
    """
    total = sum(row.ips for row in rows)
    capacity = {"cpu": float(setup.cores), "gil": 1.0}
    if shared_links(setup):
        capacity |= {"out": 1.0, "in": 1.0}
    found = {"threads": total}
    for name, many in capacity.items():
        used = sum(row.ips * getattr(row.need, f"{name}_ns") for row in rows) / 1e9
        if used > 0:
            found[name] = total * many / used
    return found


def throughput_bound(setup: Setup, times: Sequence[StageTimes] | None = None) -> float:
    """Inferences per second: the least of what threads, accelerators, shared link, cores and the GIL allow.

    ``times`` (one for each model) stand in for the set-up's own stage times.

    Returns
    -------
    float
        Inferences per second of all models together.

    Notes
    -----
    X = min over resources of capacity / demand, and N / (D + Z) for threads; see docs/concurrency.md.
    """
    if setup.turns:
        return one_thread_ips(setup, times)
    if setup.pipelines:
        return pipeline_ips(setup, times)
    return min(limits(setup, lines(setup, times)).values())


def one_thread_ips(setup: Setup, times: Sequence[StageTimes] | None = None) -> float:
    """Inferences per second of one thread that runs the models in turn on the first accelerator."""
    rows = list(times) if times else [row[0] for row in setup.networks]
    share = reload_share(setup, range(len(rows)), 0)
    return len(rows) * 1e9 / sum(_demand(row, setup).alone_ns + share * row.load_ns for row in rows)


def pipeline_ips(setup: Setup, times: Sequence[StageTimes] | None = None) -> float:
    """Inferences per second of pipelines: the slowest segment's, less the filling and draining of each batch."""
    rows = [_demand(times[m] if times else row[0], setup) for m, row in enumerate(setup.networks)]
    slowest, whole = max(row.alone_ns for row in rows), sum(row.alone_ns for row in rows)
    batch, many = setup.scenario.batch, len(setup.pipelines)
    each = (whole + (batch - 1) * slowest) / batch if batch else slowest
    shared = [sum(row.cpu_ns for row in rows) / setup.cores, sum(row.gil_ns for row in rows)]
    if shared_links(setup):
        shared += [sum(row.out_ns for row in rows), sum(row.in_ns for row in rows)]
    return min(many / each, *(1 / need for need in shared if need)) * 1e9
