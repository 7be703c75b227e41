"""A host, a link, a size: each is one TOML in a folder, runs through every question, and no other file is touched."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from hwmodels import parts
from hwmodels.link import plugged_links
from sim import Scenario, advise, estimate, simulate
from sim.choices.market import power_notes
from sim.choices.steps import steps

NET = "mobilenet_v1_0.25_128"
SHIPPED = Path(parts.__file__).parent
NUMBER = '{{ value = {}, status = "assumed", source = "a test" }}'
OPTIONS = {"host": ("hosts", "raspberry-pi-4"), "link": ("links", "usb3"), "size": ("accelerators", "coral")}


def based(folder, option):
    """A part that changes one number of a shipped one."""
    key, value = {"host": ("op_ns", 1e4), "link": ("floor_ns", 9e5), "size": ("layer_cycles", 1e4)}[option]
    kind = "accelerator" if option == "size" else option
    text = f'kind = "{kind}"\nbase = "{OPTIONS[option][1]}"\n{key} = {NUMBER.format(value)}\n'
    (folder / "mine.toml").write_text(text)


def alone(folder, option):
    """A part with every number of its own: a shipped file without its name."""
    where, name = OPTIONS[option]
    text = (SHIPPED / where / f"{name}.toml").read_text(encoding="utf-8")
    (folder / "mine.toml").write_text(re.sub(r"^name = .*\n", "", text, flags=re.M))


@pytest.mark.parametrize("make", [based, alone])
@pytest.mark.parametrize("option", OPTIONS)
def test_one_toml_runs_through_every_question(tmp_path, option, make):
    make(tmp_path, option)
    path = str(tmp_path / "mine.toml")
    scenario = Scenario(**{"models": NET, "host": "raspberry-pi-4", option: path, "threads": 2})
    run, closed, advice = simulate(scenario).summary, estimate(scenario), advise(scenario)
    assert run["throughput_ips"] > 0
    assert closed["throughput_ips"] >= 0.99 * run["throughput_ips"]
    assert advice["now"]["throughput_ips"] == run["throughput_ips"]
    assert advice["steps"]
    for warnings in (run["warnings"], closed["warnings"]):
        assert f"{option} mine: not the calibrated numbers" in warnings
    assert [file.name for file in tmp_path.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_part_without_a_base_is_none_that_was_measured(tmp_path, option):
    """Numbers of a shipped part under another name: nobody can know whose they are."""
    alone(tmp_path, option)
    scenario = Scenario(**{"models": NET, "host": "raspberry-pi-4", option: str(tmp_path / "mine.toml")})
    warnings = simulate(scenario).summary["warnings"]
    measured = {
        "host": "host mine: never measured over usb3", "link": "host raspberry-pi-4: never measured over mine",
        "size": "size mine: not the calibrated numbers",
    }  # fmt: skip
    assert measured[option] in warnings


def test_a_shipped_usb_4_is_offered(tmp_path, monkeypatch):
    """Which links there are, and which is faster, their part files say: nothing else names them."""
    for kind in ("link", "host"):
        shutil.copytree(Path(parts.__file__).parent / parts.FOLDERS[kind], tmp_path / kind)
        monkeypatch.setitem(parts.FOLDERS, kind, str(tmp_path / kind))
    (tmp_path / "link" / "usb4.toml").write_text(
        f'kind = "link"\nbase = "usb3"\nout_bytes_per_s = {NUMBER.format(4e9)}\nin_bytes_per_s = {NUMBER.format(4e9)}\n'
    )
    with (tmp_path / "host" / "x86-laptop.toml").open("a") as file:
        file.write(f"\n[bus.usb4]\nout_bytes_per_s = {NUMBER.format(3e9)}\n")
    offered = [step.change for step in steps(Scenario(models="resnet_50_v1_224", host="x86-laptop"))]
    assert plugged_links() == ("usb2", "usb3", "pcie", "usb4")
    assert "link usb4" in offered
    assert "link usb2" not in offered


def test_a_host_of_one_s_own_has_the_ports_of_its_base(tmp_path):
    (tmp_path / "mine.toml").write_text('kind = "host"\nbase = "raspberry-pi-4"\n')
    notes = power_notes(Scenario(models="mobilenet_v2_1.0_224", host=str(tmp_path / "mine.toml"), accelerators=2))
    assert "give 1.2 A together" in notes[0]


def test_usb_4_is_two_edits(tmp_path):
    """A link's file, and its row in the host's."""
    link = 'kind = "link"\nbase = "usb3"\nout_bytes_per_s = {}\nin_bytes_per_s = {}\n'
    (tmp_path / "usb4.toml").write_text(link.format(NUMBER.format(4e9), NUMBER.format(4e9)))
    row = "[bus.usb4]\n" + "".join(
        f"{key} = {NUMBER.format(value)}\n"
        for key, value in {"out_bytes_per_s": 3e9, "in_bytes_per_s": 5e8, "floor_ns": 4e5}.items()
    )
    (tmp_path / "pi.toml").write_text(f'kind = "host"\nbase = "raspberry-pi-4"\n{row}')
    scenario = Scenario(models="resnet_50_v1_224", host=str(tmp_path / "pi.toml"), link=str(tmp_path / "usb4.toml"))
    faster = simulate(scenario).summary
    plain = simulate(Scenario(models="resnet_50_v1_224", host="raspberry-pi-4")).summary
    assert faster["throughput_ips"] > 1.2 * plain["throughput_ips"]
    assert faster["warnings"] == [
        "link usb4: not the calibrated numbers", "host pi: not the calibrated numbers",
    ]  # fmt: skip
    assert estimate(scenario)["throughput_ips"] == pytest.approx(faster["throughput_ips"], rel=0.01)
    assert advise(scenario)["steps"]
