"""Part files: every number has a source, and every mistake has its own line."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from hwmodels import InputError, load_part
from hwmodels.api import KINDS, part_classes
from hwmodels.host import BusCosts
from hwmodels.parts import part_names, shipped_name
from hwmodels.quantities import Quantity
from sim.commands.parts import key_table

EACH = ("accelerator", "link", "host")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in EACH for name in part_names(kind)])
def test_every_shipped_number_has_a_source_and_a_sane_spread(kind, name):
    part = load_part(kind, name)
    assert part.name == name
    for key, quantity in part.quantities.items():
        assert len(quantity.source) > 5, key
        if quantity.range and not isinstance(quantity.value, list):
            assert quantity.range[0] <= quantity.value <= quantity.range[1], f"{name}: {key}"


def test_a_part_takes_over_what_it_does_not_say(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = 4e8, status = "assumed", source = "a what-if" }\n'
    )
    mine, coral = load_part("accelerator", path), load_part("accelerator", "coral")
    assert (mine.clock_hz, mine.tiles, mine.bases) == (4e8, coral.tiles, ("coral",))
    assert mine.digest != coral.digest


GOOD = '{ value = 1, status = "assumed", source = "test" }'
BAD = {
    "not toml at all": "TOML",
    'kind = "host"\nbase = "coral"': "kind must be \"accelerator\", not 'host'",
    f'kind = "accelerator"\nbase = "coral"\nclock_mhz = {GOOD}': "did you mean 'clock_hz'?",
    f'kind = "accelerator"\nbase = "korall"\nclock_hz = {GOOD}': "did you mean 'coral'?",
    f'kind = "accelerator"\nclock_hz = {GOOD}': "no number",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = 5': "value",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = "5 GHz", status = "assumed", source = "x" }': "a number",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = -1, status = "assumed", source = "x" }': "a number",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = nan, status = "assumed", source = "x" }': "a number",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = 1, status = "guess", source = "x" }': "measured",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = 1, status = "assumed" }': "source",
    'kind = "accelerator"\nbase = "coral"\nclock_hz = { value = 1, status = "assumed", source = "x", unit = "Hz" }': "unknown key",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_part_file_says_where_and_what(tmp_path, text):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_part("accelerator", path)
    assert BAD[text] in str(error.value)
    assert "\n" not in str(error.value)


def test_a_part_based_on_itself_is_refused(tmp_path):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(f'kind = "link"\nbase = "{second}"\n')
    second.write_text(f'kind = "link"\nbase = "{first}"\n')
    with pytest.raises(InputError, match="not based on this one"):
        load_part("link", first)


def test_bases_are_named_from_the_nearest_on(tmp_path):
    near, far = tmp_path / "near.toml", tmp_path / "far.toml"
    far.write_text('kind = "link"\nbase = "usb3"\n')
    near.write_text(f'kind = "link"\nbase = "{far}"\n')
    part = load_part("link", near)
    assert (part.bases, shipped_name("link", part)) == (("far", "usb3"), "usb3")


# Rows


ROWS = """kind = "host"
base = "raspberry-pi-4"
[bus.usb3]
floor_ns = { value = 7, status = "assumed", source = "a test" }
[bus."usb 4.0"]
out_bytes_per_s = { value = 2e9, status = "assumed", source = "a test", range = [1e9, 3e9] }
"""


def test_rows_are_merged_by_name_and_number(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(ROWS)
    mine, base = load_part("host", path), load_part("host", "raspberry-pi-4")
    assert mine.buses["usb3"] == replace(base.buses["usb3"], floor_ns=7)
    assert mine.buses["usb2"] == base.buses["usb2"]
    assert mine.buses["usb 4.0"] == BusCosts(out_bytes_per_s=2_000_000_000)
    assert mine.quantities["bus.usb 4.0.out_bytes_per_s"].range == (1e9, 3e9)
    assert mine.quantities["bus.usb3.floor_ns"].source == "a test"
    assert mine.quantities["bus.usb3.out_bytes_per_s"] == base.quantities["bus.usb3.out_bytes_per_s"]


BAD_ROWS = {
    f"bus.usb3.out_byte_per_s = {GOOD}": "did you mean 'bus.usb3.out_bytes_per_s'?",
    f"usb3_floor_ns = {GOOD}": "did you mean 'bus.usb3.floor_ns'?",
    f"bus = {GOOD}": "[bus.NAME]",
    "bus = 3": "[bus.NAME]",
    f"bus.usb3 = {GOOD}": "[bus.NAME]",
    "bus.usb3.floor_ns = 3": "{ value",
    'bus.usb3.floor_ns = { value = -1, status = "assumed", source = "x" }': "a number",
}


@pytest.mark.parametrize("line", BAD_ROWS)
def test_a_wrong_row_says_where_and_what(tmp_path, line):
    path = tmp_path / "wrong.toml"
    path.write_text(f'kind = "host"\nbase = "raspberry-pi-4"\n{line}\n')
    with pytest.raises(InputError) as error:
        load_part("host", path)
    assert BAD_ROWS[line] in str(error.value)
    assert "\n" not in str(error.value)


# Numbers replaced


@pytest.mark.parametrize(
    ("kind", "name", "key", "value"),
    [
        ("accelerator", "coral", "clock_hz", 4e8),
        ("accelerator", "coral", "cells_per_tile", 32),
        ("link", "usb3", "out_bytes_per_s", 1e8),
        ("link", "usb3", "shared", 0),
        ("host", "raspberry-pi-4", "driver_cpu_ns", 9999),
        ("host", "raspberry-pi-4", "bus.usb3.out_bytes_per_s", 1e8),
        ("host", "raspberry-pi-4", "bus.usb4.out_bytes_per_s", 2e9),
        ("board", "zcu104", "accelerators", 1),
    ],
)
def test_one_number_is_replaced_and_everything_else_stays(kind, name, key, value):
    plain = load_any(kind, name)
    part = plain.with_numbers({key: value}, "a test")
    assert part.number(key) == value
    assert type(part.number(key)) is (type(plain.number(key)) if key != "bus.usb4.out_bytes_per_s" else int)
    assert part.quantities[key] == Quantity(value, "assumed", "set by a test")
    assert (part.name, part.bases) == (plain.name, plain.bases)
    assert part.digest != plain.digest
    assert {k: q for k, q in part.quantities.items() if k != key} == {
        k: q for k, q in plain.quantities.items() if k != key
    }
    others = [k for k in plain.quantities if k != key]
    assert [part.number(k) for k in others] == [plain.number(k) for k in others]


def load_any(kind, name):
    from hwmodels.dpu.board import load_board

    return load_board(name) if kind == "board" else load_part(kind, name)


def test_the_same_part_in_a_file_and_by_numbers(tmp_path):
    """Value for value and hash for hash: a file and ``with_numbers`` are two ways to say one thing."""
    path = tmp_path / "raspberry-pi-4.toml"
    number = '{ value = %s, status = "assumed", source = "x" }'
    path.write_text(
        'kind = "host"\nbase = "raspberry-pi-4"\n'
        f"op_ns = {number % 5}\nbus.usb3.floor_ns = {number % 1e5}\nbus.usb4.out_bytes_per_s = {number % 2e9}\n"
    )
    numbers = {"op_ns": 5.0, "bus.usb3.floor_ns": 1e5, "bus.usb4.out_bytes_per_s": 2e9}
    filed, changed = load_part("host", path), load_part("host", "raspberry-pi-4").with_numbers(numbers)
    assert filed == replace(changed, bases=filed.bases)


def test_nothing_to_replace_is_the_same_part_and_the_old_number_the_same_hash():
    coral = load_part("accelerator", "coral")
    assert coral.with_numbers({}) is coral
    assert coral.with_numbers({"clock_hz": 4e8}).with_numbers({"clock_hz": coral.clock_hz}).digest == coral.digest


def test_a_line_of_a_table_is_a_number():
    coral = load_part("accelerator", "coral")
    lines = coral.stream_passes
    changed = coral.with_numbers({"stream_passes[2]": 1.5, "stream_passes[1]": 9})
    assert changed.stream_passes == ((lines[0][0], 9), (lines[1][0], 1.5), *lines[2:])
    assert changed.number("stream_passes[2]") == 1.5
    assert coral.with_numbers({"stream_passes": lines}).digest == coral.digest


@pytest.mark.parametrize(
    ("kind", "numbers", "words"),
    [
        ("accelerator", {"clock_mhz": 500}, "did you mean 'clock_hz'?"),
        ("accelerator", {"clock_hz": -1}, "a number from"),
        ("accelerator", {"clock_hz": float("nan")}, "a number from"),
        ("accelerator", {"clock_hz": "fast"}, "a number from"),
        ("accelerator", {"clock_hz": True}, "a number from"),
        ("accelerator", {"clock_hz": 0}, "above 0"),
        ("accelerator", {"clock_hz": [[1, 2]]}, "must be a number"),
        ("accelerator", {"stream_passes": 3}, "a table of pairs"),
        ("accelerator", {"stream_passes[9]": 3}, "has no line 9"),
        ("accelerator", {"stream_passes[0]": 3}, "did you mean 'stream_passes'?"),
        ("accelerator", {"clock_hz[1]": 3}, "has no line 1"),
        ("accelerator", {"name": 3}, "unknown key"),
        ("link", {"shared": 0.5}, "1 or 0"),
        ("host", {"cores": 2.5}, "a whole number"),
        ("host", {"cores": 5000}, "at most 4096"),
        ("host", {"buses": 1}, "unknown key"),
        ("host", {"bus.usb3": 1}, "unknown key"),
        ("host", {"bus.usb3.floor": 1}, "did you mean 'bus.usb3.floor_ns'?"),
    ],
)
def test_a_number_is_refused_as_a_file_s_is(kind, numbers, words):
    part = load_part(kind, {"accelerator": "coral", "link": "usb3", "host": "raspberry-pi-4"}[kind])
    with pytest.raises(InputError) as error:
        part.with_numbers(numbers)
    assert words in str(error.value)


def test_a_part_survives_a_trip_to_another_process():
    part = load_part("host", "raspberry-pi-4").with_numbers({"bus.usb3.floor_ns": 5})
    assert pickle.loads(pickle.dumps(part)) == part


# Keys and their meaning


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_says_what_it_means(kind):
    rows = [row for cls in part_classes("kind", kind) for row in cls.keys().described()]
    assert all(len(row.meaning.split()) >= 2 and row.meaning.endswith(".") for row in rows)
    assert {row.key for row in rows if "NAME" not in row.key} >= {
        key for name in part_names(kind) for key in load_part(kind, name).quantities if not key.startswith("bus.")
    }


@pytest.mark.parametrize("kind", ["host", "link", "accelerator"])
def test_the_page_lists_the_keys(kind):
    page = (Path(__file__).parent.parent / "docs" / "part-files.md").read_text(encoding="utf-8")
    assert key_table(kind) in page


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_file_that_is_edited_is_read_again_wherever_it_stands_in_the_chain(tmp_path, depth):
    """The part that is loaded is the first file; ``depth`` counts from it to the one that somebody edits."""
    paths = [tmp_path / f"part{n}.toml" for n in range(3)]
    for path, base in zip(paths, [str(paths[1]), str(paths[2]), "coral"], strict=True):
        path.write_text(f'kind = "accelerator"\nbase = "{base}"\n')

    def edit(hertz):
        base = "coral" if depth == 2 else str(paths[depth + 1])
        paths[depth].write_text(
            f'kind = "accelerator"\nbase = "{base}"\n'
            f'clock_hz = {{ value = {hertz}, status = "assumed", source = "a what-if" }}\n'
        )
        os.utime(paths[depth], ns=(int(hertz), int(hertz)))

    for hertz in (4e8, 3e8):
        edit(hertz)
        assert load_part("accelerator", paths[0]).clock_hz == hertz
    assert load_part("accelerator", paths[0]) is load_part("accelerator", paths[0])
