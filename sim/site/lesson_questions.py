"""What the pages of the lessons ask: what a lesson holds, what its controls show, and whether an answer is right.

An outline holds no answer. Whatever a reader should find out is computed when the page asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hwmodels.errors import InputError, either, nearest
from hwmodels.version import program_version
from sim.lab.catalogue import LESSONS
from sim.lab.judging import is_right, told
from sim.lab.lesson import Choice, Control, Explore, Fact, Lesson, Menu, Number, Part, Text
from sim.lab.teacher import NOTES, presets
from sim.site.view_data import state_looks, view_data

__all__ = ["VERBS", "outlines"]

Data = dict[str, Any]
Options = Mapping[str, Any]
MOST_NAMED = 12  # values of a control, in a refusal

# --- outlines -----------------------------------------------------------------------------------------------------


def outlines() -> Data:
    """Return all that the pages show before anything is computed: every lesson without its answers."""
    return {
        "version": program_version(), "states": state_looks(), "lessons": [outline(lesson) for lesson in LESSONS],
        "presets": [{"name": name, "fragment": fragment} for name, fragment in presets().items()],
    }  # fmt: skip


def titles(_options: Options) -> list[Data]:
    """The list of lessons."""
    return [
        {"number": one.number, "title": one.title, "question": one.question, "minutes": one.minutes} for one in LESSONS
    ]


def outline(lesson: Lesson) -> Data:
    """Return a lesson's words, controls and questions, and none of its answers."""
    return {
        "number": lesson.number, "title": lesson.title, "question": lesson.question, "minutes": lesson.minutes,
        "goals": lesson.goals, "before": lesson.before, "parts": [_part(part) for part in lesson.parts],
        "exercises": [_part(one) for one in lesson.exercises], "quiz": [_part(one) for one in lesson.quiz],
    }  # fmt: skip


def _part(part: Part) -> Data:
    match part:
        case Text():
            return {"kind": "text", "body": part.body}
        case Fact():
            return {"kind": "fact", "text": part.text, "source": part.source, "is_compared": part.ours is not None}
        case Choice():
            return {"kind": "choice", "ask": part.ask, "choices": part.choices}
        case Number():
            return {"kind": "number", "ask": part.ask, "unit": part.unit, "tolerance": part.tolerance}
        case Explore():
            return {"kind": "explore", "controls": [_control(control) for control in part.controls]}


def _control(control: Control) -> Data:
    known = {"name": control.name, "label": control.label, "start": control.start}
    if isinstance(control, Menu):
        return {"kind": "menu", **known, "choices": control.choices}
    return {"kind": "slider", **known, "values": control.values}


# --- what is asked for --------------------------------------------------------------------------------------------


def _lesson(options: Options) -> Lesson:
    number = options.get("lesson")
    found = next((lesson for lesson in LESSONS if lesson.number == number), None)
    if found is None:
        raise InputError.value("the lesson", number, f"1 to {len(LESSONS)}")
    return found


#: Where a question stands -> the questions there.
PLACES: Mapping[str, Callable[[Lesson], Sequence[Part]]] = {
    "parts": lambda lesson: lesson.parts, "exercises": lambda lesson: lesson.exercises,
    "quiz": lambda lesson: lesson.quiz,
}  # fmt: skip


def _item(options: Options, place: str, *kinds: type) -> Any:
    """The part of a lesson that ``index`` names, if it is of one of these kinds."""
    index, parts = options.get("index"), PLACES[place](_lesson(options))
    known = [i for i, part in enumerate(parts) if isinstance(part, kinds)]
    if not isinstance(index, int) or index not in known:
        which = either(map(str, known)) if known else "none, as there are none"
        raise InputError.value(f"the index among the {place} of the lesson", index, which)
    return parts[index]


def explore(options: Options) -> Data:
    """What an :class:`Explore` shows for the values of its controls; those that are not given are at their start."""
    part = _item(options, "parts", Explore)
    values = _values(part.controls, options.get("values", {}))
    return {"values": values, "views": [view_data(view) for view in part.show(values)]}


def _values(controls: Sequence[Control], given: Any) -> Data:
    names = [control.name for control in controls]
    if not isinstance(given, dict):
        raise InputError.value("the values of the controls", given, "an object")
    for name in given:
        if name not in names:
            raise InputError.value("a control of the lesson", name, either(names), nearest(name, names))
    return {control.name: _value(control, given.get(control.name, control.start)) for control in controls}


def _value(control: Control, given: Any) -> Any:
    """The control's own value that equals what was given: a page writes whole numbers and others alike."""
    allowed: Sequence[Any] = control.choices if isinstance(control, Menu) else control.values
    if isinstance(given, bool) or given not in allowed:
        few = either(map(str, allowed)) if len(allowed) <= MOST_NAMED else "one of its choices"
        raise InputError.value(f"{control.label!r}", given, few, nearest(str(given), map(str, allowed)))
    return allowed[allowed.index(given)]


def judge(options: Options) -> Data:
    """Whether an answer is right, with the right one and the reason.

    ``place`` is ``parts``, ``exercises`` or ``quiz``; ``index`` counts there from 0; ``given`` is what the reader said.
    """
    place = str(options.get("place"))
    if place not in PLACES:
        raise InputError.value("the place of the question", place, either(PLACES))
    question = _item(options, place, Choice, Number)
    return _judged(question, _given(question, options.get("given")))


def _given(question: Choice | Number, given: Any) -> Any:
    if isinstance(question, Choice):
        if given not in question.choices:
            raise InputError.value("the answer", given, either(map(repr, question.choices)))
    elif isinstance(given, bool) or not isinstance(given, int | float):
        raise InputError.value("the answer", given, "a number")
    return given


def _judged(question: Choice | Number, given: Any) -> Data:
    solved = _solved(question)
    return {"given": given, "is_right": is_right(question, given, solved["right"]), **solved}


def ours(options: Options) -> str:
    """What the simulator says about the set-up of a measured fact; empty where nothing is compared."""
    fact = _item(options, "parts", Fact)
    return fact.ours() if fact.ours else ""


def answers(options: Options) -> Data:
    """Every question of a lesson with its right answer and the reason, and notes for the class, for the teacher."""
    lesson = _lesson(options)
    solved = [
        {"place": place, "index": index, "ask": question.ask, **_solved(question)}
        for place, questions in PLACES.items()
        for index, question in enumerate(questions(lesson))
        if isinstance(question, Choice | Number)
    ]
    return {"notes": NOTES.get(lesson.number, ()), "answers": solved}


def _solved(question: Choice | Number) -> Data:
    right, because = question.solve()
    return {"right": right, "text": told(question, right), "because": because}


VERBS: dict[str, Callable[[Options], Any]] = {
    "lessons": titles, "lesson": lambda options: outline(_lesson(options)), "explore": explore,
    "judge": judge, "ours": ours, "answers": answers,
}  # fmt: skip
