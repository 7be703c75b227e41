"""A sign of life on a terminal for what may take longer than a second."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Timer

__all__ = ["patience", "sign_of_life"]

SOON_S = 1.0
CLEAR = "\r\x1b[K"  # the line that was written, and everything on it


@contextmanager
def patience(words: str) -> Iterator[None]:
    """Say what goes on where it takes longer than a second; the line is gone in the end. Nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield
        return
    shown = Event()

    def show() -> None:
        """Write the line, and that there is one."""
        shown.set()
        print(f"{words} ...", end="", file=sys.stderr, flush=True)

    timer = Timer(SOON_S, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if shown.is_set():
            print(CLEAR, end="", file=sys.stderr, flush=True)


@contextmanager
def sign_of_life() -> Iterator[Callable[[str], None]]:
    """A line on a terminal's stderr that says what is going on, and is gone in the end; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("trying ...") as status:
        yield status.update
