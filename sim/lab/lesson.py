"""What a lesson is made of: text, a prediction, controls with what they show, a measured fact, exercises, a quiz.

A lesson is data. The page, the printed page, the notebook and the teacher's sheet are four views of it. Whatever is a
number in an answer comes out of a function of the lesson, which asks the simulator when the reader asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sim.scenario import Scenario

__all__ = [
    "Chart", "Choice", "Control", "Explore", "Fact", "Figures", "Lesson", "Limit", "Menu", "Number", "Part", "Slider",
    "Solution", "Table", "Text", "Timeline", "View", "Words",
]  # fmt: skip

# --- what controls show -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """Cards with figures of a scenario's answer.

    Parameters
    ----------
    scenario
        Simulated once and remembered.
    keys
        Dotted keys of the answer, such as ``latency_ms.mean``.
    """

    scenario: Scenario
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Limit:
    """What limits a scenario, in the simulator's own words."""

    scenario: Scenario


@dataclass(frozen=True)
class Timeline:
    """What threads, accelerators and links do: once the first inferences are over, or from the cold start.

    Parameters
    ----------
    scenario
        What runs.
    length_ms
        How much of it is shown; 0 chooses a length that holds a few inferences.
    is_cold
        Begin with the first inference, parameters not yet loaded.
    """

    scenario: Scenario
    length_ms: float = 0
    is_cold: bool = False


@dataclass(frozen=True)
class Chart:
    """Series over one number, with the reader's own point marked.

    Parameters
    ----------
    title
        What is drawn, with its unit.
    x_name
        What the horizontal axis counts.
    xs
        Its values, rising.
    lines
        Name of each series -> a value for each of ``xs``.
    at
        The reader's own point on the horizontal axis.
    """

    title: str
    x_name: str
    xs: tuple[float, ...]
    lines: Mapping[str, tuple[float, ...]]
    at: float


@dataclass(frozen=True)
class Table:
    """Rows of words and numbers under their headings."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]


@dataclass(frozen=True)
class Words:
    """A sentence with figures."""

    text: str


View = Figures | Limit | Timeline | Chart | Table | Words

# --- what a reader moves ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slider:
    """A number to choose; ``values`` are its steps, rising, and ``start`` is one of them."""

    name: str
    label: str
    values: tuple[float, ...]
    start: float


@dataclass(frozen=True)
class Menu:
    """A word to choose."""

    name: str
    label: str
    choices: tuple[str, ...]
    start: str


Control = Slider | Menu

# --- parts of a lesson --------------------------------------------------------------------------------------------


class Solution(NamedTuple):
    """An answer of the simulator: the choice or number that is right, and the reason in a sentence with figures."""

    right: str | float
    because: str


@dataclass(frozen=True)
class Text:
    """Paragraphs, in this much of Markdown: blank lines, ``### headings``, ``- lists``, ``**bold**`` and backquotes."""

    body: str


@dataclass(frozen=True)
class Fact:
    """A measured fact with its source, and a sentence with what the simulator says of the same."""

    text: str
    source: str
    ours: Callable[[], str] | None = None


@dataclass(frozen=True)
class Choice:
    """A question with some answers to choose from: a prediction, an exercise or a question of the quiz."""

    ask: str
    choices: tuple[str, ...]
    solve: Callable[[], Solution]


@dataclass(frozen=True)
class Number:
    """An exercise whose answer is typed in; right within ``tolerance``, a share of the right number."""

    ask: str
    unit: str
    solve: Callable[[], Solution]
    tolerance: float = 0.1


@dataclass(frozen=True)
class Explore:
    """Controls, and what they show; ``show`` is asked anew with the values by name when one was moved."""

    controls: tuple[Control, ...]
    show: Callable[[Mapping[str, Any]], Sequence[View]]


Part = Text | Fact | Choice | Number | Explore


@dataclass(frozen=True)
class Lesson:
    """A lesson.

    Parameters
    ----------
    number
        Its place.
    title, question
        What the list of lessons shows; the lesson answers the question.
    minutes
        What it takes a reader who tries everything.
    goals
        What a reader can do afterwards, each a sentence that begins with a verb.
    before
        What a reader should know, or the lessons that come before.
    parts
        In the order of the page. The prediction, a :class:`Choice`, stands before the first :class:`Explore`, which
        stays hidden until it is made.
    exercises
        A :class:`Number` or a :class:`Choice` each.
    quiz
        Six questions.
    """

    number: int
    title: str
    question: str
    minutes: int
    goals: tuple[str, ...]
    before: tuple[str, ...]
    parts: tuple[Part, ...]
    exercises: tuple[Choice | Number, ...]
    quiz: tuple[Choice, ...]
