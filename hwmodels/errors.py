"""The one way this project says that an input is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["InputError", "nearest"]

LONGEST = 400  # characters of what came, which may be a whole file


class InputError(ValueError):
    """Bad input, told in one line: where, what came, what is allowed, and the nearest valid name.

    All fields travel in ``args``: SimPy rebuilds a failed process's exception from them.
    """

    def __init__(self, where: str, got: object = "", allowed: str = "", hint: str = "") -> None:
        super().__init__(where, got, allowed, hint)
        self.where, self.got, self.allowed, self.hint = where, got, allowed, hint

    def __str__(self) -> str:
        parts = [_shown(self.where)]
        if self.got != "":
            parts.append(_shown(f"got {self.got!r}" if isinstance(self.got, str) else f"got {self.got}"))
        parts += [text for text in (self.allowed, self.hint) if text]
        return "; ".join(" ".join(part.split()) for part in parts)


def _shown(text: str) -> str:
    """A user's text in a message: cut where it is long, and nothing in it that steers a terminal."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    return "".join(char if char.isprintable() else " " if char.isspace() else ascii(char)[1:-1] for char in short)


def nearest(got: str, names: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for the closest of ``names``, or an empty string."""
    lowered = {name.lower(): name for name in names}
    found = difflib.get_close_matches(got.lower(), lowered, n=1, cutoff=0.5)
    return f"did you mean {lowered[found[0]]!r}?" if found else ""
