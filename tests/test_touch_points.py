"""Adding a thing touches what the architecture page says: each is added here, in one place, and then runs."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from hwmodels import compile_network, load_network, load_part
from hwmodels.cpu import OPERATORS as ON_CPU
from hwmodels.cpu import CpuOperator, cpu_op_ns
from hwmodels.edgetpu.operators import OPERATORS, Operator
from hwmodels.networks.readers import READERS
from sim import Scenario, estimate, simulate
from sim.commands.options import scenario_command
from sim.machine.policies import DISCIPLINES, DISPATCHES, DisciplinePolicy, DispatchPolicy, always
from sim.machine.states import STATES, TRAITS, Traits, states_of
from sim.machine.workloads import PROCESSES, ArrivalProcess, open_loop
from sim.study.results_file import flat

NET = "mobilenet_v1_0.25_128"


def test_an_operator_s_cost_on_the_accelerator_is_one_row(monkeypatch):
    graph = load_network(NET)
    first = replace(graph.layers[0], op="A_NEW_OPERATOR")
    changed = replace(graph, layers=(first, *graph.layers[1:]))
    assert compile_network(changed).plans[0].reason
    monkeypatch.setitem(OPERATORS, "A_NEW_OPERATOR", Operator(lambda layer, part: 1e6))
    plan = compile_network(replace(changed, name="again")).plans[0]
    assert not plan.reason
    assert plan.cycles == pytest.approx(1e6 + load_part("accelerator", "coral").layer_cycles)


def test_an_operator_s_cost_on_the_cpu_is_one_row(monkeypatch):
    layer, host = replace(load_network(NET).layers[0], op="A_NEW_OPERATOR"), load_part("host", "raspberry-pi-4")
    monkeypatch.setitem(ON_CPU, "A_NEW_OPERATOR", CpuOperator(lambda layer, host: 5e6))
    assert cpu_op_ns(layer, host) == 5_000_000 + round(host.op_ns)


def last(accelerators, _thread):
    """The last accelerator."""
    return accelerators[-1]


def newest(waiting, _last):
    """Last come, first served."""
    return len(waiting) - 1


def test_a_dispatch_is_one_function_with_its_traits(monkeypatch):
    monkeypatch.setitem(DISPATCHES, "last", DispatchPolicy(last))
    run = simulate(Scenario(models=NET, threads=2, accelerators=2, link="pcie", dispatch="last"))
    assert [part.time_ns[STATES["compute"]] > 0 for part in run.window.accelerators] == [False, True]


def test_a_discipline_is_one_function_with_its_traits(monkeypatch):
    monkeypatch.setitem(DISCIPLINES, "newest", DisciplinePolicy(always(newest)))
    scenario = Scenario(models=NET, threads=4, discipline="newest", preprocess="resize")
    assert simulate(scenario).summary["throughput_ips"] > 0
    assert estimate(scenario)["throughput_ips"] > 0


def test_a_policy_of_one_s_own_needs_no_line_at_all(tmp_path, monkeypatch):
    (tmp_path / "mine_policies.py").write_text("def last(accelerators, thread):\n    return accelerators[-1]\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    scenario = Scenario(models=NET, threads=2, accelerators=2, dispatch="mine_policies:last")
    assert simulate(scenario).summary["throughput_ips"] > 0


def bursts(pool, arrivals, _seed):
    """N requests every 100 ms."""
    gaps = [100_000_000 if i % arrivals.count == 0 else 0 for i in range(100_000)]
    return [open_loop(pool, iter(gaps))]


def test_an_arrival_process_is_one_function_with_its_traits(monkeypatch):
    monkeypatch.setitem(PROCESSES, "bursts", ArrivalProcess(bursts, "N", is_open=True))
    summary = simulate(Scenario(models=NET, arrivals="bursts:5")).summary
    assert summary["throughput_ips"] == pytest.approx(50, rel=0.05)
    assert summary["latency_ms"]["max"] == pytest.approx(5 * summary["latency_ms"]["p50"] / 3, rel=0.05)


def test_a_file_format_is_one_reader(monkeypatch, tmp_path):
    monkeypatch.setitem(READERS, ".toy", lambda path: replace(load_network(NET), name=path.stem))
    file = tmp_path / "mine.toy"
    file.write_text("")
    assert list(simulate(Scenario(models=str(file), threads=2)).summary["models"]) == ["mine"]
    monkeypatch.chdir(tmp_path)
    assert load_network("mine.toy").name == "mine"


def test_a_state_is_one_row():
    """Lists of states follow from the table; so does what the breakdown adds up."""
    assert set(TRAITS) == set(STATES.values())
    assert [state.name for state in states_of(group="gil")] == ["GIL_WAIT"]
    assert Traits("thread", "cpu", "naps").held is False


def test_an_option_is_one_field():
    """The command line has what the dataclass declares, no more and no less."""
    command = scenario_command(lambda scenario: None)
    declared = set(Scenario(models=NET).options()) - {"numbers"}
    assert set(command.__annotations__) - {"bind"} == declared


def test_a_column_of_the_answer_is_one_key(monkeypatch):
    """What is added to an answer reaches the JSON and the flat row."""
    summary = simulate(Scenario(models=NET)).summary | {"a_new_figure": 3.5, "nested": {"one": 1}}
    row = flat(summary)
    assert row["a_new_figure"] == 3.5
    assert row["nested_one"] == 1
