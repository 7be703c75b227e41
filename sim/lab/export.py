"""The lessons as plain pages and notebooks, to print or to send."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from hwmodels.errors import InputError, reason
from hwmodels.files import write_text
from sim.lab.catalogue import LESSONS
from sim.lab.lesson import Lesson
from sim.lab.notebooks import file_name, notebooks
from sim.lab.printed import lesson_html, marked

__all__ = ["export_lessons"]

STYLE = """
:root{color-scheme:light;background:#fff}
body{font-family:system-ui,'DejaVu Sans',sans-serif;max-width:60rem;margin:1.5rem auto;padding:0 1rem}
body{color:#222;line-height:1.5}
a{color:#0064a0}h1{line-height:1.2}h2{margin-top:2rem}p,ul,.question,blockquote{max-width:44rem}
dl{display:flex;flex-wrap:wrap;gap:.6rem}dl>div{border:1px solid #bbb;border-radius:6px;padding:.4rem .8rem}
dt{font-size:.85rem}dd{margin:0;font-size:1.2rem;font-weight:600}
pre{white-space:pre-wrap;background:#f5f6f8;padding:.6rem}
.views{display:flex;flex-wrap:wrap;gap:0 1rem}.views>*{flex:1 1 100%;min-width:0}
.views>.chart{flex:1 1 330px;max-width:480px}
blockquote{border-left:4px solid #0064a0;margin:1rem 0;padding:.1rem 1rem}
blockquote footer,.values{font-size:.85rem;color:#555}
td,th{text-align:left;padding:.1rem .8rem .1rem 0}.question{margin:1rem 0;break-inside:avoid}summary{cursor:pointer}
"""


def export_lessons(folder: Path) -> list[Path]:
    """Write a list and one self-contained page for each lesson into a folder; return their paths.

    Raises :class:`InputError` for a folder that cannot be written.
    """
    files = {folder / name: text for name, text in _files().items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            write_text(path, text)
    except OSError as error:
        raise InputError.problem(
            f"--export {folder}", f"cannot be written ({reason(error)})", "give a folder that can be written"
        ) from None
    return list(files)


def _files() -> dict[str, str]:
    pages = {_name(lesson): _page(lesson.title, lesson_html(lesson) + _steps(lesson)) for lesson in LESSONS}
    books = {name: json.dumps(book, indent=1) for name, book in notebooks().items()}
    return {"index.html": _page("Lessons", _list()), **pages, **books}


def _name(lesson: Lesson) -> str:
    return f"lesson_{lesson.number}.html"


def _list() -> str:
    rows = (
        f"<li><a href='{_name(lesson)}'>{escape(lesson.title)}</a><br>{marked(lesson.question)}</li>"
        for lesson in LESSONS
    )
    return f"<h1>Threads on an accelerator, in lessons</h1><ol>{''.join(rows)}</ol>"


def _steps(lesson: Lesson) -> str:
    """Links to the lessons around one, and how to open it with its controls."""
    links = ["<a href='index.html'>All lessons</a>"]
    for number, word in ((lesson.number - 1, "Before"), (lesson.number + 1, "Next")):
        links += [f"<a href='{_name(o)}'>{word}: {escape(o.title)}</a>" for o in LESSONS if o.number == number]
    links.append(f"<a href='{file_name(lesson)}'>As a notebook</a>")
    return f"<p>{' · '.join(links)}</p><p>The lesson with its controls: <code>edgetpusim lab {lesson.number}</code></p>"


def _page(title: str, body: str) -> str:
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><link rel='icon' href='data:,'>"
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
