"""Parameter memory that a source's compiler printed for its own networks: its times are predicted with as much.

What the compiler keeps of a network that streams is known to 7 to 9 % only. Where a source prints it, its times are not
judged by that. Predictions of the memory itself are the compiler model's.
"""

from __future__ import annotations

from functools import cache

from calibration.measurements import Measurement
from calibration.shipped import load_dataset
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.allocation import parameter_capacity_bytes
from hwmodels.edgetpu.coefficients import NEWEST, load_compiler
from hwmodels.networks.graph import LayerGraph

__all__ = ["cache_holding", "kept_bytes"]

#: Datasets of printed memory whose sources timed the same networks.
PRINTED = ("sparta_compiler",)


@cache
def _printed() -> dict[tuple[str, str], int]:
    rows = [row for name in PRINTED for row in load_dataset(name) if row.metric == "param_on_chip_bytes"]
    return {(row.source_id, row.model): int(row.value) for row in rows}


def kept_bytes(row: Measurement) -> int | None:
    """Return what the row's source printed of its whole network on the chip (bytes); None where it printed nothing."""
    return None if row.mode == "pipeline" else _printed().get((row.source_id, row.model))


def cache_holding(graph: LayerGraph, kept: int, accelerator: EdgeTpu) -> EdgeTpu:
    """Return the accelerator with a cache of which this network keeps so many bytes."""
    capacity = parameter_capacity_bytes(graph.layers, accelerator, load_compiler(NEWEST))
    beside = accelerator.parameter_cache_bytes - capacity
    return accelerator.with_numbers({"parameter_cache_bytes": beside + kept}, "a compiler's log")
