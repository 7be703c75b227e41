"""The figures of a report, as Altair charts over a results frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import polars as pl

from sim.study.findings import FRONT, PAPER, best_rows, of, saturation, single, sizes
from sim.study.statistics import front, pareto

__all__ = ["Figure", "area_figure", "error_figure", "family_figures", "measured_figure", "sweep_figures"]

HEIGHT = 300
DECADE = 10
SHORT = 12  # letters of names that stand side by side in a legend
MOST_POINTS = 4000  # of a scatter plot: more are no clearer, and a page holds them all
alt.data_transformers.disable_max_rows()
#: A palette that colour-blind readers can tell apart (Okabe and Ito), in the order small, coral, large, others.
COLOURS = ["#56B4E9", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]
MANY = 12  # networks offered in the Pareto figure
REGIONS = {
    "all": "all points", "bound by cpu": "bound by the cores", "bound by gil": "bound by the GIL",
    "bound by out": "bound by the link, out", "bound by in": "bound by the link, in",
}  # fmt: skip
FRONT_WORDS = ["on the front", "beaten"]


class Figure(NamedTuple):
    """A chart with its title and what it shows, and the finding that it supports: its id, and values that it has."""

    title: str
    caption: str
    chart: Any
    finding: str = ""
    about: Mapping[str, Any] = {}


def _colour(names: Sequence[str], field: str = "size", title: str | None = None) -> alt.Color:
    columns = 1 if max(map(len, names), default=0) > SHORT else len(names)  # as many as a phone shows whole
    scale = alt.Scale(domain=list(names), range=COLOURS[: len(names)])
    legend = alt.Legend(symbolOpacity=1, labelLimit=0, orient="bottom", columns=columns)
    return alt.Color(f"{field}:N", scale=scale, title=title or field, legend=legend)


def family_figures(frame: pl.DataFrame) -> Iterator[Figure]:
    """The figures of one family's rows in a study."""
    good = frame.filter(pl.col("error") == "")
    cases = [str(case) for case in good["case"].unique(maintain_order=True)]
    rows = single(good, cases[0])
    yield _gain_by_network(rows, "speedup_vs_one_thread", "Gain in throughput", cases[0])
    yield _gain_by_network(rows, "energy_gain_vs_one_thread", "Gain in energy, whole system", cases[0])
    key = "energy_accelerator_gain_vs_one_thread"
    yield _gain_by_network(rows, key, "Gain in energy, accelerator alone", cases[0])
    yield _gain_by_host_share(rows, cases[0])
    yield _gain_by_threads(rows, cases[0])
    yield _saturation(rows, cases[0])
    yield _cases(good)
    yield _front(of(good, case=cases[0]), cases[0])


def _gain_by_network(rows: pl.DataFrame, key: str, words: str, case: str) -> Figure:
    """Networks in the order of their largest gain over the sizes."""
    names = sizes(rows)
    best = best_rows(rows, key).select("models", "size", "threads", gain=pl.col(key))
    top = pl.col("gain").max().over("models")
    best = best.with_columns(rank=top.rank("dense", descending=True).cast(pl.Int64)).with_columns(
        place=(pl.col("rank") * 1000 + pl.col("models").rank("dense")).rank("dense").cast(pl.Int64)
    )
    chart = (
        alt.Chart(best.drop("rank"))
        .mark_circle(size=36, opacity=0.85)
        .encode(
            x=alt.X("place:Q", title="network, by its largest gain", scale=alt.Scale(nice=False)),
            y=alt.Y("gain:Q", title="best gain on one accelerator", scale=alt.Scale(zero=False)),
            color=_colour(names),
            tooltip=["models", "size", "threads", alt.Tooltip("gain:Q", format=".2f")],
        )
    )
    paper = PAPER["throughput" if key.startswith("speedup") else "energy"]
    rule = alt.Chart(pl.DataFrame({"paper": [paper]})).mark_rule(color="#555", strokeDash=[5, 4]).encode(y="paper:Q")
    text = f"Best over the threads; hover for the network. Dashed: the paper's largest gain, {paper:.2f}x."
    both = (rule + chart).properties(width="container", height=HEIGHT)
    about = {"case": case, "key": key}
    return Figure(f"{words}, by network and size", f"Case: {case}. {text}", both, "largest_gain", about)


def _gain_by_host_share(rows: pl.DataFrame, case: str) -> Figure:
    """The gain against the host's share, with what one accelerator and four cores allow."""
    names, cores = sizes(rows), rows["cores"][0]
    best = best_rows(rows, "speedup_vs_one_thread").select(
        "models", "size", host=pl.col("trait_host_share"), gain=pl.col("speedup_vs_one_thread")
    )
    line = pl.DataFrame({"host": [i / 100 for i in range(100)]}).with_columns(
        bound=pl.min_horizontal(1 / (1 - pl.col("host")), cores / pl.col("host").clip(0.01))
    )
    points = (
        alt.Chart(best)
        .mark_circle(size=40, opacity=0.8)
        .encode(
            x=alt.X("host:Q", title="share of an inference on the host", axis=alt.Axis(format="%")),
            y=alt.Y("gain:Q", title="best gain on one accelerator"),
            color=_colour(names),
            tooltip=["models", "size", alt.Tooltip("host:Q", format=".0%"), alt.Tooltip("gain:Q", format=".2f")],
        )
    )
    bound = alt.Chart(line).mark_line(color="#555", strokeDash=[5, 4]).encode(x="host:Q", y="bound:Q")
    text = f"Dashed: what the accelerator's lock, 1 / (1 - share), and {cores} cores, {cores} / share, allow."
    both = (bound + points).properties(width="container", height=HEIGHT)
    return Figure("Gain against host share", f"Case: {case}. {text}", both, "size_shift", {"case": case})


def _gain_by_threads(rows: pl.DataFrame, case: str) -> Figure:
    """Median gain and the middle half of the networks, by threads."""
    names = sizes(rows)
    gain = pl.col("speedup_vs_one_thread")
    table = rows.group_by("size", "threads").agg(
        median=gain.median(), low=gain.quantile(0.25), high=gain.quantile(0.75)
    ).sort("size", "threads")  # fmt: skip
    base = alt.Chart(table).encode(
        x=alt.X("threads:O", title="threads", axis=alt.Axis(labelAngle=0)), color=_colour(names)
    )
    band = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", title="gain over one thread", scale=alt.Scale(zero=False)), y2="high:Q"
    )
    line = base.mark_line(point=True).encode(
        y="median:Q", tooltip=["size", "threads", alt.Tooltip("median:Q", format=".2f")]
    )
    text = "Line: the median network; band: the middle half."
    return Figure(
        "Gain by number of threads",
        f"Case: {case}, one accelerator. {text}",
        (band + line).properties(width="container", height=HEIGHT),
        "typical_gain",
        {"case": case},
    )


def _saturation(rows: pl.DataFrame, case: str) -> Figure:
    """How many networks need how many threads."""
    names = sizes(rows)
    table = saturation(rows).group_by("size", "threads").len("networks").sort("size", "threads")
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("threads:O", title="threads that reach 95 % of the best throughput", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("size:N", sort=names),
            y=alt.Y("networks:Q", title="networks"),
            color=_colour(names),
            tooltip=["size", "threads", "networks"],
        )
        .properties(width="container", height=HEIGHT)
    )
    return Figure("Threads that are enough", f"Case: {case}, one accelerator.", chart, "saturation", {"case": case})


def _cases(frame: pl.DataFrame) -> Figure:
    """How the gain depends on workload and host."""
    best = best_rows(frame.filter(pl.col("accelerators") == 1), "speedup_vs_one_thread", ("models", "size", "case"))
    table = best.select("models", "size", "case", gain=pl.col("speedup_vs_one_thread"))
    order = [str(case) for case in frame["case"].unique(maintain_order=True)]
    chart = (
        alt.Chart(table)
        .mark_boxplot(extent="min-max", size=14)
        .encode(
            y=alt.Y("case:N", sort=order, title=None, axis=alt.Axis(labelLimit=220)),
            x=alt.X("gain:Q", title="best gain on one accelerator", scale=alt.Scale(zero=False)),
            yOffset=alt.YOffset("size:N", sort=sizes(frame)),
            color=_colour(sizes(frame)),
        )
        .properties(width="container", height=62 * len(order))
    )
    text = "Box: the middle half of the networks; whiskers: all of them."
    return Figure("Gain by workload and host", text, chart, "typical_gain", {"case": order[-1]})


def _front(rows: pl.DataFrame, case: str) -> Figure:
    """Throughput against energy for a network of the reader's choice; the front is marked."""
    best = best_rows(rows.filter(pl.col("accelerators") == 1), "speedup_vs_one_thread", ("models",))
    ranked = best.sort("speedup_vs_one_thread", descending=True)["models"].to_list()
    chosen = ranked[:: max(1, len(ranked) // MANY)][:MANY]
    keys = ["models", "size", "threads", "accelerators", *FRONT]
    tables = [of(rows, models=name).select(keys).to_dicts() for name in chosen]
    table = [
        {**row, "front": "on the front" if i in set(pareto(t, FRONT)) else "beaten"}
        for t in tables
        for i, row in enumerate(t)
    ]
    pick = alt.selection_point(
        fields=["models"], bind=alt.binding_select(options=chosen, name="network "), value=chosen[0]
    )
    names = sizes(rows)
    chart = (
        alt.Chart(pl.DataFrame(table))
        .mark_point(filled=True)
        .encode(
            x=alt.X("throughput_ips:Q", title="inferences per second"),
            y=alt.Y("energy_mj_per_inference:Q", title="mJ per inference, whole system", scale=alt.Scale(zero=False)),
            color=_colour(names),
            shape=alt.Shape("accelerators:O", title="accelerators"),
            size=alt.Size("front:N", scale=alt.Scale(domain=FRONT_WORDS, range=[110, 22]), title=None),
            opacity=alt.Opacity("front:N", scale=alt.Scale(domain=FRONT_WORDS, range=[1, 0.45]), title=None),
            tooltip=["models", "size", "threads", "accelerators", alt.Tooltip("throughput_ips:Q", format=".1f"),
                     alt.Tooltip("energy_mj_per_inference:Q", format=".2f"),
                     alt.Tooltip("latency_ms_mean:Q", format=".2f")],
        )
        .add_params(pick)
        .transform_filter(pick)
        .properties(width="container", height=HEIGHT + 60)
    )  # fmt: skip
    text = "Large marks are on the front of throughput, energy and latency. Choose the network below the chart."
    return Figure("Design space of one network", f"Case: {case}. {text}", chart, "pareto", {"case": case})


def error_figure(errors: Sequence[Mapping[str, Any]]) -> Figure:
    """Mean error of every method, over everything and by what bounds the point."""
    rows = [row for row in errors if row["region"] == "all" or row["region"].startswith("bound by ")]
    rows = [{**row, "region": REGIONS.get(row["region"], row["region"])} for row in rows]
    table = pl.DataFrame([{**row, "mae": row["mae"] * 100, "p99": row["p99"] * 100} for row in rows])
    order = [str(name) for name in table["method"].unique(maintain_order=True)]
    base = alt.Chart(table).encode(
        y=alt.Y("region:N", sort=[row["region"] for row in rows], title=None, axis=alt.Axis(labelLimit=220)),
        yOffset=alt.YOffset("method:N", sort=order), color=_colour(order, "method"),
        tooltip=["method", "region", "n", alt.Tooltip("mae:Q", format=".2f"), alt.Tooltip("p99:Q", format=".2f")],
    )  # fmt: skip
    bars = base.mark_bar().encode(
        x=alt.X("mae:Q", title="error against the simulator in % (bar: mean, tick: 99th percentile)")
    )
    ticks = base.mark_tick(thickness=2).encode(x="p99:Q")
    chart = (bars + ticks).properties(width="container", height=64 * table["region"].n_unique())
    text = "Networks held out by family for the corrected estimator."
    return Figure("Estimators against the simulator", text, chart, "estimator")


def measured_figure(gains: Sequence[Mapping[str, Any]]) -> Figure:
    """Predicted gains against measured ones; where they are equal, points lie on the line."""
    table = pl.DataFrame(gains)
    most = max(float(row[key]) for row in gains for key in ("measured", "predicted"))
    points = (
        alt.Chart(table)
        .mark_point(size=44, filled=True, opacity=0.8)
        .encode(
            x=alt.X("measured:Q", title="measured gain of many threads on one core", scale=alt.Scale(zero=False)),
            y=alt.Y("predicted:Q", title="predicted gain", scale=alt.Scale(zero=False)),
            color=_colour(table["board"].unique(maintain_order=True).to_list(), "board"),
            shape=alt.Shape("task:N", title="task"),
            tooltip=["network", "board", "task", alt.Tooltip("measured:Q", format=".2f"),
                     alt.Tooltip("predicted:Q", format=".2f")],
        )
    )  # fmt: skip
    line = alt.Chart(pl.DataFrame({"measured": [1.0, most], "predicted": [1.0, most]})).mark_line(
        color="#555", strokeDash=[5, 4]
    )
    both = (line.encode(x="measured:Q", y="predicted:Q") + points).properties(width="container", height=HEIGHT)
    return Figure("Gains measured and predicted", "A point is a network; dashed: equal.", both, "measured")


def area_figure(mixes: Sequence[Mapping[str, Any]]) -> Figure:
    """Median throughput against median energy of mixes that fill the same area, both over the largest core's."""
    table = pl.DataFrame([{**row, "cores": len(row["mix"]), "mix": row["name"]} for row in mixes])
    chart = (
        alt.Chart(table)
        .mark_point(size=60, filled=True)
        .encode(
            x=alt.X("rate:Q", title="throughput over the largest core's", scale=alt.Scale(zero=False)),
            y=alt.Y("energy:Q", title="energy over the largest core's", scale=alt.Scale(zero=False)),
            color=alt.Color("cores:O", title="cores", scale=alt.Scale(range=COLOURS)),
            tooltip=["mix", *(alt.Tooltip(f"{key}:Q", format=".2f") for key in ("rate", "latency", "energy", "even"))],
        )
        .properties(width="container", height=HEIGHT)
    )
    text = "Medians over networks, many threads. Right is faster, down is cheaper."
    return Figure("Mixes of cores in the area of the largest", text, chart, "area")


def sweep_figures(frame: pl.DataFrame) -> Iterator[Figure]:
    """The figures of any other results: throughput by threads where they vary, and the design space."""
    good = frame.filter(pl.col("error") == "") if "error" in frame.columns else frame
    good = good.with_columns(label=_set_up(good)).drop_nulls(FRONT)
    names = [str(name) for name in good["label"].unique(maintain_order=True)]
    shown = names[: len(COLOURS)]
    only = f" The first {len(shown)} of {len(names)} set-ups are drawn." if len(names) > len(shown) else ""
    good = good.filter(pl.col("label").is_in(shown))
    if good["threads"].n_unique() > 1:
        yield _by_threads(good, shown, only)
    yield _design_space(good, shown, only)


def _set_up(good: pl.DataFrame) -> pl.Expr:
    """What a line or a colour stands for: network, size and host, as far as they vary."""
    varied = [key for key in ("models", "size", "host", "link") if key in good.columns and good[key].n_unique() > 1]
    return pl.concat_str([pl.col(key).cast(pl.String) for key in varied or ["models"]], separator=", ")


def _by_threads(good: pl.DataFrame, names: Sequence[str], only: str) -> Figure:
    best = good.group_by("label", "threads", maintain_order=True).agg(pl.col("throughput_ips").max())
    line = alt.Chart(best).mark_line(point=True).encode(
        x=alt.X("threads:O", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("throughput_ips:Q", title="inferences per second, best", scale=_scale(best["throughput_ips"])),
        color=_colour(names, "label", "set-up"), tooltip=["label", "threads", "throughput_ips"],
    ).properties(width="container", height=HEIGHT)  # fmt: skip
    return Figure("Throughput by threads", f"Best over everything else that the sweep varied.{only}", line)


def _design_space(good: pl.DataFrame, names: Sequence[str], only: str) -> Figure:
    """Throughput against energy; every network has a front of its own, as inferences of two are no alternatives."""
    keys = ["label", "models", "size", "host", "threads", "accelerators", *FRONT]
    rows = good.select([key for key in keys if key in good.columns]).with_row_index("at")
    fronts = [part[front({key: part[key].to_numpy() for key in FRONT})] for part in rows.partition_by("models")]
    best_at = [at for part in fronts for at in part["at"]]
    every = -(-len(rows) // MOST_POINTS) or 1
    table = rows.with_columns(front=pl.col("at").is_in(best_at))
    table = table.filter(pl.col("front") | (pl.col("at") % every == 0)).drop("at")
    points = alt.Chart(table).mark_point(filled=True).encode(
        x=alt.X("throughput_ips:Q", title="inferences per second", scale=_scale(table["throughput_ips"])),
        y=alt.Y("energy_mj_per_inference:Q", title="mJ per inference, whole system",
                scale=_scale(table["energy_mj_per_inference"])),
        color=_colour(names, "label", "set-up"), size=alt.condition("datum.front", alt.value(110), alt.value(22)),
        tooltip=[key for key in table.columns if key != "label"],
    ).properties(width="container", height=HEIGHT + 60)  # fmt: skip
    caption = "Large marks are on the Pareto front of throughput, energy and latency of their network."
    caption += f" Of the other points every {every}th is shown." if every > 1 else ""
    return Figure("Design space", caption + only, points)


def _scale(values: pl.Series) -> alt.Scale:
    """Logarithmic where values span more than a decade."""
    low, high = values.min(), values.max()
    is_wide = isinstance(low, float) and isinstance(high, float) and 0 < low < high / DECADE
    return alt.Scale(type="log") if is_wide else alt.Scale(zero=False)
