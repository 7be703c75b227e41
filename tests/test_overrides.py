"""Part files with numbers replaced: the one number, nothing else, and errors of the loader."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest

from hwmodels.accelerator import load_accelerator
from hwmodels.errors import InputError
from hwmodels.host import load_host
from hwmodels.link import load_link
from sim import Scenario
from sim.overrides import KINDS, with_numbers
from sim.setup import build

NET = "mobilenet_v1_0.25_128"
SCENARIO = Scenario(models=NET)
LOADERS = {"size": load_accelerator, "link": load_link, "host": load_host}


@pytest.mark.parametrize(
    ("key", "value"), [("size.clock_hz", 4e8), ("link.out_bytes_per_s", 1e8), ("host.driver_cpu_ns", 9999)]
)
def test_one_number_is_replaced_and_everything_else_stays(key, value):
    option, name = key.split(".")
    changed = with_numbers(SCENARIO, {key: value})
    part, plain = LOADERS[option](getattr(changed, option)), LOADERS[option](getattr(SCENARIO, option))
    different = [f.name for f in fields(part) if f.compare and getattr(part, f.name) != getattr(plain, f.name)]
    assert sorted(different) == sorted([name, "digest"])
    assert getattr(part, name) == value
    assert part.name == plain.name
    others = {f.name: getattr(changed, f.name) for f in fields(Scenario) if f.name != option}
    assert others == {f.name: getattr(SCENARIO, f.name) for f in fields(Scenario) if f.name != option}


def test_a_replaced_number_says_that_a_sweep_set_it():
    part = load_accelerator(with_numbers(SCENARIO, {"size.clock_hz": 4e8}).size)
    assert part.quantities["clock_hz"].status == "assumed"
    assert part.quantities["clock_hz"].source == "set by a sweep"
    assert part.quantities["tiles_x"] == load_accelerator("coral").quantities["tiles_x"]


def test_nothing_to_replace_is_the_same_scenario():
    assert with_numbers(SCENARIO, {}) == SCENARIO


def test_several_numbers_of_several_parts():
    changed = with_numbers(SCENARIO, {"size.clock_hz": 2.5e8, "size.spill_factor": 2, "host.cores": 2})
    setup = build(changed)
    assert (setup.accelerators[0].clock_hz, setup.accelerators[0].spill_factor, setup.cores) == (2.5e8, 2, 2)
    assert changed.link == SCENARIO.link


def test_counts_behind_a_size_stay():
    changed = with_numbers(Scenario(models=NET, size="coral:2,large:1"), {"size.clock_hz": 3e8})
    setup = build(changed)
    assert [part.name for part in setup.accelerators] == ["coral", "coral", "large"]
    assert {part.clock_hz for part in setup.accelerators} == {3e8}


def test_links_of_several_accelerators_are_all_changed():
    changed = with_numbers(Scenario(models=NET, accelerators=2, link="usb3,pcie"), {"link.floor_ns": 5e6})
    assert [load_link(name).floor_ns for name in changed.link.split(",")] == [5e6, 5e6]
    assert [load_link(name).name for name in changed.link.split(",")] == ["usb3", "pcie"]


def test_a_part_of_one_s_own_is_changed_too(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        'kind = "host"\nbase = "raspberry-pi-4"\ncores = { value = 2, status = "assumed", source = "half" }\n'
    )
    changed = with_numbers(Scenario(models=NET, host=str(own)), {"host.op_ns": 1})
    host = load_host(changed.host)
    assert (host.cores, host.op_ns, host.root) == (2, 1, "raspberry-pi-4")


def test_the_same_numbers_make_the_same_file():
    first, second = (with_numbers(SCENARIO, {"host.cores": 3, "host.op_ns": 5}) for _ in range(2))
    assert first == second
    other = with_numbers(SCENARIO, {"host.cores": 4, "host.op_ns": 5})
    assert other.host != first.host


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"size.clock_mhz": 500}, "clock_mhz"),
        ({"size.clock_hz": -1}, "a number from"),
        ({"size.clock_hz": 0}, "above 0"),
        ({"host.cores": 2.5}, "whole number"),
        ({"host.cores": float("nan")}, ""),
    ],
)
def test_the_loader_refuses_what_it_refuses_in_files(numbers, words):
    with pytest.raises(InputError) as error:
        build(with_numbers(SCENARIO, numbers))
    assert words in str(error.value)


@pytest.mark.parametrize("option", KINDS)
def test_a_part_that_is_not_there_is_told(option):
    with pytest.raises(InputError, match=r"FILE\.toml"):
        with_numbers(Scenario(models=NET, **{option: "no-such-part"}), {f"{option}.name": 1})


def test_the_files_are_gone_when_the_process_is():
    code = (
        "from sim import Scenario; from sim.overrides import with_numbers;"
        f"print(with_numbers(Scenario(models={NET!r}), {{'host.cores': 2}}).host)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    from pathlib import Path

    path = Path(done.stdout.strip())
    assert path.name == "x86-xeon.toml"
    assert not path.parent.exists()
