"""The files of the pages: HTML, CSS and scripts, what the lessons hold, and the notebooks."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from sim.lab.notebooks import notebooks
from sim.site.lesson_questions import outlines

__all__ = ["FOLDER", "notebook_files", "page_files"]

STATIC = Path(__file__).parent / "static"
FOLDER = "notebooks/"


def page_files() -> dict[str, bytes]:
    """Return every file of the pages by name, without Python, the networks and the notebooks."""
    files = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
    return files | {"lessons.json": json.dumps(outlines()).encode()}


@cache
def notebook_files() -> dict[str, bytes]:
    """Return the lessons' notebooks by name, in a folder of their own; made once, as that takes seconds."""
    return {FOLDER + name: json.dumps(book, indent=1).encode() for name, book in notebooks().items()}
