"""What the compiler model does with a network, as the JSON contract says it."""

from __future__ import annotations

from typing import Any

from hwmodels.accelerator import Accelerator, cycles_to_ns, load_accelerator
from hwmodels.compiler import compile_graph, segment_cuts, split
from hwmodels.errors import InputError
from hwmodels.executable import Executable, LayerPlan
from hwmodels.graph import LayerGraph
from hwmodels.zoo import load_network

__all__ = ["compile_report"]


def compile_report(
    model: str, size: str = "coral", compiler: str = "2021", num_segments: int = 1, segmentation: str = "compiler"
) -> dict[str, Any]:
    """Return placement, parameter memory, bytes on the link and cycles of a network on a size.

    Raises :class:`InputError` for an unknown network, size, compiler or segmentation.
    """
    accelerator = load_accelerator(size)
    executable = compile_graph(load_network(model), accelerator, compiler)
    report = _report(executable, accelerator)
    if num_segments != 1:
        graph = _splittable(executable)
        parts = split(graph, segment_cuts(graph, accelerator, num_segments, segmentation))
        report["segments"] = [_segment(compile_graph(part, accelerator, compiler), accelerator) for part in parts]
    return report


def _splittable(executable: Executable) -> LayerGraph:
    if executable.source == "file":
        raise InputError("--num-segments", "a compiled file", "a plain .tflite or zoo network")
    return executable.graph


def _report(executable: Executable, accelerator: Accelerator) -> dict[str, Any]:
    plans = executable.plans
    tpu = [plan for plan in plans if not plan.reason]
    report = _bytes(executable)
    return {
        "model": executable.name,
        "size": accelerator.name,
        "source": executable.source,
        "compute_time_from": executable.compute_source,
        "ops_total": len(plans),
        "ops_tpu": len(tpu),
        "ops_cpu": len(plans) - len(tpu),
        "cpu_ops": [{"index": p.layer.index, "op": p.layer.op, "reason": p.reason} for p in plans if p.reason],
        "subgraphs": len(executable.tpu_segments),
        "macs": executable.graph.macs,
        "parameter_bytes": executable.graph.parameter_bytes,
        **report,
        "layers": [_layer(plan, accelerator) for plan in plans],
    }


def _bytes(executable: Executable) -> dict[str, int]:
    tpu = [plan for segment in executable.tpu_segments for plan in segment.plans]
    from_file = executable.source == "file"
    cached, streamed = executable.total("cached_bytes"), executable.total("streamed_bytes")
    on_chip = cached if from_file else sum(plan.on_chip_bytes for plan in tpu if plan.cached)
    off_chip = streamed if from_file else sum(plan.on_chip_bytes for plan in tpu if not plan.cached)
    return {
        "parameter_blob_bytes": cached + streamed if from_file else sum(plan.blob_bytes for plan in tpu),
        "on_chip_bytes": on_chip,
        "off_chip_bytes": off_chip,
        "on_chip_free_bytes": max(0, executable.on_chip_limit_bytes - on_chip),
        "instruction_bytes": executable.total("instruction_bytes"),
        "input_bytes": executable.total("input_bytes"),
        "output_bytes": executable.total("output_bytes"),
        "scratch_bytes": executable.total("scratch_out_bytes"),
    }


def _layer(plan: LayerPlan, accelerator: Accelerator) -> dict[str, Any]:
    ideal = plan.macs / accelerator.peak_macs_per_cycle
    return {
        "index": plan.layer.index,
        "op": plan.layer.op,
        "device": "cpu" if plan.reason else "tpu",
        "output": list(plan.layer.output.shape),
        "macs": plan.layer.macs,
        "parameter_bytes": plan.layer.parameter_bytes,
        "cached": plan.cached,
        "cycles": round(plan.cycles),
        "utilisation": ideal / plan.cycles if plan.cycles else 0.0,
    }


def _segment(executable: Executable, accelerator: Accelerator) -> dict[str, Any]:
    cycles = sum(plan.cycles for plan in executable.plans)
    return {
        "model": executable.name,
        "ops": len(executable.plans),
        "macs": executable.graph.macs,
        "parameter_bytes": executable.graph.parameter_bytes,
        "compute_ms": cycles_to_ns(cycles, accelerator.clock_hz) / 1e6,
        **_bytes(executable),
    }
