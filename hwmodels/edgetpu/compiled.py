"""Edge-TPU-compiled files: an executable from the file's own bytes.

A compiled file has no layer graph. Its bytes are read out of it. Its compute time comes from, in this order: the
network that it was added with, the one that its name and byte counts match, one of the zoo with its input and exactly
its bytes, the compiler's own cycle estimate with a factor, a regression on its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hwmodels.edgetpu.coefficients import Compiler, load_compiler
from hwmodels.edgetpu.darwinn import CompiledOp, read_compiled_ops
from hwmodels.edgetpu.outlook import UNKNOWN_SPREAD, operator_notes, unknown_operators
from hwmodels.edgetpu.parameters import blob_bytes
from hwmodels.edgetpu.planning import Target, compile_layers
from hwmodels.errors import InputError
from hwmodels.executable import Executable, LayerPlan, Segment, Step
from hwmodels.networks.graph import EDGETPU_OP, Layer, LayerGraph
from hwmodels.networks.zoo import load_network, names_with_input, networks_with

__all__ = ["executable_from_file", "twin_s_token"]

OLD = "2020"  # a version of the generation before the newest
#: How far parameter bytes may be apart where the name is the same, and where nothing but bytes and input are.
BLOB_TOLERANCE, SAME_TOLERANCE = 0.2, 0.001


def executable_from_file(graph: LayerGraph, target: Target) -> Executable:
    """Return the executable that a compiled file holds, with the CPU operators around it in order.

    Raises :class:`InputError` for a file that is damaged, and for an accelerator size other than Coral's: compiled
    programs fit one chip only.
    """
    accelerator = target.accelerator
    if accelerator.is_extrapolated:
        raise InputError.value(
            "--size", accelerator.name, "coral for a compiled file, whose program fits this chip only"
        )
    ops = read_compiled_ops(Path(graph.meta["path"]))
    cycles, source = _cycles(graph, ops, target)
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
    outside = [plan for segment in segments if segment.device == "cpu" for plan in segment.plans]
    notes = (f"compute time from {source}", *operator_notes(outside))
    spread = getattr(target.compiler, f"{source.split(' ')[0]}_spread")
    spread = max(spread, UNKNOWN_SPREAD) if unknown_operators(outside) else spread
    return Executable(
        graph.name, graph, tuple(segments), _token(ops), "file", source, spread,
        accelerator.parameter_cache_bytes, notes,
    )  # fmt: skip


def twin_s_token(graph: LayerGraph, compiled: LayerGraph, target: Target) -> str:
    """Return what names the parameters of a compiled file, which belongs to a plain network.

    Raises :class:`InputError` where the file holds other parameters than the network's.
    """
    ops = read_compiled_ops(Path(compiled.meta["path"]))
    if _matching([graph], target, _blob_bytes(ops), BLOB_TOLERANCE) is None:
        raise InputError.problem(
            compiled.name, f"holds {_blob_bytes(ops)} bytes of parameters, which are not those of {graph.name}",
            "give a plain file and what was compiled from it",
        )  # fmt: skip
    return _token(ops)


def _token(ops: Sequence[CompiledOp]) -> str:
    """What names a file's parameters, in the driver and here."""
    return "+".join(f"{op.token:016x}" for op in ops)


def _blob_bytes(ops: Sequence[CompiledOp]) -> int:
    """Parameters of a compiled file, those that stay on the chip and those that stream."""
    return sum(op.cached_parameter_bytes + op.streamed_parameter_bytes for op in ops)


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
        "accelerator", (LayerPlan(layer, cached=not streamed, cycles=cycles, blob_bytes=blob),),
        instruction_bytes=op.instruction_bytes, input_bytes=op.input_bytes, output_bytes=op.output_bytes,
        tensor_output_bytes=sum(tensor.n_bytes for tensor in layer.outputs), cached_bytes=op.cached_parameter_bytes,
        caching_instruction_bytes=op.caching_instruction_bytes, scratch_out_bytes=op.main.hinted_bytes("scratch_out"),
        scratch_in_bytes=op.main.hinted_bytes("scratch_in"), file_steps=steps,
    )  # fmt: skip


def _cycles(graph: LayerGraph, ops: Sequence[CompiledOp], target: Target) -> tuple[float, str]:
    twin = _twin(graph, ops, target)
    if twin is not None:
        return sum(s.cycles for segment in twin.accelerator_segments for s in segment.steps), f"twin {twin.name}"
    estimated = sum(op.estimated_cycles for op in ops)
    if estimated:
        return estimated * target.compiler.cycles_per_estimated, "estimate of the compiler"
    return _regression(ops, target.compiler), "regression on instruction and input bytes"


def _regression(ops: Sequence[CompiledOp], compiler: Compiler) -> float:
    """Cycles from bytes: a last resort."""
    instructions, inputs = (max(1, sum(getattr(op, key) for op in ops)) for key in ("instruction_bytes", "input_bytes"))
    powers = compiler.regression_instruction_power, compiler.regression_input_power
    return float(compiler.regression_factor * instructions ** powers[0] * inputs ** powers[1])


def _twin(graph: LayerGraph, ops: Sequence[CompiledOp], target: Target) -> Executable | None:
    """The network that it was added with, one with its name and about its parameters, or one with just its bytes."""
    blob = _blob_bytes(ops)
    ways: tuple[tuple[Iterable[LayerGraph], float], ...] = (
        (networks_with("compiled", _token(ops)), BLOB_TOLERANCE), (_candidates(graph), BLOB_TOLERANCE),
        (_alike(ops, blob), SAME_TOLERANCE),
    )  # fmt: skip
    return next(filter(None, (_matching(networks, target, blob, tolerance) for networks, tolerance in ways)), None)


def _matching(candidates: Iterable[LayerGraph], target: Target, blob: int, tolerance: float) -> Executable | None:
    """The first network whose parameters are that many bytes to one of the generations of the compiler."""
    for candidate in candidates:
        executable = compile_layers(candidate, target)
        layers = [plan.layer for plan in executable.plans if not plan.reason]
        sizes = (sum(blob_bytes(x, version) for x in layers) for version in (target.compiler, load_compiler(OLD)))
        if any(abs(size - blob) <= tolerance * max(blob, 4096) for size in sizes):
            return executable
    return None


def _alike(ops: Sequence[CompiledOp], blob: int) -> Iterator[LayerGraph]:
    """Networks of the zoo with the input of a file that has one program, and about its parameters.

    Each comes as it is and with filters of one scale, as training with quantisation makes them.
    """
    if len(ops) == 1 and len(ops[0].main.inputs) == 1:
        for network in map(load_network, names_with_input(ops[0].main.inputs[0].shape, blob)):
            yield network
            yield replace(network, layers=tuple(replace(layer, scales=1) for layer in network.layers))


def _candidates(graph: LayerGraph) -> list[LayerGraph]:
    path = Path(graph.meta["path"])
    stem = re.sub(r"__release-\w+$", "", path.stem)
    plain = re.sub(r"_?edgetpu(_decoder)?$", r"\1", re.sub(r"_cocompiled_with_.*$", "", stem)).rstrip("-_")
    guesses = [stem, plain, re.sub(r"_quant.*$", "", plain), re.sub(r"(_ptq|_segments)", "", plain)]
    stems = list(dict.fromkeys(guesses))
    found = []
    for name in (*(str(path.with_name(f"{guess}.tflite")) for guess in stems), *stems):  # files beside it come first
        try:
            candidate = load_network(name)
        except InputError:
            continue
        if not candidate.is_compiled:
            found.append(candidate)
    return found
