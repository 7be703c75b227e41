"""Notebooks of the lessons: every cell runs with the public API alone and says what the lesson says."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import sys

import pytest

from sim.lab import kit
from sim.lab.catalogue import LESSONS
from sim.lab.lesson import Choice, Explore, Figures
from sim.lab.notebooks import expression, file_name, for_researchers, notebook, notebooks
from sim.scenario import Scenario
from sim.study.errors_by_region import load_estimator

each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")


def code_of(document) -> list[str]:
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


def run(document):
    """Execute every code cell in one namespace; yield (its text, what it printed, the namespace)."""
    names: dict = {"__name__": "__main__"}
    for text in code_of(document):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(text, "cell", "exec", dont_inherit=True), names)  # dont_inherit: no __future__ of this file
        yield text, printed.getvalue(), names


def questions(lesson) -> list:
    return [*(part for part in lesson.parts if hasattr(part, "solve")), *lesson.exercises, *lesson.quiz]


@each_lesson
def test_every_answer_is_the_lesson_s(lesson):
    asked, figures = iter(questions(lesson)), 0
    for text, printed, names in run(notebook(lesson)):
        if "\ntell(" in text:
            question = next(asked)
            right, because = question.solve()
            assert names["right"] == right if isinstance(question, Choice) else names["right"] == pytest.approx(right)
            assert names["because"] == because and because in printed
        if text.startswith("scenario = "):
            (explore, *_) = [part for part in lesson.parts if isinstance(part, Explore)][figures:]
            figures += 1
            view = next(v for v in explore.show({c.name: c.start for c in explore.controls}) if isinstance(v, Figures))
            assert names["scenario"] == kit.working(view.scenario)
            for key in view.keys:
                assert f"{kit.value(kit.answer(view.scenario), key):.4g}" in printed, key
    assert next(asked, None) is None and figures


@each_lesson
def test_a_prediction_comes_before_its_answer(lesson):
    cells = code_of(notebook(lesson))
    for number in range(1, len(questions(lesson)) + 1):
        given = next(i for i, text in enumerate(cells) if text.startswith(f"answer_{number} = "))
        assert f"tell(answer_{number}, " in cells[given + 1]
    first = next(i for i, text in enumerate(cells) if "draw(view)" in text and "def draw" not in text)
    assert any("tell(answer_1, " in text for text in cells[:first])


ALL = notebooks()


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_is_well_formed(name):
    document = ALL[name]
    assert json.loads(json.dumps(document)) == document
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    assert document["metadata"]["kernelspec"] == {"display_name": "Python 3", "language": "python", "name": "python3"}
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", one) for one in ids)
    for cell in document["cells"]:
        extra = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | extra
        assert cell["source"] and all(line.endswith("\n") for line in cell["source"][:-1])
        assert not extra or (cell["execution_count"], cell["outputs"]) == (None, [])


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_imports_the_public_api_and_the_library_alone(name):
    for text in code_of(ALL[name]):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom | ast.Import):
                modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                for module in modules:
                    assert module.split(".")[0] in {*sys.stdlib_module_names, "edgetpusim", "matplotlib"}, module


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_names_no_outside_address(name):
    assert "http" not in json.dumps(ALL[name])


def test_there_is_a_notebook_for_each_lesson_and_one_more():
    assert list(ALL) == [*(file_name(lesson) for lesson in LESSONS), "own_estimator.ipynb"]


def test_an_estimator_of_one_s_own_is_held_against_the_simulator(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    printed = {text: (said, dict(names)) for text, said, names in run(for_researchers())}
    (rows,) = [names["rows"] for text, (_, names) in printed.items() if text.startswith("rows = []")]
    assert len(rows) == 24
    for row in rows[::5]:
        assert row["simulated"] == kit.simulate(Scenario(**row["options"])).summary["throughput_ips"]
        assert row["error"] == pytest.approx(row["yours"] / row["simulated"] - 1)
        assert row["yours"] > 0.98 * row["simulated"]  # a bound
    assert any("mean error" in said for said, _ in printed.values())
    stages = {"stage_alone_ns": 4e6, "stage_held_ns": 3e6}
    assert load_estimator("mine:throughput")({"threads": 2, "accelerators": 1}, stages) == pytest.approx(1e9 / 3e6)


def test_an_expression_has_the_options_that_were_changed():
    scenario = Scenario(models="mobilenet_v2_1.0_224", threads=2, cocompile=False, numbers={"host.gil_share": 0.5})
    assert expression(scenario) == (
        "Scenario(models='mobilenet_v2_1.0_224', threads=2, numbers={'host.gil_share': 0.5})"
    )
    assert eval(expression(scenario), {"Scenario": Scenario}) == scenario
