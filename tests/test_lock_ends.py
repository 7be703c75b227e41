"""Both ends of a lock's fairness in an answer, and in its intervals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim import Scenario, simulate


def test_a_mix_gives_both_ends():
    """Who wins a race of microseconds decides how often parameters are sent again: the answer says so."""
    mix = Scenario(models="mobilenet_v1_1.0_224,mobilenet_v2_1.0_224")
    summary = simulate(mix).summary
    other = simulate(replace(mix, lock="fair")).summary
    assert summary["lock_ends"]["throughput_ips"] == pytest.approx(
        sorted((summary["throughput_ips"], other["throughput_ips"]))
    )
    assert any("--lock" in note for note in summary["warnings"])
    assert "lock_ends" not in simulate(Scenario(models="mobilenet_v1_1.0_224")).summary


RACES = [
    {"models": "mobilenet_v1_1.0_224,mobilenet_v2_1.0_224", "host": "raspberry-pi-4"},
    {"models": "mobilenet_v1_0.25_128", "threads": 3, "preprocess": "resize"},
    {"models": "ssdlite_mobiledet_320:2,mobilenet_v2_1.0_224:1"},
]


@pytest.mark.parametrize("options", RACES)
def test_an_interval_holds_that_of_either_lock(options):
    """Law: both ends lie in the interval, and it is about the same whichever lock was asked for."""
    mutex, fair = (simulate(Scenario(**options, lock=lock)).summary for lock in ("mutex", "fair"))
    for key, (low, high) in mutex["interval90"].items():
        ends = mutex["lock_ends"][key]
        assert ends == pytest.approx(fair["lock_ends"][key])
        assert low <= ends[0] <= ends[1] <= high
        assert fair["interval90"][key] == pytest.approx([low, high], rel=0.1)
