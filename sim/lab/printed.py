"""Lessons as HTML that stands alone: words, questions with their answers, and what controls show at their start."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from sim.lab import kit
from sim.lab.judging import told
from sim.lab.lesson import (
    Chart,
    Choice,
    Explore,
    Fact,
    Figures,
    Lesson,
    Limit,
    Number,
    Part,
    Solution,
    Table,
    Text,
    Timeline,
    View,
    Words,
)
from sim.views.svg_chart import Line, line_chart
from sim.views.svg_timeline import html_timeline, scrolling

__all__ = ["lesson_html", "marked", "paragraphs", "part_html"]

# --- words --------------------------------------------------------------------------------------------------------


def marked(text: str) -> str:
    """Return words with the little of Markdown that the lessons have, `code` and **bold**, as HTML."""
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", safe)


def paragraphs(body: str) -> str:
    """Return paragraphs, ``### headings`` and ``- lists`` that blank lines part, as HTML."""
    return "\n".join(_block(block.strip()) for block in re.split(r"\n\s*\n", body.strip()))


def _block(text: str) -> str:
    if text.startswith("### "):
        return f"<h3>{marked(text[4:])}</h3>"
    if text.startswith("- "):
        items = (" ".join(item.split()) for item in re.split(r"\n\s*- ", text[2:]))
        return _list(items)
    return f"<p>{marked(text)}</p>"


def _list(items: Iterable[str], kind: str = "ul") -> str:
    return f"<{kind}>{''.join(f'<li>{marked(item)}</li>' for item in items)}</{kind}>"


# --- views --------------------------------------------------------------------------------------------------------


def _figures(view: Figures) -> str:
    summary = kit.answer(view.scenario)
    cards = (
        f"<div><dt>{escape(kit.LABELS[key][0])}</dt><dd data-figure='{key}' data-value='{kit.value(summary, key)!r}'>"
        f"{kit.shown(key, kit.value(summary, key))}</dd></div>"
        for key in view.keys
    )
    command = escape(kit.command(kit.working(view.scenario)))
    return f"<dl>{''.join(cards)}</dl><pre>{command}</pre>"


def _limit(view: Limit) -> str:
    summary = kit.answer(view.scenario)
    return f"<p><b>Limited by {kit.LIMITED[summary['bottleneck']]}.</b> {marked(summary['bottleneck_text'])}</p>"


def _timeline(view: Timeline) -> str:
    return html_timeline(view.scenario, view.length_ms, 0 if view.is_cold else None)


def _chart(view: Chart) -> str:
    lines = [Line(name, values) for name, values in view.lines.items()]
    return f"<div class='chart'>{scrolling(line_chart(view.title, view.x_name, view.xs, lines, view.at), 330)}</div>"


def _table(view: Table) -> str:
    head = "".join(f"<th>{marked(name)}</th>" for name in view.headings)
    rows = ("".join(f"<td>{_cell(cell)}</td>" for cell in row) for row in view.rows)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _cell(cell: str | float) -> str:
    return marked(cell) if isinstance(cell, str) else f"{cell:.4g}"


def _words(view: Words) -> str:
    return f"<p>{marked(view.text)}</p>"


VIEWS: Mapping[type, Callable[[Any], str]] = {
    Figures: _figures, Limit: _limit, Timeline: _timeline, Chart: _chart, Table: _table, Words: _words,
}  # fmt: skip


def _view(view: View) -> str:
    return VIEWS[type(view)](view)


# --- parts --------------------------------------------------------------------------------------------------------


def _question(question: Choice | Number) -> str:
    choices = _list(question.choices) if isinstance(question, Choice) else ""
    return f"<div class='question'><p><b>{marked(question.ask)}</b></p>{choices}{_answer(question)}</div>"


def _answer(question: Choice | Number) -> str:
    solution: Solution = question.solve()
    right = f"<b>{marked(told(question, solution.right))}</b>"
    return f"<details><summary>Answer</summary><p>{right}. {marked(solution.because)}</p></details>"


def _fact(fact: Fact) -> str:
    ours = f"<p><b>The simulator.</b> {marked(fact.ours())}</p>" if fact.ours else ""
    return (
        f"<blockquote><p><b>Measured.</b> {marked(fact.text)}</p><footer>{escape(fact.source)}</footer>{ours}"
        "</blockquote>"
    )


def _explore(part: Explore) -> str:
    values = {control.name: control.start for control in part.controls}
    named = "; ".join(f"{control.label}: {values[control.name]}" for control in part.controls)
    views = "".join(_view(view) for view in part.show(values))
    return f"<section><p class='values'>{escape(named)}</p><div class='views'>{views}</div></section>"


PARTS: Mapping[type, Callable[[Any], str]] = {
    Text: lambda part: paragraphs(part.body), Fact: _fact, Choice: _question, Number: _question, Explore: _explore,
}  # fmt: skip


def part_html(part: Part) -> str:
    """Return a part of a lesson as HTML; what its controls show is that at their start."""
    return PARTS[type(part)](part)


def lesson_html(lesson: Lesson) -> str:
    """Return a lesson's whole text as an HTML fragment; every answer is computed now."""
    parts = [f"<h1>{lesson.number} · {escape(lesson.title)}</h1>", f"<p><b>{marked(lesson.question)}</b></p>"]
    parts += ["<h3>What you can do afterwards</h3>", _list(lesson.goals), *map(part_html, lesson.parts)]
    for title, questions in (("Exercises", lesson.exercises), ("Quiz", lesson.quiz)):
        if questions:
            parts += [f"<h2>{title}</h2>", *map(_question, questions)]
    return "\n".join(parts)
