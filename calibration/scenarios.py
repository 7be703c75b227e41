"""Measurement rows that need the simulator: several threads, accelerators or segments."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from calibration.data import Row
from calibration.predict import Parts, Skip, conditions, network_of
from hwmodels.errors import InputError

__all__ = ["simulated_figure"]


def simulated_figure(row: Row, parts: Parts, key: str) -> float:
    """Return ``throughput_ips`` or mean ``invoke_ms`` of the set-up that a row describes (shipped parts)."""
    setup = conditions(row)
    options: dict[str, Any] = {
        "models": network_of(row).name, "size": parts.accelerator_name,
        "link": setup.link.replace("none", "usb3"), "clock": setup.clock,
        "host": setup.host, "accelerators": max(1, row.accelerators), "compiler": setup.compiler,
        "cpu_kernels": setup.kernels,
    }  # fmt: skip
    summary = _simulated(tuple(sorted((options | _parallel(row)).items())))
    if row.mode == "cpu_tpu_coexec":
        return float(summary["models"][_coexecuted(row, summary)]["latency_mean_ms"])
    return float(summary["throughput_ips"] if key == "throughput_ips" else summary["invoke_ms"]["mean"])


def _coexecuted(row: Row, summary: dict[str, Any]) -> str:
    """The row's side of a coexecution: the network on the accelerator, or the one on the CPU."""
    names: list[str] = sorted(summary["models"], key=lambda name: not name.endswith("on the CPU"))
    on_cpu, on_accelerator = names
    return on_cpu if row.metric == "coexec_cpu_latency_ms" else on_accelerator


def _parallel(row: Row) -> dict[str, Any]:
    """Threads or processes, one for each accelerator if need be; one caller may alternate between accelerators."""
    if not row.threads:
        raise Skip("number of threads not stated")
    if row.mode == "cpu_tpu_coexec":
        return {"mode": "coexec", "threads": row.threads}
    if row.mode == "single":
        return {"threads": row.threads, "dispatch": "round_robin"}
    processes = row.mode == "data_parallel"
    return {"mode": "processes" if processes else "threads", "threads": max(row.threads, row.accelerators)}


@lru_cache(maxsize=256)
def _simulated(options: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    from sim import Scenario, simulate

    try:
        return dict(simulate(Scenario(**dict(options)), compare=False).summary)
    except InputError as error:
        raise Skip(str(error)) from None
