"""Notebooks (nbformat 4) of the lessons, and one for whoever has an estimator: plain JSON, no notebook library.

A notebook computes what the lesson computes, with the public API alone: the source of the lesson's own functions stands
in its cells. The cell for a prediction comes before the cell that answers it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.lab.kit import changed_options, working
from sim.lab.lesson import Choice, Control, Explore, Fact, Figures, Lesson, Number, Slider, Text
from sim.lab.research import CELLS
from sim.lab.solutions import Best, Binned, Known
from sim.lab.source import Sources
from sim.scenario import Scenario

__all__ = ["expression", "file_name", "for_researchers", "notebook", "notebooks"]

#: What the set-up cell defines: what lessons show is printed, and charts are drawn where matplotlib is there.
SETUP = '''
"""What the cells below share. Run this one first."""
from bisect import bisect_right
from collections import namedtuple
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from edgetpusim import Scenario, simulate

Solution = namedtuple("Solution", "right because")
Figures = namedtuple("Figures", "scenario keys")
Limit = namedtuple("Limit", "scenario")
Timeline = namedtuple("Timeline", "scenario length_ms is_cold", defaults=(0, False))
Chart = namedtuple("Chart", "title x_name xs lines at")
Table = namedtuple("Table", "headings rows")
Words = namedtuple("Words", "text")
View = Any


def rate_ips(scenario):
    """Inferences a second."""
    return point(scenario)["throughput_ips"]


def command(scenario):
    """The command line that gives the same answer."""
    usual, options = Scenario(models=scenario.models).options(), scenario.options()
    changed = {name: options[name] for name in options if options[name] != usual.get(name)}
    flags = [f"--{name.replace('_', '-')}" + ("" if v is True else f" {v}") for name, v in changed.items()]
    return " ".join(["edgetpusim run", scenario.models, *flags])


def draw(view):
    """Print a view of a lesson, or draw it."""
    if isinstance(view, Words):
        print(view.text)
    elif isinstance(view, Figures):
        for key in view.keys:
            print(f"{key:38} {value(answer(view.scenario), key):.4g}")
    elif isinstance(view, Limit):
        print(answer(view.scenario)["bottleneck_text"])
    elif isinstance(view, Timeline):
        bars(answer(view.scenario)["time_breakdown_ms"])
    elif isinstance(view, Table):
        for row in (view.headings, *view.rows):
            print("  ".join(map(str, row)))
    else:
        chart(view)


def bars(parts_ms):
    """Print what the time of a request goes into."""
    for state, ms in parts_ms.items():
        if ms:
            print(f"{state:16} {ms:9.3f} ms {'#' * round(40 * ms / sum(parts_ms.values()))}")


def chart(view):
    """Draw lines with matplotlib, or print their numbers where it is not there."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        print(view.title, "over", view.x_name, *view.xs)
        for name, ys in view.lines.items():
            print(" ", name, *(f"{y:.4g}" for y in ys))
        return
    for name, ys in view.lines.items():
        plt.plot(view.xs, ys, marker="o", label=name)
    plt.axvline(view.at, color="grey", linestyle=":")
    plt.xlabel(view.x_name)
    plt.title(view.title)
    plt.legend()
    plt.show()


def tell(given, right, because, unit="", tolerance=0.0):
    """Compare an answer with the simulator's."""
    if isinstance(right, str):
        is_right = given == right
    else:
        is_right = given is not None and abs(given - right) <= tolerance * abs(right)
    print("The simulator says:", right if isinstance(right, str) else f"{right:.3g} {unit}")
    if given:
        print("That is what you said." if is_right else f"You said: {given}")
    print(because)
'''
#: Names that the set-up cell gives, besides what it takes over from the lessons' kit.
GIVEN = {
    "Any", "Chart", "Figures", "Limit", "Mapping", "Scenario", "Solution", "Table", "Timeline", "View", "Words",
    "bisect_right", "command", "lru_cache", "namedtuple", "rate_ips", "replace", "simulate", "answer", "point", "value",
    "working", "ENOUGH", "ENOUGH_OF_ARRIVALS",
}  # fmt: skip
PLAIN_WIDTH = 100  # of a list of choices in a comment


def notebooks() -> dict[str, dict[str, Any]]:
    """Return every notebook by the name of its file."""
    from sim.lab.catalogue import LESSONS

    return {file_name(lesson): notebook(lesson) for lesson in LESSONS} | {"own_estimator.ipynb": for_researchers()}


def file_name(lesson: Lesson) -> str:
    """The name of a lesson's notebook."""
    return f"lesson_{lesson.number}.ipynb"


def notebook(lesson: Lesson) -> dict[str, Any]:
    """Return a lesson as a notebook, to be written as JSON."""
    return _document(f"lesson-{lesson.number}", lesson.title, _Writer(lesson).cells())


def for_researchers() -> dict[str, Any]:
    """Return the notebook that holds an estimator of one's own against the simulator, to be written as JSON."""
    return _document("own-estimator", "Your own estimator", iter(CELLS))


def expression(scenario: Scenario) -> str:
    """Return the Python expression of a scenario: its options that are not what they are by default."""
    options = {"models": scenario.models, **changed_options(scenario)}
    return f"Scenario({', '.join(f'{name}={value!r}' for name, value in options.items())})"


Cell = tuple[str, str]  # "markdown" or "code", and its text


def _document(name: str, title: str, cells: Iterator[Cell]) -> dict[str, Any]:
    return {
        "cells": [_cell(kind, text, f"{name}-{number}") for number, (kind, text) in enumerate(cells, 1)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "title": title,
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(kind: str, text: str, name: str) -> dict[str, Any]:
    common = {"cell_type": kind, "id": name, "metadata": {}, "source": text.strip("\n").splitlines(keepends=True)}
    return common | ({"execution_count": None, "outputs": []} if kind == "code" else {})


class _Writer:
    """Writes the cells of a lesson in order; remembers which of its functions stand there already."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.sources = Sources(GIVEN)
        self.asked = 0

    def cells(self) -> Iterator[Cell]:
        """The lesson from its title to the quiz."""
        yield "markdown", _opening(self.lesson)
        yield "code", _setup()
        for part in self.lesson.parts:
            yield from self._part(part)
        for heading, questions in (("Exercises", self.lesson.exercises), ("Quiz", self.lesson.quiz)):
            yield "markdown", f"## {heading}"
            for question in questions:
                yield from self._question(question)

    def _part(self, part: Any) -> Iterator[Cell]:
        if isinstance(part, Text):
            yield "markdown", part.body
        elif isinstance(part, Fact):
            yield "markdown", f"> **Measured.** {part.text}\n>\n> ({part.source})"
            if part.ours:
                yield "code", f"{self._needed(part.ours)}print({_name(part.ours)}())"
        elif isinstance(part, Explore):
            yield from self._explore(part)
        else:
            yield from self._question(part, "Your prediction")

    def _explore(self, part: Explore) -> Iterator[Cell]:
        starts = {control.name: control.start for control in part.controls}
        first = next(view for view in part.show(starts) if isinstance(view, Figures))
        yield "code", _plain_answer(first)
        rows = "".join(f"    {control.name!r}: {control.start!r},  # {_span(control)}\n" for control in part.controls)
        chosen = f"chosen = {{  # change a value and run the cell again\n{rows}}}\n"
        name = _name(part.show)
        yield "code", f"{self._needed(part.show)}{chosen}for view in {name}(chosen):\n    draw(view)"

    def _question(self, question: Choice | Number, heading: str = "") -> Iterator[Cell]:
        self.asked += 1
        given = f"answer_{self.asked}"
        title = f"**{heading or f'Question {self.asked}'}.** {question.ask}"
        if isinstance(question, Choice):
            listed = "".join(f"\n- {choice}" for choice in question.choices)
            yield "markdown", f"{title}\n{listed}"
            yield "code", f'{given} = ""  # copy one of the choices between the quotes'
        else:
            yield "markdown", f"{title} ({question.unit})"
            yield "code", f"{given} = None  # a number, in {question.unit}"
        yield "code", self._answer(question, given)

    def _answer(self, question: Choice | Number, given: str) -> str:
        """The cell that asks the simulator: the lesson's own functions, and the choice that follows."""
        more = f", {question.unit!r}, {question.tolerance!r}" if isinstance(question, Number) else ""
        return f"{self._right(question)}\ntell({given}, right, because{more})"

    def _right(self, question: Choice | Number) -> str:
        solve = question.solve
        if isinstance(solve, Known):
            return f"right = {solve.right!r}\nbecause = {solve.because!r}"
        if isinstance(solve, Binned):
            asked = f"{self._needed(solve.figure)}figure, because = {_name(solve.figure)}()"
            return f"{asked}\nchoices = {solve.choices!r}\nright = choices[bisect_right({solve.edges!r}, figure)]"
        if isinstance(solve, Best):
            asked = f"{self._needed(solve.figures)}figures, because = {_name(solve.figures)}()"
            return f"{asked}\nright = {'min' if solve.is_least else 'max'}(figures, key=figures.get)"
        return f"{self._needed(solve)}right, because = {_name(solve)}()"

    def _needed(self, function: Any) -> str:
        """The definitions that a cell needs first, with space below."""
        text = self.sources.of(function)
        return f"{text}\n\n\n" if text else ""


def _opening(lesson: Lesson) -> str:
    goals = "".join(f"\n- {goal}" for goal in lesson.goals)
    return (
        f"# {lesson.number} · {lesson.title}\n\n**{lesson.question}**\n\nAfterwards you can:\n{goals}\n\n"
        f"It takes about {lesson.minutes} minutes. What comes before: {' '.join(lesson.before)}\n\n"
        "The cells need `pip install edgetpusim`, and no network after that. Run them from the top. Write your answer "
        "down before you run the cell below it."
    )


def _setup() -> str:
    """The set-up cell: the kit's own functions where they need the public API alone."""
    from sim.lab import kit

    sources = Sources(GIVEN - {"answer", "point", "value", "working", "ENOUGH", "ENOUGH_OF_ARRIVALS"})
    taken = "\n\n\n".join(sources.of(function) for function in (kit.answer, kit.point, kit.value))
    return f"{SETUP}\n\n{taken}"


def _plain_answer(view: Figures) -> str:
    """The first figures of a lesson, asked for with nothing but the public API."""
    keys = "".join(f"    {key!r},\n" for key in view.keys)
    return (
        f"scenario = {expression(working(view.scenario))}\nsummary = simulate(scenario).summary\n"
        f"for key in (\n{keys}):\n    print(f'{{key:38}} {{value(summary, key):.4g}}')"
    )


def _span(control: Control) -> str:
    if isinstance(control, Slider):
        return f"{control.values[0]:g} to {control.values[-1]:g}: {control.label}"
    listed = ", ".join(control.choices)
    return listed if len(listed) <= PLAIN_WIDTH else f"one of {len(control.choices)}: {control.label}"


def _name(function: Any) -> str:
    return str(function.__name__)
