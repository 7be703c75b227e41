"""Set-ups side by side: what differs, why, and what cannot be compared."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from typer.testing import CliRunner

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.commands.cli import app
from sim.commands.compare import scenario_of
from sim.views.comparison import WORDS, compare

NET = "mobilenet_v2_1.0_224"


def by_key(found):
    return {row["key"]: row for row in found["differences"]}


def test_answers_are_those_of_run_and_figures_stand_side_by_side():
    scenarios = [Scenario(models=NET), Scenario(models=NET, threads=4, accelerators=2)]
    found = compare(scenarios)
    runs = [simulate(scenario).summary for scenario in scenarios]
    rows = by_key(found)
    assert [one["throughput_ips"] for one in found["setups"]] == [one["throughput_ips"] for one in runs]
    assert rows["throughput_ips"]["values"] == tuple(one["throughput_ips"] for one in runs)
    assert rows["scenario.threads"]["values"] == (1, 4)
    assert "bottleneck" not in rows  # the accelerator is it in both


def test_the_part_that_differs_most_is_the_reason():
    found = by_key(compare([Scenario(models=NET), Scenario(models=NET, threads=4)]))
    assert found["latency_ms.mean"]["why"].startswith("most by waiting for the accelerator: 0,")
    slower = by_key(compare([Scenario(models="inception_v3_299", link=link) for link in ("usb3", "usb2")]))
    assert slower["latency_ms.mean"]["why"].startswith("most by streaming parameters")
    assert slower["throughput_ips"]["values"][0] > slower["throughput_ips"]["values"][1]


def test_every_pair_of_neighbours_has_its_own_reason():
    """USB 2 moves transfers, a frame moves the host's work, and what does not differ is not explained."""
    options = [
        {},
        {"link": "usb2"},
        {"link": "usb2", "preprocess": "resize:3840x2160"},
        {"link": "usb2", "preprocess": "resize:3840x2160"},
    ]
    base = Scenario(models="ssdlite_mobiledet_320", host="raspberry-pi-4")
    why = by_key(compare([base.with_options(**one) for one in options]))["latency_ms.mean"]["why"]
    first, second = why.split("; ")
    assert first.startswith("1 to 2 most by output: ") and second.startswith("2 to 3 most by preprocess: 0, ")


@pytest.mark.parametrize("options", [
    ["--threads 2", "--link usb2", "--preprocess resize"], ["--host pi4", "--host pi5", "--host pi5 --link pcie"],
    ["", "--app-ms 9", "--app-ms 9 --threads 3", "--clock std"], ["--accelerators 0", "", "--link usb2 --cameras 4x20"],
])  # fmt: skip
def test_reasons_are_differences_of_their_pair(options):
    """Law: what is named goes the way of the whole, and by no less than any other part, for every pair."""
    found = compare([scenario_of("mobilenet_v2_1.0_224", one) for one in options])
    why = by_key(found)["latency_ms.mean"]["why"]
    rows = [one["time_breakdown_ms"] for one in found["setups"]]
    words = {words: name for name, words in WORDS.items()}
    pairs = re.findall(r"(\d) to (\d) most by (.+?): ", why) or [
        (str(i + 1), str(i + 2), why.partition("most by ")[2].partition(":")[0]) for i in range(len(rows) - 1)
    ]
    for a, b, named in pairs:
        one, two = rows[int(a) - 1], rows[int(b) - 1]
        sign = 1 if sum(two.values()) > sum(one.values()) else -1
        steps = {name: sign * (two[name] - one[name]) for name in one}
        assert steps[words[named]] == max(steps.values()) > 0 or abs(sum(steps.values())) < 0.01 * sum(two.values())


def test_equal_set_ups_do_not_differ():
    assert compare([Scenario(models=NET), Scenario(models=NET)])["differences"] == []


def test_texts_of_options_are_those_of_run():
    assert scenario_of(NET, "--threads 4 --preprocess resize") == Scenario(models=NET, threads=4, preprocess="resize")
    assert scenario_of(NET, "") == Scenario(models=NET)
    with pytest.raises(InputError, match="close the quotes"):
        scenario_of(NET, "--host 'x")


def test_the_command_prints_a_table_or_one_object():
    runner = CliRunner()
    words = ["compare", NET, "--threads 1", "--threads 2 --accelerators 2"]
    table = runner.invoke(app, words)
    assert table.exit_code == 0 and "throughput_ips" in table.stdout and "energy_mj_per_inference:" in table.stdout
    answer = json.loads(runner.invoke(app, [*words, "--json"]).stdout)
    assert set(answer) == {"setups", "differences"}
    assert {"key", "values", "why"} == set(answer["differences"][0])
    assert isinstance(runner.invoke(app, ["compare", NET, "--threads 1"]).exception, InputError)


def test_cameras_are_compared_by_their_frames():
    slow, fast = (
        Scenario(models="ssd_mobilenet_v2_coco_300", cameras="8x10", link=link, host="raspberry-pi-4")
        for link in ("usb2", "usb3")
    )
    found = {row["key"]: row for row in compare([slow, fast])["differences"]}
    assert found["skipped_share"]["values"][0] > found["skipped_share"]["values"][1]
    assert "one after the other" in found["age_ms.p95"]["why"]


@pytest.mark.parametrize("given", [1, 9])
def test_too_few_and_too_many_set_ups_are_told_what_to_give(given):
    found = CliRunner().invoke(app, ["compare", NET, *([""] * given)])
    assert isinstance(found.exception, InputError)
    assert f"compare takes 2 to 8 set-ups and was given {given}: give each a text of options" in str(found.exception)


@pytest.mark.parametrize("options", [
    {"cameras": "10x5", "regions": 3.0}, {"arrivals": "poisson:60"}, {"threads": 3}, {"preprocess": "resize"},
])  # fmt: skip
def test_why_an_invoke_is_longer_lies_inside_of_it(options):
    """What is named is never more than the invoke itself: frames that wait for a thread wait outside."""
    base = Scenario(models="ssdlite_mobiledet_320", host="raspberry-pi-5", **options)
    found = compare([base, base.with_options(link="pcie")])
    row = by_key(found)["invoke_ms.mean"]
    parts = [float(text) for text in row["why"].partition(": ")[2].removesuffix(" ms").split(", ")]
    for part, invoke in zip(parts, row["values"], strict=True):
        assert part <= invoke * 1.01  # three digits are printed
    for part in ("preprocessing", "wait" if options.keys() & {"cameras", "arrivals"} else "postprocessing"):
        assert part not in row["why"]


def test_figures_that_are_alike_are_said_to_be():
    """Two accelerators for cameras that one serves: only watts differ, and the answer says that nothing else does."""
    runner = CliRunner()
    few = runner.invoke(app, ["compare", NET, one := "--cameras 2x5 --host pi4", f"{one} --accelerators 2 --threads 2"])
    none = runner.invoke(app, ["compare", NET, "--threads 1", ""])
    assert "power_w.total" in few.stdout and "no other figure differs by more than 1 %" in few.stdout
    assert "no figure differs by more than 1 %" in none.stdout


@pytest.mark.parametrize(("words", "meant"), [
    (["--host", "pi4", "--host", "pi5"], ["--host pi4", "--host pi5"]), (["--host pi4", "--host", "pi5"], ["--host pi4", "--host pi5"]),
    (["--threads", "2", "--accelerators", "2", "--threads", "4"], ["--threads 2 --accelerators 2", "--threads 4"]),
    (["--link", "usb2"], ["", "--link usb2"]), (["pi4", "pi5"], ["", "--threads 4"]),
])  # fmt: skip
def test_options_without_quotes_are_answered_with_the_command_that_was_meant(words, meant):
    """And that command is one that runs."""
    error = CliRunner().invoke(app, ["compare", NET, *words]).exception
    told = str(error).partition("in quotes: ")[2]
    assert shlex.split(told) == ["edgetpusim", "compare", NET, *meant]
    assert [scenario_of(NET, text).models for text in meant] == [NET] * len(meant)
