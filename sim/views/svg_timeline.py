"""A small timeline as SVG or HTML: who does what in the first milliseconds, readable at a glance.

Threads on top, accelerators below, then the links; a colour or pattern for each state, thin lines from a thread to the
accelerator that serves it and back. Needs nothing but the simulator, so that reports and lessons can embed it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from hwmodels.errors import InputError
from hwmodels.files import check_ending, write_text
from sim.machine.records import Span
from sim.machine.states import TRAITS, State
from sim.views.svg import FAINT, INK, document, fits, line, rect, steps, text
from sim.views.timeline import SLICES

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.setup import Setup

__all__ = ["DRAWN", "Film", "film", "html_timeline", "svg_timeline", "write_picture"]

WIDTH, LABELS, ROW, BAR, TOP = 960, 110, 30, 20, 52
FORMATS = (".svg", ".html")
AWAY = "#cdeae0"  # a pale green: computing is green
DARK = 0.2  # luminance below which words on a fill are white
#: States that pictures show: those with a colour.
DRAWN = frozenset(state for state, traits in TRAITS.items() if traits.colour)


@dataclass(frozen=True)
class Film:
    """Spans of a stretch of time, in ns; ``zero_ns`` is the axis' zero.

    ``components`` names what is shown, in order, with its group: 0 for threads, 1 for accelerators, 2 for links.
    ``passes`` are (accelerator, request, start, end) of what overlaps it.
    """

    title: str
    zero_ns: int
    start_ns: int
    end_ns: int
    components: Mapping[str, int]
    models: tuple[str, ...]
    spans: tuple[Span, ...]
    passes: tuple[tuple[str, int, int, int], ...]


class _EnoughError(Exception):
    """The camera has what it needs."""


class _Camera:
    """A span sink that stops the run once every thread has been seen to the end of the stretch."""

    def __init__(self, setup: Setup, ms: float, start_ms: float | None, alone_ns: int) -> None:
        threads = len(setup.thread_models)
        self.threads, self.length_ns = threads, round(ms * 1e6)
        self.idles = setup.scenario.arrival_process.process.is_open
        self.start_ns = None if start_ms is None else round(start_ms * 1e6)
        self.slack_ns = 20 * (self.length_ns + threads * alone_ns)
        self.spans: list[Span] = []
        self.first: dict[str, int] = {}
        self.through: set[str] = set()

    def __call__(self, span: Span) -> None:
        self.spans.append(span)
        if span.state is not State.INVOKE:
            return
        self.first.setdefault(span.component, span.end_ns)
        if self.start_ns is None and len(self.first) == self.threads:
            self.start_ns = self._beginning(span, max(self.first.values()))
        if self.start_ns is not None and span.end_ns >= self.start_ns + self.length_ns:
            self.through.add(span.component)
            late = span.end_ns > self.start_ns + self.length_ns + self.slack_ns
            if late or len(self.through) == self.threads:
                raise _EnoughError

    def _beginning(self, invoke: Span, warm_ns: int) -> int | None:
        """Once all threads are warm; where they may idle, with the next request, as nothing is to be seen before."""
        if not self.idles:
            return warm_ns
        if invoke.start_ns < warm_ns:
            return None
        return max(warm_ns, min(span.start_ns for span in self.spans if span.request == invoke.request))


def film(scenario: Scenario, ms: float = 0, start_ms: float | None = 0) -> Film:
    """Record ``ms`` milliseconds (0: about three inferences) of a scenario.

    They begin at ``start_ms``; None begins once every thread has its first inference behind it, with parameters loaded,
    and where requests come from elsewhere with the next one.
    Raises :class:`InputError` for a bad scenario, a negative time or more than ten seconds.

    Parameters
    ----------
    ms
        Length of the film, at most 10 000.
    start_ms
        0 shows the cold start with its parameters being sent.
    """
    from sim.engine import run, settled

    if not 0 <= ms <= 10_000 or not 0 <= (start_ms or 0) <= 1e6:
        raise InputError.problem(
            "the timeline",
            f"cannot show {ms:g} ms from {start_ms or 0:g} ms",
            "give 0 to 10000 ms, from 0 to 1000000 ms",
        )
    setup = settled(scenario)
    alone_ns = max(row[0].latency_ns for row in setup.stage_times)
    ms = ms or _enough_ms(setup, alone_ns, start_ms is not None)
    camera = _Camera(setup, ms, start_ms, alone_ns)
    with suppress(_EnoughError):
        run(setup, camera)
    start = camera.start_ns or 0
    end = start + camera.length_ns
    seen = [span for span in camera.spans if span.end_ns > start and span.start_ns < end and span.segment >= 0]
    zero = start if start_ms is None else 0
    return Film(
        _title(setup),
        zero,
        start,
        end,
        _components(setup),
        setup.models,
        tuple(seen),
        _passes(camera.spans, start, end, [name for name, group in _components(setup).items() if group == 1]),
    )


def _enough_ms(setup: Setup, alone_ns: int, cold: bool) -> float:
    """About three inferences of a thread that shares its accelerator; from a cold start, after the loading."""
    crowd = len(setup.thread_models) / len(setup.accelerators)
    load_ns = crowd * max(row[0].load_ns for row in setup.stage_times) if cold else 0
    ms = (3 * alone_ns * max(1.0, crowd / 2) + load_ns) / 1e6
    return next(step for power in range(-1, 6) for step in (10.0**power * n for n in (1, 2, 5)) if step >= ms)


def _passes(
    spans: Sequence[Span], first_ns: int, last_ns: int, accelerators: Sequence[str]
) -> tuple[tuple[str, int, int, int], ...]:
    """Accelerator, request, start and end (ns) of every pass that overlaps a stretch."""
    found: dict[tuple[str, int, int], tuple[int, int]] = {}
    for span in spans:
        if span.component in accelerators:
            key = (span.component, span.request, span.segment)
            start, end = found.get(key, (span.start_ns, span.end_ns))
            found[key] = (min(start, span.start_ns), max(end, span.end_ns))
    rows = ((device, request, start, end) for (device, request, _), (start, end) in found.items())
    return tuple(row for row in rows if row[2] < last_ns and row[3] > first_ns)


def _title(setup: Setup) -> str:
    threads, count = len(setup.thread_models), len(setup.accelerators)
    scenario = setup.scenario
    plural = "" if threads == 1 else "s"
    which = f"{count} accelerators" if count > 1 else "1 accelerator"
    where = "everything on the CPU" if setup.is_on_cpu else f"{which} ({scenario.size} over {scenario.link})"
    return f"{scenario.models}: {threads} thread{plural}, {where}, {scenario.host}"


def _components(setup: Setup) -> dict[str, int]:
    threads = {f"thread {i}": 0 for i in range(len(setup.thread_models))}
    accelerators = {f"{part.name} {i}": 1 for i, part in enumerate(setup.powered)}
    links = {f"{bus.name} {i}": 2 for i, bus in enumerate(setup.channels) if not setup.is_on_cpu}
    return threads | accelerators | links


def svg_timeline(scenario: Scenario, ms: float = 0, start_ms: float | None = 0) -> str:
    """Draw a scenario's timeline as SVG text; parameters and errors as :func:`film`."""
    return draw(film(scenario, ms, start_ms))


def html_timeline(scenario: Scenario, ms: float = 0, start_ms: float | None = 0) -> str:
    """The same inside a box that scrolls sideways on narrow screens, as an HTML fragment."""
    return scrolling(svg_timeline(scenario, ms, start_ms))


def scrolling(svg: str, least: int = 680) -> str:
    """Put a drawing into a box that scrolls sideways where it would become narrower than ``least`` pixels."""
    return f"<div style='overflow-x:auto'><div style='min-width:{least}px'>{svg}</div></div>"


def write_picture(scenario: Scenario, path: Path, ms: float = 0, start_ms: float | None = 0) -> None:
    """Write the timeline to ``FILE.svg``, or as a page of its own to ``FILE.html``.

    Raises :class:`InputError` for another ending or a file that cannot be written.
    """
    check_ending(path, FORMATS)
    shot = film(scenario, ms, start_ms)
    page = draw(shot) if path.suffix == ".svg" else _page(shot.title, scrolling(draw(shot)))
    write_text(path, page)


def _page(title: str, body: str) -> str:
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title></head><body style='margin:1rem'>{body}</body></html>\n"
    )


def draw(shot: Film) -> str:
    """Draw recorded spans as SVG text."""
    prefix = (
        "p" + sha256(repr((shot.title, tuple(shot.components), shot.start_ns, shot.end_ns)).encode()).hexdigest()[:8]
    )
    rows = {name: TOP + i * ROW + group * 8 for i, (name, group) in enumerate(shot.components.items())}
    bottom = max(rows.values()) + ROW
    scale = (WIDTH - LABELS - 14) / max(1, shot.end_ns - shot.start_ns)
    pen = _Pen(shot, rows, scale, prefix)
    legend, height = _legend(shot, prefix, bottom + 34)
    parts = [text(12, 22, shot.title, 14, extra="font-weight='600'"), *_axis(pen, bottom), *_names(rows)]
    parts += [*_arrows(pen), *pen.bars(), *legend]
    return document(WIDTH, height, shot.title, parts, _patterns(prefix, {span.state for span in shot.spans}))


#: Path and width of each pattern's strokes.
STROKES = {"stripes": ("M0,0 V7", 7.0), "hatch": ("M0,0 V7", 2.0), "cross": ("M0,0 V7 M0,0 H7", 1.6)}


def _patterns(prefix: str, states: Iterable[State]) -> str:
    return "".join(_pattern(prefix, state) for state in sorted(states) if TRAITS[state].pattern)


def _pattern(prefix: str, state: State) -> str:
    colour, kind = TRAITS[state].colour, TRAITS[state].pattern
    path, width = STROKES[kind]
    return (
        f"<pattern id='{prefix}{state.name}' width='7' height='7' patternUnits='userSpaceOnUse' "
        f"patternTransform='rotate(45)'><rect width='7' height='7' fill='#fff'/>"
        f"<path d='{path}' stroke='{colour}' stroke-width='{width}'/></pattern>"
    )


def _style(state: State, prefix: str) -> str:
    colour, pattern = TRAITS[state].colour, TRAITS[state].pattern
    fill = f"url(#{prefix}{state.name})" if pattern else colour
    return f"fill='{fill}' stroke='{colour}' stroke-width='0.6'"


class _Pen:
    """Where spans go on the paper."""

    def __init__(self, shot: Film, rows: dict[str, int], scale: float, prefix: str) -> None:
        self.shot, self.rows, self.scale, self.prefix = shot, rows, scale, prefix
        self.letters = {model: chr(ord("A") + i % 26) for i, model in enumerate(dict.fromkeys(shot.models))}

    def x(self, ns: int) -> float:
        """Position of a time, kept within the stretch."""
        return LABELS + (min(max(ns, self.shot.start_ns), self.shot.end_ns) - self.shot.start_ns) * self.scale

    def bars(self) -> Iterable[str]:
        """Every span; the invokes that enclose others first."""
        for span in self.shot.spans:
            if span.state is State.INVOKE:
                yield from self._invoke(span)
        yield from self._away()
        for span in self.shot.spans:
            if span.state is not State.INVOKE:
                yield from self._bar(span)

    def _invoke(self, span: Span) -> Iterable[str]:
        x, y = self.x(span.start_ns), self.rows[span.component]
        box = f"fill='#fff' stroke='{INK}' stroke-width='0.8' rx='3'"
        yield rect(x, y + 2, self.x(span.end_ns) - x, ROW - 6, box, _hint(span, "invoke"))

    def served(self) -> Iterable[tuple[str, str, int, int, int]]:
        """Thread, accelerator, request, start and end (ns) of each pass whose invoke can be seen."""
        invokes = defaultdict(list)
        for span in self.shot.spans:
            if span.state is State.INVOKE:
                invokes[span.request].append(span)
        for device, request, start, end in self.shot.passes:
            for span in invokes[request]:
                if span.start_ns <= start and end <= span.end_ns:
                    yield span.component, device, request, start, end

    def _away(self) -> Iterable[str]:
        """On the thread's row: the time that its request spends on the accelerator."""
        for thread, device, request, start, end in self.served():
            x, y = self.x(start), self.rows[thread] + 4.0
            width = self.x(end) - x
            yield rect(x, y, width, BAR, f"fill='{AWAY}'", f"request {request} on {device}")
            if fits(f"on {device}", width, 11):
                yield text(x + width / 2, y + 14, f"on {device}", 11, "middle")

    def _bar(self, span: Span) -> Iterable[str]:
        x, y = self.x(span.start_ns), self.rows[span.component] + 4.0
        width, height = self.x(span.end_ns) - x, float(BAR)
        if span.state in (State.TRANSFER_OUT, State.TRANSFER_IN):
            height /= 2
            y += height * (span.state is State.TRANSFER_IN)
        style = _style(span.state, self.prefix) + ("" if width > 3 else " stroke-opacity='0'")
        yield rect(x, y, width, height, style, _hint(span, SLICES[span.state]))
        words = self._words(span, width)
        if words and height == BAR:
            paper = "stroke='#fff' stroke-width='3' paint-order='stroke'" if TRAITS[span.state].pattern else ""
            yield text(x + width / 2, y + 14, words, 11, "middle", f"fill='{_ink(span.state)}' {paper}")

    def _words(self, span: Span, width: float) -> str:
        letter = f" {self.letters[span.model]}" if len(self.letters) > 1 else ""
        name = TRAITS[span.state].words
        choices = (name + letter, name.split(" ")[0] + letter, letter.strip())
        return next((words for words in choices if words and fits(words, width, 11)), "")


def _ink(state: State) -> str:
    """Colour of the words on a state's fill: white on dark ones without a pattern (WCAG 2's relative luminance)."""
    traits = TRAITS[state]
    channels = [int(traits.colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    is_dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < DARK
    return "#ffffff" if is_dark and not traits.pattern else INK


def _hint(span: Span, name: str) -> str:
    size = f", {span.n_bytes} bytes" if span.n_bytes else ""
    length = (span.end_ns - span.start_ns) / 1e6
    return f"{name}: {length:.4f} ms, request {span.request} of {span.model}{size}"


def _axis(pen: _Pen, bottom: float) -> Iterable[str]:
    shot = pen.shot
    for ms in steps((shot.start_ns - shot.zero_ns) / 1e6, (shot.end_ns - shot.zero_ns) / 1e6, 10):
        x = pen.x(round(ms * 1e6) + shot.zero_ns)
        yield line(x, TOP - 4, x, bottom, f"stroke='{FAINT}'")
        yield text(x, TOP - 9, f"{ms:g}", 11, "middle")
    yield text(12, TOP - 9, "time in ms", 11)


def _names(rows: dict[str, int]) -> Iterable[str]:
    for name, y in rows.items():
        yield text(12, y + 18, name, 12)


def _arrows(pen: _Pen) -> Iterable[str]:
    """Thin lines from a thread to its accelerator where a request goes there, and back."""
    style = "stroke='#777777' stroke-width='0.9' stroke-dasharray='2 2'"
    for thread, device, _, start, end in pen.served():
        top, bottom = pen.rows[thread] + ROW - 4, pen.rows[device] + 4
        for ns in (start, end):
            if pen.shot.start_ns <= ns <= pen.shot.end_ns:
                yield line(pen.x(ns), top, pen.x(ns), bottom, style)


def _legend(shot: Film, prefix: str, y: float) -> tuple[list[str], float]:
    """Swatches of the states that occur, models by letter, in lines; and the height of the drawing."""
    states = sorted({span.state for span in shot.spans} & DRAWN)
    items: list[tuple[str, str]] = [(_style(state, prefix), TRAITS[state].words) for state in states]
    if any(span.state is State.INVOKE for span in shot.spans):
        items += [(f"fill='{AWAY}'", "on the accelerator"), (f"fill='#fff' stroke='{INK}'", "invoke()")]
    parts, x = [], 12.0
    for style, words in items:
        width = 30 + len(words) * 6.7
        if x + width > WIDTH:
            x, y = 12.0, y + 22
        parts += [rect(x, y - 11, 16, 13, style), text(x + 21, y, words, 12)]
        x += width + 10
    letters: Sequence[str] = list(dict.fromkeys(shot.models))
    if len(letters) > 1:
        y += 22
        named = ", ".join(f"{chr(ord('A') + i % 26)} = {name}" for i, name in enumerate(letters))
        parts.append(text(12, y, named, 12))
    return parts, y + 16
