"""One self-contained HTML page about a results file: tables, figures, method, versions; opens without a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError, need
from hwmodels.files import read_text, write_text
from sim.study.page import Drawn, drawn, head, lists
from sim.study.results_file import check_target, column_types, read_results
from sim.study.tables import html_table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["report"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1f24; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.25rem; margin-top: 2.4rem; border-bottom: 1px solid #d5dae0; }
h3 { font-size: 1.05rem; margin: 2rem 0 0.2rem; } h4 { margin: 2rem 0 0.2rem; }
p.caption { color: #555e68; margin: 0 0 0.6rem; }
table { border-collapse: collapse; font-size: 0.82rem; margin: 0.8rem 0; }
th, td { padding: 0.2rem 0.55rem; text-align: right; border-bottom: 1px solid #e3e7eb; }
th:first-child, td:first-child { text-align: left; } td.text, th.text { text-align: left; white-space: nowrap; }
.wide { overflow-x: auto; width: max-content; max-width: min(50vw + 27.5rem, 100vw - 2rem); }
li { margin: 0.2rem 0; } footer { color: #555e68; font-size: 0.85rem; margin-top: 3rem; }
.figure { overflow-x: auto; } .vega-embed { width: 100%; }
form.vega-bindings { margin-top: 0.4rem; } details summary { cursor: pointer; margin: 0.6rem 0; }
"""
TOP = 10
NUMBERS = (
    "threads", "accelerators", "throughput_ips", "latency_ms_mean", "energy_mj_per_inference", "speedup_vs_one_thread",
)  # fmt: skip
COLUMNS = {
    "models": "network", "size": "size", "host": "host", "case": "case", "threads": "threads",
    "accelerators": "acc.", "throughput_ips": "1/s", "speedup_vs_one_thread": "gain",
    "energy_mj_per_inference": "mJ, system", "energy_accelerator_mj_per_inference": "mJ, acc. alone",
    "latency_ms_p95": "p95 ms", "bottleneck": "limited by",
}  # fmt: skip


def report(results: Path, output: Path, any_version: bool = False) -> Path:
    """Write a page about a results file (``.parquet``), or about a study's folder or its findings.json beside it.

    Raises :class:`InputError` for results that cannot be read or are of another version (unless ``any_version``), or
    an output that cannot be written.
    """
    results = results / "results.parquet" if results.is_dir() else results
    frame = read_results(results, any_version, _columns_of(results))
    check_target(output)
    need("altair", "study")
    findings = _findings(results.with_name("findings.json")) if "case" in frame.columns else {}
    if findings and not any_version and findings.get("results_version") != frame["results_version"][0]:
        raise InputError.problem(
            str(results), "has a findings.json of another version beside it", "give a study's folder as it wrote it"
        )
    _check_columns(results, frame)
    write_text(output, _page(results, frame, findings))
    return output


def _columns_of(path: Path) -> Sequence[str]:
    """What a page shows of a sweep, whose rows may be very many; all of a study, and of what cannot be read."""
    pl = need("polars", "study")
    try:
        is_study = "case" in column_types(path)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return ()
    return () if is_study else (*COLUMNS, *NUMBERS, "seed")


def _check_columns(path: Path, frame: pl.DataFrame) -> None:
    for key in ("models", "size", *NUMBERS):
        found = frame.schema.get(key)
        if found is None or (not found.is_numeric() and key in NUMBERS):
            what = f"has no column {key}" if found is None else f"has text in the column {key}"
            raise InputError.problem(
                str(path), what, "give results as sweep or study writes them, with a point that was simulated"
            )


def _page(path: Path, frame: pl.DataFrame, findings: Mapping[str, Any]) -> str:
    """The page; whatever cannot be drawn because somebody else changed the file becomes an InputError."""
    import polars as pl

    try:
        return page(frame, findings, path.name)
    except (pl.exceptions.PolarsError, LookupError, TypeError, AttributeError, ValueError) as error:
        raise InputError.problem(
            str(path),
            f"cannot be drawn ({type(error).__name__}: {error})",
            "give results and findings as sweep or study writes them",
        ) from None


def _findings(path: Path) -> dict[str, Any]:
    """The study's findings beside the results, if they are there."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(read_text(path))
        return found if {"findings", "titles"} <= found.keys() else {}
    except (OSError, ValueError, AttributeError):
        raise InputError.problem(str(path), "cannot be read", "give the findings.json of a study") from None


def page(frame: pl.DataFrame, findings: Mapping[str, Any], name: str) -> str:
    """The page as text; everything that comes from the results is escaped."""
    from sim.study.figures import sweep_figures

    is_study = "case" in frame.columns
    found = list(drawn(frame, findings) if is_study else (Drawn("", figure, "") for figure in sweep_figures(frame)))
    title = "What threads gain on one accelerator" if is_study else f"Results: {name}"
    parts = [
        f"<h1>{escape(title)}</h1>", *head(findings), _lead(frame),
        *_finding_lists(findings), "<h2>Figures</h2>", *(_figure(i, one) for i, one in enumerate(found)),
        "<h2>Best points</h2>", *_best(frame), *_errors(frame), _footer(frame, findings),
    ]  # fmt: skip
    return _document(title, parts, [one.figure.chart.to_dict() for one in found])


def _document(title: str, parts: Sequence[str], charts: Sequence[Mapping[str, Any]]) -> str:
    """The whole document; the drawing library is in it once."""
    library = need("vl_convert", "study").javascript_bundle()
    specs = json.dumps(list(charts), separators=(",", ":")).replace("<", "\\u003c")
    draw = (
        f"const specs = {specs};\n"
        "specs.forEach((spec, i) => vegaEmbed('#figure-' + i, spec, {actions: false, renderer: 'svg'}));"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + f'\n<script type="module">{library}\n{draw}</script></body></html>\n'
    )


def _lead(frame: pl.DataFrame) -> str:
    networks = frame["models"].n_unique()
    return f"<p>{frame.height} points, {networks} network{'s' if networks > 1 else ''}.</p>"


def _figure(number: int, one: Drawn) -> str:
    heading = f"<h3>{escape(one.heading)}</h3>" if one.heading else ""
    sentence = f"<p>{escape(one.sentence)}</p>" if one.sentence else ""
    return (
        f'{heading}<h4>{escape(one.figure.title)}</h4>{sentence}<p class="caption">{escape(one.figure.caption)}</p>'
        f'<div class="figure" id="figure-{number}"></div>'
    )


def _best(frame: pl.DataFrame) -> Iterator[str]:
    """The largest gains and the least energies, a row for each network and size."""
    good = frame.filter(frame["error"] == "") if "error" in frame.columns else frame
    hidden = "host" if "case" in good.columns else "case"
    columns = {key: words for key, words in COLUMNS.items() if key in good.columns and key != hidden}
    for key, descending, words in (
        ("speedup_vs_one_thread", True, "Largest gains in throughput over one thread, one accelerator"),
        ("energy_mj_per_inference", False, "Least energy per inference"),
        ("throughput_ips", True, "Most inferences per second"),
    ):
        mine = good.filter(good["accelerators"] == 1) if words.endswith("one accelerator") else good
        rows = mine.sort([key, "threads", "accelerators"], descending=[descending, False, False], nulls_last=True)
        rows = rows.unique(["models", "size"], keep="first", maintain_order=True).head(TOP)
        yield f"<h3>{escape(words)}</h3>" + html_table(columns, rows.select(list(columns)).to_dicts())


def _finding_lists(findings: Mapping[str, Any]) -> Iterator[str]:
    """The study's sentences under their titles."""
    if not findings:
        return
    yield "<h2>Findings</h2>"
    for title, texts in lists(findings):
        yield f"<h3>{escape(title)}</h3><ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def _errors(frame: pl.DataFrame) -> Iterator[str]:
    """The points that could not be simulated, and why."""
    if "error" not in frame.columns:
        return
    bad = frame.filter(frame["error"] != "")
    if bad.height:
        rows = bad.group_by("models", "error", maintain_order=True).len("points").head(100).to_dicts()
        yield f"<h2>{bad.height} points failed</h2>" + html_table(
            {"models": "network", "points": "points", "error": "why"}, rows
        )


def _footer(frame: pl.DataFrame, findings: Mapping[str, Any]) -> str:
    seeds = frame["seed"].drop_nulls().unique().sort().to_list() if "seed" in frame.columns else []
    text = (
        f"edgetpusim {frame['edgetpusim_version'][0]}, results version {frame['results_version'][0]}, "
        f"seeds {', '.join(map(str, seeds[:10])) or 'none'}."
    )
    if findings.get("seconds"):
        text += f" The study took {findings['seconds']['cpu']:.0f} CPU-seconds."
    return f"<footer>{escape(text)} Gains compare with one thread on one accelerator.</footer>"
