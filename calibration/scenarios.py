"""Measurement rows that need the simulator: several threads, accelerators or segments, and what a power meter saw."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from calibration.data import Row
from calibration.predict import Parts, Skip, conditions, network_of, times_of
from hwmodels.errors import InputError

__all__ = ["metered", "simulated_figure"]

DUTY = re.compile(r"system[ _]latency\D{0,12}([0-9.]+)")


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


def metered(row: Row, parts: Parts) -> float:
    """Return watts or millijoules of the stick, or of the whole board where the conditions say so."""
    accelerator, setup = parts.accelerator(), conditions(row)
    host = parts.host(setup.host)
    has_board = "board" in row.conditions and "stick" not in row.conditions
    idle_w = (accelerator.power_base_w + accelerator.power_idle_w) * (setup.link != "none")
    if has_board:
        idle_w += host.power_board_w + host.cores * host.power_core_idle_w
    if row.metric == "power_idle_w":
        return idle_w
    running_w, invoke_ms = _running(row, parts, idle_w, has_board)
    if row.metric.startswith("energy"):
        return (running_w - idle_w * ("above" in row.metric)) * invoke_ms
    return running_w


def _running(row: Row, parts: Parts, idle_w: float, has_board: bool) -> tuple[float, float]:
    """Mean power of a loop of inferences, gaps of the host's own work included, and the time of one invoke."""
    from calibration.predict import executable_of

    accelerator, setup = parts.accelerator(), conditions(row)
    times = times_of(executable_of(row, parts), row, parts)
    invoke_ms = times.invoke_ns / 1e6
    stages = [stage for stage in times.stages if hasattr(stage, "steps")]
    clock = accelerator.at_clock(setup.clock, setup.link) / accelerator.clock_hz if setup.link != "none" else 0.0
    actions_pj = sum(
        s.macs * accelerator.energy_mac_pj + s.wide_bytes * accelerator.energy_wide_pj_per_byte
        + s.narrow_bytes * accelerator.energy_narrow_pj_per_byte for s in stages
    )  # fmt: skip
    active_mj = accelerator.power_active_clock_w * clock * sum(s.program_ns for s in stages) / 1e6 + actions_pj * 1e-9
    sent = sum(s.instruction_bytes + s.input_bytes + s.output_bytes + sum(x.streamed_bytes for x in s.steps) for s in stages)
    active_mj += sent * (parts.link(setup.link).energy_pj_per_byte if stages else 0.0) * 1e-9
    host = parts.host(setup.host)
    if has_board:
        busy_ms = invoke_ms - sum(s.held_ns - s.driver_ns for s in stages) / 1e6
        active_mj += (host.power_core_busy_w - host.power_core_idle_w) * busy_ms
    found = DUTY.search(row.conditions)
    period_ms = max(invoke_ms, float(found[1].rstrip(".")) if found else 0.0)
    return idle_w + active_mj / period_ms, invoke_ms
