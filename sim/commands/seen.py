"""Notes that a user has to read once: a terminal shows each of them once, a file or a pipe every time.

What was shown stands in ``notes.txt`` of the user's data folder (``EDGETPUSIM_DATA``, else the platform's).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hwmodels.errors import InputError
from hwmodels.files import read_text, write_text
from hwmodels.networks.zoo import user_folder
from sim.trust.coverage import OF_THREADS

__all__ = ["ONCE", "unseen"]

#: What notes end with that say the same of every answer of a kind.
ONCE = (OF_THREADS,)


def unseen(notes: Iterable[str], is_terminal: bool) -> list[str]:
    """Return the notes to show now, and remember those that a terminal needs no second time.

    A folder that cannot be read or written remembers nothing: the note is shown again.
    """
    notes = list(notes)
    if not is_terminal:
        return notes
    path = user_folder().parent / "notes.txt"
    seen = _lines(path)
    once = {note: next((text for text in ONCE if note.endswith(text)), "") for note in notes}
    new = [text for text in dict.fromkeys(once.values()) if text and text not in seen]
    if new:
        _keep(path, [*seen, *new])
    return [note for note, text in once.items() if text not in seen]


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path).splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _keep(path: Path, lines: list[str]) -> None:
    with suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "\n".join(lines) + "\n")
