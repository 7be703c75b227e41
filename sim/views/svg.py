"""Small parts of SVG drawings: escaped text, round axis steps, and colours that colour-blind readers can tell apart.

Colours: M. Okabe and K. Ito, "Color Universal Design", 2008 (jfly.uni-koeln.de/color).
"""

from __future__ import annotations

import math
from html import escape

__all__ = ["OKABE_ITO", "document", "fits", "line", "rect", "steps", "text"]

OKABE_ITO = {
    "black": "#000000", "orange": "#E69F00", "sky": "#56B4E9", "green": "#009E73", "yellow": "#F0E442",
    "blue": "#0072B2", "vermillion": "#D55E00", "purple": "#CC79A7",
}  # fmt: skip
INK, FAINT = "#222222", "#d9d9d9"
CHARACTER = 0.56  # mean width of a character, in font sizes
FONT = "font-family='DejaVu Sans, Segoe UI, Helvetica, Arial, sans-serif'"


def text(x: float, y: float, words: str, size: float = 12, anchor: str = "start", extra: str = "") -> str:
    """A line of text (escaped) whose base line starts, is centred or ends at x, y."""
    return f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' text-anchor='{anchor}' {extra}>{escape(words)}</text>"


def fits(words: str, width: float, size: float = 12) -> bool:
    """Whether words of a font size go into a width."""
    return len(words) * CHARACTER * size + 4 <= width


def rect(x: float, y: float, width: float, height: float, style: str, hint: str = "") -> str:
    """A rectangle with SVG attributes ``style``; ``hint`` is shown under the pointer."""
    box = f"<rect x='{x:.2f}' y='{y:.2f}' width='{max(width, 0.4):.2f}' height='{height:.2f}' {style}"
    return f"{box}><title>{escape(hint)}</title></rect>" if hint else f"{box}/>"


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """A line with SVG attributes ``style``."""
    return f"<line x1='{x1:.2f}' y1='{y1:.2f}' x2='{x2:.2f}' y2='{y2:.2f}' {style}/>"


def steps(low: float, high: float, most: int = 8) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) from low to high, at most about ``most``.

    Parameters
    ----------
    low, high
        Ends of the axis, in its unit.
    most
        About as many numbers as there is room for.

    Returns
    -------
    list of float
        Rising; only ``low`` where the axis has no length.
    """
    span = high - low
    if span <= 0:
        return [low]
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def document(width: float, height: float, title: str, parts: list[str], definitions: str = "") -> str:
    """A whole SVG drawing on white, with a title for screen readers; it scales with what holds it.

    Parameters
    ----------
    width, height
        In pixels, of the view box.
    title
        Escaped here.
    parts, definitions
        SVG text that is already whole; everything of a user's in it was escaped by :func:`text` and :func:`rect`.
    """
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' "
        f"height='{height:.0f}' role='img' style='max-width:100%;height:auto;background:#fff' {FONT} fill='{INK}'>"
        f"<title>{escape(title)}</title>"
        f"<defs>{definitions}</defs><rect width='100%' height='100%' fill='#ffffff'/>{''.join(parts)}</svg>\n"
    )
