"""Random streams: moments of their distributions, and the same draws wherever the program runs."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, stdev

import pytest

from sim.machine.chance import lognormal_factor, poisson_count, random_stream


@pytest.mark.parametrize("mean", [0.0, 0.4, 3.5, 40.0])
def test_poisson_counts_have_one_number_for_mean_and_variance(mean):
    stream = random_stream(1, "cameras")
    counts = [poisson_count(stream, mean) for _ in range(20_000)]
    assert fmean(counts) == pytest.approx(mean, rel=0.03)
    assert stdev(counts) ** 2 == pytest.approx(mean, rel=0.05)


def test_poisson_counts_have_the_distribution_s_shares():
    stream = random_stream(2, "cameras")
    counts = [poisson_count(stream, 1.5) for _ in range(40_000)]
    for k in range(5):
        expected = math.exp(-1.5) * 1.5**k / math.factorial(k)
        assert counts.count(k) / len(counts) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("variation", [0.05, 0.3, 1.0])
def test_lognormal_factors_have_mean_one_and_the_variation_asked_for(variation):
    stream = random_stream(3, "jitter")
    factors = [lognormal_factor(stream, variation) for _ in range(60_000)]
    assert fmean(factors) == pytest.approx(1, rel=0.02)
    assert stdev(factors) == pytest.approx(variation, rel=0.05)
    logs = [math.log(factor) for factor in factors]
    assert fmean(logs) == pytest.approx(-math.log1p(variation**2) / 2, abs=0.02)


def test_streams_of_other_seeds_purposes_and_sources_are_others():
    keys = [(1, "arrivals", 0), (1, "jitter", 0), (1, "arrivals", 1), (2, "arrivals", 0), (11, "arrivals", 0)]
    first = sorted(random_stream(*key).random() for key in keys)
    assert all(a < b for a, b in pairwise(first))
    assert random_stream(1, "arrivals").random() == random_stream(1, "arrivals", 0).random()


def test_a_stream_stays_what_it_was():
    """Python keeps ``random()`` of a seed that is a text: answers of old seeds stay theirs."""
    assert random_stream(0, "arrivals").random() == 0.4477411659812167
