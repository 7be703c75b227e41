"""Files that are whole or absent."""

from __future__ import annotations

import tracemalloc

import pytest

from hwmodels.errors import InputError
from hwmodels.files import MOST_BYTES, discard, read_text, unfinished, whole_file, write_bytes, write_text


def test_a_file_is_what_was_written(tmp_path):
    write_text(tmp_path / "a.txt", "grün\n")
    write_bytes(tmp_path / "b.bin", b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == "grün\n".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.bin"]


def test_a_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="folder that can be written") as error:
        write_text(tmp_path / "no" / "a.txt", "x")
    assert "\n" not in str(error.value)


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="folder that can be written"):
        write_bytes(tmp_path / "file" / "a", b"x")


def test_every_process_has_a_name_of_its_own(tmp_path):
    import os

    name = unfinished(tmp_path / "a.txt")
    assert name.parent == tmp_path
    assert name.name.startswith(".a.txt")
    assert str(os.getpid()) in name.name


def test_what_is_not_there_can_be_discarded(tmp_path):
    discard(tmp_path / "nothing")
    discard(tmp_path / "no" / "nothing")


def test_a_short_text_takes_little_memory_and_an_endless_one_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "grün\r\n")
    tracemalloc.start()
    assert read_text(path) == "grün\n"
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < MOST_BYTES / 64
    path.write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(OSError, match="more than 32 MB"):
        read_text(path)
