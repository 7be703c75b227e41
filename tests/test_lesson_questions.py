"""What the pages of the lessons ask: outlines without answers, views with exact figures, and what is right."""

from __future__ import annotations

import json

import pytest

from sim import Scenario, simulate
from sim.lab import kit
from sim.lab.catalogue import LESSONS
from sim.lab.judging import is_right, told
from sim.lab.lesson import Chart, Choice, Explore, Figures, Number, Slider, Solution, Table, Timeline, Words
from sim.lab.teacher import NOTES
from sim.site.lesson_questions import outlines
from sim.site.questions import reply
from sim.site.view_data import view_data

FIRST = LESSONS[0]
EXPLORE = next(i for i, part in enumerate(FIRST.parts) if isinstance(part, Explore))
GUESS = next(i for i, part in enumerate(FIRST.parts) if isinstance(part, Choice))


def told_by(verb, **options):
    return json.loads(reply(verb, json.dumps(options)))["answer"]


def refused(verb, **options):
    return json.loads(reply(verb, json.dumps(options)))["error"]


def test_the_list_has_what_a_reader_chooses_by():
    assert told_by("lessons") == [
        {"number": one.number, "title": one.title, "question": one.question, "minutes": one.minutes} for one in LESSONS
    ]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")
def test_an_outline_has_every_part_and_no_answer(lesson):
    found = told_by("lesson", lesson=lesson.number)
    assert found == next(one for one in json.loads(json.dumps(outlines()))["lessons"] if one["number"] == lesson.number)
    assert [part["kind"] for part in found["parts"]] == [type(part).__name__.lower() for part in lesson.parts]
    for question in (*lesson.exercises, *lesson.quiz):
        assert question.solve().because not in json.dumps(found)
    keys = {key for part in (*found["parts"], *found["exercises"], *found["quiz"]) for key in part}
    assert not keys & {"right", "because", "solve", "ours"}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")
def test_figures_are_those_of_simulate_to_the_last_digit(lesson):
    (index, part), *_ = ((i, part) for i, part in enumerate(lesson.parts) if isinstance(part, Explore))
    values = {control.name: control.values[-1] for control in part.controls if isinstance(control, Slider)}
    found = told_by("explore", lesson=lesson.number, index=index, values=values)
    assert {name: found["values"][name] for name in values} == values
    for view in (view for view in found["views"] if view["kind"] == "figures"):
        summary = simulate(Scenario(**view["scenario"])).summary
        assert [card["value"] for card in view["cards"]] == [kit.value(summary, card["key"]) for card in view["cards"]]
        assert simulate(Scenario(**view["asked"])).summary["throughput_ips"] == summary["throughput_ips"]
        assert view["command"].startswith(f"edgetpusim run {view['asked']['models']}")


def test_controls_that_are_not_given_are_at_their_start():
    name = FIRST.parts[EXPLORE].controls[0].name
    found = told_by("explore", lesson=FIRST.number, index=EXPLORE)["values"]
    assert found == {control.name: control.start for control in FIRST.parts[EXPLORE].controls}
    assert told_by("explore", lesson=FIRST.number, index=EXPLORE, values={name: found[name]})["values"] == found


V2 = Scenario(models="mobilenet_v2_1.0_224", threads=2)
OTHERS = [
    (Timeline(V2, 4, is_cold=True), {"kind": "timeline"}),
    (Table(("a", "b"), (("x", 1.5), ("y", float("nan")))), {"kind": "table", "rows": [["x", 1.5], ["y", None]]}),
    (Words("So."), {"kind": "words", "text": "So."}),
    (
        Chart("t (ms)", "n", (1, 2), {"a": (1.5, float("inf"))}, 2),
        {"kind": "chart", "lines": [{"name": "a", "values": [1.5, None]}], "at": 2},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("view", "part"), OTHERS, ids=lambda value: type(value).__name__)
def test_a_view_is_json_that_every_browser_reads(view, part):
    found = view_data(view)
    json.dumps(found, allow_nan=False)
    assert {key: found[key] for key in part} == part


def test_a_cold_timeline_begins_with_the_parameters():
    films = (view_data(Timeline(V2, is_cold=cold))["film"] for cold in (True, False))
    states = [{film["states"][number] for number in film["state"]} for film in films]
    assert ["load_parameters" in one for one in states] == [True, False]


def test_a_scenario_with_numbers_of_its_own_has_no_address():
    whole = view_data(Figures(V2.with_options(numbers={"host.lock_wake_ns": 0}), ("throughput_ips",)))
    assert whole["asked"] is None
    assert view_data(Figures(V2, ("throughput_ips",)))["asked"] == {
        "models": V2.models, "threads": 2, "inferences": kit.ENOUGH,
    }  # fmt: skip


# --- answers ------------------------------------------------------------------------------------------------------


def test_a_choice_is_judged_with_the_reason():
    question = FIRST.parts[GUESS]
    right, because = question.solve()
    for choice in question.choices:
        found = told_by("judge", lesson=FIRST.number, place="parts", index=GUESS, given=choice)
        assert found == {
            "given": choice, "is_right": choice == right, "right": right, "text": right, "because": because,
        }  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), [(9.0, True), (8.99, False), (11, True), (11.01, False), (-10, False)])
def test_a_number_is_right_within_its_tolerance(given, expected):
    assert is_right(Number("How long?", "ms", lambda: Solution(10, "So.")), given, 10.0) == expected


def test_the_right_answer_is_told_with_its_unit():
    number = Number("How long?", "ms", lambda: Solution(10, "So."))
    assert [told(number, right) for right in (0.012345, 12.345, 12345.6)] == ["0.0123 ms", "12.3 ms", "12346 ms"]
    assert told(Choice("Which?", ("a", "b"), lambda: Solution("a", "So.")), "a") == "a"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")
def test_the_teacher_gets_every_answer(lesson):
    found = told_by("answers", lesson=lesson.number)
    asked = [part for part in lesson.parts if isinstance(part, Choice | Number)]
    questions = [*asked, *lesson.exercises, *lesson.quiz]
    assert found["notes"] == list(NOTES[lesson.number])
    assert [(one["ask"], one["right"], one["because"]) for one in found["answers"]] == [
        (q.ask, *q.solve()) for q in questions
    ]


def test_a_fact_is_set_against_the_simulator():
    facts = [(i, part) for i, part in enumerate(FIRST.parts) if type(part).__name__ == "Fact"]
    for index, fact in facts:
        assert told_by("ours", lesson=FIRST.number, index=index) == (fact.ours() if fact.ours else "")


HERE = {"lesson": FIRST.number, "place": "parts", "index": GUESS}
CONTROL = FIRST.parts[EXPLORE].controls[0]
REFUSED = [
    ("lesson", {}, "the lesson must be 1 to"),
    ("lesson", {"lesson": "1"}, "the lesson must be 1 to"),
    ("explore", {"lesson": 1, "index": 99}, f"must be {EXPLORE}, not 99"),
    ("explore", {"lesson": 1, "index": True}, "not True"),
    ("explore", {"lesson": 1, "index": EXPLORE, "values": {CONTROL.name + "s": 1}}, f"did you mean '{CONTROL.name}'"),
    ("explore", {"lesson": 1, "index": EXPLORE, "values": {CONTROL.name: "nothing"}}, f"'{CONTROL.label}' must be"),
    ("explore", {"lesson": 1, "index": EXPLORE, "values": [1]}, "must be an object"),
    ("judge", {**HERE, "place": "nowhere"}, "must be parts, exercises or quiz"),
    ("judge", {**HERE, "given": "perhaps"}, "the answer must be"),
    ("judge", {**HERE, "index": EXPLORE, "given": "perhaps"}, "the index among the parts"),
    ("judge", {**HERE, "place": "exercises", "index": 0, "given": "4"}, "the answer must be"),
    ("nothing", {}, "the verb must be about, run"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "options", "words"), REFUSED)
def test_what_is_refused_is_told_in_one_sentence(verb, options, words):
    error = refused(verb, **options)
    assert words in error and "\n" not in error
