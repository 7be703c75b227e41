"""What a change would gain, in closed form: so that a diagnosis promises only what helps when it is tried.

Rates of unlike networks are not added up. A set-up is judged by the work that it does in a second: every inference
counts as long as it takes alone in the set-up as it is. For one network that is its rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import inf
from statistics import fmean
from typing import Any

from hwmodels.cache import for_each
from hwmodels.errors import InputError
from sim.choices.steps import Step, quick_steps
from sim.closed_form.demands import demand_of
from sim.closed_form.flows import flows
from sim.closed_form.lines import expected_ips, keeps_home
from sim.scenario import Scenario
from sim.setup import Setup, base_name, build
from sim.setup.cutting import LOOKED_FOR

__all__ = ["Remedy", "explains", "remedies", "weights_ns", "worded", "work_rate"]

#: A change that gains more helps, one that gains less does not; between them nothing is said.
HELPS, DOES_NOT = 1.04, 1.01
EXPLAINED = 1.02  # the closed form's rate over a run's, up to which it knows what holds the run up
QUERIES = ("singlestream", "multistream", "offline")  # threads have work in turn, or run out of it
SPOKEN = (
    "one more thread", "one accelerator", "one more accelerator (and a thread)", "processes instead of threads",
    "segments that overlap",
)  # fmt: skip


@dataclass(frozen=True)
class Remedy:
    """One change, the options that make it, and how many times as much work is done with it."""

    change: str
    options: Mapping[str, Any]
    gain: float

    @property
    def helps(self) -> bool | None:
        """Whether it helps; None where the closed form cannot tell."""
        return True if self.gain >= HELPS else False if self.gain <= DOES_NOT else None


def worded(found: Sequence[Remedy]) -> list[dict[str, Any]]:
    """Return changes as an answer has them."""
    return [{**asdict(remedy), "helps": remedy.helps} for remedy in found]


def remedies(setup: Setup) -> list[Remedy]:
    """Return the gains of a thread, an accelerator, processes, cores and faster links more, largest first.

    A change that the scenario does not admit is left out.
    """
    if setup.scenario.thermal != "off":  # every change moves the heat, and the clock with it
        return []
    weights = weights_ns(setup)
    now = work_rate(setup, weights)
    found = list(_tried(setup, weights, now)) if now else []
    return sorted(found, key=lambda remedy: -remedy.gain)


def _tried(setup: Setup, weights: Mapping[str, float], now: float) -> Iterator[Remedy]:
    scenario = _with_its_cut(setup)
    for step in quick_steps(setup.scenario):
        if _is_spoken(step) and _is_known(setup, step):
            try:
                changed = build(scenario.with_options(**step.options))
            except InputError:
                continue
            names = {base_name(name) for name in changed.models}
            if changed.no_room or names != weights.keys():  # the last: put together by hand, not by its scenario
                continue
            found = Remedy(step.change, dict(step.options), round(work_rate(changed, weights) / now, 6))
            if found.helps or not (_is_cut_anew(setup, step) or _shortens_waits(setup, changed, weights)):
                yield found


def _is_spoken(step: Step) -> bool:
    return step.change in SPOKEN or set(step.options) <= {"link", "clock"} or set(step.options) == {"cores"}


def _with_its_cut(setup: Setup) -> Scenario:
    """The scenario, its pipeline cut where the set-up cuts it: no change of another thing moves the cut."""
    if not setup.pipelines:
        return setup.scenario
    layers = [len(row[0].graph.layers) for row in setup.executables]
    return setup.scenario.with_options(segmentation=",".join(map(str, list(accumulate(layers))[:-1])))


def _is_cut_anew(setup: Setup, step: Step) -> bool:
    """Whether a change lets a better cut be found, so that it may help more than with the cut as it is."""
    return bool(setup.pipelines) and setup.scenario.segmentation in LOOKED_FOR and "link" in step.options


def _shortens_waits(setup: Setup, changed: Setup, weights: Mapping[str, float]) -> bool:
    """Whether more could be done than comes: no more is done then, yet requests wait less and fewer are dropped."""
    if not setup.scenario.arrival_process.rate_ips:
        return False
    now, then = (work_rate(one, weights, inf) for one in (setup, changed))
    return then > DOES_NOT * now


def _is_known(setup: Setup, step: Step) -> bool:
    """Whether the closed form knows what a change does.

    It counts what cores do, and not that whoever holds the accelerator's lock may wait for one. It takes threads that
    run networks in turn to meet at random, where they fall into a rhythm. Nor does it know in which order a policy
    serves unlike networks or shares out a bus, how unlike accelerators share one, how operators on several cores get
    in the way of networks in turn, in which rhythm uneven threads come to a bus, or how the samples of few queries are
    shared out.
    """
    scenario, shares_bus = setup.scenario, bool(setup.turn_buses)
    if (setup.hand_over is not None and _crowds(setup, step)) or ("runner" in step.options and not _overlaps(setup)):
        return False
    if setup.turns and {"threads", "accelerators"} & set(step.options):
        return False
    has_policy = scenario.discipline != "fifo" or not keeps_home(setup)
    if (
        scenario.arrival_process.kind in QUERIES
        or setup.unlike_on_a_bus
        or (has_policy and (shares_bus or setup.are_unlike))
    ):
        return False
    if len(setup.models) > 1 and not setup.pipelines:
        in_the_way = scenario.num_threads > 1 or (setup.turns and scenario.cocompile)
        if has_policy or shares_bus or in_the_way or "accelerators" in step.options:
            return False
    if scenario.mode == "coexec":
        return set(step.options) <= {"link", "clock"} and not setup.is_crowded
    count = len(setup.accelerators)
    then = step.options.get("threads", 0), step.options.get("accelerators", count)
    if shares_bus and then[0] and (then[0] % then[1] or len(setup.thread_models) % count):
        return False
    asks_for_cores = set(step.options) == {"cores"} or scenario.num_threads > 1
    return set(step.options) <= {"link", "clock"} or not (asks_for_cores and setup.is_crowded)


def _crowds(setup: Setup, step: Step) -> bool:
    """Whether threads outnumber cores, before or after a change: then a woken waiter may find no core."""
    threads = max(len(setup.thread_models), step.options.get("threads", 0))
    return setup.is_crowded or threads > min(setup.free_cores, step.options.get("cores", setup.free_cores))


def _overlaps(setup: Setup) -> bool:
    """Whether segments that run one after the other would surely do more if they overlapped, for all that share a bus.

    At worst they fall into step: all take the bus at once, so that it is full until the last has what it sent, and what
    the longest does besides comes on top.
    """
    segments = [demand_of(setup.stage_times[m][i], setup) for i, m in enumerate(setup.thread_models)]
    on_bus = [segments[i] for bus in setup.buses if bus.is_shared for i in bus.accelerators]
    in_step_ns = sum(row.out_ns for row in on_bus) + max((row.alone_ns - row.out_ns for row in on_bus), default=0)
    slowest_ns = max(in_step_ns, *(row.alone_ns for row in segments))
    return sum(row.alone_ns for row in segments) >= HELPS * slowest_ns


def weights_ns(setup: Setup) -> dict[str, float]:
    """Return how long an inference of each network takes alone (ns), where it is fastest."""
    alone: dict[str, float] = {}
    for name, row in zip(setup.models, setup.stage_times, strict=True):
        least = min(float(times.latency_ns) for times in row)
        alone[base_name(name)] = min(least, alone.get(base_name(name), least))
    return alone


def explains(setup: Setup, rates: Mapping[str, float]) -> bool:
    """Return whether the closed form gives the work that a run did.

    Where it gives more, something holds the run up that it does not know, and a change may help against that.

    Parameters
    ----------
    rates
        Inferences per second in the run, by network.
    """
    weights = weights_ns(setup)
    each = {name: 1.0 if setup.pipelines else weights[base_name(name)] for name in rates}
    return work_rate(setup, weights) <= EXPLAINED * sum(rate * each[name] for name, rate in rates.items())


def work_rate(setup: Setup, weights: Mapping[str, float], offered_ips: float | None = None) -> float:
    """Return the work done in a second, each network's inferences by its weight.

    No more is done than comes (``offered_ips``, by default the scenario's own rate).
    """
    offered = setup.scenario.arrival_process.rate_ips if offered_ips is None else offered_ips
    ips = min(expected_ips(setup), offered or inf)
    if setup.pipelines:
        return ips
    each = [weights[base_name(name)] for name in setup.models]
    rows = flows(setup, ips)
    means = for_each(lambda models: fmean(each[model] for model in models), [row.models for row in rows])
    return sum(row.ips * mean for row, mean in zip(rows, means, strict=True))
