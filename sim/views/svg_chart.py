"""A small line chart as SVG: a few series over whole numbers such as threads, labelled directly, one point marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.views.svg import FAINT, INK, OKABE_ITO, document, line, steps, text

__all__ = ["Line", "line_chart"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 280, 58, 16, 62, 44
COLOURS = [OKABE_ITO[name] for name in ("blue", "vermillion", "green", "purple", "orange")]
DASHES = ["", "7 4", "2 3", "9 3 2 3", "4 4"]
MARKS = ["circle", "square", "circle", "square", "circle"]


@dataclass(frozen=True)
class Line:
    """A series: its name and a value for each x."""

    name: str
    values: Sequence[float]


def line_chart(title: str, x_name: str, xs: Sequence[float], lines: Sequence[Line], marked: float | None = None) -> str:
    """Draw lines over ``xs`` as SVG text; every value axis starts at 0; ``marked`` is the x of the reader's choice.

    Parameters
    ----------
    title, x_name
        Escaped in the drawing.
    xs
        Rising; all are named where there are at most 12.
    lines
        At most five, each with a value for every x.
    marked
        One of ``xs``, drawn larger and with its values.
    """
    frame = _Frame(xs, lines)
    parts = [text(12, 20, title, 13, extra="font-weight='600'"), *_key(lines), *frame.axes(x_name)]
    if marked is not None:
        style = f"stroke='{INK}' stroke-width='1' stroke-dasharray='3 3'"
        parts.append(line(frame.x(marked), TOP, frame.x(marked), HEIGHT - BOTTOM, style))
    for number, one in enumerate(lines):
        parts += frame.curve(number, one, marked)
    return document(WIDTH, HEIGHT, title, parts)


def _key(lines: Sequence[Line]) -> list[str]:
    parts, x = [], 12.0
    for number, one in enumerate(lines):
        parts += [line(x, 38, x + 22, 38, _stroke(number)), _mark(number, x + 11, 38), text(x + 28, 42, one.name, 12)]
        x += 42 + 6.9 * len(one.name)
    return parts


def _stroke(number: int) -> str:
    return f"stroke='{COLOURS[number]}' stroke-width='2.2' fill='none' stroke-dasharray='{DASHES[number]}'"


def _mark(number: int, x: float, y: float, size: float = 3.4) -> str:
    colour = COLOURS[number]
    if MARKS[number] == "circle":
        return f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{size}' fill='{colour}'/>"
    return f"<rect x='{x - size:.1f}' y='{y - size:.1f}' width='{2 * size}' height='{2 * size}' fill='{colour}'/>"


class _Frame:
    """Axes of a chart, and where values go in it."""

    def __init__(self, xs: Sequence[float], lines: Sequence[Line]) -> None:
        self.xs = xs
        self.low, self.high = min(xs), max(xs)
        self.top = 1.08 * max((value for one in lines for value in one.values), default=1.0) or 1.0

    def x(self, value: float) -> float:
        """Position of an x value."""
        span = self.high - self.low or 1
        return LEFT + 10 + (value - self.low) / span * (WIDTH - LEFT - RIGHT - 20)

    def y(self, value: float) -> float:
        """Position of a y value."""
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - BOTTOM - TOP)

    def axes(self, x_name: str) -> list[str]:
        """Grid, numbers and the x axis' name."""
        parts = []
        for value in steps(0, self.top, 5):
            parts.append(line(LEFT, self.y(value), WIDTH - RIGHT, self.y(value), f"stroke='{FAINT}'"))
            parts.append(text(LEFT - 6, self.y(value) + 4, f"{value:g}", 11, "end"))
        whole = self.xs if len(self.xs) <= 12 else steps(self.low, self.high, 8)
        parts += [text(self.x(x), HEIGHT - BOTTOM + 17, f"{x:g}", 11, "middle") for x in whole]
        return [*parts, text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_name, 12, "middle")]

    def curve(self, number: int, one: Line, marked: float | None) -> list[str]:
        """A series with its points; the marked one larger, with its value."""
        points = [(self.x(x), self.y(value)) for x, value in zip(self.xs, one.values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts = [f"<polyline points='{path}' {_stroke(number)}/>", *(_mark(number, x, y) for x, y in points)]
        for x, value, (px, py) in zip(self.xs, one.values, points, strict=True):
            if x == marked:
                anchor = "end" if px > WIDTH - 70 else "start"
                halo = "stroke='#fff' stroke-width='3' paint-order='stroke' font-weight='600'"
                shift = -8 if anchor == "end" else 8
                parts += [_mark(number, px, py, 5), text(px + shift, py - 7, f"{value:.4g}", 11, anchor, halo)]
        return parts
