"""Does what a diagnosis says of changes hold when they are tried, over random scenarios? (The long search: benchmarks.)"""

from __future__ import annotations

from itertools import islice

from claims import claims, tried
from scenarios import Tally, plain, seeded

from sim import simulate

MANY, LEAST_CLAIMS = 40, 20
MOST_CONTRADICTED = 0.02


def test_a_remedy_helps_when_it_is_tried_and_what_does_not_help_does_not():
    looked_at, contradicted = 0, []
    for scenario in islice(seeded("sentences", Tally()), MANY):
        summary = simulate(scenario).summary
        for claim in claims(scenario, summary):
            if claim.where != "hint":
                looked_at += 1
                found = tried(scenario, summary, claim)
                if found.is_contradicted:
                    contradicted.append((plain(scenario), claim.change, claim.helps, found.gain))
    assert looked_at >= LEAST_CLAIMS
    assert len(contradicted) <= max(1, MOST_CONTRADICTED * looked_at), contradicted
