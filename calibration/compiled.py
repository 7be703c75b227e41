"""Compiled files against the compile model of the plain network: parameter blob and instruction bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibration.answers import Z90, around, unanswered
from calibration.measurements import Measurement
from calibration.setups import Skip, network_named, per_tensor
from calibration.tables import read_table
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.compiler import compile_graph
from hwmodels.executable import Executable
from hwmodels.networks.graph import LayerGraph

__all__ = ["COMPILED_HEADER", "compiled_rows", "executable_of", "generation", "version"]

COMPILED_HEADER = frozenset(
    ["name", "instr_bytes_main", "param_bytes_cached", "param_bytes_streamed_hint", "est_cycles_main", "min_runtime"]
)
SPREADS = {"param_blob_bytes": 0.03, "instruction_bytes": 0.15}
#: First runtime that compilers from 2020 on ask for; those before 2021 wrote a cycle estimate.
RUNTIME_2020 = 12


def compiled_rows(path: Path) -> list[dict[str, Any]]:
    """Return two rows of the JSON answer for every compiled operator: parameter blob and instructions."""
    return [answer for line, record in read_table(path)[1] for answer in _answers(path, line, record)]


def _answers(path: Path, line: int, record: dict[str, str]) -> list[dict[str, Any]]:
    measured = {
        "param_blob_bytes": _number(record, "param_bytes_cached") + _number(record, "param_bytes_streamed_hint"),
        "instruction_bytes": _number(record, "instr_bytes_main"),
    }
    try:
        executable = executable_of(record)
    except Skip as skip:
        return [_row(path, line, record, metric, value) | {"skipped": str(skip)} for metric, value in measured.items()]
    predicted = {
        "param_blob_bytes": float(sum(plan.blob_bytes for plan in executable.plans if not plan.reason)),
        "instruction_bytes": float(sum(segment.instruction_bytes for segment in executable.accelerator_segments)),
    }
    return [_row(path, line, record, m, measured[m]) | _prediction(m, measured[m], predicted[m]) for m in measured]


def _number(record: dict[str, str], key: str) -> float:
    try:
        return float(record[key] or 0)
    except ValueError:
        return 0.0


def executable_of(record: dict[str, str]) -> Executable:
    """Compile the network of a compiled file's row; raises :class:`Skip` where it cannot be built here."""
    if "segment_" in record["name"]:
        raise Skip("a part of a network")
    name = record["name"].removesuffix("_edgetpu")
    graph = network_named((record["name"], name, name.partition("_cocompiled")[0].removesuffix("_quant")))
    if graph is None:
        raise Skip("network not in the zoo")
    return compile_graph(_as_quantised(graph, name), load_accelerator("coral"), version(record))


def _as_quantised(graph: LayerGraph, name: str) -> LayerGraph:
    """Files trained with quantisation hold one scale a tensor; those of stride 16 were quantised after training."""
    later = ("post_training", "ptq", "_16_quant", "_16_segments")
    is_trained = "quant" in name and not any(word in name for word in later)
    return per_tensor(graph) if is_trained or name.startswith("model_") else graph


def generation(record: dict[str, str]) -> str:
    """Compiler generation: those before 2021 wrote a cycle estimate or ask for an older runtime."""
    is_old = _number(record, "est_cycles_main") > 0 or _number(record, "min_runtime") < RUNTIME_2020
    return "2020" if is_old else "2021"


def version(record: dict[str, str]) -> str:
    """Version of the compiler: of the early generation, files for the runtime of 2019 are told apart."""
    return "2019" if _number(record, "min_runtime") < RUNTIME_2020 else generation(record)


def _row(path: Path, line: int, record: dict[str, str], metric: str, value: float) -> dict[str, Any]:
    source = f"compiled {generation(record)}"
    row = Measurement(
        file=path.name, line=line, source_id=source, device="edgetpu", model=record["name"], metric=metric, value=value
    )
    return unanswered(row, "", "")


def _prediction(metric: str, measured: float, predicted: float) -> dict[str, Any]:
    error = predicted / measured - 1 if measured else None
    return {"predicted": predicted, "error": error} | around(predicted, Z90 * SPREADS[metric])
