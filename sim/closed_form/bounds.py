"""An upper bound of throughput that holds for every mix: each resource alone, filled with the lightest work first.

Whatever order the requests of a closed loop come in, every thread's rate is at most one inference in its time alone,
and a resource serves no more than its capacity. The most inferences that one resource allows under the threads' own
limits is a fractional knapsack: the threads that ask least of it run freely (G. Dantzig, Operations Research 5, 1957).
The least of these is a bound; parameters that are sent again, and waits, only lower what a run reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sim.closed_form.demands import Demand, demand_of, mean_demand
from sim.closed_form.lines import keeps_home, lines, pipeline_rates
from sim.setup import Setup

__all__ = ["throughput_bound"]


def throughput_bound(setup: Setup) -> float:
    """Return inferences per second that no run of a set-up exceeds."""
    count, keeps = len(setup.accelerators), keeps_home(setup)
    if setup.pipelines:
        return _pipelines_bound(setup)
    if setup.turns and keeps:  # the parameters that change with every turn are in each line's demand
        own = {line.accelerator: line.need for line in lines(setup)}
        needs = [own[i % count] for i in range(len(setup.thread_models))]
        return min(_whole(needs), *_limits(setup, needs, keeps)) * 1e9
    order = setup.turns or [model for both in setup.follows for model in range(1 + both)]
    if order:
        each = [_least(setup, [model], None) for model in order]
        mean = mean_demand(each)._replace(alone_ns=sum(need.alone_ns for need in each) / len(each))  # one by one
        whole_turn = [mean] * len(setup.thread_models)
        return min(_whole(whole_turn), *_limits(setup, whole_turn, keeps)) * 1e9
    homes = [i % count if keeps else None for i in range(len(setup.thread_models))]
    served = [range(len(setup.models))] * len(homes) if setup.is_server else [[model] for model in setup.thread_models]
    needs = [_least(setup, models, home) for models, home in zip(served, homes, strict=True)]
    return min(_whole(needs), *_limits(setup, needs, keeps)) * 1e9


def _pipelines_bound(setup: Setup) -> float:
    """Pipelines at their own rates, those first that ask least of a resource which all share."""
    segments = [demand_of(setup.stage_times[m][i], setup) for i, m in enumerate(setup.thread_models)]
    rates = pipeline_rates(setup, segments)

    def most(key: str, capacity: float, places: Sequence[int] = range(len(segments))) -> float:
        """Inferences per ns that one resource allows, counting the segments in some places."""
        costs = [sum(getattr(segments[i], key) for i in row if i in places) for row in setup.pipelines]
        return _filled(list(zip(rates, costs, strict=True)), capacity)

    shared = [bus.accelerators for bus in setup.buses if bus.takes_turns]
    on_buses = (most(way, 1, places) for places in shared for way in ("out_ns", "in_ns"))
    return 1e9 * min(sum(rates), most("cpu_ns", setup.free_cores), most("gil_ns", 1), *on_buses)


def _least(setup: Setup, models: Iterable[int], home: int | None) -> Demand:
    """What a thread asks for at least, of any of its networks, on its accelerator or on any."""
    rows = [setup.stage_times[model] for model in models]
    every = [demand_of(times, setup) for row in rows for times in (row if home is None else row[home : home + 1])]
    return Demand(*(min(getattr(need, key) for need in every) for key in Demand._fields))


def _whole(needs: Iterable[Demand]) -> float:
    return sum(1 / max(1.0, need.alone_ns) for need in needs)


def _limits(setup: Setup, needs: Sequence[Demand], keeps: bool) -> Iterator[float]:
    """Inferences per ns that each resource allows, those of all accelerators and all buses together."""
    yield _most(needs, "cpu_ns", setup.free_cores)
    yield _most(needs, "gil_ns", 1)
    count = len(setup.accelerators)
    at = [needs[i::count] for i in range(count)]
    yield sum(_most(mine, "held_ns", 1) for mine in at) if keeps else _most(needs, "held_ns", count)
    for way in ("out_ns", "in_ns"):
        if keeps:
            groups = [[need for i in places for need in at[i]] for places in _queues(setup)]
            yield sum(_most(mine, way, 1) for mine in groups)
        else:
            yield _most(needs, way, len(list(_queues(setup))))


def _queues(setup: Setup) -> Iterator[Sequence[int]]:
    """Accelerators whose transfers take turns; to a memory or lane each has a way of its own."""
    for bus in setup.buses:
        yield from ([i] for i in bus.accelerators) if bus.is_fluid else [bus.accelerators]


def _most(needs: Sequence[Demand], key: str, capacity: float) -> float:
    """The most inferences per ns of some threads that a resource of this capacity serves."""
    return _filled([(1 / max(1.0, need.alone_ns), float(getattr(need, key))) for need in needs], capacity)


def _filled(asked: Sequence[tuple[float, float]], capacity: float) -> float:
    """The most of some rates, each at its cost of a resource, that the resource allows."""
    whole = 0.0
    for rate, cost in sorted(asked, key=lambda pair: pair[1]):
        if rate * cost >= capacity:
            return whole + capacity / cost
        whole, capacity = whole + rate, capacity - rate * cost
    return whole
