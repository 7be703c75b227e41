"""The line chart: points where the axes say, one marked, nothing of a user's that is not escaped."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from sim.views.svg_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, line_chart

NASTY = """<script>alert("1")</script> & 'quotes'"""
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg):
    return ET.fromstring(svg)


def texts(svg):
    return [element.text for element in parsed(svg).iter(f"{SVG}text")]


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


def words(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_chart_has_its_points_and_marks_one():
    svg = line_chart("t<t", "threads", [1, 2, 3], [Line("a", [1, 2, 3]), Line("b", [3, 3, 3])], marked=2)
    root = ET.fromstring(svg)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert [words(svg).count(value) for value in ("1", "2", "3")] == [2, 3, 3], "two axes, and the marked points"
