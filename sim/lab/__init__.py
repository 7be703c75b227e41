"""Lessons: marimo notebooks that are plain Python and call only the public API. ``edgetpusim lab`` serves them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["LESSONS", "Lesson"]


class Lesson(NamedTuple):
    """A lesson: its number, name of its module, title and the question it answers."""

    number: int
    name: str
    title: str
    question: str

    @property
    def file(self) -> Path:
        """The notebook."""
        return Path(__file__).parent / f"{self.name}.py"


LESSONS = tuple(
    Lesson(number, f"lesson_{number}", title, question)
    for number, (title, question) in enumerate(
        (
            ("Anatomy of one inference", "How much of invoke() is computing?"),
            ("A second thread", "What overlaps, and what does the lock forbid?"),
            ("The GIL and the cores", "When do Python threads get in each other's way?"),
            ("The parameter cache", "What does it cost to swap, to share and to spill?"),
            ("More accelerators", "Pool or pipeline, and what does the bus say?"),
            ("Energy", "Why is faster often cheaper?"),
            ("Estimate first, simulate after", "How far do bounds and mean value analysis carry?"),
            ("Your own question", "What do you want to know?"),
            ("One large accelerator or three small ones", "What is the same area worth as one core, or as several?"),
        ),
        start=1,
    )
)
