"""Which of two measured cuts is faster, and what our own cuts cost."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, median

import pytest
from pipeline_rows import pipeline_rows, timed

from calibration.measurements import Measurement
from calibration.segmentation import Pair, pairs, regrets
from calibration.setups import Parts, network_of
from hwmodels.cuts import cut_by_parameters

PARTS = Parts()


@pytest.fixture(scope="module")
def rows() -> list[Measurement]:
    return pipeline_rows()


def test_a_pair_differs_when_both_cuts_and_readings_do(rows: list[Measurement]) -> None:
    rule = timed(rows, "conv5x3x3_f482_64x64", 2, "compiler")
    other = timed(rows, "conv5x3x3_f482_64x64", 2, "profiled")
    pair = Pair(rule, other, rule_ms=60.0, profiled_ms=50.0)
    assert pair.differs
    assert pair.is_named
    assert pair.better_ms == 50.0
    assert not replace(pair, rule_ms=40.0).is_named
    assert not replace(pair, by_rule=replace(rule, cut=other.cut)).differs
    assert not replace(pair, by_rule=replace(rule, value=other.value * 1.04)).differs


def test_our_own_cut_costs_nothing_where_it_is_the_better_recorded_one(rows: list[Measurement]) -> None:
    chosen = [row for row in rows if row.model == "conv5x3x3_f482_64x64" and row.accelerators == 4]
    (pair,) = pairs(chosen, PARTS)
    (regret,) = regrets([pair], PARTS, "compiler")
    assert regret.cuts == tuple(cut_by_parameters(network_of(pair.by_rule), 4))
    assert regret.measured == pytest.approx(pair.by_rule.value / pair.profiled.value - 1)
    assert regret.simulated == pytest.approx(pair.rule_ms / pair.profiled_ms - 1)


@pytest.fixture(scope="module")
def found(rows: list[Measurement]) -> list[Pair]:
    """Every network of a batch that was measured with two cuts."""
    return pairs(rows, PARTS)


def test_the_faster_cut_is_named_in_ninety_five_of_a_hundred_pairs_of_convolutions(found: list[Pair]) -> None:
    """Of pairs whose cuts differ and whose readings are more than 5 % apart; dense ones run at the lock's pace."""
    clear = [pair for pair in found if pair.differs]
    convolutions = [pair for pair in clear if pair.by_rule.model.startswith("conv")]
    assert (len(clear), len(convolutions)) == (77, 73)
    assert sum(pair.is_named for pair in convolutions) >= 0.95 * len(convolutions)
    assert sum(pair.is_named for pair in clear) >= 0.94 * len(clear)


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
