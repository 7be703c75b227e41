"""Parts of SVG drawings: geometry by hand, well-formed, and nothing of a user's that is not escaped."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.views.svg import OKABE_ITO, document, fits, line, rect, steps, text

NASTY = """<script>alert("1")</script> & 'quotes'"""
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg):
    return ET.fromstring(svg)


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
