"""Shell completion: what a shell gets for a word, and that an ordinary run does not pay for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hwmodels.networks.zoo import names
from hwmodels.parts import part_names
from sim.commands import cli
from sim.commands.completion import complete_model, completer_of
from sim.scenario import option_fields

CODE = "import sys; sys.argv[0] = 'edgetpusim'; from sim.commands.cli import main; main()"


def completed(*words):
    """What bash gets where the last word is to be completed."""
    asked = {
        "_EDGETPUSIM_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["edgetpusim", *words]),
        "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    return done.stdout.split()


def test_a_shell_gets_commands_options_networks_and_hosts():
    assert completed("adv") == ["advise"]
    assert completed("run", "x", "--siz") == ["--size"]
    assert completed("run", "mobilenet_v3") == [name for name in names() if name.startswith("mobilenet_v3")]
    assert completed("estimate", "x", "--host", "rock3") == ["rock3a"]


def test_the_script_for_a_shell_names_the_program():
    done = subprocess.run(
        [sys.executable, "-c", CODE, "--show-completion", "bash"], capture_output=True, text=True, check=True
    )
    assert "complete -o default -F _edgetpusim_completion edgetpusim" in done.stdout


@pytest.mark.parametrize(("option", "typed", "found"), [
    ("host", "n1", ["n100"]), ("link", "usb3,u", ["usb3,usb2", "usb3,usb3"]), ("size", "dpu-b23", ["dpu-b2304"]),
    ("compiler", "1", ["14", "15", "16"]), ("mode", "p", ["processes", "pipeline"]), ("host", "", part_names("host")),
])  # fmt: skip
def test_values_of_options(option, typed, found):
    completer = completer_of(option, option_fields()[option].metadata.get("choices", ()))
    assert completer is not None
    assert completer(typed) == found


def test_an_option_of_numbers_has_no_completer():
    assert completer_of("threads") is None


def test_the_last_network_of_a_mix_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.tflite").touch()
    (tmp_path / "mine.txt").touch()
    assert complete_model("yolov5n_320,densenet_12") == ["yolov5n_320,densenet_121_224"]
    assert complete_model("mine") == ["mine.tflite"]


def test_a_run_builds_the_options_of_its_own_command_alone():
    narrow = cli.narrowed(cli.app, ["run"])
    assert [one.callback.__name__ for one in narrow.registered_commands] == ["run"]
    assert narrow.registered_groups == []
    assert [one.name for one in cli.narrowed(cli.app, ["zoo"]).registered_groups] == ["zoo"]
    for words in ([], ["-h"], ["rnu"], ["--version"]):
        assert cli.narrowed(cli.app, words) is cli.app
    assert len(cli.app.registered_commands) > 8
