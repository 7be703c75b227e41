"""A study's page: abstract, one table of gains, sentences under their titles; in Markdown, and for the HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.study.findings import Finding
from sim.study.tables import html_table, markdown_table

if TYPE_CHECKING:
    import polars as pl

    from sim.study.figures import Figure

__all__ = ["Drawn", "drawn", "head", "lists", "markdown"]

MIX = "area_mix"
#: Columns of the table of mixes -> their heads: all as multiples of the largest core alone, but the last.
MIX_COLUMNS = {
    "name": "cores", "area": "area", "rate": "throughput", "lowest": "least", "highest": "most",
    "latency": "latency of one request", "energy": "energy", "even": "fastest core's time over slowest's",
}  # fmt: skip
MEASURED_COLUMNS = {
    "network": "network", "board": "board", "task": "task", "measured": "measured", "predicted": "predicted",
}  # fmt: skip
#: Where somebody took a study's parts away.
WHOLE = ({"family": "", "sizes": None, "measured": ()},)


class Drawn(NamedTuple):
    """A figure with the heading above it, if it is the first under one, and the sentence that it supports."""

    heading: str
    figure: Figure
    sentence: str


def markdown(report: Mapping[str, Any]) -> str:
    """The findings page as Markdown."""
    parts = ["# Findings\n", "\n".join(report["abstract"]) + "\n", markdown_table(report["columns"], report["table"])]
    parts += [f"- {text}" for text in _cases(report)]
    parts += [f"\n{text}\n" for text in _notes(report)]
    for title, texts in lists(report):
        parts.append(f"## {title}\n\n" + "\n".join(f"- {text}" for text in texts) + "\n")
    for words, columns, rows in _tables(report):
        parts.append(f"## {words}\n\n" + markdown_table(columns, rows))
    return "\n".join(parts)


def head(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's beginning as HTML: abstract, table of gains, cases, notes, and the other tables folded away."""
    if not report:
        return
    yield f"<p>{escape(' '.join(report.get('abstract', ())))}</p>"
    if "table" in report:
        yield html_table(report["columns"], report["table"])
    yield "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in _cases(report)) + "</ul>"
    yield from (f"<p>{escape(text)}</p>" for text in _notes(report))
    for words, columns, rows in _tables(report):
        yield f"<details><summary>{escape(words)}</summary>{html_table(columns, rows)}</details>"


def lists(report: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield title and sentences of the kinds of findings that the page shows as sentences."""
    for name, title in report["titles"].items():
        texts = [finding["text"] for finding in report["findings"] if finding["id"] == name]
        if texts and name not in report.get("kept_off", ()):
            yield title, texts


def drawn(frame: pl.DataFrame, report: Mapping[str, Any]) -> Iterator[Drawn]:
    """Yield a study's figures, family by family, each with the sentence that it supports."""
    from sim.study import figures

    for part in report.get("parts", WHOLE):
        sizes = part["sizes"] or frame["size"].unique()
        mine = [finding for finding in report.get("findings", ()) if finding.get("family") == part["family"]]
        mixes = [finding["values"] for finding in mine if finding["id"] == MIX]
        found = list(figures.family_figures(frame.filter(frame["size"].is_in(sizes))))
        found += [figures.measured_figure(part["measured"])] if part["measured"] else []
        found += [figures.area_figure(mixes)] if mixes else []
        for figure in found:
            yield Drawn(", ".join(sizes) if figure is found[0] else "", figure, _sentence(figure, mine))
    if report.get("estimator_errors"):
        figure = figures.error_figure(report["estimator_errors"])
        yield Drawn("The estimator", figure, _sentence(figure, report["findings"]))


def _sentence(figure: Figure, findings: Sequence[Finding]) -> str:
    """The finding that a figure supports; of several the one with the largest gain, else the first."""
    about = figure.about.items()
    mine = [f for f in findings if f["id"] == figure.finding and about <= _plain(f["values"]).items()]
    return max(mine, key=lambda f: float(f["values"].get("gain", 0)))["text"] if mine else ""


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if isinstance(value, str)}


def _cases(report: Mapping[str, Any]) -> list[str]:
    return [text for part in report.get("parts", ()) for text in part["cases"]]


def _notes(report: Mapping[str, Any]) -> list[str]:
    return [report["method"], *(part["note"] for part in report.get("parts", ()))]


def _tables(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str], Sequence[Mapping[str, Any]]]]:
    """Yield words, columns and rows of the tables below the abstract's."""
    mixes = [finding["values"] for finding in report["findings"] if finding["id"] == MIX]
    if mixes:
        yield "Mixes of cores in the area of the largest, medians over its own values", MIX_COLUMNS, mixes
    for part in report.get("parts", ()):
        if part["measured"]:
            yield "Gains of many threads on one core, measured and predicted", MEASURED_COLUMNS, part["measured"]
