"""The mini-timeline: well-formed, escaped, complete, and the same spans as the simulator's."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from hwmodels.errors import InputError
from sim import Scenario
from sim.machine.states import TRAITS, State
from sim.views.svg import OKABE_ITO, steps
from sim.views.svg_timeline import DRAWN, draw, film, html_timeline, svg_timeline, write_picture

FAST = "conv5x3x3_f32_64x64"
SVG = "{http://www.w3.org/2000/svg}"


def words(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    "options",
    [
        {}, {"threads": 3, "accelerators": 2}, {"threads": 2, "preprocess": "resize", "host": "raspberry-pi-4"},
        {"mode": "pipeline"}, {"arrivals": "poisson:50"}, {"arrivals": "offline:3"}, {"inferences": 1},
    ],
    ids=str,
)  # fmt: skip
def test_every_row_has_its_name(options):
    svg = svg_timeline(Scenario(models=FAST, **options), ms=20)
    shown = words(svg)
    assert "thread 0" in shown
    assert any(word.startswith("coral") for word in shown)
    assert any(word.startswith("usb3") for word in shown)


def test_the_film_holds_the_simulator_s_spans_of_its_stretch():
    shot = film(Scenario(models=FAST, threads=2, numbers={"host.lock_wake_ns": 0}), ms=10, start_ms=5)
    assert (shot.start_ns, shot.end_ns) == (5_000_000, 15_000_000)
    assert all(span.end_ns > shot.start_ns and span.start_ns < shot.end_ns for span in shot.spans)
    device = sorted((s.start_ns, s.end_ns) for s in shot.spans if s.component == "coral 0")
    assert all(a[1] == b[0] for a, b in pairwise(device)), "two threads keep it busy"


def test_a_steady_film_begins_after_the_first_inferences():
    shot = film(Scenario(models="mobilenet_v2_1.0_224", threads=2), start_ms=None)
    assert not any(span.state is State.LOAD_PARAMETERS for span in shot.spans)
    assert shot.zero_ns == shot.start_ns > 0


@pytest.mark.parametrize(
    "requests", [{"cameras": "2x5"}, {"arrivals": "poisson:20"}, {"arrivals": "periodic:300", "threads": 2}], ids=str
)
def test_a_steady_film_of_seldom_requests_shows_one(requests):
    """Two frames each 200 ms, of some 15 ms: a film of 50 ms that begins anywhere shows nothing, most of the time."""
    shot = film(Scenario(models="ssdlite_mobiledet_320", host="raspberry-pi-4", **requests), start_ms=None)
    invokes = [span for span in shot.spans if span.state is State.INVOKE and span.start_ns >= shot.start_ns]
    assert any(span.end_ns <= shot.end_ns for span in invokes)
    assert min(span.start_ns for span in shot.spans) <= shot.start_ns, "it begins with work"


def test_rows_do_not_overlap_in_one_lane():
    shot = film(Scenario(models="ssd_mobilenet_v2_coco_300", threads=2, preprocess="resize"))
    for component in shot.components:
        own = sorted((s.start_ns, s.end_ns) for s in shot.spans if s.component == component and s.state < 12)
        assert all(a[1] <= b[0] for a, b in pairwise(own))


def test_names_are_escaped(hand_setup):
    shot = film(Scenario(models=FAST, threads=2))
    spans = tuple(span._replace(model=("<b>", "</svg>")[i % 2]) for i, span in enumerate(shot.spans))
    svg = draw(replace(shot, title="<script>alert('&')</script>", models=("<b>", "</svg>"), spans=spans))
    ET.fromstring(svg)
    assert "<script>" not in svg


def test_colours_differ_where_patterns_do_not():
    looks = [(TRAITS[state].colour, TRAITS[state].pattern) for state in DRAWN]
    assert len(set(looks)) == len(looks)
    assert {colour for colour, pattern in looks if not pattern} <= {*OKABE_ITO.values(), "#5a5a5a"}


def test_the_picture_is_a_file_of_its_own(tmp_path):
    scenario = Scenario(models=FAST, threads=2)
    write_picture(scenario, tmp_path / "a.svg", 5)
    write_picture(scenario, tmp_path / "a.html", 5)
    ET.parse(tmp_path / "a.svg")
    page = (tmp_path / "a.html").read_text()
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("ms, start", [(-1, 0), (20_000, 0), (5, -1)])
def test_times_out_of_range_are_input_errors(ms, start):
    with pytest.raises(InputError):
        film(Scenario(models=FAST), ms, start)


def test_another_ending_or_folder_is_an_input_error(tmp_path):
    for path in (tmp_path / "a.gif", tmp_path / "missing" / "a.svg"):
        with pytest.raises(InputError):
            write_picture(Scenario(models=FAST), path)


def test_narrow_screens_scroll():
    assert "overflow-x:auto" in html_timeline(Scenario(models=FAST))


def test_steps_are_round():
    assert steps(0, 20, 10) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert steps(0.3, 1.1, 5) == [0.4, 0.6, 0.8, 1.0]
    assert steps(3, 3) == [3]


def test_a_pipeline_s_pass_is_shown_on_the_thread_that_waits_for_it():
    svg = svg_timeline(Scenario(models="inception_v4_299", mode="pipeline"), ms=200, start_ms=None)
    marks = [
        (e.get("y"), e.text) for e in ET.fromstring(svg).iter(f"{SVG}text") if (e.text or "").startswith("on coral")
    ]
    assert {text for _, text in marks} == {"on coral 0", "on coral 1"}
    assert len({y for y, text in marks if text == "on coral 0"}) == 1
