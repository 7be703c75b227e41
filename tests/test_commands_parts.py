"""``edgetpusim parts``: each file in one line, and what the keys mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hwmodels import parts
from hwmodels.parts import part_names
from sim.commands.cli import main
from sim.commands.parts_list import host_table

SHIPPED = sorted(Path(parts.__file__).parent.glob("*/*.toml"))
NUMBER = '{ value = 3, status = "assumed", source = "a test" }'


def called(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["edgetpusim", "parts", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr()
    return end.value.code or 0, shown.out, shown.err


def test_every_shipped_file_is_fine(monkeypatch, capsys):
    code, out, err = called(monkeypatch, capsys, "check", *SHIPPED)
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", len(SHIPPED))
    assert all(line.endswith("fine") for line in lines)
    (pi,) = [line for line in lines if "raspberry-pi-4-32bit.toml" in line]
    assert "host raspberry-pi-4-32bit, based on raspberry-pi-4, 21 numbers of its own" in pi


WRONG = {
    f'kind = "host"\nbase = "raspberry-pi-4"\nbus.usb3.flor_ns = {NUMBER}\n': "did you mean 'bus.usb3.floor_ns'?",
    f'kind = "hosst"\nbase = "raspberry-pi-4"\nop_ns = {NUMBER}\n': "did you mean 'host'?",
    f'base = "raspberry-pi-4"\nop_ns = {NUMBER}\n': "kind must be accelerator, link, host, board, compiler",
    f'kind = "link"\nfloor_ns = {NUMBER}\n': "has no number",
    "kind = ": "is no TOML file",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_one_line_and_the_others_are_checked(tmp_path, monkeypatch, capsys, text):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text)
    code, out, err = called(monkeypatch, capsys, "check", wrong, SHIPPED[0], tmp_path / "none.toml")
    assert code == 2
    assert len(out.splitlines()) == 1
    first, second = err.splitlines()
    assert WRONG[text] in first
    assert "none.toml cannot be read" in second


def test_the_answer_as_json(tmp_path, monkeypatch, capsys):
    mine = tmp_path / "mine.toml"
    mine.write_text(f'kind = "link"\nbase = "usb3"\nfloor_ns = {NUMBER}\n')
    code, out, _ = called(monkeypatch, capsys, "check", mine, "--json")
    assert code == 0
    assert json.loads(out)["parts"] == [
        {"file": str(mine), "kind": "link", "name": "mine", "bases": ["usb3"], "own_numbers": 1, "error": ""}
    ]


def test_keys_of_a_kind(monkeypatch, capsys):
    code, out, _ = called(monkeypatch, capsys, "keys", "host", "--json")
    keys = {row["key"]: row for row in json.loads(out)["keys"]}
    assert code == 0
    assert keys["cores"]["default"] == ""
    assert keys["bus.NAME.floor_ns"] == {
        "key": "bus.NAME.floor_ns", "default": "0", "meaning": "Fixed time of an inference: dispatch and completion."
    }  # fmt: skip
    code, _, err = called(monkeypatch, capsys, "keys", "hots")
    assert code == 2
    assert "did you mean 'host'?" in err


def listed(monkeypatch, capsys, kind):
    code, out, err = called(monkeypatch, capsys, kind, "--json")
    assert (code, err) == (0, "")
    return {row["name"]: row for row in json.loads(out)[kind]}


def test_hosts_say_what_was_measured_and_what_is_scaled_from_where(monkeypatch, capsys):
    hosts = listed(monkeypatch, capsys, "hosts")
    assert sorted(hosts) == sorted(part_names("host"))
    pi, rock, card = (hosts[name] for name in ("raspberry-pi-4", "rock-3a", "x86-crl-g18u"))
    assert (pi["cores"], pi["idle_w"], pi["busy_w"]) == (4, 2.68, 5.88)
    assert (pi["status"], pi["near"], pi["measured_links"]) == ("measured", "raspberry-pi-4", ["usb3"])
    assert (rock["status"], rock["near"], rock["rows"]) == ("scaled", "raspberry-pi-3b-plus", 0)
    assert (card["status"], card["near"]) == ("taken over", "x86-desktop")
    assert "pi4" in pi["aliases"]
    for row in hosts.values():
        assert row["cpu90"][0] < 1 < row["cpu90"][1]
        assert row["near"] in hosts, row["name"]
        assert hosts[row["near"]]["status"] == "measured", row["name"]
        assert row["status"] != "scaled" or row["cpu90"][1] > 1.7, row["name"]


def test_other_kinds_are_listed(monkeypatch, capsys):
    links, sizes, boards, compilers = (
        listed(monkeypatch, capsys, kind) for kind in ("links", "sizes", "boards", "compilers")
    )
    assert links["usb3"]["out_mb_s"] == 500
    assert sizes["coral"]["macs_per_cycle"] == 4096
    assert (sizes["coral"]["status"], sizes["small"]["status"]) == ("measured", "assumed: never built")
    assert boards["zcu102"]["accelerators"] == 3
    assert compilers["14"]["based_on"] == ["2020", "16"]


def test_without_a_kind_all_are_listed(monkeypatch, capsys):
    code, out, _ = called(monkeypatch, capsys, "--json")
    assert code == 0
    assert list(json.loads(out)) == ["hosts", "links", "sizes", "boards", "compilers"]
    code, out, _ = called(monkeypatch, capsys)
    assert code == 0
    assert all(name in out for name in ("rock-3a", "usb3", "dpu-b4096", "zcu102", "2021"))


def test_the_page_has_the_table_of_today():
    page = Path(__file__).parent.parent / "docs" / "hosts.md"
    assert host_table() in page.read_text(encoding="utf-8"), "paste sim.commands.parts_list.host_table()"
