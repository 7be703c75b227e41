"""The one way this project says that an input is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["LIKELY", "InputError", "either", "nearest", "need", "reason"]

#: What Python's readers say -> the same in plain words.
PLAIN = {
    r"could not convert string to float: (.*)": r"\1 is no number",
    r"invalid literal for int\(\) with base 10: (.*)": r"\1 is no whole number",
    r"Illegal character '\\n' \(at (line \d+), column \d+\)": r"\1 ends too early",
    r"(.*) \(at (line \d+), column \d+\)": r"\2: \1",
    r"(.*) \(at end of document\)": r"at its end: \1",
    r".*: (line \d+) column \d+ \(char \d+\)": r"\1 is no JSON",
}
LIKELY = 0.5  # how alike two names are of which one may be meant for the other
LONGEST = 400  # characters of what came, which may be a whole file


class InputError(ValueError):
    """Bad input, told in one sentence. Made by :meth:`value` or :meth:`problem`.

    All fields travel in ``args``: SimPy rebuilds a failed process's exception from them.
    """

    def __init__(self, where: str, got: object, allowed: str, hint: str, form: str) -> None:
        super().__init__(where, got, allowed, hint, form)
        self.where, self.got, self.allowed, self.hint, self.form = where, got, allowed, hint, form

    @classmethod
    def value(cls, where: str, got: object, allowed: str, hint: str = "") -> InputError:
        """Return the error for a value that was given and is not allowed: "--threads must be 1 to 4096, not 0".

        Parameters
        ----------
        where
            The option, key or file that holds it.
        got
            The value; a text is shown in quotes.
        allowed
            What it may be, as it reads after "must be".
        hint
            A question such as :func:`nearest` asks.
        """
        return cls(where, got, allowed, hint, "value")

    @classmethod
    def problem(cls, where: str, what: str, remedy: str = "", hint: str = "") -> InputError:
        """Return the error for anything else: what is wrong with something, and what to do about it.

        Parameters
        ----------
        where, what
            Subject and predicate of the sentence: "polars", "is not installed".
        remedy
            What to do.
        hint
            A question such as :func:`nearest` asks.
        """
        return cls(where, what, remedy, hint, "problem")

    def __str__(self) -> str:
        where, hint = _shown(self.where), f"; {self.hint}" if self.hint else ""
        if self.form == "value":
            return _line(f"{where} must be {self.allowed}, not {_shown(_text(self.got))}{hint}")
        remedy = f": {self.allowed}" if self.allowed else ""
        return _line(f"{where} {_shown(str(self.got))}{remedy}{hint}")


def _text(value: object) -> str:
    try:
        return repr(value) if isinstance(value, str) else str(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of thousands of digits"


def _line(text: str) -> str:
    """One line of a message, with nothing in it that steers a terminal: any part of it may hold a user's text."""
    plain = (char if char.isprintable() else " " if char.isspace() else ascii(char)[1:-1] for char in text)
    return " ".join("".join(plain).split())


def _shown(text: str) -> str:
    """A user's text in a message: cut where it is long."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def either(names: Iterable[str]) -> str:
    """Return the names as a sentence lists them: ``"a, b or c"``."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def reason(error: Exception) -> str:
    """Return why something failed, for brackets in a message: the system's words in lower case, or the error's own.

    What Python says of a damaged file comes in plain words.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8 text"
    text = str(error) or type(error).__name__
    return next((re.sub(raw, plain, text) for raw, plain in PLAIN.items() if re.fullmatch(raw, text)), text)


def nearest(got: str, names: Iterable[str], alike: float = LIKELY) -> str:
    """Return ``"did you mean 'x'?"`` for the closest of ``names``, or an empty string.

    A name that begins with what was given is the closest, then the shortest one that has all its words, then one that
    is at least so ``alike`` (0 to 1).
    """
    lowered, words = {name.lower(): name for name in names}, _words(got)
    begun = [name for name in lowered if len(got) > 2 and name.startswith(got.lower())]
    having = [name for name in lowered if len(got) > 2 and words and words <= _words(name)]
    likely = [*sorted(begun), *sorted(having, key=lambda name: (len(name), name))]
    found = likely[:1] or difflib.get_close_matches(got.lower(), lowered, n=1, cutoff=alike)
    return f"did you mean {lowered[found[0]]!r}?" if found else ""


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def need(module: str, extra: str) -> Any:
    """Import an optional package, or say which extra to install.

    Raises :class:`InputError` where it is missing.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError.problem(
            module.split(".")[0], "is not installed", f"run pip install 'edgetpusim[{extra}]'"
        ) from None
