"""``run --check``: parts are read and explained, and nothing runs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from hwmodels.errors import InputError
from sim.commands.cli import app
from sim.commands.part_check import explained
from sim.scenario import Scenario

NET = "mobilenet_v1_0.25_128"
HOST = """kind = "host"
name = "mine"
base = "raspberry-pi-4"
cores = { value = 8, status = "assumed", source = "my box", range = [4, 8] }
[bus.usb3]
floor_ns = { value = 90000, status = "measured", source = "a stopwatch" }
"""


@pytest.fixture
def host(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(HOST)
    return path


def test_every_number_of_a_file_is_told_with_its_meaning(host):
    rows = {row["kind"]: row for row in explained(Scenario(models=NET, host=str(host)))}
    assert set(rows) == {"accelerator", "link", "host", "compiler"}
    assert rows["accelerator"]["numbers"] == []
    assert (rows["host"]["name"], rows["host"]["bases"]) == ("mine", ["raspberry-pi-4"])
    numbers = {number["key"]: number for number in rows["host"]["numbers"]}
    assert {key: number["value"] for key, number in numbers.items()} == {"cores": 8, "bus.usb3.floor_ns": 90000}
    assert numbers["cores"]["source"] == "my box"
    assert all(number["meaning"] for number in numbers.values())


def test_each_of_several_sizes_is_told_once():
    names = [row["name"] for row in explained(Scenario(models=NET, size="coral:2,large:1", threads=3))]
    assert names[:2] == ["coral", "large"]


def test_the_command_runs_nothing(host, monkeypatch):
    monkeypatch.setattr("sim.engine.simulate", None)
    found = CliRunner().invoke(app, ["run", NET, "--host", str(host), "--check"])
    assert found.exit_code == 0
    for words in ("host mine, based on raspberry-pi-4", "a stopwatch", "link usb3: fine"):
        assert words in found.stdout
    answer = json.loads(CliRunner().invoke(app, ["run", NET, "--host", str(host), "--check", "--json"]).stdout)
    assert [row["kind"] for row in answer["parts"]] == ["accelerator", "link", "host", "compiler"]


def test_a_wrong_key_is_refused_with_the_nearest(host):
    host.write_text(HOST.replace("cores =", "coers ="))
    with pytest.raises(InputError, match="did you mean 'cores'"):
        explained(Scenario(models=NET, host=str(host)))
