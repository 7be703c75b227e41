"""Runs: contracts over every mode, policy and workload; determinism; windows; and what a sink sees."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hand import accelerator_stage, network

from hwmodels.errors import InputError
from hwmodels.stages import StepTime
from sim import Scenario, simulate
from sim.answer import cannot_keep_up
from sim.engine import Run, run
from sim.machine.policies import DISCIPLINES, DISPATCHES
from sim.machine.states import State
from sim.setup import build
from sim.steady import FIRST_CHECK, first_check

NET, OTHER = "mobilenet_v1_0.25_128", "mobilenet_v1_0.5_160"
MODES = [
    {"threads": 2}, {"threads": 2, "mode": "processes", "accelerators": 2}, {"mode": "pipeline", "num_segments": 2},
    {"mode": "pipeline", "num_segments": 2, "runner": "python"}, {"mode": "coexec", "threads": 2},
    {"models": f"{NET}:1,{OTHER}:1"}, {"models": f"{NET}:1,{OTHER}:1", "cocompile": True},
    {"threads": 4, "cores": 1, "preprocess": "resize"}, {"threads": 3, "busy_python_threads": 1, "preprocess": "resize"},
    {"accelerators": 3, "threads": 3}, {"clock": "std"}, {"size": "small"}, {"size": "large", "link": "pcie"},
    {"link": "usb2", "host": "raspberry-pi-3b"}, {"num_threads": 4, "models": "ssd_mobilenet_v2_coco_300"},
    {"cpu_kernels": "builtin", "models": "ssd_mobilenet_v2_coco_300"}, {"compiler": "2020"}, {"thermal": "40"},
    {"jitter": "measured", "seed": 3}, {"arrivals": "poisson:200", "threads": 2}, {"arrivals": "singlestream"},
    {"arrivals": "multistream:4", "threads": 2}, {"arrivals": "offline:60", "threads": 2}, {"duration_s": 0.05},
]  # fmt: skip


def scenario(**options):
    return Scenario(**{"models": NET, "inferences": 80, **options})


def answer(**options):
    summary = simulate(scenario(**options)).summary
    return {key: value for key, value in summary.items() if key != "wall_s"}


@pytest.mark.parametrize("options", MODES, ids=str)
def test_the_same_scenario_gives_the_same_answer(options):
    assert answer(**options) == answer(**options)


@pytest.mark.parametrize("options", MODES, ids=str)
def test_recording_never_changes_behaviour(options):
    spans = []
    loud = simulate(scenario(**options), spans.append, compare=False).summary
    quiet = simulate(scenario(**options), compare=False).summary
    assert loud["throughput_ips"] == quiet["throughput_ips"]
    assert loud["latency_ms"] == quiet["latency_ms"]
    assert loud["energy_mj_per_inference"] == pytest.approx(quiet["energy_mj_per_inference"])
    assert spans
    assert all(span.end_ns >= span.start_ns >= 0 for span in spans)


@pytest.mark.parametrize("options", MODES, ids=str)
def test_an_invoke_holds_what_happens_in_it(options):
    """Every accelerator span of a request lies inside one of its thread's invokes (or of a pipeline's stages)."""
    spans = []
    simulate(scenario(**options), spans.append, compare=False)
    invokes = {}
    for span in spans:
        if span.state is State.INVOKE:
            invokes.setdefault(span.request, []).append((span.start_ns, span.end_ns))
    held = [s for s in spans if s.state in (State.COMPUTE, State.INPUT, State.OUTPUT) and s.request in invokes]
    assert held
    for span in held:
        rows = invokes[span.request]
        assert min(start for start, _ in rows) <= span.start_ns
        assert span.end_ns <= max(end for _, end in rows) or len(rows) < 2


@pytest.mark.parametrize(("dispatch", "discipline"), list(product(DISPATCHES, DISCIPLINES)))
def test_every_pair_of_policies_completes_and_repeats(dispatch, discipline):
    options = {
        "models": f"{NET}:2,{OTHER}:2", "accelerators": 2, "dispatch": dispatch, "discipline": discipline,
        "inferences": 60,
    }  # fmt: skip
    first = answer(**options)
    assert first == answer(**options)
    assert first["throughput_ips"] > 0
    assert set(first["models"]) == {NET, OTHER}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_seed_moves_random_runs_only(seed):
    assert answer(seed=seed)["throughput_ips"] == answer()["throughput_ips"]
    random = {"arrivals": "poisson:100", "threads": 2, "inferences": 200}
    assert (answer(seed=seed, **random)["latency_ms"] == answer(**random)["latency_ms"]) is (seed == 0)


def test_one_thread_alone_takes_exactly_its_stage_times():
    setup = build(Scenario(models=NET, preprocess="resize"))
    assert run(setup).throughput_ips == pytest.approx(1e9 / setup.stage_times[0][0].latency_ns)


# The window


@pytest.mark.parametrize("options", [o for o in MODES if not o.keys() & {"arrivals", "duration_s", "thermal"}])
def test_what_is_left_out_of_a_number_of_inferences_is_said(options):
    """Law: a run says that its start is not in its figures, or holds all that ran; short ones do."""
    longest = first_check(len(build(Scenario(**{"models": NET} | options)).thread_models))
    for asked in (1, longest, longest + 1, 3 * longest):
        found = simulate(Scenario(**{"models": NET, "inferences": asked} | options), compare=False)
        said = any("with the first inference, is left out" in text for text in found.summary["warnings"])
        assert said == (found.window.count < found.summary["inferences"])
        assert asked > longest or not said


def test_a_run_that_nobody_limited_says_nothing_of_its_start():
    assert not any("left out" in text for text in simulate(Scenario(models=NET)).summary["warnings"])


def short(hand_setup, **options):
    return hand_setup([network("a", accelerator_stage(steps=(StepTime(500, 0, 0),), load_ns=10_000))], **options)


def test_a_deterministic_run_stops_at_a_period(hand_setup):
    found = Run(short(hand_setup, threads=3))
    window = found.until_steady()
    assert window.periodic
    assert FIRST_CHECK <= found.completions <= 3 * FIRST_CHECK
    assert window.count % 3 == 0


def test_the_first_inference_with_its_parameters_is_not_in_the_window(hand_setup):
    window = run(short(hand_setup, threads=1))
    assert window.latency[0].summary_ms()["max"] == pytest.approx(620e-6)
    assert window.state_ns(State.LOAD_PARAMETERS) == 0


def test_a_number_of_inferences_is_kept(hand_setup):
    found = Run(short(hand_setup, threads=2, inferences=17))
    found.until_steady()
    assert found.completions == 17


def test_a_duration_is_kept(hand_setup):
    found = Run(short(hand_setup, threads=2, duration_s=0.0001, jitter="measured"))
    window = found.until_steady()
    assert window.end_ns == 100_000


def test_all_of_a_finite_workload_counts(hand_setup):
    window = run(short(hand_setup, threads=2, arrivals="offline:30"))
    assert window.start_ns == 0
    assert window.count == 30


def test_more_threads_never_lower_the_rate(hand_setup):
    rates = [run(short(hand_setup, threads=threads)).throughput_ips for threads in range(1, 7)]
    assert all(b >= a * (1 - 1e-9) for a, b in pairwise(rates))


def test_a_run_lasts_as_long_as_was_asked_for():
    short = simulate(Scenario(models="mobilenet_v2_1.0_224", duration_s=2.0)).summary
    assert short["simulated_s"] == 2.0
    assert short["inferences"] == pytest.approx(2 * short["throughput_ips"], abs=5)
    many = simulate(Scenario(models="mobilenet_v2_1.0_224", inferences=5000)).summary
    assert many["inferences"] == 5000
    assert many["simulated_s"] == pytest.approx(5000 / many["throughput_ips"], rel=0.001)


@pytest.mark.parametrize("arrivals", ["closed", "poisson:10"])
def test_a_run_that_ends_before_its_first_inference_is_refused(arrivals):
    with pytest.raises(InputError, match="ends before the first inference: give a longer one"):
        simulate(Scenario(models="mobilenet_v2_1.0_224", duration_s=0.001, arrivals=arrivals))


@pytest.mark.parametrize("load", [1.02, 2.0, 20.0])
@pytest.mark.parametrize("threads", [1, 3])
def test_what_cannot_keep_up_is_known_before_it_runs(load, threads):
    """More requests than any run serves: the rate is that of threads which never wait for work, after few of them."""
    closed = Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-4", threads=threads)
    most = simulate(closed).summary["throughput_ips"]
    open_loop = closed.with_options(arrivals=f"poisson:{load * most}")
    assert cannot_keep_up(build(open_loop))
    found = simulate(open_loop).summary
    assert found["overloaded"] and found["inferences"] < 5000
    assert found["throughput_ips"] == pytest.approx(most, rel=0.01)
    assert not cannot_keep_up(build(closed.with_options(arrivals=f"poisson:{0.95 * most}")))
