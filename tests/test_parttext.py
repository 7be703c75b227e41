"""Numbers written into part files: every file is kept to the byte but for what was fitted."""

from __future__ import annotations

import tomllib
from math import isclose
from pathlib import Path

import pytest

from hwmodels import parts
from hwmodels.errors import InputError
from hwmodels.host import load_host
from hwmodels.quantities import Quantity

pytest.importorskip("tomlkit")
from calibration.parttext import with_quantities

FILES = sorted(Path(parts.__file__).parent.glob("*/*.toml"))
PI = Path(parts.__file__).parent / "hosts" / "raspberry-pi-4.toml"
TEXT = """kind = "host"
name = "x"
# What the chip is.
cores = { value = 4, status = "datasheet", source = "chip" }
op_ns = { value = 10, status = "assumed", source = "guess", range = [1, 20] } # a remark

[bus.usb3] # the left port
out_bytes_per_s = { value = 1e8, status = "assumed", source = "guess" }
"""


def fitted(value, source="rows", std_error=None):
    return Quantity(value, "fitted", source, std_error)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_in_which_nothing_is_written_is_the_same_to_the_byte(path):
    text = path.read_text(encoding="utf-8")
    assert with_quantities(text, {}) == text


def test_one_line_of_a_real_file_changes_and_its_numbers_are_loaded(tmp_path):
    text = PI.read_text(encoding="utf-8")
    changed = with_quantities(text, {"bus.usb2.floor_ns": fitted(123456.7, std_error=1234.5), "op_ns": fitted(2000)})
    lines = list(zip(text.splitlines(), changed.splitlines(), strict=True))
    assert [old.split(" =")[0] for old, new in lines if old != new] == ["op_ns", "floor_ns"]
    path = tmp_path / "own.toml"
    path.write_text(changed)
    host, before = load_host(str(path)), load_host("raspberry-pi-4")
    assert (host.op_ns, host.buses["usb2"].floor_ns) == (2000, 123457)
    assert host.quantities["bus.usb2.floor_ns"] == Quantity(123457, "fitted", "rows", 1230)
    assert host.buses["usb3"] == before.buses["usb3"]


def test_a_number_is_replaced_in_its_place_and_remarks_stay():
    changed = with_quantities(TEXT, {"op_ns": fitted(12.34567, std_error=0.5)})
    assert changed.splitlines()[:4] == TEXT.splitlines()[:4]
    assert changed.splitlines()[4] == (
        'op_ns = { value = 12.3457, status = "fitted", source = "rows", std_error = 0.5 } # a remark'
    )
    assert changed.splitlines()[5:] == TEXT.splitlines()[5:]


def test_a_number_that_was_not_there_stands_before_the_rows():
    table = tomllib.loads(with_quantities(TEXT, {"copy_ns_per_byte": fitted(3.0)}))
    assert table["copy_ns_per_byte"] == {"value": 3, "status": "fitted", "source": "rows"}
    assert table["bus"] == tomllib.loads(TEXT)["bus"]


@pytest.mark.parametrize("text", [TEXT, TEXT.partition("[bus")[0]], ids=["beside another row", "the first row"])
def test_a_row_that_was_not_there_is_added(text):
    changed = with_quantities(text, {"bus.usb4.out_bytes_per_s": fitted(2e9), "bus.usb4.floor_ns": fitted(1e5)})
    rows = tomllib.loads(changed)["bus"]
    assert {key: number["value"] for key, number in rows["usb4"].items()} == {"out_bytes_per_s": 2e9, "floor_ns": 1e5}
    assert changed.startswith(text.rstrip())


@pytest.mark.parametrize("source", ["a \\1 group", "50 % of rows", "dots ... and $", 'said "so"', "back\\slash"])
def test_a_source_is_taken_as_it_is(source):
    assert tomllib.loads(with_quantities(TEXT, {"op_ns": fitted(1, source)}))["op_ns"]["source"] == source


def test_values_keep_their_digits():
    text = with_quantities(TEXT, {"a": fitted(123456789.0), "b": fitted(((1e12, 8.45651), (196608.0, 1.0)))})
    assert "a = { value = 1.23457e+08, status" in text
    assert "b = { value = [[1e+12, 8.4565], [196608, 1]], status" in text
    three = tomllib.loads(with_quantities(TEXT, {"a": fitted(0.000123456)}, digits=3))
    assert isclose(three["a"]["value"], 0.000123)


def test_a_text_that_is_no_toml_is_refused():
    with pytest.raises(InputError, match="is no TOML file"):
        with_quantities("kind = host", {})
