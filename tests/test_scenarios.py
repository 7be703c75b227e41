"""Laws over random scenarios of every kind.

CI tries few examples, always the same ones. A long search: ``EDGETPUSIM_EXAMPLES=500 pytest tests/test_scenarios.py``.
"""

from __future__ import annotations

import os
from functools import lru_cache

import pytest
from acts import CIRCUMSTANCES, NOT_IN_A_TABLE, PAIRS
from hypothesis import HealthCheck, Phase, given, settings
from laws import LAWS, broken
from scenarios import Tally, plain, scenarios, seeded

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.scenario import option_defaults

EXAMPLES = int(os.environ.get("EDGETPUSIM_EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 5,
    derandomize=not EXAMPLES,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_the_law_holds(law):
    @SETTINGS
    @given(scenario=scenarios(law.applies, law.focus))
    def holds(scenario):
        why = broken(law, scenario)
        assert not why, f"{plain(scenario)}: {why}"

    holds()


def test_few_random_options_are_refused():
    """Options that cannot act together are not drawn, so that a search is not idle."""
    tally = Tally()
    for number in range(100):
        next(seeded(f"refused/{number}", tally))
    assert tally.drawn >= 100
    assert tally.share_refused <= 0.05, tally.refused


@lru_cache
def figures(scenario):
    found = simulate(scenario, compare=False).summary
    return [found[key] for key in ("throughput_ips", "latency_ms", "energy_mj_per_inference", "power_w", "utilisation")]


@pytest.mark.parametrize(
    "pair", [pytest.param(pair, id=pair.name) for pair in (*PAIRS, *CIRCUMSTANCES) if pair.why_not]
)
def test_an_option_that_cannot_act_is_refused(pair):
    with pytest.raises(InputError):
        simulate(Scenario(**{**pair.beside, pair.option: pair.value}), compare=False)


@pytest.mark.parametrize("pair", [pytest.param(pair, id=pair.name) for pair in PAIRS if not pair.why_not])
def test_an_option_that_can_act_changes_the_answer(pair):
    assert figures(Scenario(**pair.beside)) != figures(Scenario(**{**pair.beside, pair.option: pair.value}))


def test_the_table_has_every_option():
    assert {pair.option for pair in PAIRS} == {*option_defaults()} - {*NOT_IN_A_TABLE}
