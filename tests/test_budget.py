"""What a run costs: the guess of its events against those that SimPy handles, and the limits that follow from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hand import accelerator_stage, network

from hwmodels.errors import InputError
from hwmodels.stages import CpuStage, StepTime
from sim.budget import BUDGET, LARGEST, check_effort, events, most_inferences
from sim.engine import Run

PLAIN = network("a", accelerator_stage(load_bytes=0))
STREAMED = network("a", accelerator_stage(steps=(StepTime(100, 150, 1000),) * 200, load_bytes=0))
LONG = network("a", accelerator_stage(load_bytes=0), CpuStage(500_000_000))
PYTHON = network("a", accelerator_stage(load_bytes=0), preprocess_ns=300_000_000)


def handled(setup):
    """Events that SimPy handles for an inference of a run."""
    run = Run(replace(setup, scenario=replace(setup.scenario, inferences=200)))
    run.until_steady()
    return run.env.count() / run.completions


@pytest.mark.parametrize(
    ("times", "options"),
    [
        (STREAMED, {"threads": 2, "accelerators": 2}),
        (LONG, {"threads": 6, "cores": 2}),
        (PYTHON, {"threads": 2, "mode": "threads"}),
    ],
    ids=["steps on a shared bus", "slices of crowded cores", "turns at Python's lock"],
)
def test_what_takes_many_events_is_guessed_within_a_factor_of_two(hand_setup, times, options):
    setup = hand_setup([times], **options)
    assert 0.5 < handled(setup) / events(setup) < 2


def test_an_inference_that_nothing_cuts_takes_few_events(hand_setup):
    setup = hand_setup([PLAIN], threads=3)
    assert handled(setup) <= events(setup)


def test_a_policy_that_looks_at_all_accelerators_costs_their_number(hand_setup):
    options = {"threads": 1, "accelerators": 64, "link": "pcie", "host": "x86-desktop"}
    bound, free = (hand_setup([PLAIN], **options, dispatch=name) for name in ("bind", "least_loaded"))
    assert events(free) - events(bound) == 64 / 32


def test_a_run_without_a_period_ends_within_its_budget(hand_setup):
    setup = hand_setup([PLAIN], threads=1)
    assert most_inferences(setup, 64, 10**9) == round(BUDGET / events(setup))
    assert most_inferences(setup, 64, 1000) == 1000
    assert most_inferences(setup, BUDGET, 10**9) == 2 * BUDGET


def test_more_inferences_than_minutes_allow_are_refused_before_it_begins(hand_setup):
    setup = hand_setup([PLAIN], threads=1)
    most = int(LARGEST / events(setup))
    check_effort(setup, 64, most)
    with pytest.raises(InputError, match=rf"--inferences {most + 1} .*ends when it is steady"):
        check_effort(setup, 64, most + 1)


def test_a_run_of_minutes_is_refused_before_it_begins(hand_setup):
    setup = hand_setup([LONG], threads=6, cores=2)
    most = int(LARGEST / events(setup))
    check_effort(setup, most)
    with pytest.raises(InputError, match=r"--threads 6.*fewer threads"):
        check_effort(setup, most + 1)


@pytest.mark.parametrize("cameras", ["1024x1000", "1024x30", "64x1000", "4x5", "300x300"])
def test_frames_of_cameras_count_and_far_too_many_are_refused(hand_setup, cameras):
    """Law: every run of cameras that is not refused ends within a few budgets, waiting frames served four times."""
    slow = network("a", accelerator_stage(steps=(StepTime(3_000_000, 0, 0),), load_bytes=0))
    setup = hand_setup([slow], threads=1, cameras=cameras)
    asked = setup.scenario.arrival_process.cameras
    if 4 * asked.kept_inferences * events(setup) > BUDGET:
        with pytest.raises(InputError, match=r"frames for each inference that is served.* give fewer cameras"):
            Run(setup)
    else:
        few = replace(setup, scenario=replace(setup.scenario, inferences=500))
        run = Run(few)
        run.until_steady()
        frames = run.env.now / 1e9 * asked.count * asked.fps
        assert frames <= 500 * events(setup)
