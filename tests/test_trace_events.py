"""The trace file: every event by hand, names of any kind, whole or absent."""

from __future__ import annotations

import gzip
import json

import pytest

from hwmodels.errors import InputError
from sim.views.trace_events import EventFile

NASTY = 'a "quoted"\n</script> \u2603 \x00'


def written(path, *events):
    file = EventFile(path)
    for name, *arguments in events:
        getattr(file, name)(*arguments)
    file.close()
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
    return json.loads(text)["traceEvents"]


@pytest.mark.parametrize(
    ("ns", "text"), [(0, "0.000"), (1, "0.001"), (999, "0.999"), (1000, "1.000"), (1_234_567_891, "1234567.891")]
)
def test_microseconds_keep_every_nanosecond(tmp_path, ns, text):
    written(tmp_path / "t.json", ("slice", (1, 2), "compute", "device", ns, 2 * ns, "{}"))
    assert f'"ts":{text},"dur":{text},' in (tmp_path / "t.json").read_text()


def test_an_empty_trace_is_a_trace(tmp_path):
    assert written(tmp_path / "t.json") == []


def test_a_slice_by_hand(tmp_path):
    (event,) = written(tmp_path / "t.json", ("slice", (1, 2), "compute", "device", 1500, 4000, '{"bytes":7}'))
    assert event == {
        "ph": "X", "pid": 1, "tid": 2, "name": "compute", "cat": "device", "ts": 1.5, "dur": 2.5, "args": {"bytes": 7},
    }  # fmt: skip


def test_a_slice_without_length_stays_one(tmp_path):
    (event,) = written(tmp_path / "t.json", ("slice", (1, 2), "x", "y", 5, 5))
    assert event["dur"] == 0


def test_requests_in_a_queue_may_overlap(tmp_path):
    events = written(
        tmp_path / "t.json",
        ("asynchronous", (1, 2), "wait", 7, 0, 3000, "{}"),
        ("asynchronous", (1, 2), "wait", 8, 1000, 2000, "{}"),
    )
    assert [(event["ph"], event["id"], event["ts"]) for event in events] == [
        ("b", 7, 0.0), ("e", 7, 3.0), ("b", 8, 1.0), ("e", 8, 2.0),
    ]  # fmt: skip


def test_an_arrow_has_two_ends(tmp_path):
    start, end = written(tmp_path / "t.json", ("flow", 3, ((1, 2), 100), ((4, 5), 900)))
    assert (start["ph"], start["pid"], start["tid"], start["ts"]) == ("s", 1, 2, 0.1)
    assert (end["ph"], end["pid"], end["tid"], end["ts"], end["bp"]) == ("f", 4, 5, 0.9, "e")
    assert start["id"] == end["id"] == 3


@pytest.mark.parametrize("value", [0, 1.5, 1e-9, 123456789, 2.5e12])
def test_a_counter_s_value(tmp_path, value):
    (event,) = written(tmp_path / "t.json", ("counter", 1, "power (W)", 2000, value))
    assert (event["ph"], event["ts"]) == ("C", 2.0)
    assert event["args"]["value"] == pytest.approx(value)


def test_groups_and_tracks_have_names_and_places(tmp_path):
    events = written(tmp_path / "t.json", ("name_process", 3, "threads"), ("name_track", (3, 4), "thread 0", 9))
    assert [(event["name"], event["args"]) for event in events] == [
        ("process_name", {"name": "threads"}),
        ("process_sort_index", {"sort_index": 3}),
        ("thread_name", {"name": "thread 0"}),
        ("thread_sort_index", {"sort_index": 9}),
    ]
    assert all(event["ph"] == "M" for event in events)


def test_names_of_any_kind_come_back(tmp_path):
    events = written(
        tmp_path / "t.json",
        ("slice", (1, 2), NASTY, NASTY, 0, 1),
        ("counter", 1, NASTY, 0, 1),
        ("name_track", (1, 2), NASTY, 0),
    )
    assert [events[0]["name"], events[0]["cat"], events[1]["name"], events[2]["args"]["name"]] == [NASTY] * 4


def test_a_compressed_file_holds_the_same(tmp_path):
    events = [("slice", (1, n), f"slice {n}", "x", n, 2 * n) for n in range(50)]
    assert written(tmp_path / "t.json", *events) == written(tmp_path / "t.json.gz", *events)


def test_until_it_is_whole_the_file_is_not_there(tmp_path):
    path = tmp_path / "t.json"
    file = EventFile(path)
    file.slice((1, 2), "x", "y", 0, 1)
    assert not path.exists()
    file.close()
    assert [p.name for p in tmp_path.iterdir()] == ["t.json"]


def test_what_is_not_kept_leaves_nothing(tmp_path):
    file = EventFile(tmp_path / "t.json")
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="file that can be written"):
        EventFile(tmp_path / "no" / "t.json")


def test_a_full_disk_is_one_line(tmp_path):
    file = EventFile(tmp_path / "t.json")

    class Full:
        def write(self, text):
            raise OSError(28, "No space left on device")

        def close(self):
            raise OSError(28, "No space left on device")

    file.file.close()
    file.file = Full()
    with pytest.raises(InputError, match="no space left"):
        file.slice((1, 2), "x", "y", 0, 1)
    with pytest.raises(InputError, match="no space left"):
        file.close()
    assert list(tmp_path.iterdir()) == []
