"""Ranks, correlations and Pareto fronts by hand and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.study.statistics import pareto, quantile, rank_correlation, ranks

numbers = st.lists(st.integers(-20, 20), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([10, 20, 30], [1, 2, 3]),
        ([30, 20, 10], [3, 2, 1]),
        ([5, 5], [1.5, 1.5]),
        ([1, 2, 2, 2, 9], [1, 3, 3, 3, 5]),
        ([7], [1]),
    ],
)
def test_ranks_by_hand(values, expected):
    assert list(ranks(values)) == expected


@settings(max_examples=100, deadline=None, derandomize=True)
@given(numbers)
def test_ranks_add_up_and_keep_the_order(values):
    found = ranks(values)
    assert found.sum() == pytest.approx(len(values) * (len(values) + 1) / 2)
    for i, a in enumerate(values):
        for j, b in enumerate(values):
            assert (found[i] < found[j]) == (a < b)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7], 0.9, 7),
        ([1, 2], 0.5, 1.5),
        ([1, 2, 3], 0.5, 2),
        ([0, 10], 0.9, 9),
        ([1, 2, 4, 8], 1.0, 8),
        ([1, 2], 0.0, 1),
    ],
)
def test_quantiles_by_hand(values, share, expected):
    assert quantile(values, share) == pytest.approx(expected)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(numbers, st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values, share):
    assert quantile(sorted(values), share) == pytest.approx(np.quantile(values, share), abs=1e-9)


def test_without_ties_it_is_the_formula_of_squared_differences():
    x, y = [1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 7, 5, 6]
    squares = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
    assert rank_correlation(x, y)[0] == pytest.approx(1 - 6 * squares / (7 * 48))


@pytest.mark.parametrize(("x", "y", "rho"), [(range(9), range(9), 1), (range(9), range(9, 0, -1), -1)])
def test_a_perfect_order_is_certain(x, y, rho):
    assert rank_correlation(list(x), list(y)) == (rho, rho, rho)


@pytest.mark.parametrize(("x", "y"), [([], []), ([1, 2, 3], [1, 2, 3]), ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5])])
def test_where_it_is_not_defined_it_says_nothing(x, y):
    assert rank_correlation(x, y) == (0.0, -1.0, 1.0)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=30))
def test_a_correlation_lies_in_its_interval_and_is_symmetric(pairs):
    x, y = zip(*pairs, strict=True)
    rho, low, high = rank_correlation(x, y)
    assert -1 <= low <= rho <= high <= 1
    assert rank_correlation(y, x)[0] == pytest.approx(rho)
    assert rank_correlation(x, [-value for value in y])[0] == pytest.approx(-rho)


def test_the_interval_covers_as_often_as_it_says():
    """Bivariate normal with r = 0.5: Spearman's rho is 6/pi asin(r/2)."""
    true, inside = 6 / math.pi * math.asin(0.25), 0
    stream = np.random.default_rng(5)
    for _ in range(300):
        x, z = stream.normal(size=(2, 60))
        _, low, high = rank_correlation(x, 0.5 * x + math.sqrt(0.75) * z)
        inside += low <= true <= high
    assert 0.91 <= inside / 300 <= 0.99


# Pareto fronts

KEYS = ("throughput_ips", "energy_mj", "power_w")
points = st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=20)


def rows(tuples):
    return [dict(zip(KEYS, values, strict=True)) for values in tuples]


def beats(a, b):
    """At least as good in every key, and better in one: throughput up, energy and power down."""
    no_worse = a[0] >= b[0] and a[1] <= b[1] and a[2] <= b[2]
    return no_worse and a != b


@settings(max_examples=200, deadline=None, derandomize=True)
@given(points)
def test_a_front_is_what_nothing_beats_and_equal_points_once(tuples):
    expected = [
        i for i, row in enumerate(tuples) if not any(beats(other, row) for other in tuples) and row not in tuples[:i]
    ]
    assert pareto(rows(tuples), KEYS) == expected


def test_of_one_key_the_best_stays():
    found = rows([(1, 5, 5), (9, 9, 9), (3, 1, 1)])
    assert pareto(found, ["throughput_ips"]) == [1]
    assert pareto(found, ["energy_mj"]) == [2]


def test_of_nothing_nothing_stays():
    assert pareto([], KEYS) == []


def test_rank_correlation_by_hand():
    """Ranks 1 2 3 4 5 against 2 1 4 3 5: 1 - 6 * 4 / (5 * 24) = 0.8."""
    rho, low, high = rank_correlation([1, 2, 3, 4, 5], [20, 10, 40, 30, 50])
    assert rho == pytest.approx(0.8)
    half = 1.96 * math.sqrt((1 + 0.32) / 2)
    assert (low, high) == pytest.approx((math.tanh(math.atanh(0.8) - half), math.tanh(math.atanh(0.8) + half)))
    assert list(ranks([5, 1, 5])) == [2.5, 1, 2.5]
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) == (0.0, -1.0, 1.0)


def test_pareto_against_brute_force():
    stream = np.random.default_rng(4)
    rows = [
        dict(zip(("throughput_ips", "energy", "latency"), map(float, r), strict=True))
        for r in stream.integers(0, 6, (60, 3))
    ]

    def beats(a, b):
        pairs = [(-a["throughput_ips"], -b["throughput_ips"]), (a["energy"], b["energy"]), (a["latency"], b["latency"])]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    front = pareto(rows, ("throughput_ips", "energy", "latency"))
    expected = {tuple(r.values()) for r in rows if not any(beats(other, r) for other in rows)}
    assert {tuple(rows[i].values()) for i in front} == expected
    assert len(front) == len(expected)
