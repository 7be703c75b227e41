"""Policies: who is next, and on which accelerator. Contract tests run over all of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hand import accelerator_stage, network
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwmodels import InputError
from sim.engine import Run
from sim.machine.policies import DISCIPLINES, DISPATCHES, DispatchPolicy, least_loaded, own_function, policy


def networks():
    return [network("a", accelerator_stage()), network("b", accelerator_stage(input_ns=5))]


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
            [network("a", accelerator_stage(load_bytes=0))], threads=32, accelerators=2, link="pcie", host="x86-desktop",
            dispatch=dispatch, arrivals="poisson:1e6", inferences=20_000,
        )  # fmt: skip
        return Run(replace(setup, stage_times=((slow(setup.stage_times[0][0]),) * 2,))).until_steady().latency[0]

    bound, shared = latency_ns("bind"), latency_ns("least_loaded")
    assert shared.sum_ns / shared.n <= bound.sum_ns / bound.n


def slow(times):
    """Four fifths of two accelerators' time at a million arrivals a second."""
    (stage,) = times.stages
    return replace(times, stages=(replace(stage, steps=(replace(stage.steps[0], compute_ns=1410),)),))


def test_a_policy_of_one_s_own_is_imported():
    assert policy("--dispatch", "least_loaded", DISPATCHES, DispatchPolicy) is DISPATCHES["least_loaded"]
    own = policy("--dispatch", "sim.machine.policies:least_loaded", DISPATCHES, DispatchPolicy)
    assert own == DispatchPolicy(least_loaded), "nothing is known of it but how it chooses"
    for name in ("nothing", "sim.machine.policies:nothing", "no.such.module:f", ":", "os"):
        with pytest.raises(InputError, match="--dispatch"):
            policy("--dispatch", name, DISPATCHES, DispatchPolicy)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(1, 3)), min_size=1, max_size=6))
def test_the_least_loaded_is_the_idlest_then_the_longest_unchosen_then_the_fastest(rows):
    """Against all three criteria at once; no two accelerators were chosen for the same request."""
    accelerators = [
        SimpleNamespace(number=i, in_use=in_use, chosen_for=7 * i % 5 if chosen else -1)
        for i, (in_use, chosen, _) in enumerate(rows)
    ]  # fmt: skip
    thread = SimpleNamespace(stage_times=[SimpleNamespace(invoke_ns=ns) for _, _, ns in rows])
    chosen = [one.chosen_for for one in accelerators if one.chosen_for >= 0]
    assume(len(set(chosen)) == len(chosen))
    found = least_loaded(accelerators, thread)
    assert found is min(accelerators, key=lambda one: (one.in_use, one.chosen_for, rows[one.number][2]))


def test_a_module_in_the_present_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "policy_of_mine.py").write_text("def newest(waiting, _last):\n    return len(waiting) - 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert own_function("policy_of_mine:newest")([1, 2, 3], None) == 2
