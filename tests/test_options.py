"""The options of the command line: one for every field of a scenario, with the same default, and help for each."""

from __future__ import annotations

import inspect
import re
import sys

import pytest
from typer.testing import CliRunner

from calibration.cli import app as calibrate
from sim.commands.cli import app, run_app
from sim.commands.options import GROUPS, OTHER_WORDS, scenario_command
from sim.scenario import flag, option_defaults, option_fields

NET = "mobilenet_v1_0.25_128"
SCENARIO_COMMANDS = ["run", "estimate", "advise", "timeline"]


def captured():
    """A command that keeps the scenario that it is given."""
    seen = []

    def body(scenario, extra: int = 0):
        """Do something."""
        seen.append((scenario, extra))

    body.__annotations__["scenario"] = object
    return scenario_command(body), seen


def test_every_option_has_a_help_text():
    for name, spec in option_fields().items():
        assert spec.metadata["help"].endswith("."), name


def test_a_command_has_a_parameter_for_each_option_and_its_own():
    command, _ = captured()
    names = list(inspect.signature(command).parameters)
    assert names == ["models", *option_fields(), "bind", "extra"]
    assert command.__doc__ == "Do something."


def test_defaults_make_the_default_scenario():
    command, seen = captured()
    given = {name: p.default for name, p in inspect.signature(command).parameters.items() if name != "models"}
    command(models="mobilenet_v1_0.25_128", **given)
    scenario, extra = seen[0]
    assert extra == 0
    assert {name: getattr(scenario, name) for name in option_fields()} == option_defaults()


def test_bind_is_a_dispatch():
    command, seen = captured()
    given = {name: p.default for name, p in inspect.signature(command).parameters.items() if name != "models"}
    command(models="a", **{**given, "dispatch": "least_loaded", "bind": True})
    assert seen[0][0].dispatch == "bind"


@pytest.mark.parametrize("name", SCENARIO_COMMANDS)
def test_help_shows_every_option_and_an_example(name):
    text = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).output
    for option, spec in option_fields().items():
        assert flag(spec) in text, option
    assert "Example: edgetpusim" in text


@pytest.mark.parametrize("command", sorted(c.name or c.callback.__name__ for c in app.registered_commands))
def test_every_command_has_help_with_an_example(command):
    result = CliRunner().invoke(app, [command.replace("_command", "").replace("_", "-"), "--help"])
    assert result.exit_code == 0, result.output
    assert "Example" in result.output


def test_every_option_of_a_scenario_is_in_one_group_of_the_help():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted([*option_fields(), "bind"])


@pytest.mark.parametrize("command", ["run", "estimate", "advise", "capacity", "timeline"])
def test_help_shows_the_groups_in_their_order(command):
    shown = CliRunner().invoke(app, [command, "-h"]).stdout
    titles = ["Arguments", "Options", *GROUPS]
    places = [shown.index(f"\n{title}:") for title in titles]
    assert places == sorted(places)
    assert shown.index("--seed") > places[-1]
    assert all(f"{flag(spec)} " in shown for spec in option_fields().values())


@pytest.mark.parametrize("command", ["run", "capacity", "advise", "compile"])
def test_an_option_that_is_missing_is_answered_with_one_that_is_there(command, capsys, monkeypatch):
    """Law: whatever a line names, another word's or the nearest option, some command has it."""
    everywhere = {opt for name in ("run", "capacity", "advise", "compile") for opt in options_of(name)}
    words = [word for row in OTHER_WORDS for word in row.split() if f"--{word}" not in options_of(command)]
    for word in [*words, "camera", "thread", "seede", "qqq"]:
        monkeypatch.setattr(sys, "argv", ["edgetpusim", command, "mobilenet_v2_1.0_224", f"--{word}", "2"])
        with pytest.raises(SystemExit) as stopped:
            run_app(app)
        line = capsys.readouterr().err
        assert stopped.value.code == 2 and line.count("\n") == 1
        named = set(re.findall(r"--[a-z0-9-]+", line.partition(f"--{word}")[2]))
        assert named <= everywhere, line
        assert named or command == "compile" or "run prints" in line or word in ("qqq", *MODEL_WORDS), line


MODEL_WORDS = ("model", "network", "models", "resolution", "input-size", "imgsz")


def options_of(command):
    text = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    return set(re.findall(r"--[a-z0-9-]+", text))


FILES = {
    ("edgetpusim", "timeline", NET, "-o"): ".json, .json.gz, .svg or .html", ("edgetpusim", "run", NET, "--plot"): ".svg, .png or .html",
    ("edgetpusim", "run", NET, "--timeline"): ".json or .json.gz", ("edgetpusim", "sweep", "no.toml", "-o"): ".parquet",
    ("edgetpusim", "report", "no.parquet", "-o"): ".html or .htm", ("edgetpusim", "virtual", "--timeline"): ".json or .json.gz",
    ("edgetpusim-calibrate", "convert", "no.csv", "-o"): ".csv", ("edgetpusim-calibrate", "measure", "-o"): ".csv",
}  # fmt: skip


@pytest.mark.parametrize(("words", "known"), FILES.items(), ids=lambda one: one[1] if isinstance(one, tuple) else one)
@pytest.mark.parametrize("name", ["out.jpg", "out", "out.TXT"])
def test_a_file_s_ending_is_known_before_any_work(words, known, name, capsys, monkeypatch, tmp_path):
    """Law: a file that would hold something else than its name says is refused, with the endings that there are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [*words, name, *(["--", "true"] if "virtual" in words else [])])
    with pytest.raises(SystemExit) as stopped:
        run_app({"edgetpusim": app, "edgetpusim-calibrate": calibrate}[words[0]])
    line = capsys.readouterr().err
    assert stopped.value.code == 2 and f"the ending of {name} must be {known}, not" in line
    assert list(tmp_path.iterdir()) == []
