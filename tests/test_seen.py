"""Notes that a terminal shows once."""

from __future__ import annotations

import pytest

from sim import Scenario, estimate
from sim.commands.seen import ONCE, unseen

NET = "mobilenet_v2_1.0_224"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path / "data"))


def notes_of(threads):
    return estimate(Scenario(models=NET, threads=threads))["warnings"]


def test_a_terminal_shows_the_note_on_threads_once_and_the_others_each_time():
    two, three = notes_of(2), notes_of(3)
    assert any(note.endswith(ONCE) for note in two) and any(note.endswith(ONCE) for note in three)
    assert unseen([*two, "another"], is_terminal=True) == [*two, "another"]
    for notes in (two, three):
        assert unseen([*notes, "another"], is_terminal=True) == [
            *(note for note in notes if not note.endswith(ONCE)), "another",
        ]  # fmt: skip


def test_a_file_has_every_note_every_time():
    for _ in range(2):
        assert unseen(notes_of(2), is_terminal=False) == notes_of(2)


def test_a_folder_that_cannot_be_written_forgets(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path / "file" / "data"))
    for _ in range(2):
        assert unseen(notes_of(2), is_terminal=True) == notes_of(2)
