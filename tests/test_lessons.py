"""The lessons run headless as programs, and show what simulate answers."""

from __future__ import annotations

import csv
import importlib
import json
import re
from dataclasses import replace
from html import unescape
from types import SimpleNamespace

import pytest
from trace_check import check, load

from sim import Scenario, simulate
from sim.lab import LESSONS, kit
from sim.views.timeline import record

marimo = pytest.importorskip("marimo", reason="the extra lab is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # marimo's and its server's own


def html(outputs):
    return "".join(str(getattr(output, "text", "")) for output in outputs)


def shown_figures(page):
    """(scenario, {key: (value, text)}) of every block of figures."""
    blocks = re.findall(r"<div data-scenario='(.*?)'.*?>(.*?)(?=<div data-scenario=|<svg|$)", page, re.DOTALL)
    pattern = r"data-figure='(.*?)' data-value='(.*?)'>(.*?)</div>"
    return [
        (Scenario(**json.loads(unescape(options))), {k: (float(v), t) for k, v, t in re.findall(pattern, body)})
        for options, body in blocks
    ]


@pytest.fixture(scope="module", params=LESSONS, ids=lambda lesson: lesson.name)
def run(request):
    app = importlib.import_module(f"sim.lab.{request.param.name}").app
    outputs, definitions = app.run()
    return SimpleNamespace(lesson=request.param, app=app, page=html(outputs), definitions=definitions)


def test_a_lesson_shows_what_simulate_answers(run):
    blocks = shown_figures(run.page)
    assert blocks
    for scenario, figures in blocks:
        summary = simulate(scenario).summary
        assert len(figures) >= 4
        for key, (value, text) in figures.items():
            assert value == kit.value(summary, key), key
            assert text == kit.shown(key, value)


def test_a_lesson_has_all_its_parts(run):
    for part in ("<svg", "polyline", "Measured.", "<summary>", "Your prediction", "All lessons"):
        assert part in run.page, part
    assert "http" not in re.sub(r"http://www.w3.org/\S+|https?://127\S+", "", run.page), "no outside address"


def test_a_lesson_s_scenario_makes_a_valid_trace(run, tmp_path):
    scenario = replace(run.definitions["scenario"], inferences=40)
    record(scenario, tmp_path / "trace.json", layers=True, compare=False)
    check(load(tmp_path / "trace.json"))


def test_every_slider_changes_the_figures(run):
    """Each slider, alone, at its largest value: some shown figure of the lesson differs."""
    before = [figures for _, figures in shown_figures(run.page)]
    controls = {n: v for n, v in run.definitions.items() if type(v).__module__.startswith("marimo._plugins.ui")}
    sliders = {n: v for n, v in controls.items() if type(v).__name__ == "slider"}
    assert sliders
    for name, slider in sliders.items():
        if (run.lesson.number, name) == (8, "rate"):
            continue  # counts only for random arrivals
        changed = slider.stop if slider.value != slider.stop else slider.start
        outputs, _ = run.app.run(defs=controls | {name: SimpleNamespace(value=changed)})
        assert [figures for _, figures in shown_figures(html(outputs))] != before, name


MOST_CHOICES = 3  # of a dropdown: else its last one stands for the others


def test_every_choice_goes_with_every_slider(run):
    """A lesson shows figures for each choice of each dropdown, whatever its sliders say."""
    controls = {n: v for n, v in run.definitions.items() if type(v).__module__.startswith("marimo._plugins.ui")}
    moved = {
        name: SimpleNamespace(value=slider.stop if slider.value != slider.stop else slider.start)
        for name, slider in controls.items() if type(slider).__name__ == "slider"
    }  # fmt: skip
    dropdowns = {n: list(v.options.values()) for n, v in controls.items() if type(v).__name__ == "dropdown"}
    for name, choices in dropdowns.items():
        for choice in choices if len(choices) <= MOST_CHOICES else choices[-1:]:
            for sliders in ({}, moved):
                outputs, _ = run.app.run(defs=controls | sliders | {name: SimpleNamespace(value=choice)})
                assert shown_figures(html(outputs)), (name, choice)


def test_a_prediction_is_answered(run):
    if run.lesson.number == 8:
        pytest.skip("its prediction is a number")
    guess = run.definitions["guess"]
    pages = [html(run.app.run(defs={"guess": SimpleNamespace(value=choice)})[0]) for choice in guess.options]
    assert all("You said" in page for page in pages)
    assert sum("That is what the simulator says too." in page for page in pages) == 1


GOOGLE, QUTI, ISSUES, DOCS = "google_reference.csv", "qutibench_power.csv", "issues_misc.csv", "coral_docs.csv"
PAIR = "alternating_pair_latency_ms"
FACTS = [
    (GOOGLE, "pycoral_ref", "invoke_latency_ms", 2.29), (GOOGLE, "pycoral_ref", "invoke_latency_ms", 10.77),
    (GOOGLE, "pycoral_ref", "invoke_latency_ms", 2.17),
    (QUTI, "qutibench", "system_latency_ms", 6.0), (QUTI, "qutibench", "invoke_latency_ms", 2.57),
    (QUTI, "qutibench", "power_full_w", 0.532), (QUTI, "qutibench", "power_full_w", 0.462),
    (QUTI, "qutibench", "system_latency_ms", 7.86),
    (ISSUES, "gh_pycoral_12", "invoke_latency_ms", 2.88), (ISSUES, "gh_pycoral_12", "invoke_latency_ms", 3.45),
    (GOOGLE, "edgetpu_cocompile_ref", PAIR, 22.61), (GOOGLE, "edgetpu_cocompile_ref", PAIR, 7.36),
    (DOCS, "coral_multi_demo", "throughput_fps", 20), (DOCS, "coral_multi_demo", "throughput_fps", 50),
    (ISSUES, "frigate_7247", "throughput_fps", 236), (ISSUES, "frigate_7247", "throughput_fps", 308),
]  # fmt: skip


SIZES = [
    ("B4096", "ResNet-50", 5.29), ("B1024", "ResNet-50", 14.41), ("B4096", "MobileNet", 0.657),
    ("B1024", "MobileNet", 0.733),
]  # fmt: skip


@pytest.mark.parametrize("size, workload, seconds", SIZES)
def test_a_measured_fact_about_a_size_stands_in_the_datasets(size, workload, seconds):
    import calibration

    folder = importlib.import_module("pathlib").Path(calibration.__file__).parent / "datasets" / "boards"
    with (folder / "dpu_power_by_size.csv").open(encoding="utf-8") as rows:
        found = {(row["dpu_arch"], row["workload"]): row["runtime_s"] for row in csv.DictReader(rows)}
    assert float(found[size, workload]) == seconds


@pytest.mark.parametrize("file, source, metric, number", FACTS)
def test_a_measured_fact_stands_in_the_datasets(file, source, metric, number):
    import calibration

    folder = importlib.import_module("pathlib").Path(calibration.__file__).parent / "datasets"
    with (folder / file).open(encoding="utf-8") as rows:
        values = [float(r["value"]) for r in csv.DictReader(rows) if (r["source_id"], r["metric"]) == (source, metric)]
    assert any(abs(value / number - 1) < 2e-3 for value in values)
