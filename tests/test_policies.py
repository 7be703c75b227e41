"""Policies: who is next, and on which accelerator. Contract tests run over all of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hand import network, tpu_stage

from hwmodels import InputError
from sim.engine import Run
from sim.policies import DISCIPLINES, DISPATCHES, policy


def networks():
    return [network("a", tpu_stage()), network("b", tpu_stage(input_ns=5))]


@pytest.mark.parametrize("discipline", DISCIPLINES)
@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_every_policy_serves_everybody_once_at_a_time(hand_setup, discipline, dispatch):
    setup = hand_setup(
        networks(), [0, 1] * 3, threads=6, accelerators=2, discipline=discipline, dispatch=dispatch, inferences=60
    )
    spans = []
    run = Run(setup, spans.append)
    run.until_steady()
    assert run.completions == 60
    for name in ("coral 0", "coral 1"):
        own = sorted((s.start_ns, s.end_ns) for s in spans if s.component == name)
        assert all(a[1] <= b[0] for a, b in pairwise(own))


def loads(hand_setup, **options):
    spans = []
    Run(hand_setup(networks(), [0, 1, 0, 1], threads=4, inferences=80, **options), spans.append).until_steady()
    return sum(s.state.name == "LOAD_PARAMETERS" for s in spans)


def test_batching_by_model_saves_swaps(hand_setup):
    assert loads(hand_setup, discipline="affinity") < loads(hand_setup, discipline="fifo") / 3


def test_priority_serves_the_first_model_first(hand_setup):
    setup = hand_setup(networks(), [0, 0, 1], threads=3, discipline="priority", inferences=50)
    window = Run(setup).until_steady()
    assert window.latency[0].n > 10 * max(1, window.latency[1].n)


def test_a_bound_thread_keeps_its_accelerator(hand_setup):
    spans = []
    Run(hand_setup([network()], threads=3, accelerators=2, dispatch="bind", inferences=30), spans.append).until_steady()
    served = {(s.request % 1, s.component) for s in spans if s.component.startswith("coral")}
    assert {name for _, name in served} == {"coral 0", "coral 1"}


def test_least_loaded_is_no_worse_than_binding_where_arrivals_are_random(hand_setup):
    """Bound threads, taken in turn, may queue for one accelerator while the other one idles."""

    def latency_ns(dispatch):
        setup = hand_setup(
            [network("a", tpu_stage(load_bytes=0))], threads=32, accelerators=2, link="pcie", host="x86-desktop",
            dispatch=dispatch, arrivals="poisson:1e6", inferences=20_000,
        )  # fmt: skip
        return Run(replace(setup, networks=((slow(setup.networks[0][0]),) * 2,))).until_steady().latency[0]

    bound, shared = latency_ns("bind"), latency_ns("least_loaded")
    assert shared.sum_ns / shared.n <= bound.sum_ns / bound.n


def slow(times):
    """Four fifths of two accelerators' time at a million arrivals a second."""
    (stage,) = times.stages
    return replace(times, stages=(replace(stage, steps=(replace(stage.steps[0], compute_ns=1410),)),))


def test_a_policy_of_one_s_own_is_imported():
    assert policy("--dispatch", "sim.policies:least_loaded", DISPATCHES) is DISPATCHES["least_loaded"]
    for name in ("nothing", "sim.policies:nothing", "no.such.module:f", ":", "os"):
        with pytest.raises(InputError, match="--dispatch"):
            policy("--dispatch", name, DISPATCHES)
