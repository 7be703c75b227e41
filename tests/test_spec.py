"""Sweep specs: grids and hypercubes by hand, digests that change with what is asked, and every refusal in one line."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import InputError
from sim.study.spec import MAX_POINTS, digest_of, latin_hypercube, own_files, points, read_spec, spec_of
from sim.study.sweeps import evaluate

NET = "mobilenet_v1_0.25_128"


def spec(**table):
    return spec_of({"models": NET, **table})


def test_one_value_is_an_axis_of_one():
    assert list(points(spec(threads=2, preprocess="resize"))) == [{"models": NET, "threads": 2, "preprocess": "resize"}]


def test_the_last_axis_changes_fastest():
    rows = list(points(spec(threads=[1, 2], parts={"host.gil_share": [0, 1]})))
    assert [(row["threads"], row["host.gil_share"]) for row in rows] == [(1, 0.0), (1, 1.0), (2, 0.0), (2, 1.0)]


def test_whole_numbers_become_numbers_where_numbers_are_asked():
    (row,) = points(spec(switch_interval_ms=5))
    assert row["switch_interval_ms"] == 5.0
    assert isinstance(row["switch_interval_ms"], float)


def test_a_hypercube_is_drawn_for_every_point_of_the_grid():
    made = spec(threads=[1, 2], lhs={"samples": 4, "seed": 1, "ranges": {"size.clock_hz": [1e8, 5e8]}})
    rows = list(points(made))
    assert made.size == len(rows) == 8
    assert [row["size.clock_hz"] for row in rows[:4]] == [row["size.clock_hz"] for row in rows[4:]]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(0, 5), st.floats(-100, 100), st.floats(0.1, 100))
def test_every_stratum_is_hit_once(samples, seed, low, width):
    rows = latin_hypercube({"a": (low, low + width), "b": (0.0, 1.0)}, samples, seed)
    for key, start, length in (("a", low, width), ("b", 0.0, 1.0)):
        strata = Counter(min(samples - 1, int((row[key] - start) / length * samples * (1 + 1e-12))) for row in rows)
        assert len(strata) >= samples - 1  # a value on an edge may round into its neighbour
        assert all(start <= row[key] <= start + length for row in rows)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(0, 10), st.integers(0, 10), st.integers(1, 30))
def test_whole_ranges_stay_whole_with_both_ends(low, span, samples):
    values = [row["threads"] for row in latin_hypercube({"threads": (low, low + span)}, samples, 0)]
    assert all(isinstance(value, int) and low <= value <= low + span for value in values)
    if samples >= 10 * (span + 1):
        assert {low, low + span} <= set(values)


def test_a_seed_moves_the_samples():
    ranges = {"a": (0.0, 1.0)}
    assert latin_hypercube(ranges, 5, 0) == latin_hypercube(ranges, 5, 0) != latin_hypercube(ranges, 5, 1)


# Digests


def test_the_digest_goes_by_what_is_asked():
    base = spec(threads=[1, 2])
    assert base.digest == spec(threads=[1, 2]).digest
    others = [
        spec(threads=[2, 1]),
        spec(threads=[1, 2], cores=4),
        spec(threads=[1, 2, 3]),
        spec(size=["coral", "large"]),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 5


def test_the_digest_goes_by_the_user_s_own_files(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('kind = "host"\nbase = "raspberry-pi-4"\n')
    before = spec(host=str(own)).digest
    own.write_text('kind = "host"\nbase = "raspberry-pi-5"\n')
    assert spec(host=str(own)).digest != before
    assert own_files([str(own), "coral", str(tmp_path / "none.toml"), "x" * 5000]) == [own]


def test_a_digest_is_short_and_hex():
    assert len(digest_of([1, 2])) == 16
    int(digest_of([1, 2]), 16)


# Refusals

BAD = [
    ({"models": []}, "points"),
    ({"threads": []}, "points"),
    ({"threads": "two"}, "whole number"),
    ({"threads": True}, "whole number"),
    ({"threads": 1.5}, "whole number"),
    ({"cocompile": 1}, "true or false"),
    ({"host": 4}, "text"),
    ({"thread": 2}, "did you mean 'threads'"),
    ({"parts": {"size.clock_mhz": 5}}, "did you mean 'size.clock_hz'"),
    ({"parts": {"gpu.clock_hz": 5}}, "unknown key"),
    ({"parts": 5}, r"a table \[parts\]"),
    ({"lhs": {"sample": 4}}, "did you mean 'samples'"),
    ({"lhs": {"samples": -1}}, "whole number from 0"),
    ({"lhs": {"samples": 2, "ranges": {"threads": [4, 1]}}}, "finite"),
    ({"lhs": {"samples": 2, "ranges": {"threads": [1]}}}, "lowest, highest"),
    ({"lhs": {"samples": 2, "ranges": {"host": ["a", "b"]}}}, "lowest, highest"),
    ({"lhs": {"samples": 2, "ranges": {"size.clock_hz": [float("nan"), 1.0]}}}, "finite"),
    ({"threads": [1], "lhs": {"samples": 2, "ranges": {"threads": [1, 2]}}}, "given twice"),
    ({"seed": list(range(4000)), "threads": [1] * 4000}, str(MAX_POINTS)),
    ({"seed": 10**5000}, "2\\*\\*63"),
]


@pytest.mark.parametrize(("table", "words"), BAD, ids=range(len(BAD)))
def test_a_wrong_spec_is_one_short_line(table, words):
    with pytest.raises(InputError, match=words) as error:
        spec(**table)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 2000


def test_a_spec_needs_networks():
    with pytest.raises(InputError, match="a network, or a list"):
        spec_of({"threads": 2})


@pytest.mark.parametrize("text", ["models = [", "models = 'a'\nmodels = 'b'", "\x00"])
def test_a_file_that_is_no_toml_is_one_line(tmp_path, text):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(InputError, match="TOML"):
        read_spec(path)


def test_the_grid_is_a_product_in_order():
    rows = list(points(spec_of({"models": "a", "threads": [1, 2], "size": ["coral", "large"]})))
    assert [(row["threads"], row["size"]) for row in rows] == [(1, "coral"), (1, "large"), (2, "coral"), (2, "large")]


def test_a_latin_hypercube_hits_every_stratum_once():
    ranges = {"threads": [1, 8], "host.gil_share": [0.0, 1.0]}
    spec = spec_of({"models": "a", "lhs": {"samples": 16, "seed": 3, "ranges": ranges}})
    rows = list(points(spec))
    assert sorted(int(row["host.gil_share"] * 16) for row in rows) == list(range(16))
    assert Counter(row["threads"] for row in rows) == dict.fromkeys(range(1, 9), 2)
    assert list(points(spec)) == rows


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"models": "a", "thread": 2}, "did you mean 'threads'"),
        ({"models": "a", "parts": {"host.gil_shar": 1.0}}, "did you mean 'host.gil_share'"),
        ({"models": "a", "threads": []}, "0 points"),
        ({"threads": [1]}, "a network"),
        ({"models": "a", "threads": "two"}, "a whole number"),
        ({"models": "a", "lhs": {"sample": 3}}, "did you mean 'samples'"),
        ({"models": "a", "lhs": {"samples": 3, "ranges": {"size": ["a", "b"]}}}, r"\[lowest, highest\]"),
        ({"models": "a", "lhs": {"samples": 3, "ranges": {"accelerators": ["coral:1", 3]}}}, r"\[lowest, highest\]"),
        ({"models": "a", "threads": 1, "lhs": {"samples": 3, "ranges": {"threads": [1, 2]}}}, "given twice"),
        ({"models": "a", "lhs": {"ranges": {"threads": [1, 2]}}}, "0 points"),
    ],
)
def test_a_bad_spec_is_one_clear_line(table, words):
    with pytest.raises(InputError, match=words):
        spec_of(table)


def test_a_spec_that_is_no_toml(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text("models = [")
    with pytest.raises(InputError, match="TOML"):
        read_spec(path)
    with pytest.raises(InputError, match="no such file"):
        read_spec(tmp_path / "none.toml")


def test_an_axis_of_accelerators_may_hold_mixed_sizes():
    """Numbers and mixes on one axis; a row names the sizes and how many there are."""
    spec = spec_of({"models": NET, "threads": 3, "accelerators": [1, "coral:2,large:1"]})
    rows = [evaluate(point) for point in points(spec)]
    assert [(row["size"], row["accelerators"], row["error"]) for row in rows] == [
        ("coral", 1, ""), ("coral:2,large:1", 3, ""),
    ]  # fmt: skip
