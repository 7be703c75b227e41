"""What the simulator says of the threads that a session saw."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hwmodels.errors import InputError
from sim.engine import simulate
from sim.machine.records import Span
from sim.machine.states import State
from sim.scenario import Scenario
from sim.virtual.plan import Planned
from sim.virtual.records import PassRecord, percentiles_ms, working_threads

__all__ = ["Passes", "predict", "same_scenario"]

BEGINS = (State.WAIT, State.LOAD_PARAMETERS, State.INSTRUCTIONS)


class Passes:
    """A span sink: how long each pass through an accelerator took, from asking for it to its last output byte."""

    def __init__(self) -> None:
        self.begun: dict[tuple[int, int], int] = {}
        self.ended: list[tuple[int, int]] = []

    def __call__(self, span: Span) -> None:
        """Note the first span of a pass and its last one."""
        key = (span.request, span.segment)
        if span.state in BEGINS and span.segment >= 0:
            self.begun[key] = min(self.begun.get(key, span.start_ns), span.start_ns)
        elif span.state is State.OUTPUT and key in self.begun:
            self.ended.append((span.end_ns, span.end_ns - self.begun.pop(key)))

    def between(self, start_ns: int, end_ns: int) -> list[int]:
        """Lengths (ns) of the passes that ended in a window."""
        return [length for end, length in self.ended if start_ns < end <= end_ns]


def same_scenario(scenario: Scenario, planned: Planned, passes: Sequence[PassRecord]) -> Scenario:
    """Return the scenario with the threads that ran: how many ran which file, in one process or in several.

    Cores are this machine's, unless the scenario names a number: the program's threads ran on them.

    Raises
    ------
    InputError
        For threads that no scenario describes.
    """
    rows = working_threads(passes)
    counts: Counter[int] = Counter()
    for row in rows.values():
        networks = {planned.plan.operators[one.operator].network for one in row}
        if len(networks) > 1:
            raise InputError.problem("a thread", "ran several networks in turn", "a scenario has one for each thread")
        counts[networks.pop()] += 1
    models = ",".join(f"{planned.files[network]}:{count}" for network, count in sorted(counts.items()))
    mode = "processes" if len({pid for pid, _ in rows}) > 1 else "threads"
    cores = scenario.cores or len(os.sched_getaffinity(0))
    numbers = dict(scenario.numbers)
    if planned.plan.settings.clock == "logical":  # where a lock changes hands in no time, first come, first served
        numbers["host.lock_wake_ns"] = 0
    return replace(scenario, models=models, threads=1, mode=mode, cores=cores, numbers=numbers)


def predict(scenario: Scenario) -> dict[str, Any]:
    """Return the throughput, pass latency and utilisation that the simulator finds for a scenario."""
    sink = Passes()
    results = simulate(scenario, sink, compare=False, trust=False)
    lengths = sink.between(results.window.start_ns, results.window.end_ns)
    found = results.summary
    return {
        "models": scenario.models,
        "threads": found["scenario"]["threads"],
        "mode": scenario.mode,
        **{key: found[key] for key in ("throughput_ips", "bottleneck")},
        "latency_ms": percentiles_ms(lengths),
        "utilisation": found["utilisation"]["accelerator"],
    }
