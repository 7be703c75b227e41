"""``run --plot``: throughput, latency and energy against the number of threads, as SVG, PNG or a page of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError
from hwmodels.files import check_ending, whole_file
from sim.scenario import place
from sim.views.svg import OKABE_ITO

if TYPE_CHECKING:
    from sim.scenario import Scenario

__all__ = ["plot_threads", "thread_rows"]

FORMATS = (".svg", ".png", ".html")
LEAST_THREADS = 8
MOST_THREADS = 32
ENOUGH = 2000  # completions for a point of a curve, where no period is found before
#: Panel: (title of its axis, {series: key of a row}).
PANELS: dict[str, dict[str, str]] = {
    "throughput (inferences/s)": {"mean, 90 % interval": "throughput_ips"},
    "latency of a request (ms)": {"mean": "latency_mean_ms", "95th percentile": "latency_p95_ms"},
    "energy per inference (mJ)": {
        "whole system": "energy_mj_per_inference", "accelerators": "energy_accelerator_mj_per_inference",
    },
}  # fmt: skip
COLOURS = [OKABE_ITO["blue"], OKABE_ITO["vermillion"]]


def plot_threads(scenario: Scenario, path: Path) -> None:
    """Simulate a scenario with 1 to N threads (N at least 8) and draw it to ``FILE.svg``, ``.png`` or ``.html``.

    Three panels over one axis; the scenario's own number of threads is marked, the band is the 90 % interval. Raises
    :class:`InputError` for another ending, a file that cannot be written, a mode without a number of threads, or a
    missing Altair.
    """
    path = Path(path)
    check_ending(path, FORMATS)
    if not path.parent.is_dir():
        raise InputError.problem(str(path), "cannot be written (no such folder)", "give a file that can be written")
    _save(_chart(scenario, list(thread_rows(scenario))), path)


def thread_rows(scenario: Scenario) -> Iterator[dict[str, float]]:
    """Results for 1 to N threads: throughput with its interval, latencies in ms, energies in mJ.

    Raises :class:`InputError` for a pipeline, and for models with thread counts of their own.
    """
    from sim.engine import simulate
    from sim.scenario import parse_models

    pairs = parse_models(scenario.models)
    if scenario.mode in ("pipeline", "coexec"):
        raise InputError.problem(
            "--plot",
            f"cannot draw --mode {scenario.mode}",
            "take --mode threads or processes, as it draws over threads",
        )
    if any(count for _, count in pairs):
        raise InputError.problem(
            "--plot", f"cannot draw {scenario.models}", "give models without thread counts, as it draws over threads"
        )
    last = min(MOST_THREADS, max(LEAST_THREADS, scenario.threads))
    for threads in range(len(pairs), last + 1):
        point = replace(scenario, threads=threads, inferences=scenario.inferences or ENOUGH)
        yield _row(threads, simulate(point, compare=False).summary)


def _row(threads: int, s: dict[str, Any]) -> dict[str, float]:
    low, high = s["interval90"]["throughput_ips"]
    keys = ("throughput_ips", "energy_mj_per_inference", "energy_accelerator_mj_per_inference")
    latency = {f"latency_{key}_ms": s["latency_ms"][key] for key in ("mean", "p95")}
    return {"threads": threads, "low": low, "high": high, **{key: s[key] for key in keys}, **latency}


def _altair() -> Any:
    try:
        import altair as alt
    except ImportError:
        raise InputError.problem(
            "--plot", "needs Altair, which is not installed", "run pip install 'edgetpusim[study]'"
        ) from None
    return alt


def _chart(scenario: Scenario, rows: list[dict[str, float]]) -> Any:
    alt = _altair()
    panels = [_panel(alt, rows, title, series, scenario.threads) for title, series in PANELS.items()]
    title = f"{scenario.models} on {place(scenario.options())}"
    return (
        alt.vconcat(*panels, title=alt.Title(title, anchor="start", fontSize=14), spacing=14)
        .resolve_scale(color="independent", shape="independent", strokeDash="independent")
        .configure(font="DejaVu Sans, sans-serif", background="#ffffff")
        .configure_axis(labelFontSize=11, titleFontSize=12, gridColor="#e4e4e4", titleFontWeight="normal")
        .configure_legend(labelFontSize=12, symbolStrokeWidth=2.5, orient="right")
        .configure_view(stroke=None)
    )


def _panel(alt: Any, rows: list[dict[str, float]], title: str, series: dict[str, str], marked: int) -> Any:
    names = list(series)
    values = [{"threads": r["threads"], "series": name, "value": r[series[name]]} for r in rows for name in names]
    x = alt.X("threads:O", title="threads", axis=alt.Axis(labelAngle=0))
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=True))
    scale = alt.Scale(domain=names, range=COLOURS[: len(names)])
    colour = alt.Color("series:N", title=None, scale=scale)
    shape = alt.Shape("series:N", title=None, scale=alt.Scale(domain=names, range=["circle", "square"][: len(names)]))
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y, color=colour)
    here = alt.Chart(alt.Data(values=[{"threads": marked}])).mark_rule(strokeDash=[4, 3], color="#444").encode(x=x)
    dash = alt.StrokeDash("series:N", title=None, scale=alt.Scale(domain=names, range=[[1, 0], [6, 5]][: len(names)]))
    curve = base.mark_line(strokeWidth=2.2).encode(strokeDash=dash)
    layers = [here, curve, base.mark_point(filled=True, size=55).encode(shape=shape)]
    if "throughput_ips" in series.values():
        layers.insert(0, _band(alt, rows, x))
    return alt.layer(*layers).properties(width=480, height=170)


def _band(alt: Any, rows: list[dict[str, float]], x: Any) -> Any:
    """The 90 % interval of the throughput."""
    data = alt.Data(values=[{key: row[key] for key in ("threads", "low", "high")} for row in rows])
    marks = alt.Chart(data).mark_area(opacity=0.18, color=COLOURS[0])
    return marks.encode(x=x, y=alt.Y("low:Q", scale=alt.Scale(zero=True)), y2="high:Q")


def _save(chart: Any, path: Path) -> None:
    """Write the picture whole or not at all."""
    options: dict[str, Any] = {"scale_factor": 2 if path.suffix == ".png" else 1}
    if path.suffix == ".html":
        options = {"inline": True, "embed_options": {"actions": False}}  # scripts inside: the page needs no network
        options["json_kwds"] = {"cls": _ForPage}
    with whole_file(path) as temporary:
        chart.save(str(temporary), format=path.suffix[1:], **options)


class _ForPage(json.JSONEncoder):
    """JSON inside a page's script: nothing in it ends the script, whatever a network is called."""

    def encode(self, o: Any) -> str:
        """As JSON in which nothing ends the page's script."""
        return super().encode(o).replace("<", "\\u003c")
