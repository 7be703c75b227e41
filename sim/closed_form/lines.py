"""Closed-form throughput: waiting lines of threads at accelerators, then every resource that all share.

Form: Little's law and the utilisation law (Lazowska et al., Quantitative System Performance, ch. 5) where the threads
of an accelerator are alike, Lindley's recursion where they are not; exact where service is constant and threads do not
get in each other's way by chance (docs/concurrency.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from operator import mul
from typing import Any, NamedTuple

from hwmodels.cache import remembered
from hwmodels.link import Direction
from hwmodels.stages import StageTimes
from sim.closed_form.demands import Demand, demand_of, mean_demand, with_load
from sim.closed_form.lindley import Turn, turn_rates
from sim.closed_form.shared_memory import beside_others
from sim.machine.host import SLICE_NS
from sim.machine.policies import DISCIPLINES, DISPATCHES
from sim.machine.states import WAYS
from sim.setup import Bus, Setup

__all__ = [
    "Line", "beside_the_cpu", "changing_hands_ns", "expected_ips", "expected_ips_once", "is_queue", "limits",
    "line_rate", "line_rates", "lines", "pipeline_rates", "reload_share", "turn_loads",
]  # fmt: skip


class Line(NamedTuple):
    """Threads that queue for one accelerator (a share of a thread where a pool is shared) and their mean demand.

    Attributes
    ----------
    ips
        Inferences per second that its threads and its accelerator allow.
    reload
        Share of cached parameters that inferences send first (in the demand already), over all its networks.
    """

    accelerator: int
    models: tuple[int, ...]
    threads: float
    need: Demand
    ips: float
    reload: float = 0.0


def line_rate(
    threads: Any, alone_ns: Any, held_ns: Any, lesser: Callable[..., Any] = min, greater: Callable[..., Any] = max
) -> Any:
    """Return inferences per ns of threads that queue for one accelerator: min(N / (D + Z), 1 / D).

    Parameters
    ----------
    threads, alone_ns, held_ns
        N, D + Z and D: numbers, or arrays of one shape.
    lesser, greater
        ``min`` and ``max``, or numpy's for arrays.
    """
    return lesser(threads / greater(1.0, alone_ns), 1 / greater(1.0, held_ns))


@remembered(64)  # many ask the same of one set-up
def lines(setup: Setup) -> tuple[Line, ...]:
    """Return the waiting lines of a set-up: one for each accelerator with its threads, one for threads on the CPU.

    On a memory that accelerators share, each of them takes as long as it does beside the others.
    """
    return tuple(_beside_others(setup))


def _beside_others(setup: Setup) -> Sequence[Line]:
    if setup.pipelines:
        return ()
    if not setup.is_fluid:
        return _lines(setup)
    count = len(setup.thread_models)
    by_others = 1.0 if keeps_home(setup) else (count - 1) / max(1, count)
    return _lines(beside_others(setup, _accelerator_rates, by_others))


def _accelerator_rates(setup: Setup) -> list[float]:
    """Inferences per ns through each accelerator, as far as threads and cores allow."""
    rows = _lines(setup)
    found = limits(setup, rows)
    scale = min(found.values()) / found["threads"] / 1e9
    return [scale * sum(row.ips for row in rows if row.accelerator == i) for i in range(len(setup.accelerators))]


def _lines(setup: Setup) -> list[Line]:
    if setup.turns:
        return list(_in_turn_lines(setup))
    needs = [_needs(setup, row) for row in setup.stage_times]
    if setup.scenario.arrival_process.rates:
        return _overloaded_lines(setup, needs) or list(_arriving_lines(setup))
    return list(_bound_lines(setup, needs) if keeps_home(setup) else _pool_lines(setup, needs))


def _needs(setup: Setup, row: Sequence[StageTimes]) -> Sequence[Demand]:
    """What a network asks for on each accelerator."""
    found = {kind: demand_of(row[kind], setup) for kind in dict.fromkeys(setup.kinds)}
    return [found[kind] for kind in setup.kinds]


def keeps_home(setup: Setup) -> bool:
    """Whether a thread keeps its accelerator; under every other dispatch it may use them all."""
    return setup.scenario.dispatch in DISPATCHES and DISPATCHES[setup.scenario.dispatch].keeps_home


def _bound_lines(setup: Setup, needs: Sequence[Sequence[Demand]]) -> Iterator[Line]:
    """Threads keep their accelerators; those that are alike and have the same threads have the same lines."""
    found: dict[tuple[Any, int], list[Line]] = {}
    for accelerator, pair in enumerate(zip(setup.threads_of, setup.kinds, strict=True)):
        if pair not in found:
            found[pair] = list(_lines_of_one(setup, *pair, needs))
        for _, models, threads, need, ips, reload in found[pair]:
            yield Line(accelerator, models, threads, need, ips, reload)


def _lines_of_one(
    setup: Setup, mine: Sequence[int], accelerator: int, needs: Sequence[Sequence[Demand]]
) -> Iterator[Line]:
    """The lines of an accelerator's threads; one that never uses it is a line of its own."""
    users = tuple([model for model in mine if needs[model][accelerator].held_ns])
    if are_unequal(setup, users):
        yield from _turn_lines(setup, users, accelerator, needs)
    elif users:
        yield _line(setup, accelerator, users, len(users), *_loading(setup, users, accelerator, needs))
    rest = [model for model in mine if not needs[model][accelerator].held_ns]
    yield from (_line(setup, accelerator, (model,), 1, needs[model][accelerator]) for model in rest)


def _in_turn_lines(setup: Setup) -> Iterator[Line]:
    """A line for each accelerator whose threads run all networks in turn, parameters sent again at each change."""
    count, threads = len(setup.accelerators), len(setup.thread_models)
    for i in range(min(count, threads)):
        turn, loads = [setup.stage_times[model][i] for model in setup.turns], turn_loads(setup, i)
        rows = [with_load(demand_of(times, setup), load) for times, load in zip(turn, loads, strict=True)]
        alone_ns = sum(row.alone_ns for row in rows) / len(rows)  # one after the other, in the same thread
        mean, own = mean_demand(rows)._replace(alone_ns=alone_ns), len(range(i, threads, count))
        sent_ns = sum(load * times.load_ns for load, times in zip(loads, turn, strict=True))
        yield _line(setup, i, setup.turns, own, mean, sent_ns / max(1, sum(times.load_ns for times in turn)))


def turn_loads(setup: Setup, accelerator: int) -> list[float]:
    """Return 1 for each place of a turn whose network finds another token's parameters, else 0."""
    tokens = [setup.stage_times[model][accelerator].token for model in setup.turns]
    return [float(token != before) for before, token in zip(tokens[-1:] + tokens[:-1], tokens, strict=True)]


def _arriving_lines(setup: Setup) -> Iterator[Line]:
    """A line for each network on each accelerator, in the proportion of their requests: those may come in any order.

    A request follows another token's with the share of requests that have another token.
    """
    rates, count = setup.scenario.arrival_process.rates, len(setup.accelerators)
    for i in range(count):
        tokens = [row[i].token for row in setup.stage_times]
        shares = [rate / sum(rates) for rate in rates]
        other = [1 - sum(s for s, t in zip(shares, tokens, strict=True) if t == token) for token in tokens]
        rows = [with_load(demand_of(row[i], setup), o) for row, o in zip(setup.stage_times, other, strict=True)]
        held_ns = sum(share * row.held_ns for share, row in zip(shares, rows, strict=True))
        alone_ns = sum(share * row.alone_ns for share, row in zip(shares, rows, strict=True))
        whole = 1e9 * float(line_rate(len(setup.thread_models) / count, alone_ns, held_ns))
        for model, (share, row, reload) in enumerate(zip(shares, rows, other, strict=True)):
            yield Line(i, (model,), len(setup.thread_models) / count * share, row, share * whole, reload)


def _overloaded_lines(setup: Setup, needs: Sequence[Sequence[Demand]]) -> list[Line]:
    """Lines of networks with threads of their own on one accelerator, of which some get more requests than they serve.

    Those that would serve more in a closed loop than comes are served; the others share what is left of the lock, in
    the proportion of their closed loops. Where all are late it is a closed loop. Empty where all are served, or where
    that is not known.
    """
    rates = setup.scenario.arrival_process.rates
    if setup.is_server or len(setup.accelerators) > 1 or not are_unequal(setup, setup.thread_models):
        return []
    closed = {line.models[0]: line for line in _turn_lines(setup, setup.thread_models, 0, needs)}
    late = {model for model, line in closed.items() if rates[model] > line.ips}
    if len(late) in (0, len(closed)):
        return list(closed.values()) if late else []
    served = sum(rates[model] for model in closed.keys() - late)
    left = 1e9 - sum(rates[model] * closed[model].need.held_ns for model in closed.keys() - late)
    wanted = sum(closed[model].ips * closed[model].need.held_ns for model in late)
    share = max(1.0, left / wanted) if wanted else 1.0  # of the lock's time: on the CPU there is none to share
    found = []
    for model, line in closed.items():
        most, wait_ns = line.ips * share, 0.0
        if len(late) == 1:  # it sends its parameters again after each request of the others, and not otherwise
            need, sends = needs[model][0], float(line.reload > 0)
            free_ns = max(1.0, left - served * need.load_ns * sends)
            wait_ns = need.held_ns * (1e9 / free_ns - 1)  # while the others hold the lock
            most = max(line.ips, free_ns / max(1.0, need.held_ns))
            again = min(1.0, served / most) * sends
            line = line._replace(need=with_load(need, again), reload=again) if model in late else line
        alone = line.threads * 1e9 / max(1.0, line.need.alone_ns + wait_ns)
        found.append(
            line._replace(ips=min(max(alone, line.ips), most, rates[model]) if model in late else rates[model])
        )
    return found


def _line(
    setup: Setup, accelerator: int, models: tuple[int, ...], threads: float, need: Demand, reload: float = 0.0
) -> Line:
    idle_ns = changing_hands_ns(setup, need, threads)
    ips = float(line_rate(threads, need.alone_ns, need.held_ns + idle_ns)) * 1e9
    return Line(accelerator, models, threads, need, ips, reload)


def changing_hands_ns(setup: Setup, need: Demand, threads: float) -> float:
    """What every pass adds (ns) because the lock changes hands; 0 where threads may come so that none waits."""
    return hand_over_ns(setup, need) if is_queue(threads, need.alone_ns, need.held_ns) else 0.0


def is_queue(threads: Any, alone_ns: Any, held_ns: Any) -> Any:
    """Return whether somebody always waits for an accelerator; N, D + Z and D as in :func:`line_rate`."""
    return (threads > 1) & (threads * held_ns > alone_ns)


def hand_over_ns(setup: Setup, need: Demand) -> float:
    """Mean time (ns) between two passes of threads that queue: until a waiter runs, or the releaser is back before.

    Of two passes one is then the releaser's (:mod:`sim.machine.lock`). Waits for a core are left out, but for those of
    a waiter that stays where it was woken.
    """
    costs = setup.hand_over
    if costs is None or not need.held_ns:
        return 0.0
    away_ns = need.alone_ns - need.held_ns
    if waiters_stay(setup, need):
        stopped_ns = min(away_ns, need.cpu_ns, SLICE_NS)
        return stopped_ns / 2 if stopped_ns == away_ns and not costs.is_fair else stopped_ns
    is_back = away_ns < costs.wake_ns and not costs.is_fair
    return (away_ns + costs.wake_ns) / 2 if is_back else costs.wake_ns


def waiters_stay(setup: Setup, need: Demand) -> bool:
    """Whether a woken waiter stays on the core of whoever let go: all accelerators' threads ask for little of a core.

    It then runs when that thread stops computing (:mod:`sim.machine.lock`).
    """
    costs = setup.hand_over
    if costs is None or not costs.stay_permille or setup.free_cores < 2:
        return False
    busy = min(len(setup.accelerators), len(setup.thread_models)) * need.cpu_ns
    return 1000 * busy < costs.stay_permille * (need.held_ns + costs.wake_ns)


def are_unequal(setup: Setup, models: Sequence[int]) -> bool:
    """Whether threads of one accelerator differ, and take turns at its lock, first come first served."""
    return len(set(models)) > 1 and setup.scenario.discipline == "fifo"


def _turn_lines(
    setup: Setup, models: Sequence[int], accelerator: int, needs: Sequence[Sequence[Demand]]
) -> Iterator[Line]:
    """A line for each network of threads that differ, at the rates with which they come to the lock."""
    own = [needs[model][accelerator] for model in models]
    tokens = [setup.stage_times[model][accelerator].token for model in models]
    turns = [
        Turn(need.held_ns, need.load_ns, need.alone_ns - need.held_ns, token)
        for need, token in zip(own, tokens, strict=True)
    ]
    costs = setup.hand_over
    wake_ns, is_fair = (costs.wake_ns, costs.is_fair) if costs else (0, False)
    stay_ns = SLICE_NS if waiters_stay(setup, mean_demand(own)) else 0
    rates = turn_rates(turns, wake_ns, is_fair, stay_ns)
    for model in dict.fromkeys(models):
        mine = [rate for rate, one in zip(rates, models, strict=True) if one == model]
        whole = sum(rate for rate, _ in mine)
        share = sum(rate * loads for rate, loads in mine) / whole
        need = with_load(needs[model][accelerator], share)
        yield Line(accelerator, (model,) * len(mine), len(mine), need, 1e9 * whole, share)


def _pool_lines(setup: Setup, needs: Sequence[Sequence[Demand]]) -> Iterator[Line]:
    """Every thread may use every accelerator, and each gets a share of them; alike ones are computed once."""
    count, models = len(setup.accelerators), setup.thread_models
    found: dict[Any, tuple[Demand, float]] = {}
    found_all: list[tuple[Demand, float]] = []
    for accelerator in range(count):
        kind = tuple((row[accelerator], setup.stage_times[m][accelerator].token) for m, row in enumerate(needs))
        if kind not in found:
            found[kind] = _loading(setup, models, accelerator, needs)
        found_all.append(found[kind])
    for accelerator, threads in enumerate(_shares(setup, [need for need, _ in found_all])):
        if threads:
            yield _line(setup, accelerator, models, threads, *found_all[accelerator])


def _shares(setup: Setup, needs: Sequence[Demand]) -> list[float]:
    """Threads at each accelerator of a pool: as many at each, but the fastest first where a dispatch may prefer them.

    No accelerator has use for more threads than are away from it and at it: alone over held time.
    """
    threads, count = len(setup.thread_models), len(needs)
    if setup.scenario.dispatch == "round_robin" or all(need == needs[0] for need in needs):
        return [threads / count] * count
    found, left = [0.0] * count, float(threads)
    for i in sorted(range(count), key=lambda i: needs[i].alone_ns):
        found[i] = min(left, needs[i].alone_ns / needs[i].held_ns if needs[i].held_ns else left)
        left -= found[i]
    return found


def _loading(
    setup: Setup, models: Sequence[int], accelerator: int, needs: Sequence[Sequence[Demand]]
) -> tuple[Demand, float]:
    """Mean demand of threads on one accelerator, and the share of inferences that send parameters again."""
    share = reload_share(setup, models, accelerator)
    rows = [needs[model][accelerator] for model in models]
    return mean_demand([with_load(row, share) for row in rows] if share else rows), share


def reload_share(setup: Setup, models: Sequence[int], accelerator: int) -> float:
    """Share of inferences that find another network's parameters.

    None where all have one token (one network, or compiled together); else all, as threads take turns, unless the
    discipline batches by model.

    Returns
    -------
    float
        Between 0 and 1.
    """
    if len({setup.stage_times[model][accelerator].token for model in set(models)}) < 2:
        return 0.0
    discipline = DISCIPLINES.get(setup.scenario.discipline)
    batched = discipline is not None and discipline.batches_by_model
    counts = Counter(setup.stage_times[model][accelerator].token for model in models).values()
    most = setup.scenario.affinity_batch
    # Every interpreter sends its own parameters once in a batch.
    return len(models) / sum(max(count, most) if count > 1 else 1 for count in counts) if batched else 1.0


def line_rates(setup: Setup, rows: Sequence[Line], ways: Sequence[str] = ("out", "in")) -> list[float]:
    """Return the lines' rates (1/s) with those on a shared bus scaled to what it carries.

    Parameters
    ----------
    rows
        Waiting lines of :func:`lines`.
    ways
        Directions of the buses that count.
    """
    return _on_buses(rows, _bus_uses(setup, rows), ways)


def _bus_uses(setup: Setup, rows: Sequence[Line]) -> list[tuple[list[int], dict[str, float]]]:
    """Of each bus on which transfers take turns: its lines, and what they ask of its time, each way."""
    found = []
    for places in setup.turn_buses:
        on_it = [i for i, row in enumerate(rows) if row.accelerator in places and row.need.held_ns]
        out = sum([rows[i].ips * rows[i].need.out_ns for i in on_it]) / 1e9
        found.append((on_it, {"out": out, "in": sum([rows[i].ips * rows[i].need.in_ns for i in on_it]) / 1e9}))
    return found


def _on_buses(
    rows: Sequence[Line], uses: Sequence[tuple[list[int], dict[str, float]]], ways: Sequence[str]
) -> list[float]:  # fmt: skip
    """Rates of lines, those on a bus scaled to what it carries in these directions."""
    rates = [row.ips for row in rows]
    for on_it, used in uses:
        most = max(1.0, *[used[way] for way in ways])
        for i in on_it:
            rates[i] /= most
    return rates


def limits(setup: Setup, rows: Sequence[Line]) -> dict[str, float]:
    """Return the inferences per second that each resource allows by itself, by name.

    Parameters
    ----------
    rows
        Waiting lines of :func:`lines`.

    Returns
    -------
    dict
        ``threads`` (with their accelerators), ``out`` and ``in`` where a bus is shared, ``cpu`` and ``gil``, which
        allow the mix of the lines' rates up to their capacity.
    """
    uses = _bus_uses(setup, rows)
    found = {"threads": sum([row.ips for row in rows])}
    if uses:
        found |= {way: sum(_on_buses(rows, uses, [way])) for way in WAYS.values()}
    rates = _on_buses(rows, uses, tuple(WAYS.values()))
    if setup.scenario.mode == "coexec":
        found["cpu"] = sum(beside_the_cpu(setup, rows, rates))
    for name, many in (("cpu", float(setup.core_capacity)), ("gil", 1.0)):
        needs = [row.need.cpu_ns if name == "cpu" else row.need.gil_ns for row in rows]
        used = sum(map(mul, rates, needs)) / 1e9
        if used > 0:
            found[name] = max(found.get(name, 0.0), sum(rates) * many / used)
    return found


def beside_the_cpu(setup: Setup, rows: Sequence[Line], rates: Sequence[float]) -> list[float]:
    """Return rates where accelerators take what they need of the cores, and networks on the CPU share the rest.

    They have at least what is due to their threads where all share the cores alike; accelerators then get the rest.
    """
    whole, on_cpu = float(setup.core_capacity), [row.need.held_ns == 0 for row in rows]
    used = [rate * row.need.cpu_ns / 1e9 for rate, row in zip(rates, rows, strict=True)]
    wanted = sum(use for use, alone in zip(used, on_cpu, strict=True) if alone)
    beside = sum(used) - wanted
    due = (
        whole
        * sum(row.threads for row, alone in zip(rows, on_cpu, strict=True) if alone)
        / sum(row.threads for row in rows)
    )
    given = min(wanted, max(whole - beside, due))
    shares = min(1.0, (whole - given) / beside) if beside else 1.0, given / wanted if wanted else 1.0
    return [rate * shares[alone] for rate, alone in zip(rates, on_cpu, strict=True)]


@remembered(64)  # many ask the same of one set-up
def expected_ips(setup: Setup) -> float:
    """Return inferences per second of all models: the least that threads, accelerators, buses, cores, the GIL allow.

    Notes
    -----
    X = min over resources of capacity / demand, and N / (D + Z) for threads; see docs/concurrency.md.
    """
    return _least(setup, lines)


def expected_ips_once(setup: Setup) -> float:
    """Return the same of a set-up that nobody asks of again: nothing is remembered."""
    return _least(setup, _beside_others)


def _least(setup: Setup, lines_of: Callable[[Setup], Sequence[Line]]) -> float:
    if setup.pipelines:
        return pipeline_ips(setup)
    return min(limits(setup, lines_of(setup)).values())


def pipeline_ips(setup: Setup) -> float:
    """Inferences per second of pipelines: the slowest segment's, less the filling and draining of each batch."""
    segments = [demand_of(setup.stage_times[m][i], setup) for i, m in enumerate(setup.thread_models)]
    rates = pipeline_rates(setup, segments)
    whole = sum(rates)
    shares = [rate / whole for rate, row in zip(rates, setup.pipelines, strict=True) for _ in row]
    needs = [sum(share * row.cpu_ns for share, row in zip(shares, segments, strict=True)) / setup.free_cores]
    needs.append(sum(share * row.gil_ns for share, row in zip(shares, segments, strict=True)))
    for bus in setup.buses:
        if bus.is_shared:  # an inference crosses it once for each of its pipeline's segments that lies on it
            needs += [_bus_need_ns(setup, bus, segments, shares, way) for way in WAYS.values()]
    return min(whole, *(1 / need for need in needs if need)) * 1e9


def _bus_need_ns(
    setup: Setup, bus: Bus, segments: Sequence[Demand], shares: Sequence[float], way: Direction
) -> float:  # fmt: skip
    """For how long an inference takes a shared bus, over the segments that lie on it (ns)."""
    spent = [share * getattr(row, f"{way}_ns") for share, row in zip(shares, segments, strict=True)]
    return setup.bus_ns(bus, spent, way)


def pipeline_rates(setup: Setup, segments: Sequence[Demand]) -> list[float]:
    """Inferences per ns of each pipeline by itself, given what its segments ask for."""
    return [_in_batches(setup.batch, [segments[i].alone_ns for i in row]) for row in setup.pipelines]


def _in_batches(batch: int, alone_ns: Sequence[float]) -> float:
    """Inferences per ns of one pipeline whose segments take these times; it is kept filled where ``batch`` is 0."""
    slowest = max(alone_ns)
    return batch / (sum(alone_ns) + (batch - 1) * slowest) if batch else 1 / slowest
