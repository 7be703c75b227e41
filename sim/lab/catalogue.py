"""The lessons in their order."""

from __future__ import annotations

from sim.lab import lesson_1

__all__ = ["LESSONS"]

LESSONS = (lesson_1.LESSON,)
