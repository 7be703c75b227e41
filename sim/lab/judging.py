"""When an answer is right, and how the right one is told."""

from __future__ import annotations

from sim.lab.lesson import Choice, Number

__all__ = ["is_right", "told"]


def is_right(question: Choice | Number, given: str | float, right: str | float) -> bool:
    """Whether what a reader gave is right: the very choice, or a number within the question's tolerance."""
    if isinstance(question, Choice):
        return given == right
    return abs(float(given) - float(right)) <= question.tolerance * abs(float(right))


def told(question: Choice | Number, right: str | float) -> str:
    """Return the right answer as a page shows it: the choice, or three digits and the unit."""
    if isinstance(right, str):
        return right
    digits = f"{right:.0f}" if abs(right) >= 1000 else f"{right:.3g}"
    return f"{digits} {question.unit}".strip() if isinstance(question, Number) else digits
