"""Advice against hand-made situations in which the right next step is known."""

from __future__ import annotations

import json

import pytest
import typer

from hwmodels.errors import InputError
from sim.advice import Limits, advise
from sim.commands.cli import run_app
from sim.commands.design_space import register
from sim.engine import simulate
from sim.scenario import Scenario

NET = "mobilenet_v2_1.0_224"


def gains(found):
    return {step["change"]: step["gain"] for step in found["steps"]}


def test_a_full_accelerator_wants_another_and_no_thread():
    found = advise(Scenario(models=NET, threads=4, host="dev-board", link="pcie"))
    steps = gains(found)
    assert steps["one more accelerator (and a thread)"] > 1.4
    assert steps["one more thread"] == pytest.approx(1, abs=0.02)
    why = next(step["why"] for step in found["steps"] if step["change"] == "one more thread")
    assert why.startswith("No gain: the accelerator is used")


def test_host_work_wants_a_thread():
    found = advise(Scenario(models=NET, preprocess="resize", host="raspberry-pi-4"))
    assert gains(found)["one more thread"] > 1.15


def test_two_models_that_swap_want_to_be_compiled_together():
    found = advise(Scenario(models="mobilenet_v2_1.0_224,mobilenet_v1_1.0_224", link="usb2"))
    assert gains(found)["compile the models together"] > 2


def test_streaming_wants_room_on_chip():
    found = advise(Scenario(models="inception_v3_299"))
    assert gains(found)["size large"] > 2
    assert gains(found)["a pipeline over 2 accelerators"] > 1.2


def test_steps_are_ranked_and_what_they_say_is_what_run_says():
    scenario = Scenario(models=NET, preprocess="resize", host="raspberry-pi-4")
    found = advise(scenario)
    assert [s["gain"] for s in found["steps"]] == sorted((s["gain"] for s in found["steps"]), reverse=True)
    step = next(s for s in found["steps"] if s["change"] == "one more thread")
    again = simulate(Scenario(**{**scenario.options(), **step["options"]})).summary
    assert step["throughput_ips"] == again["throughput_ips"]
    assert step["gain"] == again["throughput_ips"] / found["now"]["throughput_ips"]
    assert all(s["why"].endswith(".") for s in found["steps"])
    assert found["cheapest"] is None


def test_the_cheapest_meets_the_limits_and_nothing_cheaper_does():
    scenario = Scenario(models=NET, preprocess="resize", host="raspberry-pi-4")
    now = simulate(scenario).summary["throughput_ips"]
    limits = Limits(min_ips=1.2 * now)
    found = advise(scenario, limits)["cheapest"]
    again = simulate(Scenario(**found["scenario"])).summary
    assert limits.met(again)
    assert found["throughput_ips"] == again["throughput_ips"]
    fewer = {**found["scenario"], "threads": max(1, found["scenario"]["threads"] - 1)}
    assert fewer["threads"] == 1 or not limits.met(simulate(Scenario(**fewer)).summary)


def test_limits_that_nothing_meets():
    assert advise(Scenario(models=NET), Limits(max_w=0.1))["cheapest"] is None


def test_a_limit_has_to_be_positive():
    with pytest.raises(InputError, match="--min-ips"):
        Limits(min_ips=0)
    with pytest.raises(InputError, match="--max-p95-ms"):
        Limits(max_p95_ms=float("nan"))


@pytest.fixture
def command(capsys, monkeypatch):
    """Run a command of the design space: (exit code, stdout, stderr)."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    register(app)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["edgetpusim", *arguments])
        with pytest.raises(SystemExit) as stop:
            run_app(app)
        out = capsys.readouterr()
        return stop.value.code, out.out, out.err

    return call


def test_json_is_one_object_and_nothing_else(command):
    for arguments in (("advise", NET, "--json"), ("estimate", NET, "--threads", "2", "--json")):
        code, out, _ = command(*arguments)
        assert code == 0
        assert isinstance(json.loads(out), dict)
    code, out, _ = command("advise", NET, "--json", "--min-ips", "1")
    assert set(json.loads(out)) == {"now", "steps", "cheapest"}


def test_words_for_people(command):
    code, out, _ = command("advise", NET, "--min-ips", "1", "--max-w", "0.01")
    assert code == 0
    assert "No set-up that was tried meets these limits." in out
    code, out, _ = command("estimate", NET)
    assert "closed form" in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("estimate", NET, "--method", "magic"),
        ("advise", NET, "--min-ips", "-3"),
        ("query", "no.parquet"),
        ("query", "no.parquet", "--where", "size"),
        ("sweep", "no.toml", "-o", "x.parquet"),
        ("report", "no.parquet", "-o", "x.html"),
        ("study", "-o", "x", "--models", "no_such_network"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(command, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []
