"""One definition for each fact: the counters of ``benchmarks/structure.py``, and that each finds a seeded second one."""

import ast
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import structure


@pytest.fixture(scope="module")
def code():
    return structure.trees()


def seeded(code, path, text):
    """The code with a module more."""
    return {**code, path: ast.parse(text)}


def test_there_is_no_circle_of_imports(code):
    assert structure.import_circles(code) == []


def test_a_circle_is_found_inside_functions_and_for_types_too(code):
    more = seeded(code, "sim/one.py", "def late():\n    import sim.two\n")
    more = seeded(more, "sim/two.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sim import one\n")
    assert ["sim.one", "sim.two"] in structure.import_circles(more)


def in_models(code):
    """Tables of the hardware models and the simulator; those of the harness list what it measures."""
    return structure.by_family(
        structure.operator_tables({path: tree for path, tree in code.items() if not path.startswith("calibration")})
    )


def test_a_family_has_one_table_of_operators(code):
    assert set(in_models(code).values()) == {1}
    assert {"edgetpu", "networks", "hwmodels/cpu.py"} <= set(in_models(code))


def test_a_second_table_of_operators_is_found(code):
    more = seeded(code, "hwmodels/edgetpu/other.py", 'FREE = {"ADD": 1, "SOFTMAX": 2, "PAD": 3}')
    assert in_models(more)["edgetpu"] == in_models(code).get("edgetpu", 0) + 1
    assert in_models(seeded(code, "hwmodels/edgetpu/other.py", 'OPS = "ADD SOFTMAX"')) == in_models(code)


COUNTERS = [
    (structure.stage_questions, 5, "def f(s):\n    return isinstance(s, (int, AcceleratorStage))"),
    (structure.shared_bus_definitions, 1, "def f(setup):\n    return any(line.shared for line in setup.channels)"),
    (structure.answer_definitions, 1, 'X = {"throughput_ips": 1, "latency_ms": 2, "power_w": 3, "steady": True}'),
    (structure.override_definitions, 1, "def f(part: Part, key: str) -> Part:\n    return replace(part, **{key: 1})"),
]


@pytest.mark.parametrize(("counter", "most", "text"), COUNTERS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fact_has_one_definition_and_a_second_one_is_found(code, counter, most, text):
    assert len(counter(code)) <= most, counter(code)
    assert len(counter(code)) >= 1
    more = counter(seeded(code, "sim/other.py", text))
    assert [place for place in more if place.startswith("sim/other.py")]
    assert len(more) == len(counter(code)) + 1


def test_the_root_of_sim_is_small(code):
    assert len(structure.root_modules(code)) <= 12, structure.root_modules(code)
    assert "sim/other.py" in structure.root_modules(seeded(code, "sim/other.py", ""))


def test_the_figures_are_printed(capsys):
    structure.main()
    assert "| import circles | 0 | 0 |" in capsys.readouterr().out
