"""Edge-TPU-compiled files: an executable from the file's own bytes.

A compiled file has no layer graph. Its bytes are read out of it; its compute time comes from, in this order: the
network that its name and byte counts match, the compiler's own cycle estimate with a factor, a regression on its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwmodels.accelerator import Accelerator
from hwmodels.darwinn import CompiledOp, read_compiled_ops
from hwmodels.errors import InputError
from hwmodels.executable import Executable, LayerPlan, Segment, Step
from hwmodels.graph import Layer, LayerGraph
from hwmodels.tflite import EDGETPU_OP, read_graph

__all__ = ["executable_from_file", "read_network"]

# Relative standard deviation of the latency that goes with each source of compute time.
SPREADS = {"twin": 0.08, "estimate": 0.25, "regression": 0.9}
# Cycles for one estimated cycle: 1.5 fits nine MobileNet-family files within 12 %.
CYCLES_PER_ESTIMATED = 1.5
# Powers of instruction and input bytes, and a factor: least squares of the logarithms over the zoo's modelled cycles,
# with a spread of 0.9 when a family is left out (tests/test_compiled.py fits them anew).
REGRESSION = (1.07, 0.48, 0.0071)
BLOB_TOLERANCE = 0.2


def read_network(path: Path) -> LayerGraph:
    """Read a plain or compiled .tflite; a compiled one carries its executables in ``meta["compiled_ops"]``."""
    graph = read_graph(path)
    if not any(layer.op == EDGETPU_OP for layer in graph.layers):
        return graph
    meta: dict[str, Any] = {"compiled_ops": read_compiled_ops(path), "path": path}
    return replace(graph, meta=meta)


def executable_from_file(graph: LayerGraph, accelerator: Accelerator) -> Executable:
    """Return the executable that a compiled file holds, with the CPU operators around it in order.

    Raises :class:`InputError` for an accelerator size other than Coral's: compiled programs fit one chip only.
    """
    if accelerator.is_extrapolated:
        raise InputError("--size", accelerator.name, "coral: a compiled file's program fits this chip only")
    ops: Sequence[CompiledOp] = graph.meta["compiled_ops"]
    cycles, source = _cycles(graph, ops, accelerator)
    share = iter(_shares(ops, cycles))
    compiled = iter(ops)
    segments: list[Segment] = []
    for layer in graph.layers:
        if layer.op == EDGETPU_OP:
            segments.append(_tpu_segment(layer, next(compiled), next(share)))
        elif segments and segments[-1].device == "cpu":
            segments[-1] = replace(segments[-1], plans=(*segments[-1].plans, _cpu_plan(layer)))
        else:
            segments.append(Segment("cpu", (_cpu_plan(layer),)))
    token = "+".join(f"{op.token:016x}" for op in ops)
    note = f"compute time from {source}"
    return Executable(
        graph.name, graph, tuple(segments), token, "file", source, SPREADS[source.split(" ")[0]],
        accelerator.parameter_cache_bytes, (note,),
    )  # fmt: skip


def _cpu_plan(layer: Layer) -> LayerPlan:
    return LayerPlan(layer, "outside the compiled subgraph")


def _shares(ops: Sequence[CompiledOp], cycles: float) -> list[float]:
    total = sum(op.instruction_bytes for op in ops) or 1
    return [cycles * op.instruction_bytes / total for op in ops]


def _tpu_segment(layer: Layer, op: CompiledOp, cycles: float) -> Segment:
    streamed = op.streamed_parameter_bytes
    # Streamed parameters overlap only their own consumers: the share of the cycles that their bytes have.
    blob = op.cached_parameter_bytes + streamed
    part = cycles * streamed / blob if blob else 0.0
    steps = (Step(cycles - part, 0), Step(part, streamed)) if streamed else (Step(cycles, 0),)
    return Segment(
        "tpu", (LayerPlan(layer, cached=not streamed, cycles=cycles, blob_bytes=blob),),
        instruction_bytes=op.instruction_bytes, input_bytes=op.input_bytes, output_bytes=op.output_bytes,
        tensor_output_bytes=sum(tensor.n_bytes for tensor in layer.outputs), cached_bytes=op.cached_parameter_bytes,
        caching_instruction_bytes=op.caching_instruction_bytes, scratch_out_bytes=op.main.hinted_bytes("scratch_out"),
        scratch_in_bytes=op.main.hinted_bytes("scratch_in"), file_steps=steps,
    )  # fmt: skip


def _cycles(graph: LayerGraph, ops: Sequence[CompiledOp], accelerator: Accelerator) -> tuple[float, str]:
    twin = _twin(graph, ops, accelerator)
    if twin is not None:
        return sum(s.cycles for segment in twin.tpu_segments for s in segment.steps), f"twin {twin.name}"
    estimated = sum(op.estimated_cycles for op in ops)
    if estimated:
        return estimated * CYCLES_PER_ESTIMATED, "estimate of the compiler"
    instructions, inputs, factor = REGRESSION
    sent = (max(1, sum(op.instruction_bytes for op in ops)), max(1, sum(op.input_bytes for op in ops)))
    return factor * sent[0] ** instructions * sent[1] ** inputs, "regression on instruction and input bytes"


def _twin(graph: LayerGraph, ops: Sequence[CompiledOp], accelerator: Accelerator) -> Executable | None:
    """The network with this file's name whose parameter blob is about this file's."""
    from hwmodels.compiler import compile_graph

    blob = sum(op.cached_parameter_bytes + op.streamed_parameter_bytes for op in ops)
    for candidate in _candidates(graph):
        executable = compile_graph(candidate, accelerator)
        modelled = sum(plan.blob_bytes for plan in executable.plans)
        if abs(modelled - blob) <= BLOB_TOLERANCE * max(blob, 4096):
            return executable
    return None


def _candidates(graph: LayerGraph) -> list[LayerGraph]:
    from hwmodels.zoo import load_network

    path: Path = graph.meta["path"]
    stem = re.sub(r"__release-\w+$", "", path.stem)
    plain = re.sub(r"_?edgetpu(_decoder)?$", r"\1", re.sub(r"_cocompiled_with_.*$", "", stem)).rstrip("-_")
    guesses = [stem, plain, re.sub(r"_quant.*$", "", plain), re.sub(r"(_ptq|_segments)", "", plain)]
    found = []
    for guess in dict.fromkeys(guesses):
        for name in (str(path.with_name(f"{guess}.tflite")), guess):
            try:
                candidate = load_network(name)
            except InputError:
                continue
            if "compiled_ops" not in candidate.meta:
                found.append(candidate)
    return found
