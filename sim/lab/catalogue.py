"""The lessons in their order."""

from __future__ import annotations

from sim.lab import lesson_1, lesson_2, lesson_3, lesson_4

__all__ = ["LESSONS"]

LESSONS = (lesson_1.LESSON, lesson_2.LESSON, lesson_3.LESSON, lesson_4.LESSON)
