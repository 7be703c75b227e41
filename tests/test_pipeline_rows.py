"""Measured pipelines: the cut and the placement of a log are replayed as they were logged."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from statistics import fmean, median

import pytest

from calibration.data import Row, load_dataset
from calibration.pipelines import (
    as_logged,
    logged_cuts,
    parse_cut,
    pipeline_parts,
    profiled_cuts,
    stage_ns,
    usable_log,
)
from calibration.predict import Parts, conditions, network_of
from calibration.segmentation import Pair, pairs, regrets
from hwmodels.compiler import compile_graph, cut_by_parameters, split
from hwmodels.errors import InputError

MIB = 2**20
PARTS = Parts()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [row for row in load_dataset("villarrubia_synthetic") if row.mode == "pipeline"]


def timed(rows: list[Row], model: str, accelerators: int, segmentation: str, batch: int = 100) -> Row:
    wanted = (model, accelerators, segmentation, batch)
    return next(
        r for r in rows
        if (r.model, r.accelerators, r.segmentation, r.batch) == wanted and r.metric == "time_per_inference_ms"
    )  # fmt: skip


def test_every_cut_of_the_compiler_is_the_one_that_our_rule_makes(rows: list[Row]) -> None:
    by_compiler = [row for row in rows if row.segmentation == "compiler" and row.metric.endswith("_ms")]
    assert len(by_compiler) == 270
    for row in by_compiler:
        graph, log = network_of(row), parse_cut(row.cut)
        assert logged_cuts(graph, log, "2021") == tuple(cut_by_parameters(graph, len(log)))


def test_segments_keep_and_stream_what_the_log_says(rows: list[Row]) -> None:
    for row in rows:
        log, setup, part = usable_log(row, PARTS), conditions(row), PARTS.accelerator()
        if not row.metric.endswith("_ms") or row.batch == 1 or not log:
            continue
        for graph, (kept, streamed) in zip(pipeline_parts(row, part, setup, log), log, strict=True):
            plans = compile_graph(graph, as_logged(graph, kept, streamed, part), setup.compiler).plans
            assert sum(p.on_chip_bytes for p in plans if p.cached) == pytest.approx(kept * MIB, rel=0.03, abs=3e4)
            assert sum(p.on_chip_bytes for p in plans if not p.cached) == pytest.approx(streamed * MIB, rel=0.03)


def test_nineteen_logs_are_of_another_trial_than_the_one_that_was_timed(rows: list[Row]) -> None:
    timed_rows = [row for row in rows if row.cut and row.metric.endswith("_ms")]
    assert sum(not usable_log(row, PARTS) for row in timed_rows) == 19
    bytes_rows = [row for row in rows if row.cut and row.metric.endswith("_bytes")]
    assert all(usable_log(row, PARTS) for row in bytes_rows)


def test_profiled_cuts_have_the_fastest_slowest_segment(rows: list[Row]) -> None:
    part = PARTS.accelerator()
    graph = network_of(timed(rows, "conv5x3x3_f582_64x64", 2, "profiled"))
    every = {c: max(stage_ns(p, part, "2021") for p in split(graph, c)) for c in combinations(range(1, 5), 1)}
    assert every[profiled_cuts(graph, 2, part, "2021")] == min(every.values())


@pytest.mark.parametrize("text", ["", "[1]", "[1, 2]/[0]", "[1]/x"])
def test_a_cut_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cut"):
        parse_cut(text)


def test_a_pair_differs_when_both_cuts_and_readings_do(rows: list[Row]) -> None:
    rule = timed(rows, "conv5x3x3_f482_64x64", 2, "compiler")
    other = timed(rows, "conv5x3x3_f482_64x64", 2, "profiled")
    pair = Pair(rule, other, rule_ms=60.0, profiled_ms=50.0)
    assert pair.differs
    assert pair.is_named
    assert pair.better_ms == 50.0
    assert not replace(pair, rule_ms=40.0).is_named
    assert not replace(pair, by_rule=replace(rule, cut=other.cut)).differs
    assert not replace(pair, by_rule=replace(rule, value=other.value * 1.04)).differs


def test_our_own_cut_costs_nothing_where_it_is_the_better_recorded_one(rows: list[Row]) -> None:
    chosen = [row for row in rows if row.model == "conv5x3x3_f482_64x64" and row.accelerators == 4]
    (pair,) = pairs(chosen, PARTS)
    (regret,) = regrets([pair], PARTS, "compiler")
    assert regret.cuts == tuple(cut_by_parameters(network_of(pair.by_rule), 4))
    assert regret.measured == pytest.approx(pair.by_rule.value / pair.profiled.value - 1)
    assert regret.simulated == pytest.approx(pair.rule_ms / pair.profiled_ms - 1)


@pytest.fixture(scope="module")
def found(rows: list[Row]) -> list[Pair]:
    """Every network of a batch that was measured with two cuts."""
    return pairs(rows, PARTS)


def test_the_faster_cut_is_named_in_ninety_five_of_a_hundred_pairs(found: list[Pair]) -> None:
    """Of pairs whose cuts differ and whose readings are more than 5 % apart."""
    clear = [pair for pair in found if pair.differs]
    assert len(clear) > 100
    assert sum(pair.is_named for pair in clear) >= 0.95 * len(clear)


def test_batches_are_predicted_within_twelve_percent(found: list[Pair]) -> None:
    both = [(pair.rule_ms / pair.by_rule.value, pair.profiled_ms / pair.profiled.value) for pair in found]
    errors = [abs(ratio - 1) for pair in both for ratio in pair]
    assert fmean(errors) < 0.12
    assert median(errors) < 0.08
    assert median(errors) < 0.08


def test_our_profiled_cut_is_about_as_good_as_the_better_recorded_one(found: list[Pair]) -> None:
    some = regrets(found[::6], PARTS, "profiled")
    assert max(regret.simulated for regret in some) < 0.1
    assert max(regret.measured for regret in some if regret.measured is not None) < 0.1
