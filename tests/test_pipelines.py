"""Measured pipelines: the cut and the placement of a log are replayed as they were logged."""

from __future__ import annotations

from itertools import combinations

import pytest
from pipeline_rows import pipeline_rows, timed

from calibration.measurements import Measurement
from calibration.pipelines import (
    as_logged,
    logged_cuts,
    parse_cut,
    pipeline_parts,
    profiled_cuts,
    stage_ns,
    usable_log,
)
from calibration.setups import Parts, conditions_of, network_of
from hwmodels.cuts import cut_by_parameters, split
from hwmodels.edgetpu.compiler import compile_graph
from hwmodels.errors import InputError

MIB = 2**20
PARTS = Parts()


@pytest.fixture(scope="module")
def rows() -> list[Measurement]:
    return pipeline_rows()


def test_every_cut_of_the_compiler_is_the_one_that_our_rule_makes(rows: list[Measurement]) -> None:
    by_compiler = [row for row in rows if row.segmentation == "compiler" and row.metric.endswith("_ms")]
    assert len(by_compiler) == 270
    for row in by_compiler:
        graph, log = network_of(row), parse_cut(row.cut)
        assert logged_cuts(graph, log, "2021") == tuple(cut_by_parameters(graph, len(log)))


def test_segments_keep_and_stream_what_the_log_says(rows: list[Measurement]) -> None:
    for row in rows:
        log, setup, part = usable_log(row, PARTS), conditions_of(row), PARTS.accelerator()
        if not row.metric.endswith("_ms") or row.batch == 1 or not log:
            continue
        for graph, (kept, streamed) in zip(pipeline_parts(row, part, setup, log), log, strict=True):
            plans = compile_graph(graph, as_logged(graph, kept, streamed, part), setup.compiler).plans
            assert sum(p.on_chip_bytes for p in plans if p.cached) == pytest.approx(kept * MIB, rel=0.03, abs=3e4)
            assert sum(p.on_chip_bytes for p in plans if not p.cached) == pytest.approx(streamed * MIB, rel=0.03)


def test_nineteen_logs_are_of_another_trial_than_the_one_that_was_timed(rows: list[Measurement]) -> None:
    timed_rows = [row for row in rows if row.cut and row.metric.endswith("_ms")]
    assert sum(not usable_log(row, PARTS) for row in timed_rows) == 19
    bytes_rows = [row for row in rows if row.cut and row.metric.endswith("_bytes")]
    assert all(usable_log(row, PARTS) for row in bytes_rows)


def test_profiled_cuts_have_the_fastest_slowest_segment(rows: list[Measurement]) -> None:
    part = PARTS.accelerator()
    graph = network_of(timed(rows, "conv5x3x3_f582_64x64", 2, "profiled"))
    every = {c: max(stage_ns(p, part, "2021") for p in split(graph, c)) for c in combinations(range(1, 5), 1)}
    assert every[profiled_cuts(graph, 2, part, "2021")] == min(every.values())


@pytest.mark.parametrize("text", ["", "[1]", "[1, 2]/[0]", "[1]/x"])
def test_a_cut_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cut"):
        parse_cut(text)


# Logged cuts


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("[1.5, 2]/[0, 0.5]", ((1.5, 0.0), (2.0, 0.5))),
        ("[0.0, 1, 2]/[0, 0, 0]", ((1.0, 0.0), (2.0, 0.0))),  # a first segment without parameters is none
        ("[1, 0.0]/[0, 0]", ((1.0, 0.0), (0.0, 0.0))),
    ],
)
def test_a_logged_cut_is_memory_on_and_off_chip(text, cut):
    assert parse_cut(text) == cut


@pytest.mark.parametrize("text", ["", "[1]/[1,2]", "[1]", "1/2", "[a]/[b]", "[1]/[2]/[3]", "{}/{}"])
def test_another_form_of_cut_is_told(text):
    if text == "{}/{}":
        assert parse_cut(text) == ()
        return
    with pytest.raises(InputError, match="MiB on chip"):
        parse_cut(text)
