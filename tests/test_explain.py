"""The tree over traits: what it can find where the answer is known."""

from __future__ import annotations

import random

import pytest

from sim.study.explain import KNOWN, explained, tree_findings

pl = pytest.importorskip("polars")
pytest.importorskip("sklearn")


def rows(gain, networks=60, families=12):
    """Networks of random traits, whose gain is a function of them."""
    chance = random.Random(1)
    table = []
    for i in range(networks):
        traits = {key: chance.random() for key in KNOWN}
        table.append({"models": f"n{i}", "family": f"f{i % families}", "speedup_vs_one_thread": gain(traits), **traits})
    return pl.DataFrame(table)


def test_a_step_of_one_trait_is_found_for_families_that_were_left_out():
    found = explained(rows(lambda traits: 3.0 if traits["trait_macs"] > 0.5 else 1.5))
    name, limit, below, above = found["split"]
    assert name == "trait_macs"
    assert 0.45 < limit < 0.55
    assert (below, above) == (pytest.approx(1.5), pytest.approx(3.0))
    assert found["fitted"] == pytest.approx(1)
    assert found["held_out"] > 0.85


def test_chance_explains_nothing_that_was_left_out():
    chance = random.Random(2)
    found = explained(rows(lambda traits: 1 + chance.random()))
    assert found["fitted"] > 0.2, "six leaves follow chance"
    assert found["held_out"] < 0.1


def test_equal_gains_have_nothing_to_explain():
    assert explained(rows(lambda traits: 2.0))["held_out"] == 0


def test_few_networks_get_no_sentence(tiny_study):
    folder, found = tiny_study
    assert list(tree_findings(pl.read_parquet(folder / "results.parquet"))) == []
    assert "Too few networks" in found["abstract"][3]
