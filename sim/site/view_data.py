"""What a lesson's controls show, as data for a page: exact numbers with their words, and the command behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sim.lab import kit
from sim.lab.lesson import Chart, Figures, Limit, Table, Timeline, View, Words
from sim.machine.states import TRAITS, State
from sim.scenario import Scenario
from sim.views.svg_timeline import DRAWN, Film, film

__all__ = ["film_data", "state_looks", "view_data"]

Data = dict[str, Any]


def view_data(view: View) -> Data:
    """Return a view as data that JSON can hold; ``kind`` says which one it is.

    Raises :class:`InputError` for a scenario that the simulator refuses.
    """
    return MAKERS[type(view)](view)


def _number(value: float) -> float | None:
    """A number that JSON can hold: none in place of infinity and what is no number."""
    return value if math.isfinite(value) else None


def _asked(scenario: Scenario) -> Data:
    """How a reader asks for the same: by the options of the address, and in a terminal."""
    whole = kit.working(scenario)
    if whole.numbers:  # neither an address nor a line of a terminal holds them
        return {"scenario": whole.options(), "asked": None, "command": None}
    asked = {"models": whole.models, **kit.changed_options(whole)}
    return {"scenario": whole.options(), "asked": asked, "command": kit.command(whole)}


def _figures(view: Figures) -> Data:
    summary = kit.answer(view.scenario)
    values = {key: kit.value(summary, key) for key in view.keys}
    cards = [
        {"key": key, "label": kit.LABELS[key][0], "value": _number(value), "text": kit.shown(key, value)}
        for key, value in values.items()
    ]
    return {"kind": "figures", "cards": cards, **_asked(view.scenario)}


def _limit(view: Limit) -> Data:
    summary = kit.answer(view.scenario)
    return {
        "kind": "limit",
        "by": kit.LIMITED[summary["bottleneck"]],
        "text": summary["bottleneck_text"],
        **_asked(view.scenario),
    }


def _timeline(view: Timeline) -> Data:
    shot = film(view.scenario, view.length_ms, 0 if view.is_cold else None)
    return {"kind": "timeline", "film": film_data(shot), **_asked(view.scenario)}


def state_looks() -> Data:
    """Return how the states of a component are named and drawn, by their name."""
    return {
        state.name.lower(): {"words": traits.words, "colour": traits.colour, "pattern": traits.pattern}
        for state, traits in TRAITS.items()
    }


def film_data(shot: Film) -> Data:
    """Return what the page's timeline draws: components and their spans in the order of their starts.

    A span is an entry of each of four columns: ``on`` and ``state`` number the components and the states, ``starts``
    and ``ends`` are ms from the film's start. Thousands of records of their own would take the page's memory.
    """
    drawn = [span for span in shot.spans if span.state in DRAWN or span.state is State.INVOKE]
    spans = sorted(drawn, key=lambda span: span.start_ns)
    components, states = list(shot.components), [state for state in State if any(span.state is state for span in spans)]
    return {
        "title": shot.title, "ms": (shot.end_ns - shot.start_ns) / 1e6, "components": components,
        "states": [state.name.lower() for state in states],
        "on": [components.index(span.component) for span in spans],
        "state": [states.index(span.state) for span in spans],
        "starts": [(span.start_ns - shot.start_ns) / 1e6 for span in spans],
        "ends": [(span.end_ns - shot.start_ns) / 1e6 for span in spans],
    }  # fmt: skip


def _chart(view: Chart) -> Data:
    lines = [{"name": name, "values": [_number(v) for v in values]} for name, values in view.lines.items()]
    return {"kind": "chart", "title": view.title, "x": view.x_name, "xs": view.xs, "lines": lines, "at": view.at}


def _table(view: Table) -> Data:
    rows = [[cell if isinstance(cell, str) else _number(cell) for cell in row] for row in view.rows]
    return {"kind": "table", "headings": view.headings, "rows": rows}


def _words(view: Words) -> Data:
    return {"kind": "words", "text": view.text}


MAKERS: Mapping[type, Callable[[Any], Data]] = {
    Figures: _figures, Limit: _limit, Timeline: _timeline, Chart: _chart, Table: _table, Words: _words,
}  # fmt: skip
