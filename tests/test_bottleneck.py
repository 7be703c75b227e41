"""What limits: windows made by hand, and real set-ups whose limit is known."""

from __future__ import annotations

import re

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import StepTime
from sim import Scenario, simulate
from sim.answer import summarise
from sim.bottleneck import SATURATED, bottleneck
from sim.engine import run

IDLE = {"accelerator": 0.2, "link_out": 0.1, "link_in": 0.0, "cpu": 0.1, "gil": 0.0}


def named(setup, used=None):
    window = run(setup)
    return bottleneck(setup, window, used or summarise(setup, window, compare=False).summary["utilisation"])


def test_one_thread_fills_nothing_and_the_longest_part_is_named(hand_setup):
    kind, text = named(hand_setup([network("a", accelerator_stage(steps=(StepTime(10_000, 0, 0),)))], threads=1), IDLE)
    assert kind == "accelerator"
    assert "is computing" in text
    assert "idles 80%" in text


def test_host_work_is_named_where_it_is_the_longest(hand_setup):
    kind, text = named(hand_setup([network("a", preprocess_ns=10_000)], threads=1), IDLE)
    assert kind == "cpu"
    assert "host work" in text


def test_transfers_are_named_where_they_are_the_longest(hand_setup):
    kind, text = named(hand_setup([network("a", accelerator_stage(input_ns=10_000))], threads=1), IDLE)
    assert kind == "link"
    assert "transfers" in text


@pytest.mark.parametrize(("name", "words"), [("cpu", "cores are busy"), ("gil", "global lock is held")])
def test_a_full_resource_is_named(hand_setup, name, words):
    setup = hand_setup([network("a")], threads=5)
    kind, text = named(setup, {**IDLE, name: 0.99})
    assert kind == name
    assert words in text


def test_threads_that_fill_a_core_each_are_no_lack_of_cores(hand_setup):
    kind, text = named(hand_setup([network("a")], threads=4), {**IDLE, "cpu": 0.99})
    assert kind == "cpu"
    assert text == "The threads compute on the CPU all the time (99% of 4 cores)."
    assert "99%" in text


def test_of_two_full_resources_the_fuller_one_counts(hand_setup):
    setup = hand_setup([network("a")], threads=2)
    assert named(setup, {**IDLE, "accelerator": 0.95, "gil": 0.97})[0] == "gil"


def test_full_cores_are_the_reason_for_what_is_held_meanwhile(hand_setup):
    """One core: threads that wait for it hold the accelerator's lock or the GIL, which are full then, too."""
    setup = hand_setup([network("a")], threads=2)
    for name in ("accelerator", "gil"):
        assert named(setup, {**IDLE, "cpu": 0.95, name: 1.0})[0] == "cpu"


def test_a_little_below_full_is_not_full(hand_setup):
    setup = hand_setup([network("a")], threads=2)
    assert "idles" in named(setup, {**IDLE, "cpu": SATURATED - 0.01})[1]


def test_a_held_accelerator_computes(hand_setup):
    setup = hand_setup([network("a", accelerator_stage(steps=(StepTime(10_000, 0, 0),)))], threads=4)
    kind, text = named(setup)
    assert kind == "accelerator"
    assert "100% of the time, 99% of it computing" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input_ns": 10_000}, "input"),
        ({"output_ns": 10_000}, "output"),
        ({"instructions_ns": 10_000}, "dispatch and instructions"),
        ({"steps": (StepTime(10, 10_000, 500),)}, "streaming parameters"),
    ],
)
def test_a_held_accelerator_waits_for_its_link(hand_setup, change, words):
    kind, text = named(hand_setup([network("a", accelerator_stage(**change))], threads=4))
    assert kind == "link"
    assert f"most for {words}" in text


def test_swaps_are_named(hand_setup):
    setup = hand_setup(
        [network("a", accelerator_stage(load_ns=10_000)), network("b", accelerator_stage(load_ns=10_000))],
        [0, 1],
        threads=2,
    )
    assert "most for loading parameters, as networks take each other's place in its memory" in named(setup)[1]


def test_threads_that_are_late_are_named_before_what_they_do(hand_setup):
    """A thread with work around the network, asked for more than it does: nothing shared is full."""
    late = hand_setup([network("a", preprocess_ns=900)], threads=1, arrivals="poisson:1e6", inferences=2000)
    window = run(late)
    text = bottleneck(late, window, IDLE, is_overloaded=True)[1]
    assert re.match(
        r"The one thread is busy (9\d|100)% of the time: \d+% of an inference is host work, most for preproc", text
    )
    closed = named(hand_setup([network("a", preprocess_ns=900)], threads=1))[1]
    assert re.match(r"\d+% of an inference is host work, most for preprocess; the accelerator idles", closed)


def test_requests_that_do_not_come_faster_are_the_limit(hand_setup):
    setup = hand_setup([network("a")], threads=2, arrivals="poisson:1000", inferences=50)
    assert named(setup)[0] == "arrivals"


REAL = [
    ({"models": "mobilenet_v1_1.0_224", "threads": 4}, {"accelerator", "link"}),
    ({"models": "vgg_16_224", "threads": 2, "link": "usb2", "host": "raspberry-pi-3b"}, {"link"}),
    ({"models": "mobilenet_v1_0.25_128", "threads": 8, "preprocess": "resize:4000x3000", "host": "raspberry-pi-4", "cores": 1},
     {"cpu"}),
    ({"models": "mobilenet_v1_0.25_128", "threads": 4, "arrivals": "poisson:5"}, {"arrivals"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "kinds"), REAL, ids=[options["models"] + str(i) for i, (options, _) in enumerate(REAL)]
)
def test_set_ups_whose_limit_is_known(options, kinds):
    summary = simulate(Scenario(**options, inferences=300), compare=False).summary
    assert summary["bottleneck"] in kinds
    assert summary["bottleneck_text"].endswith(".")


def test_an_overloaded_loop_is_not_limited_by_its_arrivals():
    """One thread whose CPU operators leave the accelerator idle for a fifth: nothing is full, and yet it cannot keep up."""
    answer = simulate(
        Scenario(models="efficientdet_lite0_320", host="raspberry-pi-3b", link="usb2", arrivals="poisson:9")
    ).summary
    assert answer["overloaded"]
    assert max(answer["utilisation"].values()) < 0.93
    assert answer["bottleneck"] != "arrivals"
    assert "thread" in answer["bottleneck_text"]
    assert answer["warnings"][0].startswith("overloaded: requests come faster than")


def test_a_loop_that_keeps_up_is_limited_by_its_arrivals():
    answer = simulate(Scenario(models="efficientdet_lite0_320", host="raspberry-pi-4", arrivals="poisson:1")).summary
    assert (answer["overloaded"], answer["bottleneck"]) == (False, "arrivals")
    assert not any(warning.startswith("overloaded") for warning in answer["warnings"])


@pytest.mark.parametrize(
    "options",
    [
        {"app_ms": "12", "arrivals": "poisson:60", "host": "raspberry-pi-4"},
        {"preprocess": "resize", "arrivals": "poisson:175", "host": "raspberry-pi-4"},
    ],
    ids=str,
)
def test_requests_that_wait_for_a_busy_thread_are_told_what_shortens_the_wait(options):
    """The thread works alone nearly all the time, nothing shared is full; another thread takes most of the wait away."""
    asked = {"models": "mobilenet_v2_1.0_224", "inferences": 4000, **options}
    alone, two = (simulate(Scenario(**asked, threads=n)).summary for n in (1, 2))
    assert alone["bottleneck"] == "arrivals"
    assert re.search(
        r"wait for the one thread, which is busy \d\d% .* more threads shorten the wait", alone["bottleneck_text"]
    )
    assert max(alone["utilisation"].values()) < 0.7
    assert two["latency_ms"]["mean"] < 0.7 * alone["latency_ms"]["mean"]
