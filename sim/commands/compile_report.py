"""What the compiler model does with a network, as the JSON contract says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwmodels.accelerator import Accelerator
from hwmodels.cuts import in_cutting_order, split
from hwmodels.errors import InputError
from hwmodels.executable import MORE_THAN_ONE_SUBGRAPH, Executable, LayerPlan
from hwmodels.families import NEWEST, compile_graph, compile_together, family_name, family_of, load_accelerator
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.heads import load_with_heads
from hwmodels.networks.zoo import load_network
from hwmodels.timing import cycles_to_ns
from sim.scenario import MAX_SEGMENTS, Scenario
from sim.setup import cuts_of, parts_of

__all__ = ["compile_report", "many_report", "set_report", "with_heads"]


def with_heads(models: Sequence[str], classes: int, boxes: int) -> list[str]:
    """Return the names of networks, detectors among them with other classes or boxes kept; 0 leaves them as they are.

    Raises :class:`InputError` where none of the networks can have them, or a number is out of its range.
    """
    Scenario(models=",".join(models), classes=classes, max_boxes=boxes)
    return [graph.name for graph in load_with_heads(models, classes, boxes)] if classes or boxes else list(models)


def compile_report(
    model: str, size: str = "coral", compiler: str = NEWEST, num_segments: int = 1, segmentation: str = "compiler"
) -> dict[str, Any]:
    """Return placement, parameter memory, bytes on the link and cycles of a network on a size.

    Raises :class:`InputError` for an unknown network, size, compiler or segmentation, or a number of segments that none
    of its kind can have.
    """
    if not 1 <= num_segments <= MAX_SEGMENTS:
        raise InputError.value("--num-segments", num_segments, f"1 to {MAX_SEGMENTS}")
    accelerator = load_accelerator(size)
    executable = compile_graph(load_network(model), accelerator, compiler)
    report = _report(executable, accelerator, compiler)
    if num_segments != 1:
        graph = in_cutting_order(_splittable(executable))
        scenario = Scenario(
            models=model, size=size, compiler=compiler, mode="pipeline", num_segments=num_segments,
            accelerators=max(1, num_segments), segmentation=segmentation,
        )  # fmt: skip
        parts = split(graph, cuts_of(graph, scenario, parts_of(scenario)))
        report["segments"] = [_segment(compile_graph(part, accelerator, compiler), accelerator) for part in parts]
    return report


def many_report(model: str, size: str = "coral", compiler: str = NEWEST) -> dict[str, Any]:
    """Return the report of a network that may have several subgraphs on the accelerator.

    Raises :class:`InputError` for a compiled file, and for a family that knows no such option.
    """
    accelerator, graph = load_accelerator(size), load_network(model)
    compile_into_many = family_of(accelerator).compile_into_many
    if compile_into_many is None or graph.is_compiled:
        what = accelerator.name if compile_into_many is None else f"{graph.name}, a compiled file"
        raise InputError.problem(
            "--enable-multiple-subgraphs", f"cannot act on {what}", "give a plain network and coral"
        )
    return _report(compile_into_many(graph, accelerator, compiler), accelerator, compiler)


def set_report(models: Sequence[str], size: str, compiler: str, cocompile: bool) -> dict[str, Any]:
    """Return the reports of several networks, each compiled by itself, or together so that they share the memory.

    Raises :class:`InputError` as :func:`compile_report`, and for a compiled file in a set to be compiled together.
    """
    accelerator = load_accelerator(size)
    graphs = [load_network(model) for model in models]
    compiled = next((graph.name for graph in graphs if graph.is_compiled), "")
    if cocompile and compiled:
        raise InputError.problem("--cocompile", f"cannot act on {compiled}, a compiled file", "give plain networks")
    executables = compile_together(graphs, accelerator, compiler) if cocompile else [
        compile_graph(graph, accelerator, compiler) for graph in graphs
    ]  # fmt: skip
    return {
        "size": accelerator.name,
        "compiler": compiler,
        "cocompiled": cocompile,
        "models": [_report(one, accelerator, compiler, alone=not cocompile) for one in executables],
    }


def _splittable(executable: Executable) -> LayerGraph:
    if executable.source == "file":
        raise InputError.problem(
            "--num-segments", "cannot cut a compiled file", "give the plain .tflite file or a network of the zoo"
        )
    return executable.graph


def _report(executable: Executable, accelerator: Accelerator, compiler: str, alone: bool = True) -> dict[str, Any]:
    plans = executable.plans
    tpu = [plan for plan in plans if not plan.reason]
    report = _bytes(executable)
    return {
        "model": executable.name,
        "size": accelerator.name,
        "family": family_name(accelerator),
        "source": executable.source,
        "compute_time_from": executable.compute_source,
        "ops_total": len(plans),
        "ops_tpu": len(tpu),
        "ops_cpu": len(plans) - len(tpu),
        "cpu_ops": [{"index": p.layer.index, "op": p.layer.op, "reason": p.reason} for p in plans if p.reason],
        "first_unmapped": _first_unmapped(executable),
        "subgraphs": len(executable.accelerator_segments),
        "macs": executable.graph.macs,
        "parameter_bytes": executable.graph.parameter_bytes,
        **report,
        **(_memory(executable, accelerator, compiler) if alone else {}),
        "notes": list(executable.notes),
        "layers": [_layer(plan, accelerator) for plan in plans],
    }


def _first_unmapped(executable: Executable) -> dict[str, Any] | None:
    """The first operator after mapped ones that could not map, and how many it took along; None where all map."""
    mapped = [plan.layer.index for plan in executable.plans if not plan.reason]
    after = [plan for plan in executable.plans if mapped and plan.reason and plan.layer.index > mapped[0]]
    first = next((plan for plan in after if plan.reason != MORE_THAN_ONE_SUBGRAPH), None)
    if first is None or executable.source == "file":
        return None
    taken = sum(plan.reason == MORE_THAN_ONE_SUBGRAPH for plan in after)
    return {"index": first.layer.index, "op": first.layer.op, "reason": first.reason, "taken_along": taken}


def _memory(executable: Executable, accelerator: Accelerator, compiler: str) -> dict[str, Any]:
    """How sure parameter memory and streamed bytes are: 90 % intervals; empty for a file, whose bytes are known."""
    look = family_of(accelerator).memory_outlook
    if look is None or executable.source == "file":
        return {}
    found = look(executable, accelerator, compiler)
    return {
        "capacity_bytes": found.capacity_bytes[1],
        "capacity_interval90_bytes": list(found.capacity_bytes[::2]),
        "streamed_interval90_bytes": list(found.streamed_bytes[::2]),
    }


def _bytes(executable: Executable) -> dict[str, int]:
    tpu = [plan for segment in executable.accelerator_segments for plan in segment.plans]
    from_file = executable.source == "file"
    cached, streamed = executable.total("cached_bytes"), executable.total("streamed_bytes")
    on_chip = cached if from_file else sum(plan.on_chip_bytes for plan in tpu if plan.cached)
    off_chip = streamed if from_file else sum(plan.blob_bytes for plan in tpu if not plan.cached)
    return {
        "parameter_blob_bytes": cached + streamed if from_file else sum(plan.blob_bytes for plan in tpu),
        "on_chip_bytes": on_chip,
        "off_chip_bytes": off_chip,
        "streamed_bytes": streamed,
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
        "streamed_bytes": plan.streamed_bytes,
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
