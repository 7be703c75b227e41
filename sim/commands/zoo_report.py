"""The zoo as tables: all networks, and one network layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwmodels.errors import InputError, either
from hwmodels.families import compile_graph, load_accelerator
from hwmodels.networks.zoo import index, load_network, own_names
from sim.commands.compile_report import compile_report

__all__ = ["network_row", "zoo_details", "zoo_rows"]

SIZES = ("small", "coral", "large")
SORTS = ("name", "macs", "parameters")


def zoo_rows(family: str = "", task: str = "", max_parameters: float = 0, sort: str = "name") -> list[dict[str, Any]]:
    """Return one row for each network with a trace; ``max_parameters`` in millions, 0 for all.

    Raises :class:`InputError` for an unknown sort key, or a family or task that no network has.
    """
    if sort not in SORTS:
        raise InputError.value("--sort", sort, either(SORTS))
    rows = [*map(_shipped_row, index()), *(network_row(name) for name in own_names())]
    for option, key, value in (("--family", "family", family), ("--task", "task", task)):
        known = sorted({str(row[key]) for row in rows})
        if value and value not in known:
            raise InputError.value(option, value, either(known))
        rows = [row for row in rows if not value or row[key] == value]
    rows = [row for row in rows if not max_parameters or row["parameters"] <= max_parameters * 1e6]
    return sorted(rows, key=lambda row: (row[sort], row["name"]))


def _shipped_row(row: Mapping[str, str]) -> dict[str, Any]:
    """What :func:`network_row` says, as the index has it."""
    texts = {key: row[key] for key in ("name", "family", "architecture", "task")}
    counts = {key: int(row[key]) for key in ("macs", "parameters", "ops", "cpu_ops_on_coral")}
    return texts | {"input": [int(row[key]) for key in ("input_h", "input_w", "input_c")]} | counts


def network_row(name: str) -> dict[str, Any]:
    """Return a network's row of the table, from its trace and our compiler."""
    graph = load_network(name)
    return {
        "name": name,
        "family": graph.meta.get("family", "own"),
        "architecture": graph.meta.get("architecture", name),
        "task": graph.meta.get("task", "unknown"),
        "input": list(graph.inputs[0].hwc) if graph.inputs else [0, 0, 0],
        "macs": graph.macs,
        "parameters": sum(weight.n_elements for layer in graph.layers for weight in layer.weights),
        "ops": len(graph.layers),
        "cpu_ops_on_coral": sum(bool(plan.reason) for plan in compile_graph(graph, load_accelerator("coral")).plans),
    }


def zoo_details(name: str) -> dict[str, Any]:
    """Return a network's origin, totals, layer table and placement on each size."""
    graph = load_network(name)
    reports = {size: compile_report(name, size) for size in SIZES if size == "coral" or not graph.is_compiled}
    coral = reports["coral"]
    keys = ("ops_tpu", "ops_cpu", "on_chip_bytes", "off_chip_bytes", "instruction_bytes", "input_bytes", "output_bytes")
    return {
        "name": graph.name,
        **{key: str(value) for key, value in graph.meta.items() if key != "path"},
        "macs": graph.macs,
        "parameter_bytes": graph.parameter_bytes,
        "ops": len(graph.layers),
        "cpu_ops": coral["cpu_ops"],
        "sizes": {size: {key: report[key] for key in keys} for size, report in reports.items()},
        "layers": coral["layers"],
    }
