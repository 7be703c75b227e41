"""Cards that share one PCIe lane: timelines by hand, a model of its own, the closed form, and what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand import accelerator_stage, network
from hypothesis import given, settings
from hypothesis import strategies as st
from test_request import spans_of, timeline

from hwmodels.errors import InputError
from hwmodels.host import load_host
from hwmodels.link import channel, load_link, plugged_links
from hwmodels.parts import part_names
from hwmodels.stages import StepTime
from sim.engine import run, simulate
from sim.estimator import estimate
from sim.scenario import Scenario
from sim.setup import build
from sim.study.grid import resized

CARD = 1e9  # bytes/s: a nanosecond is a byte
STREAMS = "resnet_50_v1_224"


def behind_a_lane(setup, lane):
    """A set-up whose cards get a byte in a nanosecond each, and so much together."""
    line = replace(setup.channels[0], out_bytes_per_s=CARD, in_bytes_per_s=CARD, memory_bytes_per_s=lane)
    return replace(setup, channels=(line,) * len(setup.channels))


def scenario(cards, link="pcie-lane-gen3", model=STREAMS, **options):
    options = {"host": "x86-desktop", "threads": cards, **options}
    return Scenario(models=model, link=link, accelerators=cards, **options)


def test_two_cards_share_a_lane_at_every_moment(hand_setup):
    """A lane as fast as one card. Loads of 100 and 200: halves until 200; b alone for the 20 of a's dispatch.

    From 220 on a's 50 cross beside b's: done at 320, when b has 30 left. The rest is nobody's way but its own.
    """
    slow = network("b", accelerator_stage(load_ns=200, load_bytes=2000))
    setup = hand_setup([network("a"), slow], [0, 1], accelerators=2, link="pcie-lane-gen2")
    spans = spans_of(behind_a_lane(setup, CARD), 2)
    assert timeline(spans, "coral 0")[:5] == [
        ("load_parameters", 0, 200), ("instructions", 200, 290), ("input", 290, 320), ("compute", 320, 420),
        ("output", 420, 440),
    ]  # fmt: skip
    assert timeline(spans, "coral 1")[:4] == [
        ("load_parameters", 0, 350), ("instructions", 350, 390), ("input", 390, 420), ("compute", 420, 520),
    ]  # fmt: skip


def test_results_share_the_other_way(hand_setup):
    """Both send 50 at half the rate, compute, and get 20 back at half the rate: 20 + 100 + 100 + 40 after the loads."""
    setup = hand_setup([network("a")], [0, 0], accelerators=2, threads=2, link="pcie-lane-gen2")
    spans = spans_of(behind_a_lane(setup, CARD), 2)
    for card in ("coral 0", "coral 1"):
        assert timeline(spans, card)[-1][0] == "output" or timeline(spans, card)[4] == ("output", 420, 460)
        assert timeline(spans, card)[:5][-1] == ("output", 420, 460)


def fluid_ips(passes, lane, seconds):
    """Passes a second of cards that repeat (seconds alone, bytes out, seconds alone, bytes in), rates as max-min says."""
    places = [[0, list(one)] for one in passes]  # which part, and what is left of it
    now, done = 0.0, 0
    while now < seconds:
        moving = [sum(place % 4 == way for place, _ in places) for way in (1, 3)]
        speeds = [1.0 if place % 2 == 0 else min(CARD, lane / moving[place % 4 // 2]) for place, _ in places]
        step = min(left[place % 4] / speed for (place, left), speed in zip(places, speeds, strict=True))
        now += step
        for one, speed, whole in zip(places, speeds, passes, strict=True):
            part = one[0] % 4
            one[1][part] -= step * speed
            if one[1][part] <= 1e-9 * max(1.0, whole[part]):
                one[0] += 1
                done += part == 3
                one[1][part] = whole[part]
    return done / now


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(100, 5000), st.integers(100, 9000), st.integers(100, 9000), st.integers(100, 9000)),
        min_size=2, max_size=4,
    ),
    st.sampled_from([0.4, 1.0, 1.5, 2.5, 9.0]),
)  # fmt: skip
def test_a_run_is_what_max_min_sharing_makes_of_it(hand_setup_once, passes, share):
    """Against a model of its own, which moves from one change of rates to the next."""
    works = [
        network(
            name,
            accelerator_stage(
                driver_ns=0, latency_ns=before, load_ns=0, load_bytes=0, instructions_ns=0, input_ns=out,
                steps=(StepTime(compute, 0, 0),), output_ns=back, copy_ns=0,
            ),
        )
        for name, (before, out, compute, back) in zip("abcd", passes, strict=False)
    ]  # fmt: skip
    setup = hand_setup_once(works, share * CARD)
    found = run(setup)
    parts = [(before * 1e-9, float(out), compute * 1e-9, float(back)) for before, out, compute, back in passes]
    wanted = fluid_ips(parts, share * CARD, 3e-3)
    assert found.throughput_ips == pytest.approx(wanted, rel=0.02)


@pytest.fixture(scope="module")
def hand_setup_once():
    """As many cards as networks, each with its own, behind a lane."""

    def make(works, lane):
        options = {"mode": "processes", "cores": 8, "inferences": 4000}
        base = build(scenario(len(works), "pcie-lane-gen2", "conv5x3x3_f32_64x64", **options))
        host = replace(base.host, switch_ns=0, lock_wake_ns=0, gil_share=1.0)
        rows = tuple((one,) * len(works) for one in works)
        setup = replace(
            base, host=host, stage_times=rows, models=tuple(one.name for one in works),
            executables=base.executables * len(works), thread_models=tuple(range(len(works))),
        )  # fmt: skip
        return behind_a_lane(setup, lane)

    return make


@pytest.mark.parametrize("model", [STREAMS, "mobilenet_v2_1.0_224"])
def test_a_card_alone_behind_a_lane_is_a_card(model):
    behind = simulate(scenario(1, model=model), compare=False).summary
    alone = simulate(scenario(1, "pcie", model), compare=False).summary
    assert behind["throughput_ips"] == pytest.approx(alone["throughput_ips"], rel=1e-6)
    assert behind["interval90"]["throughput_ips"] == pytest.approx(alone["interval90"]["throughput_ips"], rel=1e-6)


@pytest.mark.parametrize("model", [STREAMS, "mobilenet_v2_1.0_224"])
def test_a_lane_without_end_is_a_lane_each(model):
    numbers = {"link.lane_bytes_per_s": 1e13}
    wide, own = scenario(3, model=model, numbers=numbers), scenario(3, "pcie", model)
    for answer in (estimate, lambda one: simulate(one, compare=False).summary):
        assert answer(wide)["throughput_ips"] == pytest.approx(answer(own)["throughput_ips"], rel=1e-5)


@pytest.mark.parametrize("link", ["pcie-lane-gen2", "pcie-lane-gen3"])
@pytest.mark.parametrize("cards", [2, 3, 4])
def test_the_closed_form_of_streaming_cards_and_what_the_lane_carries(link, cards):
    results = simulate(scenario(cards, link), compare=False)
    closed = estimate(scenario(cards, link))
    assert closed["throughput_ips"] == pytest.approx(results.summary["throughput_ips"], rel=0.005)
    assert closed["latency_ms"]["mean"] == pytest.approx(results.summary["latency_ms"]["mean"], rel=0.005)
    line = results.setup.channels[0]
    moved = results.setup.stage_times[0][0].total("sent_ns") / 1e9 * line.out_bytes_per_s
    assert results.summary["throughput_ips"] * moved <= 1.001 * line.memory_bytes_per_s
    assert closed["utilisation"]["link_out"] == pytest.approx(results.summary["utilisation"]["link_out"], abs=0.01)


def test_pipelines_fill_a_lane_and_no_more():
    """Three segments that stream cross one lane in every inference."""
    one = scenario(3, "pcie-lane-gen2", "inception_v4_299", mode="pipeline", num_segments=3, threads=1)
    simulated = simulate(one, compare=False).summary["throughput_ips"]
    assert estimate(one)["throughput_ips"] == pytest.approx(simulated, rel=0.02)
    own = replace(one, link="pcie")
    assert simulated < 0.6 * estimate(own)["throughput_ips"]


def test_cards_in_step_meet_at_every_transfer_and_chance_takes_them_apart():
    """What the pages say: the closed form is of cards that meet by chance."""
    steady = scenario(4, "pcie-lane-gen2", "ssd_mobilenet_v2_coco_300", threads=8)
    jittered = replace(steady, jitter="measured", inferences=1500)
    closed, by_chance = estimate(steady), simulate(jittered, compare=False).summary
    in_step = simulate(steady, compare=False).summary
    assert by_chance["throughput_ips"] == pytest.approx(closed["throughput_ips"], rel=0.07)
    assert in_step["throughput_ips"] < by_chance["throughput_ips"]


def test_three_cards_behind_one_x1():
    """93 ms for ResNet-50 (google-coral/edgetpu issue 262), 49 with a lane each: more than a Gen2 lane can carry."""
    low, high = estimate(scenario(3))["interval90"]["latency_mean_ms"]
    assert low < 93 < high
    assert estimate(scenario(3, "pcie-lane-gen2"))["interval90"]["latency_mean_ms"][0] > 93
    assert estimate(scenario(3, "pcie"))["interval90"]["latency_mean_ms"][1] < 93


def test_an_uncertain_lane_widens_the_interval_where_it_is_full():
    def width(cards):
        low, high = estimate(scenario(cards))["interval90"]["throughput_ips"]
        return high / low

    assert width(3) > 1.15 * width(1)


def test_a_lane_is_said_and_never_proposed():
    assert not any("lane each" in note for note in estimate(scenario(3))["warnings"])
    assert any("lane each" in note for note in estimate(scenario(3, "pcie"))["warnings"])
    assert not any("lane" in name for name in plugged_links())


ONE_LANE = [name for name in part_names("host") if load_host(name).bus("pcie")[1].lane_generation]


@pytest.mark.parametrize("host", ONE_LANE)
@pytest.mark.parametrize("cards", [1, 2, 3])
def test_cards_on_a_host_with_one_lane_share_it_unasked(host, cards):
    """The same answer as with the lane named, said in a note; one card has the lane for itself."""
    usual, named = (simulate(scenario(cards, link, host=host)).summary for link in ("pcie", "pcie-lane-gen2"))
    close = 1e-6 if cards > 1 else 0.02  # a CM4's card was measured a little above what the lane is taken to carry
    assert usual["throughput_ips"] == pytest.approx(named["throughput_ips"], rel=close)
    assert usual["interval90"] == {key: pytest.approx(pair, rel=close) for key, pair in named["interval90"].items()}
    said = f"{cards} accelerators share the one lane that {host} has, as behind a switch (--link pcie-lane-gen2)"
    assert (said in usual["warnings"]) == (cards > 1)
    assert not any("lane" in note for note in named["warnings"] if "never measured" not in note)


def test_every_card_counts_that_is_on_the_lane():
    """Sticks beside the cards are on another bus; a study's set-up with more accelerators is the scenario's."""
    mixed = build(scenario(3, "pcie,usb3,pcie", host="raspberry-pi-5"))
    assert [line.name for line in mixed.channels] == ["pcie-lane-gen2", "usb3", "pcie-lane-gen2"]
    assert [line.name for line in build(scenario(2, "pcie,usb3", host="raspberry-pi-5")).channels] == ["pcie", "usb3"]
    grown = resized(build(scenario(1, "pcie", host="raspberry-pi-5")), 2, 2)
    assert grown.channels == build(scenario(2, "pcie", host="raspberry-pi-5")).channels


def test_a_lane_slower_than_a_card_slows_a_single_card():
    line = channel(replace(load_link("pcie-lane-gen2"), lane_bytes_per_s=1e8), load_host("x86-desktop"))
    assert (line.rate("out"), line.memory_bytes_per_s) == (1e8, 1e8)
    assert line.rate("in") < 1e8


def test_a_lane_has_a_rate_above_0(tmp_path):
    path = tmp_path / "lane.toml"
    path.write_text(
        'kind = "link"\nbase = "pcie"\nlane_bytes_per_s = { value = -1, status = "assumed", source = "x" }\n'
    )
    with pytest.raises(InputError, match="lane_bytes_per_s"):
        load_link(str(path))
