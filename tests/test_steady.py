"""When a run stops: periods found by hand, percentiles against sorting, intervals against Student's t."""

from __future__ import annotations

import math
import random
from itertools import accumulate
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.steady import EXACT_VALUES, LatencyCounts, batch_means_interval, period


def rows(text):
    return [(ord(char),) for char in text]


@pytest.mark.parametrize(
    ("history", "least", "length"),
    [
        ("", 1, 0),
        ("aa", 1, 0),  # two repetitions are not three
        ("aaa", 1, 1),
        ("ababab", 1, 2),
        ("xyzababab", 1, 2),  # what came before does not matter
        ("aaaaaa", 2, 2),
        ("aaaaaa", 3, 0),
        ("abcabcab", 1, 0),
        ("abcabcabc", 1, 3),
        ("abababa", 1, 2),
        ("aabaabaab", 1, 3),
        ("abcd", 1, 0),
    ],
)
def test_the_shortest_period_that_the_end_repeats_three_times(history, least, length):
    assert period(rows(history), least) == length


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.lists(st.integers(0, 9), max_size=5))
def test_a_repeated_word_has_a_period_that_divides_it(word, before):
    found = period([(x,) for x in before + 3 * word], 1)
    assert 0 < found <= len(word)
    tail = (before + 3 * word)[-3 * found :]
    assert tail == 3 * tail[:found]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 2), max_size=24))
def test_against_every_length(history):
    wanted = [(x,) for x in history]
    n = len(wanted)
    every = [
        k for k in range(1, n // 3 + 1) if wanted[n - k :] == wanted[n - 2 * k : n - k] == wanted[n - 3 * k : n - 2 * k]
    ]
    assert period(wanted, 1) == (every[0] if every else 0)


# Latencies


def counted(values):
    counts = LatencyCounts()
    for value in values:
        counts.add(value)
    return counts


def nearest_rank(values, share):
    ordered = sorted(values)
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=200))
def test_percentiles_are_those_of_sorting(values):
    found = counted(values).summary_ms()
    assert found["mean"] == pytest.approx(fmean(values) / 1e6)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        assert found[name] == nearest_rank(values, share) / 1e6


def test_one_at_a_time_and_many_at_once_are_the_same():
    values = [random.Random(3).randrange(10**7) for _ in range(500)]
    at_once = LatencyCounts()
    at_once.extend(values)
    assert at_once.summary_ms() == counted(values).summary_ms()
    assert (at_once.n, at_once.sum_ns) == (500, sum(values))


def test_times_of_one_latency():
    counts = LatencyCounts()
    counts.add(1_000_000, 99)
    counts.add(3_000_000)
    assert counts.summary_ms() == {"mean": 1.02, "p50": 1.0, "p90": 1.0, "p95": 1.0, "p99": 1.0, "max": 3.0}


def test_nothing_has_no_latency():
    assert set(LatencyCounts().summary_ms().values()) == {0.0}


def test_many_different_latencies_are_rounded_to_four_digits_and_the_mean_stays_exact():
    values = [10**9 + 1237 * i for i in range(3 * EXACT_VALUES)]
    counts = LatencyCounts()
    for start in range(0, len(values), 1000):
        counts.extend(values[start : start + 1000])
    assert counts.rounded
    assert len(counts.counts) < EXACT_VALUES
    assert counts.sum_ns == sum(values)
    for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        assert counts.summary_ms()[name] == pytest.approx(nearest_rank(values, share) / 1e6, rel=5e-4)


# Batch means


def test_a_steady_rate_has_no_width():
    low, high = batch_means_interval(list(range(0, 10**9 + 1, 10**6)))
    assert low == high == pytest.approx(1000)


@pytest.mark.parametrize("count", [0, 1, 2, 20, 39])
def test_too_few_completions_say_nothing(count):
    assert batch_means_interval(list(range(count))) == (0.0, math.inf)


def test_the_interval_by_hand():
    """Two alternating batch means of 1 and 3 ns: mean 2, s = sqrt(20/19), half = 2.093 s / sqrt(20)."""
    gaps = [1, 1, 3, 3] * 10
    low, high = batch_means_interval(list(accumulate([0, *gaps])))
    half = 2.093 * math.sqrt(20 / 19) / math.sqrt(20)
    assert (low, high) == pytest.approx((1e9 / (2 + half), 1e9 / (2 - half)))


def test_the_interval_covers_the_true_rate_about_as_often_as_it_says():
    stream, inside = random.Random(7), 0
    for _ in range(300):
        ends = list(accumulate(round(stream.expovariate(1e-6)) for _ in range(401)))
        low, high = batch_means_interval(ends)
        inside += low <= 1000 <= high
    assert 0.90 <= inside / 300 <= 0.99


def test_wild_gaps_have_no_upper_end():
    ends = list(accumulate([0, *([1] * 38), 10**9, 10**9]))
    assert batch_means_interval(ends)[1] == math.inf
