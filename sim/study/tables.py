"""Tables of a page, as HTML and as Markdown: the same columns, the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["html_table", "markdown_table"]

Rows = Sequence[Mapping[str, Any]]


def html_table(columns: Mapping[str, str], rows: Rows) -> str:
    """A table as wide as the window allows, scrolling beyond; ``columns``: keys of the rows, their heads."""
    texts = {key for key in columns for row in rows[:1] if isinstance(row[key], str)}
    head = "".join(f"<th{' class=text' if key in texts else ''}>{escape(words)}</th>" for key, words in columns.items())
    body = "".join("<tr>" + "".join(_cell(row[key]) for key in columns) + "</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def markdown_table(columns: Mapping[str, str], rows: Rows) -> str:
    """The same table in Markdown."""
    lines = [list(columns.values()), ["---"] * len(columns), *([_text(row[key]) for key in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(value: Any) -> str:
    kind = ' class="text"' if isinstance(value, str) else ""
    return f"<td{kind}>{escape(_text(value))}</td>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
