"""The files of the pages: HTML, CSS and scripts, what the lessons hold, and the notebooks."""

from __future__ import annotations

import json
from pathlib import Path

from sim.site.lesson_questions import outlines

__all__ = ["page_files"]

STATIC = Path(__file__).parent / "static"


def page_files() -> dict[str, bytes]:
    """Return every file of the pages by name, without Python and the networks."""
    files = {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
    return files | {"lessons.json": json.dumps(outlines()).encode()}
