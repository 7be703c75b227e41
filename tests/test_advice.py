"""Advice against hand-made situations in which the right next step is known."""

from __future__ import annotations

import json
import re

import pytest
import typer

from hwmodels.errors import InputError
from sim.advice import Limits, Shop, advise
from sim.commands.cli import run_app
from sim.commands.design_space import register
from sim.engine import simulate
from sim.scenario import Scenario

NET = "mobilenet_v2_1.0_224"


def gains(found):
    return {step["change"]: step["gain"] for step in found["steps"]}


def test_a_full_accelerator_wants_another_and_no_thread():
    found = advise(Scenario(models=NET, threads=4, host="x86-desktop", link="pcie"))
    steps = gains(found)
    assert steps["one more accelerator (and a thread)"] > 1.4
    assert steps["one more thread"] == pytest.approx(1, abs=0.02)
    why = next(step["why"] for step in found["steps"] if step["change"] == "one more thread")
    assert why.startswith("No gain: the accelerator is used")


@pytest.mark.parametrize("options", [
    {"threads": 2}, {"link": "usb2", "preprocess": "resize"}, {"host": "n100", "threads": 4, "app_ms": "5:locked"},
    {"models": "mobilenet_v1_1.0_224:1,mobilenet_v2_1.0_224:1"}, {"cameras": "20x15"}, {"arrivals": "poisson:20"},
    {"mode": "pipeline", "num_segments": 2}, {"accelerators": 0}, {"models": "inception_v3_299", "arrivals": "periodic:90"},
])  # fmt: skip
def test_the_sentence_says_what_the_table_says(options):
    """Law: what helps, and what does not, is a step of the table, with the table's gain."""
    found = advise(Scenario(**{"models": NET, "host": "raspberry-pi-4"} | options))
    text = found["now"]["bottleneck_text"]
    helpful, _, useless = text.partition("What does not: ")
    named = re.findall(r"(?:What helps: |x\), )(.+?) \((\d+\.?\d*) x\)", helpful)
    assert all(gains(found)[change] == pytest.approx(float(gain), rel=0.06) for change, gain in named)
    assert all(gains(found)[change] <= 1.01 for change in useless.removesuffix(".").split(", ") if change)
    most = max(step["gain"] for step in found["steps"])
    assert bool(named) == (most >= 1.04 and found["now"]["bottleneck"] != "arrivals")


def test_host_work_wants_a_thread():
    found = advise(Scenario(models=NET, preprocess="resize", host="raspberry-pi-4"))
    assert gains(found)["one more thread"] > 1.15


def test_two_models_that_swap_want_to_be_compiled_together():
    found = advise(Scenario(models="mobilenet_v2_1.0_224,mobilenet_v1_1.0_224", link="usb2"))
    assert max(gain for change, gain in gains(found).items() if change.startswith("compile together")) > 1.9


def test_streaming_wants_room_on_chip():
    found = advise(Scenario(models="inception_v3_299"), shop=Shop(what_if=True))
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


DETECTOR = "efficientdet_lite2"


def test_a_mix_is_judged_by_its_work():
    """A faster host serves the small network no faster and the large one faster: the total falls, the work does not."""
    mix = f"{DETECTOR}:1,{NET}:1"
    slow, fast = (
        _rates(Scenario(models=mix, host=host, preprocess="resize")) for host in ("raspberry-pi-4", "raspberry-pi-5")
    )
    found = advise(Scenario(models=mix, host="raspberry-pi-4", preprocess="resize"))
    step = next(step for step in found["steps"] if step["change"] == "host raspberry-pi-5")
    each = [fast[name] / slow[name] for name in slow]
    assert found["judged_by"] == "work"
    assert min(each) - 1e-9 <= step["gain"] <= max(each) + 1e-9
    assert step["gain"] > 1.02
    assert not step["why"].startswith("Slower")


def _rates(scenario):
    summary = simulate(scenario, compare=False).summary
    return {name: row["throughput_ips"] for name, row in summary["models"].items()}


def test_who_is_not_served_meets_no_limit():
    mix = Scenario(models=f"{NET}:4,{DETECTOR}:4", discipline="shortest")
    starved = simulate(mix, compare=False).summary
    assert min(row["throughput_ips"] for row in starved["models"].values()) == 0
    assert not Limits(min_ips=1).met(starved)
    assert Limits(min_ips=1).met(simulate(mix.with_options(discipline="fifo"), compare=False).summary)


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
    keys = {"now", "judged_by", "steps", "cheapest", "nearest", "already_met", "notes"}
    assert set(json.loads(out)) == keys


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


def test_steps_of_a_pipeline_are_ranked():
    found = advise(Scenario(models="mobilenet_v2_1.0_224", mode="pipeline", accelerators=2))
    assert found["steps"] and all(row["gain"] > 0 for row in found["steps"])


def test_what_overloads_an_open_loop_comes_last_and_is_not_advised():
    mix = Scenario(
        models="efficientdet_lite2:1,mobilenet_v2_1.0_224:1", host="raspberry-pi-4", preprocess="resize",
        arrivals="poisson:30",
    )  # fmt: skip
    rows = advise(mix)["steps"]
    late = [row["overloads"] for row in rows]
    assert any(late) and late == sorted(late)
    assert all(row["why"].startswith("Not advised") for row in rows if row["overloads"])


def test_where_requests_come_at_a_rate_steps_are_ranked_by_latency():
    rows = advise(Scenario(models="mobilenet_v2_1.0_224", threads=2, arrivals="poisson:200"))["steps"]
    kept = [row for row in rows if not row["overloads"] and not row["not_served"]]
    assert [row["p95_change"] for row in kept] == sorted(row["p95_change"] for row in kept)
    assert "95 % of the requests take at most" in kept[0]["why"]


def test_both_orders_of_compiling_together_are_tried():
    """Up to 15, the network that is named first gets the memory first, and which one that is decides who streams."""
    first, second = "efficientdet_lite2:1", "mobilenet_v2_1.0_224:1"
    common = {"host": "raspberry-pi-4", "preprocess": "resize", "compiler": "15"}
    found = {row["change"]: row for row in advise(Scenario(models=f"{first},{second}", **common))["steps"]}
    for models, name in ((f"{first},{second}", "efficientdet_lite2"), (f"{second},{first}", "mobilenet_v2_1.0_224")):
        run = simulate(Scenario(models=models, cocompile=True, **common)).summary["throughput_ips"]
        assert found[f"compile together, {name} first"]["throughput_ips"] == pytest.approx(run)


def test_one_order_is_tried_where_the_compiler_ranks_all_networks_as_one():
    mix = Scenario(models="efficientdet_lite2:1,mobilenet_v2_1.0_224:1", host="raspberry-pi-4")
    (row,) = (row for row in advise(mix)["steps"] if row["change"].startswith("compile together"))
    assert row["change"] == "compile together"
    rates = [
        simulate(Scenario(models=models, cocompile=True, host="raspberry-pi-4"), compare=False).summary[
            "throughput_ips"
        ]
        for models in (mix.models, ",".join(reversed(mix.models.split(","))))
    ]
    assert rates == pytest.approx([row["throughput_ips"]] * 2)


def test_no_accelerator_more_is_promised_to_a_mix_on_a_bus():
    """The closed form says 1.9 times, a run 1.3: so only the table of simulated steps speaks of it."""
    mix = Scenario(models="efficientdet_lite2:1,mobilenet_v2_1.0_224:1", host="raspberry-pi-4", preprocess="resize")
    assert "accelerator (and a thread)" not in simulate(mix, compare=False).summary["bottleneck_text"]


def test_only_what_can_be_bought_is_advised_unless_asked():
    scenario = Scenario(models="inception_v3_299", host="raspberry-pi-4")
    bought, dreamt = gains(advise(scenario)), gains(advise(scenario, shop=Shop(what_if=True)))
    assert set(dreamt) - set(bought) == {"size large", "8 cores"}


def test_a_card_is_advised_for_a_host_with_a_slot():
    pi_5 = advise(Scenario(models=NET, host="raspberry-pi-5"))
    assert "link pcie" in gains(pi_5)
    notes = next(row["notes"] for row in pi_5["steps"] if row["change"] == "link pcie")
    assert any("HAT" in note for note in notes)
    assert "link pcie" not in gains(advise(Scenario(models=NET, host="raspberry-pi-4")))


def test_two_sticks_on_a_pi_need_a_powered_hub():
    found = advise(Scenario(models=NET, host="raspberry-pi-4"))
    notes = {row["change"]: row["notes"] for row in found["steps"]}
    assert any("1.8 A" in note and "powered hub" in note for note in notes["one more accelerator (and a thread)"])
    assert notes["one more thread"] == found["notes"] == []


def test_the_cause_is_named_and_not_what_follows_from_it():
    """Work that takes longer is the cause of a wait; where none does, everybody waits for what is full."""
    mix = Scenario(models=f"{DETECTOR}:1,{NET}:1", host="raspberry-pi-4", preprocess="resize")
    found = {row["change"]: row["why"] for row in advise(mix)["steps"]}
    assert "operators run on the CPU" in found["everything on the CPU"]
    assert not any("the time for wait" in why for why in found.values())


def test_a_year_of_its_power_stands_with_each_step():
    for row in advise(Scenario(models=NET))["steps"]:
        assert row["kwh_per_year"] == pytest.approx(row["power_w"] * 8.766)


def test_steps_for_cameras_are_ranked_by_skipped_frames_and_the_age_of_results():
    scenario = Scenario(models="ssd_mobilenet_v2_coco_300", host="raspberry-pi-4", cameras="12x10")
    found = advise(scenario)
    skipped = [round(row["skipped_share"], 3) for row in found["steps"]]
    assert skipped == sorted(skipped) and skipped[0] < 0.01 < found["now"]["skipped_share"]
    best = found["steps"][0]
    again = simulate(scenario.with_options(**best["options"])).summary
    assert best["p95_ms"] == again["age_ms"]["p95"]
    assert "of the frames are skipped, not" in best["why"]


def test_what_a_step_brings_with_it_is_said():
    """Processes cannot share an accelerator; the advice to take them says so, and says nothing that holds already."""
    found = advise(Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-4", threads=4, app_ms="12:locked"))
    notes = {row["change"]: row["notes"] for row in found["steps"]}
    assert any("belongs to one process" in note for note in notes["processes instead of threads"])
    assert not any(note in found["now"]["warnings"] for row in notes.values() for note in row)


def test_a_faster_host_is_compared_over_its_best_link_for_sticks():
    """A Pi 3 has USB 2; a stick that moves to a Pi 4 is plugged into USB 3 there."""
    now = Scenario(models=NET, host="raspberry-pi-3b")
    found = advise(now)
    step = next(step for step in found["steps"] if step["change"] == "host raspberry-pi-4 over usb3")
    there = simulate(Scenario(models=NET, host="raspberry-pi-4", link="usb3")).summary
    assert now.link == "usb2"
    assert step["throughput_ips"] == there["throughput_ips"]
    assert step["gain"] == pytest.approx(there["throughput_ips"] / found["now"]["throughput_ips"])
    assert not any(step["change"] == "host raspberry-pi-4" for step in found["steps"])
