"""SVG parts and the line chart: geometry by hand, well-formed, and nothing of a user's that is not escaped."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.views.svg import OKABE_ITO, document, fits, line, rect, steps, text
from sim.views.svg_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, line_chart

NASTY = """<script>alert("1")</script> & 'quotes'"""
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg):
    return ET.fromstring(svg)


def texts(svg):
    return [element.text for element in parsed(svg).iter(f"{SVG}text")]


# Steps of an axis


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 10, 5, [0, 2, 4, 6, 8, 10]),
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 7, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (3, 8, 8, [3, 4, 5, 6, 7, 8]),
        (0, 1234, 5, [0, 500, 1000]),
        (5, 5, 8, [5]),
        (0.013, 0.027, 3, [0.015, 0.02, 0.025]),
    ],
)
def test_steps_are_round(low, high, most, expected):
    assert steps(low, high, most) == pytest.approx(expected)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.floats(0, 1e6), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_steps_are_even_inside_and_not_too_many(low, span, most):
    found = steps(low, low + span, most)
    assert len(found) <= most + 2
    assert all(low - span * 1e-6 <= value <= low + span * (1 + 1e-6) for value in found)
    gaps = [b - a for a, b in pairwise(found)]
    assert all(gap == pytest.approx(gaps[0], rel=1e-3, abs=1e-9) for gap in gaps)


# Parts


def test_words_are_escaped_everywhere():
    drawing = document(10, 10, NASTY, [text(0, 0, NASTY), rect(0, 0, 1, 1, "fill='#fff'", NASTY)])
    root = parsed(drawing)
    assert NASTY in [element.text for element in root.iter()]
    assert "<script" not in drawing
    assert len(list(root.iter(f"{SVG}script"))) == 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30))
def test_any_words_are_well_formed_and_come_back(words):
    try:
        root = parsed(document(10, 10, "t", [text(1, 2, words)]))
    except ET.ParseError:
        assert any(ord(char) in (0xFFFE, 0xFFFF) for char in words)
        return
    (found,) = root.iter(f"{SVG}text")
    assert (found.text or "").split() == words.split()


def test_a_rectangle_is_never_too_thin_to_see():
    assert parsed(rect(0, 0, 0, 5, "")).get("width") == "0.40"
    assert parsed(rect(0, 0, 7, 5, "")).get("width") == "7.00"


def test_a_hint_is_a_title():
    assert parsed(rect(0, 0, 1, 1, "", "what it is")).find("title").text == "what it is"
    assert parsed(rect(0, 0, 1, 1, "")).find("title") is None


def test_a_line_goes_from_here_to_there():
    found = parsed(line(1, 2, 3, 4, "stroke='#000'"))
    assert [found.get(key) for key in ("x1", "y1", "x2", "y2", "stroke")] == ["1.00", "2.00", "3.00", "4.00", "#000"]


@pytest.mark.parametrize(("words", "width", "does"), [("", 4, True), ("abc", 100, True), ("x" * 50, 100, False)])
def test_words_fit_or_do_not(words, width, does):
    assert fits(words, width) is does


def test_colours_are_those_of_okabe_and_ito():
    assert len(set(OKABE_ITO.values())) == 8
    assert all(re.fullmatch(r"#[0-9A-F]{6}", colour) for colour in OKABE_ITO.values())


# The chart

XS = [1, 2, 3, 4]
LINES = [Line("simulated", [10, 18, 20, 20]), Line("bound", [10, 20, 20, 20])]


def points(svg):
    """Points of each polyline."""
    return [
        [tuple(map(float, pair.split(","))) for pair in element.get("points").split()]
        for element in parsed(svg).iter(f"{SVG}polyline")
    ]


def test_a_chart_has_a_line_for_each_series_and_a_point_for_each_x():
    svg = line_chart("title", "threads", XS, LINES)
    assert [len(row) for row in points(svg)] == [4, 4]
    assert {"title", "threads", "simulated", "bound"} <= set(texts(svg))


def test_values_are_where_the_axis_says():
    """The axis ends 8 % above the largest value, and 0 lies on the bottom line."""
    (row,) = points(line_chart("t", "x", [0, 10], [Line("a", [0, 100])]))
    height = HEIGHT - BOTTOM - TOP
    assert row[0] == pytest.approx((LEFT + 10, HEIGHT - BOTTOM), abs=0.1)
    assert row[1] == pytest.approx((WIDTH - RIGHT - 10, HEIGHT - BOTTOM - height / 1.08), abs=0.1)


def test_equal_steps_of_x_are_equally_far_apart():
    row = points(line_chart("t", "x", XS, LINES))[0]
    gaps = {round(b[0] - a[0], 1) for a, b in pairwise(row)}
    assert max(gaps) - min(gaps) <= 0.2


def test_the_marked_point_shows_its_value():
    assert "18" in texts(line_chart("t", "x", XS, LINES[:1], 2))
    assert "18" not in texts(line_chart("t", "x", XS, LINES[:1]))


def test_few_x_are_all_named_and_many_are_thinned_out():
    few, many = (texts(line_chart("t", "x", list(range(n)), [Line("a", [1.0] * n)])) for n in (6, 100))
    assert {"0", "1", "2", "3", "4", "5"} <= set(few)
    assert len(many) < 30


@pytest.mark.parametrize("values", [[0, 0], [1, 1], [1e-9, 2e-9], [1e12, 2e12]])
def test_values_of_any_size_can_be_drawn(values):
    svg = line_chart("t", "x", [1, 2], [Line("a", values)])
    for row in points(svg):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in row)


def test_one_point_is_drawn():
    assert len(points(line_chart("t", "x", [1], [Line("a", [5])], 1))[0]) == 1


def test_names_of_series_are_escaped():
    svg = line_chart(NASTY, NASTY, [1, 2], [Line(NASTY, [1, 2])], 1)
    assert "<script" not in svg
    assert texts(svg).count(NASTY) == 3
