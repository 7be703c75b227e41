"""Predict one measurement row from the models: which function answers for which metric.

Single-inference figures come from the closed form of :mod:`hwmodels.timing` (the simulator takes the same time for one
inference alone); throughput of several threads and power come from the simulator.
"""

from __future__ import annotations

from collections.abc import Callable

from calibration.gilrows import gil_ms
from calibration.inference import (
    alone_ms,
    first_ms,
    host_cpu_ms,
    image_ms,
    load_ms,
    member_ms,
    pair_ms,
    postprocess_ms,
    preprocess_ms,
)
from calibration.measurements import Measurement
from calibration.meter import metered
from calibration.pipelines import pipeline_ms, pipeline_segments
from calibration.scenarios import simulated_figure
from calibration.series import is_of_series, series_fps
from calibration.setups import Parts, Skip, conditions_of, network_of
from hwmodels.edgetpu.compiler import cocompile, compile_graph, on_chip_bytes
from hwmodels.executable import Executable

__all__ = ["PREDICTORS", "predict"]


def invoke_ms(row: Measurement, parts: Parts) -> float:
    """One inference, parameters cached (ms): alone, in a pipeline, or among others."""
    if row.mode == "pipeline":
        return pipeline_ms(row, parts)
    if row.mode == "cpu_tpu_coexec" or (max(row.threads, row.accelerators) > 1 and conditions_of(row).link != "none"):
        return simulated_figure(row, parts, "invoke_ms")
    return alone_ms(row, parts)


def throughput_fps(row: Measurement, parts: Parts) -> float:
    """Inferences per second: of one thread from the closed form, else from the simulator."""
    if row.metric == "system_throughput_fps":
        return 1e3 / image_ms(row, parts)
    if row.mode == "pipeline":
        return 1e3 / pipeline_ms(row, parts)
    if max(row.threads, row.accelerators) > 1:
        return series_fps(row, parts) if is_of_series(row) else simulated_figure(row, parts, "throughput_ips")
    return 1e3 / invoke_ms(row, parts)


def on_chip(row: Measurement, parts: Parts) -> float:
    """Parameter memory in use (bytes)."""
    return float(sum(on_chip_bytes(executable) for executable in _executables(row, parts)))


def off_chip(row: Measurement, parts: Parts) -> float:
    """Parameter bytes that stream, each layer counted once."""
    plans = [plan for executable in _executables(row, parts) for plan in executable.plans]
    return float(sum(plan.blob_bytes for plan in plans if not plan.cached and not plan.reason))


def all_parameters(row: Measurement, parts: Parts) -> float:
    """Parameter bytes as they are sent (bytes)."""
    return float(sum(plan.blob_bytes for e in _executables(row, parts) for plan in e.plans if not plan.reason))


def _executables(row: Measurement, parts: Parts) -> list[Executable]:
    """What a row's networks are compiled to: the segments of a pipeline, one for each network else."""
    if row.mode == "pipeline":
        return pipeline_segments(row, parts)
    graphs, compiler = [network_of(row, model) for model in row.model.split("+")], conditions_of(row).compiler
    if len(graphs) > 1 and row.mode == "cocompiled":
        return cocompile(graphs, parts.accelerator(), compiler)
    return [compile_graph(graph, parts.accelerator(), compiler) for graph in graphs]


Predictor = Callable[[Measurement, Parts], float]

#: Which function predicts a metric; what is not here is skipped.
PREDICTORS: dict[str, Predictor] = {
    "invoke_latency_ms": invoke_ms, "invoke_latency_p50_ms": invoke_ms, "time_per_inference_ms": invoke_ms,
    "coexec_tpu_latency_ms": invoke_ms, "coexec_cpu_latency_ms": invoke_ms,
    "first_inference_ms": first_ms, "param_load_ms": load_ms,
    "alternating_pair_latency_ms": pair_ms, "cocompiled_member_latency_ms": member_ms,
    "image_to_result_latency_ms": image_ms, "image_latency_ms": image_ms, "system_latency_ms": image_ms,
    "detection_latency_ms": image_ms,
    "throughput_fps": throughput_fps, "throughput_max_fps": throughput_fps, "system_throughput_fps": throughput_fps,
    "power_full_w": metered, "power_w": metered, "power_idle_w": metered,
    "energy_mj": metered, "energy_above_idle_mj": metered,
    "param_on_chip_bytes": on_chip, "param_off_chip_bytes": off_chip, "param_bytes": all_parameters,
    "host_cpu_time_per_invoke_ms": host_cpu_ms, "host_preprocess_ms": preprocess_ms,
    "host_postprocess_ms": postprocess_ms, "gil_invoke_latency_ms": gil_ms,
}  # fmt: skip


def predict(row: Measurement, parts: Parts) -> float:
    """Return the model's figure for a row, in the row's unit.

    Raises :class:`Skip` with the reason where the metric or the network is not modelled.

    Parameters
    ----------
    row
        One measurement.
    parts
        Part files, changed or as shipped.

    Returns
    -------
    float
        In the unit of the row's metric.
    """
    if row.metric not in PREDICTORS:
        raise Skip(f"metric {row.metric} is not modelled")
    return PREDICTORS[row.metric](row, parts)
