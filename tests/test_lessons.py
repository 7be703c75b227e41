"""The lessons as data: what they show is simulate's answer, their questions have one right choice, and they read well."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from trace_check import check, load

import calibration
from sim import Scenario, simulate
from sim.lab import kit, lesson_2, lesson_3, lesson_4, lesson_5, lesson_6, lesson_9, teacher
from sim.lab.catalogue import LESSONS
from sim.lab.lesson import Chart, Choice, Explore, Fact, Figures, Limit, Menu, Number, Slider, Table, Text, Words
from sim.lab.solutions import Best, Binned, Known, best, binned, known
from sim.views.timeline import record

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import prose

CLEAR = 0.05  # how far a figure lies from the edges of its bin, and the best one ahead of the second
MOST_ANSWERS = 24  # that one move of a control may ask the simulator for
MOST_KNOWN = 2  # of a quiz's six questions need no simulation
MOST_CHOICES = 9  # of a menu: of more, the first, the middle and the last one stand for all
#: Controls that change no figure alone, and another control that makes them count.
IDLE = {
    (8, "rate"): {"arrivals": "at random"}, (8, "switch_interval_ms"): {"busy_python_threads": 1},
    (8, "num_threads"): {"accelerators": 0},
}  # fmt: skip
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")


def explores(lesson) -> list[Explore]:
    return [part for part in lesson.parts if isinstance(part, Explore)]


def questions(lesson) -> list[Choice | Number]:
    return [*(part for part in lesson.parts if isinstance(part, Choice)), *lesson.exercises, *lesson.quiz]


def starts(explore) -> dict:
    return {control.name: control.start for control in explore.controls}


def moved(explore) -> dict:
    """Every slider at its other end."""
    sliders = [control for control in explore.controls if isinstance(control, Slider)]
    return {s.name: s.values[-1] if s.start != s.values[-1] else s.values[0] for s in sliders}


def some(choices) -> tuple[str, ...]:
    """All of a few choices; of many the first, the middle and the last one."""
    return choices if len(choices) <= MOST_CHOICES else (choices[0], choices[len(choices) // 2], choices[-1])


def figures_of(views) -> list[float]:
    """The numbers on the cards, and in the tables where there are no cards."""
    cards = [kit.value(kit.answer(v.scenario), key) for v in views if isinstance(v, Figures) for key in v.keys]
    return cards or [cell for v in views if isinstance(v, Table) for row in v.rows for cell in row]


# --- parts --------------------------------------------------------------------------------------------------------


def test_the_lessons_are_numbered():
    assert [lesson.number for lesson in LESSONS] == list(range(1, len(LESSONS) + 1))
    assert len({lesson.title for lesson in LESSONS}) == len(LESSONS)


@each_lesson
def test_a_lesson_has_all_its_parts(lesson):
    kinds = [type(part) for part in lesson.parts]
    assert {Text, Explore, Fact} <= set(kinds)
    assert kinds.index(Explore) > min(kinds.index(kind) for kind in (Choice, Number) if kind in kinds)
    assert 2 <= len(lesson.goals) <= 4 and lesson.before and 10 <= lesson.minutes <= 45
    assert len(lesson.exercises) >= 3
    assert len(lesson.quiz) == 6 and all(isinstance(question, Choice) for question in lesson.quiz)
    assert sum(isinstance(question.solve, Known) for question in lesson.quiz) <= MOST_KNOWN


@each_lesson
def test_questions_have_a_few_different_choices(lesson):
    for question in questions(lesson):
        if isinstance(question, Choice):
            assert 3 <= len(set(question.choices)) == len(question.choices) <= 4, question.ask
    asks = [question.ask for question in questions(lesson)]
    assert len(set(asks)) == len(asks)


# --- answers ------------------------------------------------------------------------------------------------------


@each_lesson
def test_every_question_has_a_right_answer_and_a_reason(lesson):
    for question in questions(lesson):
        right, because = question.solve()
        if isinstance(question, Choice):
            assert right in question.choices, question.ask
        else:
            assert math.isfinite(right) and right and 0 < question.tolerance <= 0.2, question.ask
        assert because.endswith(".") and (isinstance(question.solve, Known) or re.search(r"\d", because)), because


@each_lesson
def test_a_small_change_of_the_calibration_changes_no_right_choice(lesson):
    for question in questions(lesson):
        if isinstance(question.solve, Binned):
            figure = float(question.solve.figure().right)
            assert all(abs(figure / edge - 1) >= CLEAR for edge in question.solve.edges), (question.ask, figure)
        elif isinstance(question.solve, Best):
            figures = question.solve.figures()[0]
            assert tuple(figures) == question.choices, question.ask
            assert lead(figures, question.solve.is_least) >= CLEAR, (question.ask, figures)


def lead(figures, is_least) -> float:
    """How far the best figure is ahead of the second, as a share of the larger."""
    first, second = sorted(figures.values(), reverse=not is_least)[:2]
    return abs(first - second) / max(abs(first), abs(second))


def test_the_right_choices_stand_in_different_places():
    """Whoever always takes the first, second or third choice fails."""
    for lesson in LESSONS:
        places = [question.choices.index(question.solve().right) for question in lesson.quiz]
        assert max(places.count(place) for place in places) <= 4, (lesson.number, places)


@pytest.mark.parametrize("figure, right", [(0.5, "less"), (1.0, "some"), (1.9, "some"), (2.0, "more")])
def test_a_bin_holds_its_lower_edge(figure, right):
    question = binned("How much?", (1, 2), ("less", "some", "more"), lambda: kit_solution(figure))
    assert question.solve() == (right, "It is so.")


def kit_solution(figure):
    from sim.lab.lesson import Solution

    return Solution(figure, "It is so.")


def test_the_best_is_the_largest_or_the_smallest():
    figures = {"a": 1.0, "b": 3.0, "c": 2.0}
    assert best("Which?", tuple(figures), lambda: (figures, "")).solve().right == "b"
    assert best("Which?", tuple(figures), lambda: (figures, ""), is_least=True).solve().right == "a"
    assert known("What?", ("a", "b"), 1, "So.").solve() == ("b", "So.")


# --- what controls show -------------------------------------------------------------------------------------------


@each_lesson
def test_a_lesson_shows_what_simulate_answers(lesson):
    seen = 0
    for explore in explores(lesson):
        for view in explore.show(starts(explore)):
            for key in view.keys if isinstance(view, Figures) else ():
                summary = simulate(kit.working(view.scenario)).summary
                assert kit.value(kit.answer(view.scenario), key) == kit.value(summary, key), key
                assert kit.shown(key, kit.value(summary, key))
                seen += 1
    assert seen >= 4


@each_lesson
def test_a_chart_of_throughput_passes_through_the_figure_on_the_card(lesson):
    for explore in explores(lesson):
        views = explore.show(starts(explore))
        shown = [kit.answer(view.scenario)["throughput_ips"] for view in views if isinstance(view, Figures)]
        for chart in (view for view in views if isinstance(view, Chart)):
            assert list(chart.xs) == sorted(chart.xs) and all(len(ys) == len(chart.xs) for ys in chart.lines.values())
            assert all(math.isfinite(y) for ys in chart.lines.values() for y in ys), chart.title
            if chart.title.startswith("throughput"):
                here = [ys[chart.xs.index(chart.at)] for ys in chart.lines.values()]
                assert any(y == pytest.approx(ips, rel=1e-12) for y in here for ips in shown), chart.title


@each_lesson
def test_a_lesson_s_scenario_makes_a_valid_trace(lesson, tmp_path):
    (explore, *_) = explores(lesson)
    scenario = next(view.scenario for view in explore.show(starts(explore)) if isinstance(view, Figures))
    record(replace(scenario, inferences=40), tmp_path / "trace.json", layers=True, compare=False)
    check(load(tmp_path / "trace.json"))


@each_lesson
def test_every_slider_changes_the_figures(lesson):
    """Each slider, alone, at its other end: some shown figure of the lesson differs."""
    for explore in explores(lesson):
        for name, value in moved(explore).items():
            others = [{}, IDLE[lesson.number, name]] if (lesson.number, name) in IDLE else [{}]
            rows = [starts(explore) | other for other in others]
            same = [figures_of(explore.show(row)) == figures_of(explore.show(row | {name: value})) for row in rows]
            assert same == [True, False][-len(rows) :], name


@each_lesson
def test_every_choice_goes_with_every_slider(lesson):
    """A lesson has an answer for each choice of each menu, whatever its sliders say."""
    for explore in explores(lesson):
        for menu in (control for control in explore.controls if isinstance(control, Menu)):
            for choice in some(menu.choices):
                assert figures_of(explore.show(starts(explore) | {menu.name: choice})), (menu.name, choice)
            assert figures_of(explore.show(starts(explore) | moved(explore) | {menu.name: menu.choices[-1]}))


@each_lesson
def test_controls_are_sound(lesson):
    for explore in explores(lesson):
        assert len({control.name for control in explore.controls}) == len(explore.controls)
        for control in explore.controls:
            span = control.values if isinstance(control, Slider) else control.choices
            assert control.start in span and len(span) >= 2
            assert isinstance(control, Menu) or list(span) == sorted(set(span))


@each_lesson
def test_a_move_of_a_control_asks_for_few_answers(lesson):
    for explore in explores(lesson):
        kit.answer.cache_clear()
        kit.point.cache_clear()
        explore.show(starts(explore))
        assert kit.answer.cache_info().misses + kit.point.cache_info().misses <= MOST_ANSWERS


def test_pool_and_pipeline_gain_over_the_same_accelerator():
    """The gains that lesson 5 quotes are the ratios of its chart."""
    one = simulate(kit.working(lesson_5.pool(1))).summary["throughput_ips"]
    for scenario in (lesson_5.pool(2), lesson_5.pipeline(2), lesson_5.pipeline(3)):
        assert kit.answer(scenario)["speedup_vs_one_thread"] == pytest.approx(kit.rate_ips(scenario) / one, rel=2e-3)


@each_lesson
def test_a_rate_is_the_answer_s(lesson):
    for explore in explores(lesson):
        for view in explore.show(starts(explore)):
            if isinstance(view, Figures):
                assert kit.rate_ips(view.scenario) == kit.answer(view.scenario)["throughput_ips"]


def test_every_bottleneck_has_words():
    assert set(kit.LIMITED) == {"accelerator", "link", "cpu", "gil", "arrivals"}


@each_lesson
def test_limits_are_in_plain_words(lesson):
    for explore in explores(lesson):
        for view in explore.show(starts(explore)):
            assert not isinstance(view, Limit) or kit.answer(view.scenario)["bottleneck"] in kit.LIMITED


# --- text ---------------------------------------------------------------------------------------------------------


def texts(lesson) -> Iterator[str]:
    """Everything a reader reads, and what the simulator says of facts and questions."""
    yield from (f"{goal}" for goal in (*lesson.goals, *lesson.before, lesson.question))
    for part in lesson.parts:
        yield from [part.body] if isinstance(part, Text) else []
        yield from [part.text, *([part.ours()] if part.ours else [])] if isinstance(part, Fact) else []
        yield from (
            [v.text for v in part.show(starts(part)) if isinstance(v, Words)] if isinstance(part, Explore) else []
        )
    for question in questions(lesson):
        yield question.ask
        yield question.solve().because


@each_lesson
def test_a_lesson_reads_as_plain_english(lesson):
    wrong = [fault for text in texts(lesson) for s in prose.sentences(text) for fault in prose.sentence_faults(s)]
    assert wrong == []


@each_lesson
def test_a_lesson_names_no_outside_address(lesson):
    for text in (*texts(lesson), *(part.source for part in lesson.parts if isinstance(part, Fact))):
        assert "http" not in text and "www." not in text


def test_a_teacher_has_notes_for_every_lesson_and_set_ups_that_run():
    assert set(teacher.NOTES) == {lesson.number for lesson in LESSONS}
    text = "\n\n".join(note for notes in teacher.NOTES.values() for note in notes)
    assert [fault for s in prose.sentences(text) for fault in prose.sentence_faults(s)] == []
    for name, link in teacher.presets().items():
        options = {key: values[0] for key, values in parse_qs(link, strict_parsing=True).items()}
        numbers = {key: float(options[key]) for key in ("regions",) if key in options}
        assert simulate(kit.working(Scenario(**(options | numbers)))).summary["throughput_ips"] > 0, name


@each_lesson
def test_goals_begin_with_a_verb(lesson):
    assert {goal.split()[0] for goal in lesson.goals} <= VERBS


VERBS = {
    "Name", "Read", "Say", "Estimate", "Explain", "Predict", "Decide", "Choose", "Compute", "Compare", "Turn", "Ask",
}  # fmt: skip

# --- claims of the texts ------------------------------------------------------------------------------------------


def test_what_the_text_of_lesson_2_claims():
    one, two, three = (kit.answer(lesson_2.on_pi(threads)) for threads in (1, 2, 3))
    assert one["utilisation"]["accelerator"] < 0.8 and two["utilisation"]["accelerator"] > 0.95  # hardly a gap
    assert three["throughput_ips"] == pytest.approx(two["throughput_ips"], rel=1e-3)
    assert three["latency_ms"]["mean"] > 1.3 * two["latency_ms"]["mean"]


def test_what_the_text_of_lesson_3_claims():
    assert kit.answer(lesson_3.on_pi(8))["time_breakdown_ms"]["gil_wait"] == pytest.approx(0, abs=0.01)
    assert kit.share(kit.answer(lesson_3.on_pi(8, 1)), "gil_wait") > 0.9


def test_what_the_text_of_lesson_4_claims():
    """Together nothing is loaded again but streamed; a mutex loads less than a fair lock; affinity costs the tail."""
    fair, together, mutex, batch = (
        kit.answer(lesson_4.in_turn(**options))
        for options in ({}, {"cocompile": True}, {"lock": "mutex"}, {"discipline": "affinity"})
    )
    loads = [found["time_breakdown_ms"]["load_parameters"] for found in (fair, mutex, batch, together)]
    assert loads == sorted(loads, reverse=True) and loads[-1] < 0.05 < together["time_breakdown_ms"]["parameters"]
    assert batch["latency_ms"]["p95"] > fair["latency_ms"]["p95"] > fair["latency_ms"]["mean"] * 0.99


def test_what_the_texts_of_lessons_6_and_9_claim():
    fast, slow = (kit.point(lesson_6.on_pi(clock=clock)) for clock in ("max", "std"))
    assert fast["power_w"]["total"] > slow["power_w"]["total"]  # the half clock lowers the power ...
    assert fast["energy_mj_per_inference"] < slow["energy_mj_per_inference"]  # ... and not the energy
    large, small = (kit.latency_ms(lesson_9.cores(mix, threads=1)) for mix in (lesson_9.LARGE, lesson_9.SMALL))
    assert large < small
    assert lesson_9.multipliers(lesson_9.SMALL) <= lesson_9.multipliers(lesson_9.LARGE) == 710


# --- measured facts -----------------------------------------------------------------------------------------------

GOOGLE, QUTI, ISSUES, DOCS = "google_reference.csv", "qutibench_power.csv", "issues_misc.csv", "coral_docs.csv"
SPARTA = "sparta_imagenet_multitpu.csv"
PAIR = "alternating_pair_latency_ms"
FACTS = [
    (GOOGLE, "pycoral_ref", "invoke_latency_ms", 2.29), (GOOGLE, "pycoral_ref", "invoke_latency_ms", 10.77),
    (QUTI, "qutibench", "system_latency_ms", 6.0), (QUTI, "qutibench", "invoke_latency_ms", 2.57),
    (QUTI, "qutibench", "power_full_w", 0.532), (QUTI, "qutibench", "power_full_w", 0.462),
    (QUTI, "qutibench", "system_latency_ms", 7.86),
    (ISSUES, "gh_pycoral_12", "invoke_latency_ms", 2.88), (ISSUES, "gh_pycoral_12", "invoke_latency_ms", 3.45),
    (GOOGLE, "edgetpu_cocompile_ref", PAIR, 22.61), (GOOGLE, "edgetpu_cocompile_ref", PAIR, 7.36),
    (DOCS, "coral_multi_demo", "throughput_fps", 20), (DOCS, "coral_multi_demo", "throughput_fps", 50),
    (SPARTA, "sparta", "throughput_fps", 200.1), (SPARTA, "sparta", "throughput_fps", 1421.8),
    (ISSUES, "frigate_7247", "throughput_fps", 236), (ISSUES, "frigate_7247", "throughput_fps", 308),
]  # fmt: skip
SIZES = [
    ("B4096", "ResNet-50", 5.29), ("B1024", "ResNet-50", 14.41), ("B4096", "MobileNet", 0.657),
    ("B1024", "MobileNet", 0.733),
]  # fmt: skip
DATASETS = Path(calibration.__file__).parent / "datasets"


@pytest.mark.parametrize("size, workload, seconds", SIZES)
def test_a_measured_fact_about_a_size_stands_in_the_datasets(size, workload, seconds):
    with (DATASETS / "boards" / "dpu_power_by_size.csv").open(encoding="utf-8") as rows:
        found = {(row["dpu_arch"], row["workload"]): row["runtime_s"] for row in csv.DictReader(rows)}
    assert float(found[size, workload]) == seconds


@pytest.mark.parametrize("file, source, metric, number", FACTS)
def test_a_measured_fact_stands_in_the_datasets(file, source, metric, number):
    with (DATASETS / file).open(encoding="utf-8") as rows:
        values = [float(r["value"]) for r in csv.DictReader(rows) if (r["source_id"], r["metric"]) == (source, metric)]
    assert any(abs(value / number - 1) < 2e-3 for value in values)


@each_lesson
def test_every_number_of_a_fact_is_one_of_those(lesson):
    """A fact's decimal numbers stand in the lists above, which the datasets are held against."""
    numbers = {number for *_, number in FACTS} | {number for *_, number in SIZES} | DERIVED
    for fact in (part for part in lesson.parts if isinstance(part, Fact)):
        assert {float(n) for n in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", fact.text)} <= numbers, fact.text


DERIVED = {3.2, 3.6, 2.7, 7.1}  # watts times seconds of an image, and ratios of two times and of two rates
