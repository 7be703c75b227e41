"""Closed-form throughput: deterministic bounds of the closed network of threads, accelerators, link, cores and GIL.

Form: Little's law and the utilisation law (Lazowska et al., Quantitative System Performance, ch. 5), per accelerator
with its own threads; it is exact where service is constant and threads do not get in each other's way by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwmodels.timing import CpuStage, StageTimes, TpuStage
from sim.scenario import Setup

__all__ = ["Demand", "demand", "throughput_bound"]


@dataclass(frozen=True, slots=True)
class Demand:
    """Mean time (ns) that one inference asks of each resource, and its time alone."""

    alone_ns: float
    held_ns: float
    link_ns: float
    cpu_ns: float
    gil_ns: float


def demand(times: Sequence[StageTimes]) -> Demand:
    """Return the mean demand of the networks of a mix, equally often."""
    rows = [_demand(network) for network in times]
    n = len(rows)
    return Demand(*(sum(getattr(row, key) for row in rows) / n for key in Demand.__slots__))


def _demand(times: StageTimes) -> Demand:
    tpu = [stage for stage in times.stages if isinstance(stage, TpuStage)]
    ops = sum(stage.ops_ns for stage in times.stages if isinstance(stage, CpuStage))
    python = times.python_ns + times.preprocess_ns + times.postprocess_ns
    return Demand(
        times.latency_ns,
        sum(stage.held_ns for stage in tpu),
        sum(s.instructions_ns + s.input_ns + sum(step.parameters_ns for step in s.steps) for s in tpu),
        ops + python + sum(stage.driver_ns + stage.copy_ns for stage in tpu),
        python,
    )


def throughput_bound(setup: Setup, times: Sequence[StageTimes]) -> float:
    """Inferences per second: the least of what threads, accelerators, shared link, cores and the GIL allow."""
    need = demand(times)
    threads, count = len(setup.thread_models), len(setup.accelerators)
    used = min(threads, count)
    limits = [threads / need.alone_ns, setup.cores / max(1.0, need.cpu_ns)]
    if need.held_ns:
        limits.append(used / need.held_ns)
    if count > 1 and need.link_ns and setup.channels[0].header_bytes:
        limits.append(1 / need.link_ns)
    if threads > 1 and need.gil_ns and setup.scenario.mode == "threads":
        limits.append(1 / need.gil_ns)
    return min(limits) * 1e9
