"""The traces of the zoo hold what was published: parameters and multiply-accumulates within 1 %.

A trace has batch normalisation folded: a kernel and one bias per output channel. Published counts are mostly taken
before folding, so the bridge is the count of the Keras model in the trace's head: it must match the published
number, and the trace must hold exactly its kernels. Published numbers are compared as they are written: 41M is
41 million to half a million, and a number with few digits is held to that where it is coarser than 1 %.
"""

import csv
from functools import cache
from math import prod
from pathlib import Path

import pytest

from hwmodels.networks.graph import MAC_OPS, LayerGraph, from_json, graph_hash
from sim.commands.zoo_report import network_row, zoo_rows

ZOO = Path(__file__).resolve().parents[1] / "traces" / "zoo"
UNITS = {"K": 10**3, "M": 10**6, "G": 10**9}
TOLERANCE = 0.01

#: What a published parameter count includes, by the first words of its convention.
CONVENTIONS = {
    "kernels only": ("kernels",),
    "scale and offset": ("trainable",),
    "scale, offset and running statistics": ("trainable", "running_statistics"),
}

#: Architectures that use one kernel on several maps: the trace holds it once for each.
SHARED = ("efficientdet", "spaghettinet")


@cache
def trace(name: str) -> LayerGraph:
    path = ZOO / f"{name}.json"
    return from_json(path.read_text(encoding="ascii"), path.name)


def published() -> list[dict[str, str]]:
    with (ZOO / "published.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def quantity(text: str) -> tuple[float, float]:
    """Return a number written like 4.24M or 1234 and the half unit of its last digit."""
    unit = UNITS.get(text[-1], 1)
    digits = text.rstrip("KMG")
    return float(digits) * unit, unit * 10.0 ** -len(digits.partition(".")[2]) / 2


def deviation(value: float, text: str) -> tuple[float, float]:
    """Return the relative deviation from the published number and the one that is allowed."""
    number, half = quantity(text)
    return value / number - 1, max(TOLERANCE, half / number)


def keras_parameters(row: dict[str, str]) -> int:
    words = max((key for key in CONVENTIONS if row["convention"].startswith(key)), key=len)
    return sum(trace(row["name"]).meta["keras_parameters"][key] for key in CONVENTIONS[words])


def elements(name: str) -> int:
    """Count kernels, biases, and what else holds one value for each channel (not anchors and grids of a detector)."""
    return sum(
        prod(weight.shape)
        for layer in trace(name).layers
        for weight in layer.weights
        if layer.op in MAC_OPS or prod(weight.shape) == layer.output.hwc[2]
    )


def kernel_elements(name: str) -> int:
    return sum(prod(layer.weights[0].shape) for layer in trace(name).layers if layer.op in MAC_OPS and layer.weights)


def rows(column: str) -> list[object]:
    return [pytest.param(row, id=row["name"]) for row in published() if row[column]]


NAMES = sorted(path.stem for path in ZOO.glob("*.json"))


@pytest.mark.parametrize("row", rows("parameters"))
def test_parameters_are_the_published_ones(row: dict[str, str]) -> None:
    error, allowed = deviation(keras_parameters(row), row["parameters"])
    assert abs(error) <= allowed, f"{error:+.2%}"


@pytest.mark.parametrize("row", rows("macs"))
def test_macs_are_the_published_ones(row: dict[str, str]) -> None:
    error, allowed = deviation(trace(row["name"]).macs, row["macs"])
    assert abs(error) <= allowed, f"{error:+.2%}"


@pytest.mark.parametrize("name", NAMES)
def test_trace_holds_the_kernels_of_its_keras_model(name: str) -> None:
    kernels = trace(name).meta["keras_parameters"]["kernels"]
    if trace(name).meta["architecture"].startswith(SHARED):
        assert kernel_elements(name) >= kernels
    else:
        assert kernel_elements(name) == kernels


@pytest.mark.parametrize("name", NAMES)
def test_folded_parameters_follow_from_the_keras_model(name: str) -> None:
    """Folding leaves one bias where there were scale and offset; biases of zero add less than 1 %."""
    counts = trace(name).meta["keras_parameters"]
    if trace(name).meta["architecture"].startswith(SHARED):
        assert elements(name) >= counts["kernels"]
    else:
        least = counts["kernels"] + counts["running_statistics"] / 2
        assert least <= elements(name) <= counts["trainable"] * (1 + TOLERANCE)


def test_at_least_80_models_are_within_1_percent_of_a_published_count() -> None:
    within = 0
    for row in published():
        values = {"parameters": keras_parameters(row), "macs": trace(row["name"]).macs}
        errors = [abs(deviation(value, row[key])[0]) for key, value in values.items() if row[key]]
        within += bool(errors) and max(errors) <= TOLERANCE
    assert within >= 80


def test_index_describes_every_trace() -> None:
    with (ZOO / "index.csv").open(encoding="utf-8", newline="") as file:
        index = {row["name"]: row for row in csv.DictReader(file)}
    assert sorted(index) == NAMES
    for name, row in index.items():
        assert row["hash"] == graph_hash(trace(name)), name
        assert int(row["macs"]) == trace(name).macs, name
        assert int(row["parameter_bytes"]) == trace(name).parameter_bytes, name


def test_the_table_of_the_zoo_is_what_traces_and_compiler_say() -> None:
    """``zoo list`` reads the index alone: it is what :func:`network_row` works out of every trace."""
    rows = {row["name"]: row for row in zoo_rows()}
    assert {name: rows[name] for name in NAMES} == {name: network_row(name) for name in NAMES}


def test_table_names_traces_once() -> None:
    names = [row["name"] for row in published()]
    assert len(names) == len(set(names))
    assert set(names) <= set(NAMES)


def test_published_numbers_state_convention_and_source() -> None:
    for row in published():
        assert row["source"]
        assert row["parameters"] or row["macs"], row["name"]
        assert any(row["convention"].startswith(key) for key in CONVENTIONS), row["name"]
