"""The lessons in their order."""

from __future__ import annotations

from sim.lab import lesson_1, lesson_2, lesson_3, lesson_4, lesson_5, lesson_6, lesson_7, lesson_8, lesson_9

__all__ = ["LESSONS"]

LESSONS = (
    lesson_1.LESSON, lesson_2.LESSON, lesson_3.LESSON, lesson_4.LESSON, lesson_5.LESSON, lesson_6.LESSON,
    lesson_7.LESSON, lesson_8.LESSON, lesson_9.LESSON,
)  # fmt: skip
