"""The lessons as plain pages, to print or to send: what a reader sees before touching a slider."""

from __future__ import annotations

import importlib
from html import escape
from pathlib import Path

from hwmodels.errors import InputError, reason
from hwmodels.files import write_text
from sim.lab import LESSONS, Lesson
from sim.lab.server import STYLE, require_marimo

__all__ = ["export_lessons", "static_page"]

CONTROLS = "<marimo-ui-element"


def export_lessons(folder: Path) -> list[Path]:
    """Write one self-contained page for each lesson into a folder; return their paths.

    Raises :class:`InputError` for a folder that cannot be written or a missing extra.
    """
    require_marimo()
    pages = {folder / f"{lesson.name}.html": static_page(lesson) for lesson in LESSONS}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, page in pages.items():
            write_text(path, page)
    except OSError as error:
        raise InputError.problem(
            f"--export {folder}", f"cannot be written ({reason(error)})", "give a folder that can be written"
        ) from None
    return list(pages)


def static_page(lesson: Lesson) -> str:
    """A lesson's text, figures and pictures as HTML, without its controls."""
    outputs, _ = importlib.import_module(f"sim.lab.{lesson.name}").app.run()
    parts = [str(getattr(output, "text", "")) for output in outputs]
    body = "\n".join(part for part in parts if CONTROLS not in part)
    note = f"<p><small>The lesson with its sliders: edgetpusim lab {lesson.number}</small></p>"
    body = body.replace("href='../lesson_", "href='lesson_").replace("/'>Next", ".html'>Next")
    body = body.replace("/'>Before", ".html'>Before").replace("href='../'", "href='lesson_1.html'")
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(lesson.title)}</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<style>{STYLE}.paragraph{{display:block;margin:.8rem 0}}</style></head><body>{body}{note}</body></html>\n"
    )
