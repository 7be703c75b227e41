"""Which networks a scenario runs, and which threads run which of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwmodels.errors import InputError
from sim.scenario import Scenario, in_turn, name_and_count, parse_cascade, parse_models, parse_rates

__all__ = ["Work", "accelerator_count", "with_segments", "work_of"]


@dataclass(frozen=True)
class Work:
    """Which networks, which of them each thread runs, and whether it runs them all in turn, or one after another."""

    names: tuple[str, ...]
    thread_models: tuple[int, ...]
    turns: tuple[int, ...] = ()
    is_server: bool = False
    follows: tuple[bool, ...] = ()


def work_of(scenario: Scenario) -> Work:
    """Return the work that MODEL and ``--threads`` name.

    Raises :class:`InputError` where they contradict each other.
    """
    pairs = parse_models(scenario.models)
    counts = [count for _, count in pairs]
    if len(pairs) == 1:
        order = in_turn(pairs[0][0])
        names = tuple(dict.fromkeys(order))
        threads = _thread_count(scenario, counts[0]) if counts[0] else scenario.threads
        cascade = parse_cascade(scenario.models)
        if cascade and scenario.arrival_process.process.is_open:
            return Work(names, (0,) * threads, is_server=True, follows=cascade.follows)
        return Work(names, (0,) * threads, tuple(map(names.index, order)) if len(names) > 1 else ())
    if any(len(in_turn(name)) > 1 for name, _ in pairs):
        raise InputError.problem("MODEL", f"{scenario.models} mixes networks in turn (+) with others", "run one kind")
    names = tuple(name for name, _ in pairs)
    if any(counts):
        _thread_count(scenario, sum(max(1, count) for count in counts))
        return Work(names, tuple(m for m, count in enumerate(counts) for _ in range(max(1, count))))
    if parse_rates(scenario.models):
        return Work(names, tuple(thread % len(pairs) for thread in range(scenario.threads)), is_server=True)
    threads = max(scenario.threads, len(pairs))
    return Work(names, tuple(thread % len(pairs) for thread in range(threads)))


def _thread_count(scenario: Scenario, total: int) -> int:
    """Threads that MODEL names; another ``--threads`` contradicts it."""
    if scenario.threads not in (1, total):
        what = f"is {scenario.threads}, but MODEL {scenario.models} names {total}"
        raise InputError.problem("--threads", what, "leave one of the two out")
    return total


def accelerator_count(scenario: Scenario) -> int:
    """Return the number of accelerators of a scenario: ``--accelerators``, or what ``--size`` lists."""
    if scenario.is_on_cpu:
        return 0
    counts = [count for _, count in (name_and_count("--size", part) for part in scenario.size.split(","))]
    return max(scenario.accelerators, sum(max(1, count) for count in counts))


def with_segments(scenario: Scenario) -> Scenario:
    """A pipeline without a number of segments has one for each accelerator, and the other way round; least two."""
    if scenario.mode != "pipeline":
        if scenario.num_segments:
            raise InputError.problem(
                f"--num-segments {scenario.num_segments}", "acts only with --mode pipeline", "add that or leave it out"
            )
        return scenario
    count = accelerator_count(scenario)
    segments = scenario.num_segments or max(2, count)
    accelerators = segments if count == 1 else count
    if accelerators % segments:
        raise InputError.value("--accelerators", accelerators, f"a multiple of --num-segments {segments}")
    return replace(scenario, num_segments=segments, accelerators=accelerators)
