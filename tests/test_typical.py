"""The seed whose requests come as they do on average: against theory, and nearer to it than any seed by chance."""

from __future__ import annotations

from itertools import islice
from statistics import fmean

import pytest
from test_capacity import md1_load, share_above

from sim import Scenario
from sim.machine.workloads import poisson_gaps_ns
from sim.setup import build
from sim.study.typical import REFERENCE_IPS, SEEDS, share_late, typical_seed

SETUP = build(Scenario(models="mobilenet_v2_1.0_224"))
SERVICE_MS = SETUP.stage_times[0][0].latency_ns / 1e6
REQUESTS = 20_000


def gaps(seed, count=REQUESTS):
    return list(islice(poisson_gaps_ns(REFERENCE_IPS, seed), count))


@pytest.mark.parametrize(("load", "wait"), [(0.3, 1.5), (0.6, 3), (0.8, 6), (0.9, 10)])
def test_a_queue_of_one_server_waits_as_m_d_1_says(load, wait):
    found = fmean(share_late(gaps(seed), load, wait) for seed in range(10))
    assert found == pytest.approx(share_above(wait, 1, load), rel=0.08)


@pytest.mark.parametrize("times", [2.5, 4, 8])
def test_the_typical_seed_is_as_late_as_theory_and_seeds_by_chance_are_not(times):
    load = md1_load(1, times)
    seed, near_ips = typical_seed(SETUP, times * SERVICE_MS, 0.01, REQUESTS)
    by_chance = fmean(abs(share_late(gaps(one), load, times - 1) - 0.01) for one in range(SEEDS))
    assert abs(share_late(gaps(seed), load, times - 1) - 0.01) < 0.6 * by_chance
    assert near_ips == pytest.approx(1e3 / SERVICE_MS * load, rel=0.1)


def test_a_limit_below_one_request_alone_takes_the_scenario_s_own_seed():
    assert typical_seed(SETUP, 0.5 * SERVICE_MS, 0.01, 100) == (0, 0.0)
