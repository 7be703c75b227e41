"""What the lessons share."""

from __future__ import annotations

from sim import Scenario
from sim.lab import kit


def test_the_command_of_a_scenario_gives_its_answer():
    scenario = Scenario(models="mobilenet_v2_1.0_224", threads=2, cocompile=True, host="raspberry-pi-4")
    assert kit.command(scenario) == (
        "edgetpusim run mobilenet_v2_1.0_224 --host raspberry-pi-4 --threads 2 --cocompile"
    )
