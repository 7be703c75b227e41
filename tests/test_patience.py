"""A sign of life: on a terminal, for what takes longer than a second, and gone in the end."""

from __future__ import annotations

import io
from threading import Event

import pytest

from sim.commands import patience as module
from sim.commands.patience import CLEAR, patience


class Terminal(io.StringIO):
    """A terminal that says when something was written to it."""

    def __init__(self, is_terminal=True):
        super().__init__()
        self.is_terminal, self.written = is_terminal, Event()

    def isatty(self):
        return self.is_terminal

    def flush(self):
        self.written.set()


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(module, "SOON_S", 0.0)


@pytest.mark.usefixtures("at_once")
def test_what_takes_long_is_said_and_cleared(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with patience("simulating"):
        assert terminal.written.wait(60)
    assert terminal.getvalue() == f"simulating ...{CLEAR}"


def test_what_is_quick_says_nothing(monkeypatch):
    monkeypatch.setattr(module, "SOON_S", 1e6)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with patience("simulating"):
        pass
    assert terminal.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_nothing_is_written_into_a_pipe(monkeypatch):
    pipe = Terminal(is_terminal=False)
    monkeypatch.setattr("sys.stderr", pipe)
    with patience("simulating"):
        pass
    assert pipe.getvalue() == ""
