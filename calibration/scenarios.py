"""Measurement rows that need the simulator: several threads or accelerators, or work beside each other."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from calibration.kept import cache_holding, kept_bytes
from calibration.measurements import Measurement
from calibration.setups import Parts, Skip, conditions_of, network_of
from hwmodels.errors import InputError
from sim.engine import simulate
from sim.scenario import Scenario
from sim.setup import build
from sim.trust.interval import relative_sd

__all__ = ["run_spread", "scenario_of", "simulated_figure", "simulated_summary"]


def scenario_of(row: Measurement, parts: Parts, **options: Any) -> Scenario:
    """Return the scenario of a row's network, host, link, clock and compiler; ``options`` say how it runs."""
    conditions, kept = conditions_of(row), kept_bytes(row)
    if kept is not None:
        part = cache_holding(network_of(row), kept, parts.accelerator())
        options["numbers"] = {"size.parameter_cache_bytes": part.parameter_cache_bytes}
    return Scenario(
        models=network_of(row).name, size=parts.accelerator_name, link=parts.link(conditions.link).name,
        clock=conditions.clock, host=conditions.host, compiler=conditions.compiler, cpu_kernels=conditions.kernels,
        **options,
    )  # fmt: skip


def simulated_figure(row: Measurement, parts: Parts, key: str) -> float:
    """Return ``throughput_ips`` or mean ``invoke_ms`` of the set-up that a row describes (shipped parts)."""
    summary = simulated_summary(row, parts)
    if row.mode == "cpu_tpu_coexec":
        return float(summary["models"][_coexecuted(row, summary)]["latency_mean_ms"])
    return float(summary["throughput_ips"] if key == "throughput_ips" else summary["invoke_ms"]["mean"])


def simulated_summary(row: Measurement, parts: Parts) -> dict[str, Any]:
    """Return the JSON answer of the set-up that a row describes (shipped parts).

    Raises :class:`Skip` where the row does not say how many threads ran, or the set-up cannot be built.
    """
    try:
        return _simulated(scenario_of(row, parts, accelerators=max(1, row.accelerators), **_parallel(row)))
    except InputError as error:
        raise Skip(str(error)) from None


#: Metrics that ``run`` answers, too; others are of first inferences, whole programs, meters or compilers.
RUN = ("invoke_latency_ms", "invoke_latency_p50_ms", "time_per_inference_ms", "throughput_fps")


def run_spread(row: Measurement, parts: Parts) -> float:
    """Return the relative standard deviation that ``run`` gives for the set-up of a row; 0 where it does not answer it.

    Pipelines were measured with cuts of their own, and what runs on the CPU alone is no set-up of ``run``.
    """
    answered = row.metric in RUN and conditions_of(row).link != "none" and row.mode in ("single", "data_parallel")
    if not answered or row.timed or row.postprocess:
        return 0.0
    try:
        return _spread(scenario_of(row, parts, accelerators=max(1, row.accelerators), **_parallel(row)))
    except (InputError, Skip):
        return 0.0


@lru_cache(maxsize=2048)
def _spread(scenario: Scenario) -> float:
    return relative_sd(build(scenario))


def _coexecuted(row: Measurement, summary: dict[str, Any]) -> str:
    """The row's side of a coexecution: the network on the accelerator, or the one on the CPU."""
    names: list[str] = sorted(summary["models"], key=lambda name: not name.endswith("on the CPU"))
    on_cpu, on_accelerator = names
    return on_cpu if row.metric == "coexec_cpu_latency_ms" else on_accelerator


def _parallel(row: Measurement) -> dict[str, Any]:
    """Threads or processes, one for each accelerator if need be; one caller may alternate between accelerators."""
    if not row.threads:
        raise Skip("number of threads not stated")
    if row.mode == "cpu_tpu_coexec":
        return {"mode": "coexec", "threads": row.threads}
    if row.mode == "single":
        return {"threads": row.threads} | ({"dispatch": "round_robin"} if row.accelerators > 1 else {})
    processes = row.mode == "data_parallel"
    return {"mode": "processes" if processes else "threads", "threads": max(row.threads, row.accelerators)}


@lru_cache(maxsize=256)
def _simulated(scenario: Scenario) -> dict[str, Any]:
    return dict(simulate(scenario, compare=False).summary)
