"""The journal: what was finished survives a cut at any byte, and nothing else is believed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwmodels.errors import InputError
from sim.study.journal import Journal

HEADER = {"spec": "abc", "version": 1}
ROWS = {n: {"throughput_ips": 100.0 + n, "name": f"point {n}"} for n in range(4)}


def written(path, rows=ROWS):
    with Journal(path, HEADER) as journal:
        for number, row in rows.items():
            journal.add({number: row})
    return path.read_bytes()


def reopened(path):
    with Journal(path, HEADER) as journal:
        return {number: journal.row(number) for number in journal.places}


def test_what_was_added_is_there_again(tmp_path):
    path = tmp_path / "work.journal"
    written(path)
    assert reopened(path) == ROWS


def test_a_new_journal_holds_nothing(tmp_path):
    assert reopened(tmp_path / "new") == {}


def test_several_rows_at_once(tmp_path):
    with Journal(tmp_path / "j", HEADER) as journal:
        journal.add(ROWS)
    assert reopened(tmp_path / "j") == ROWS


def test_a_point_that_is_finished_twice_counts_once(tmp_path):
    with Journal(tmp_path / "j", HEADER) as journal:
        journal.add({1: {"a": 1}})
        journal.add({1: {"a": 2}})
    assert reopened(tmp_path / "j") == {1: {"a": 2}}


def test_a_cut_at_any_byte_costs_at_most_one_line(tmp_path):
    path = tmp_path / "j"
    data = written(path)
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        found = reopened(path)
        whole = data[:cut].count(b"\n") - 1
        assert len(found) == max(0, whole), cut
        assert all(found[number] == ROWS[number] for number in found)


def test_after_a_cut_it_goes_on(tmp_path):
    path = tmp_path / "j"
    data = written(path)
    path.write_bytes(data[:-5])
    with Journal(path, HEADER) as journal:
        assert set(journal.places) == {0, 1, 2}
        journal.add({3: ROWS[3]})
    assert reopened(path) == ROWS


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_byte_never_becomes_a_wrong_row(tmp_path, data):
    path = tmp_path / "j"
    path.unlink(missing_ok=True)
    whole = bytearray(written(path))
    place = data.draw(st.integers(len(whole.split(b"\n")[0]) + 1, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole))
    found = reopened(path)
    assert all(found[number] == ROWS.get(number) for number in found)
    assert len(found) >= len(ROWS) - 2  # a line break in the middle of a line may cost its neighbour too


@pytest.mark.parametrize("header", [{"spec": "other"}, {}, {**HEADER, "version": 2}])
def test_the_journal_of_other_work_is_refused(tmp_path, header):
    written(tmp_path / "j")
    with pytest.raises(InputError, match="another sweep"), Journal(tmp_path / "j", header):
        pass


def test_two_writers_are_refused(tmp_path):
    pytest.importorskip("fcntl")
    with (
        Journal(tmp_path / "j", HEADER),
        pytest.raises(InputError, match="in use by another process"),
        Journal(tmp_path / "j", HEADER),
    ):
        pass


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="folder that can be written"), Journal(tmp_path / "no" / "j", HEADER):
        pass


def test_a_file_that_was_changed_meanwhile_is_told(tmp_path):
    path = tmp_path / "j"
    with Journal(path, HEADER) as journal:
        journal.add(ROWS)
        path.write_bytes(path.read_bytes().replace(b"point 2", b"point 9"))
        assert journal.row(1) == ROWS[1]
        with pytest.raises(InputError, match="changed by another program"):
            journal.row(2)


def test_finished_work_leaves_no_journal(tmp_path):
    with Journal(tmp_path / "j", HEADER) as journal:
        journal.add(ROWS)
        journal.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", [b"", b"\n", b"zzzz {}\n", b"00000000 {}\n", b"\xff\xfe\n", b"[]\n"])
def test_lines_that_are_none_are_not_finished(tmp_path, line):
    path = tmp_path / "j"
    path.write_bytes(written(path) + line)
    assert reopened(path) == ROWS
