"""The figures of a sweep: a front a network, axes that fit the values, legends that show whole names."""

from __future__ import annotations

import polars as pl
import pytest

from sim.study.figures import sweep_figures

FAST, SLOW = "a_fast_network", "another_network_that_is_slow"


def rows(factor):
    """Two networks with one and two threads: more threads are better in everything; the slow one is beaten in all."""
    points = [(FAST, 1, 100.0), (FAST, 2, 200.0), (SLOW, 1, 100.0 / factor), (SLOW, 2, 200.0 / factor)]
    return pl.DataFrame(
        [
            {"models": name, "threads": threads, "throughput_ips": ips, "latency_ms_mean": 1e3 / ips,
             "energy_mj_per_inference": 1e4 / ips}
            for name, threads, ips in points
        ]
    )  # fmt: skip


def drawn(factor):
    return {figure.title: figure for figure in sweep_figures(rows(factor))}


def data(figure):
    found = figure.chart.to_dict()
    return found["datasets"][found["data"]["name"]]


def test_each_network_has_a_front_of_its_own():
    best = {(row["models"], row["threads"]) for row in data(drawn(5)["Design space"]) if row["front"]}
    assert best == {(FAST, 2), (SLOW, 2)}


@pytest.mark.parametrize(("factor", "kind"), [(3, None), (20, "log")])
def test_axes_are_logarithmic_where_values_span_more_than_a_decade(factor, kind):
    encoding = drawn(factor)["Design space"].chart.to_dict()["encoding"]
    assert [encoding[axis]["scale"].get("type") for axis in "xy"] == [kind, kind]


def test_a_legend_shows_whole_names_below_each_other():
    figure = drawn(3)["Throughput by threads"].chart.to_dict()
    legend = figure["encoding"]["color"]["legend"]
    assert (legend["labelLimit"], legend["columns"]) == (0, 1)
    assert figure["encoding"]["color"]["scale"]["domain"] == [FAST, SLOW]
    assert figure["width"] == "container"


def test_set_ups_beyond_the_colours_are_said():
    many = pl.concat([rows(3).with_columns(models=pl.lit(f"network {i}")) for i in range(8)])
    assert "The first 6 of 8 set-ups are drawn." in {f.title: f for f in sweep_figures(many)}["Design space"].caption
