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
        "models": network_of(row).name, "size": parts.accelerator_name, "link": setup.link, "clock": setup.clock,
        "host": setup.host, "accelerators": max(1, row.accelerators), "compiler": setup.compiler,
        "cpu_kernels": setup.kernels,
    }  # fmt: skip
    options |= _pipeline(row) if row.mode == "pipeline" else _parallel(row)
    summary = _simulated(tuple(sorted(options.items())))
    if key == "throughput_ips":
        return float(summary["throughput_ips"])
    return float(summary["latency_ms" if row.mode == "pipeline" else "invoke_ms"]["mean"])


def _pipeline(row: Row) -> dict[str, Any]:
    if row.accelerators < 2 or row.segmentation not in ("compiler", "profiled"):
        raise Skip(f"segmentation {row.segmentation or 'not stated'} is not modelled")
    runner = "python" if row.runner.startswith("python") else "pipelined"
    return {
        "mode": "pipeline", "num_segments": row.accelerators, "segmentation": row.segmentation,
        "batch": row.batch, "runner": runner,
    }  # fmt: skip


def _parallel(row: Row) -> dict[str, Any]:
    if not row.threads:
        raise Skip("number of threads not stated")
    return {"mode": "processes" if row.mode == "data_parallel" else "threads", "threads": max(row.threads, row.accelerators)}


@lru_cache(maxsize=256)
def _simulated(options: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    from sim import Scenario, simulate

    try:
        return dict(simulate(Scenario(**dict(options)), compare=False).summary)
    except InputError as error:
        raise Skip(str(error)) from None
