"""The seam of families: a family is a part's class, a function that compiles, part files and one line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import pytest

from hwmodels import InputError, compile_network, load_network, load_part
from hwmodels.accelerator import Accelerator
from hwmodels.edgetpu.operators import OPERATORS, READS
from hwmodels.energy import Energies
from hwmodels.executable import Executable, LayerPlan, Segment
from hwmodels.families import FAMILIES, Family, compile_graph, family_of, layer_weights, more_cycles_of, recosted
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.zoo import names
from hwmodels.part_keys import number
from hwmodels.parts import part_names
from sim import Scenario, estimate, simulate
from sim.commands.compile_report import compile_report

NET = "mobilenet_v2_1.0_224"
FILE = """
kind = "accelerator"
family = "toy"
macs_per_cycle = { value = 1000, status = "assumed", source = "test", range = [500, 1000] }
clock_hz = { value = 1e9, status = "assumed", source = "test" }
latency_spread = { value = 0.1, status = "assumed", source = "test" }
idle_w = { value = 2, status = "assumed", source = "test" }
"""


@dataclass(frozen=True, kw_only=True)
class Toy(Accelerator):
    """So many multiply-accumulates in a cycle, whatever the operator."""

    STRUCTURE = ("macs_per_cycle",)

    macs_per_cycle: int = number("Multiply-accumulates in a cycle.", effect="cycles")
    idle_w: float = number("Power at rest.", effect="energy")

    @property
    def peak_macs_per_cycle(self) -> int:
        return self.macs_per_cycle

    @property
    def energies(self) -> Energies:
        return Energies(self.idle_w, 0, 1, 0, (1, 0, 0))

    def without_leakage(self) -> Self:
        return self


def compile_toy(graph: LayerGraph, part: Toy, compiler: str) -> Executable:
    """Everything runs on the accelerator; parameters stay on it."""
    plans = tuple(
        LayerPlan(layer, cached=True, cycles=layer.macs / part.macs_per_cycle, macs=layer.macs)
        for layer in graph.layers
    )
    sent, received = (sum(t.n_bytes for t in tensors) for tensors in (graph.inputs, graph.outputs))
    segment = Segment("accelerator", plans, input_bytes=sent, output_bytes=received, tensor_output_bytes=received)
    return Executable(graph.name, graph, (segment,), token=graph.name)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    path = tmp_path / "toy-1000.toml"
    path.write_text(FILE, encoding="utf-8")
    monkeypatch.setitem(FAMILIES, "toy", Family(Toy, compile_toy))
    return str(path)


def test_a_part_file_of_the_family_is_loaded_as_its_class(toy):
    part = load_part("accelerator", toy)
    assert isinstance(part, Toy)
    assert (part.name, part.macs_per_cycle) == ("toy-1000", 1000)
    assert family_of(part) is FAMILIES["toy"]


def test_a_scenario_with_the_family_runs_like_any_other(toy):
    graph = load_network(NET)
    results = simulate(Scenario(models=NET, size=toy, threads=2))
    (stage,) = results.setup.stage_times[0][0].accelerator_stages
    assert stage.compute_ns == pytest.approx(graph.macs / 1000, abs=1)  # one cycle of 1 GHz for 1000 of them
    assert results.summary["throughput_ips"] < 1e9 / stage.compute_ns
    assert results.summary["power_w"]["accelerators"] > 2
    assert estimate(Scenario(models=NET, size=toy, threads=2))["throughput_ips"] > 0


def test_its_assumed_numbers_widen_the_interval_and_are_named(toy):
    summary = simulate(Scenario(models=NET, size=toy)).summary
    low, high = summary["interval90"]["throughput_ips"]
    assert low < summary["throughput_ips"] < high
    assert any("macs_per_cycle is assumed and matters most" in warning for warning in summary["warnings"])


def test_a_base_gives_the_family_and_a_number_may_be_replaced(toy, tmp_path):
    slower = tmp_path / "slower.toml"
    slower.write_text(
        f'kind = "accelerator"\nbase = "{toy}"\nclock_hz = {{ value = 5e8, status = "assumed", source = "test" }}\n',
        encoding="utf-8",
    )
    half, whole = (simulate(Scenario(models=NET, size=str(size))).summary for size in (slower, toy))
    assert half["time_breakdown_ms"]["compute"] == pytest.approx(2 * whole["time_breakdown_ms"]["compute"], rel=1e-6)


def test_a_network_is_cut_by_the_family_s_own_cycles(toy):
    graph, part = load_network(NET), load_part("accelerator", toy)
    assert layer_weights(graph, part) == [1 + layer.macs / 1000 for layer in graph.layers]
    slowest = {
        how: max(one["compute_ms"] for one in compile_report(NET, toy, num_segments=3, segmentation=how)["segments"])
        for how in ("compiler", "profiled")
    }
    assert slowest["profiled"] < slowest["compiler"]


def test_costs_change_where_bytes_do_not(toy):
    part = load_part("accelerator", toy)
    executable = compile_graph(load_network(NET), part)
    twice = recosted(executable, replace(part, macs_per_cycle=2000))
    assert twice.cycles == pytest.approx(executable.cycles / 2)
    assert twice.total("input_bytes") == executable.total("input_bytes")


def test_what_a_family_does_not_know_is_refused(toy):
    with pytest.raises(InputError, match="cocompile"):
        simulate(Scenario(models=f"{NET},mobilenet_v1_1.0_224", size=toy, cocompile=True))


def test_an_unknown_family_is_told_with_the_nearest(tmp_path):
    path = tmp_path / "other.toml"
    path.write_text(FILE.replace('"toy"', '"edgetpus"'), encoding="utf-8")
    with pytest.raises(InputError, match="did you mean 'edgetpu'"):
        load_part("accelerator", path)


def test_a_number_of_another_family_is_an_unknown_key(toy, tmp_path):
    path = tmp_path / "mixed.toml"
    path.write_text(FILE + 'tiles_x = { value = 4, status = "assumed", source = "test" }\n', encoding="utf-8")
    with pytest.raises(InputError, match="tiles_x"):
        load_part("accelerator", path)


# The Edge TPU through the seam


@pytest.mark.parametrize("size", part_names("accelerator"))
def test_recosting_is_compiling_where_only_cycles_change(size):
    """Every number of the part that acts on cycles alone: the bytes and the cycles of a network compiled anew."""
    graph, part = load_network("inception_v1_224"), load_part("accelerator", size)
    executable = compile_network(graph, part)
    for key in part.quantities:
        if part.effect(key) == "cycles":
            value = getattr(part, key)
            other = part.moved(key, 2 * value)
            assert recosted(executable, other) == replace(compile_network(graph, other)), key


@pytest.mark.parametrize("size", part_names("accelerator"))
def test_layers_of_one_kind_cost_more_together_as_they_do_one_by_one(size):
    """Cycles that a number adds, by kinds of layers, are those of the network with every layer's cost made anew."""
    part = load_part("accelerator", size)
    for name in ("inception_v1_224", "efficientdet_lite0_320", "deeplab_v3_mobilenet_v2_513", "yolov8n_320"):
        executable = compile_network(load_network(name), part)
        for key in part.quantities:
            if part.effect(key) == "cycles":
                other = part.moved(key, 2 * getattr(part, key))
                expected = recosted(executable, other).cycles - executable.cycles
                assert more_cycles_of(executable, part, other, key) == pytest.approx(expected, rel=1e-9, abs=1e-3), key


def test_no_cost_reads_a_number_that_it_does_not_declare():
    """The whole zoo, one layer of each kind: a cost that declares what it reads is moved by nothing else."""
    part = load_part("accelerator", "coral")
    kinds = {layer.kind: layer for name in names() for layer in load_network(name).layers if layer.op in OPERATORS}
    numbers = frozenset().union(*READS.values())
    doubled = {key: part.moved(key, 2 * getattr(part, key)) for key in numbers}
    assert len(kinds) > 5000
    for layer in kinds.values():
        cost = OPERATORS[layer.op].cost
        for key in numbers - READS[cost]:
            assert cost(layer, doubled[key]) == cost(layer, part), (layer.op, key)


def test_what_is_compiled_is_remembered_by_identity():
    graph, part = load_network(NET), load_part("accelerator", "coral")
    assert compile_network(graph, part) is compile_network(graph, part)
    assert compile_network(graph, part, "2020") is not compile_network(graph, part, "2021")
    assert compile_network(graph, replace(part)) is not compile_network(graph, part)
