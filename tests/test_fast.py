"""The compiled engine: its windows are SimPy's to the nanosecond, and it refuses in words what it cannot run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba")

from engines import LOOPS, built, differences, retimed, totals
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scenarios import scenarios

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.engine import Run, run
from sim.fast import choice
from sim.fast.choice import ENGINES, MANY, chosen, refusal, runner
from sim.setup import build
from sim.study.grid import Case, case_rows
from sim.study.sweeps import evaluate

NET, STREAMS, TINY = "mobilenet_v2_1.0_224", "inception_v3_299", "dense_8"
USUAL = {"models": NET, "threads": 4}


@settings(max_examples=100, deadline=None)
@given(
    scenarios(focus=LOOPS),
    st.sampled_from([0, 64, 150]),
    st.sampled_from(["mutex", "fair"]),
    st.sampled_from([0, 0, 40]),
    st.sampled_from([0.0, 0.0, 0.3]),
    st.sampled_from([0.0, 0.5, 4.0]),
)
def test_random_loops_are_equal(scenario, most, lock, inferences, duration_s, stay_load):
    setup = retimed(build(scenario), lock=lock, inferences=inferences, duration_s=duration_s)
    setup = replace(setup, host=replace(setup.host, stay_load=stay_load))
    assume(not any(line.is_lane for line in setup.channels))  # two cards of a host with one slot share it
    assert refusal(setup) == ""
    assert differences(setup, most or 200) == {}


CASES = {
    "the period's end": USUAL,
    "one thread": {"models": NET},
    "no lock": {**USUAL, "mode": "processes", "preprocess": "resize", "host": "dev-board", "link": "pcie"},
    "a lock without a hand-over": {**USUAL, "host": "kv260", "size": "dpu-b4096", "link": "memory"},
    "a lock that is fair": {**USUAL, "lock": "fair", "cores": 2},
    "a waiter that stays where it was woken": {**USUAL, "numbers": {"host.stay_load": 2}},
    "more inferences than the window": {**USUAL, "inferences": 1000},
    "an end within the window": {**USUAL, "inferences": 65, "duration_s": 0.05},
    "unlike networks that swap": {"models": f"{NET}:2,{STREAMS}:2", "accelerators": 2, "link": "usb3"},
    "networks in turn": {"models": f"{NET}+{STREAMS}", "threads": 3},
    "every policy": {"models": f"{NET},{STREAMS},{TINY}", "threads": 7, "accelerators": 3, "dispatch": "affinity",
                     "discipline": "affinity", "affinity_batch": 2},
    "unlike accelerators": {"models": f"{NET},{STREAMS}", "threads": 6, "size": "coral:2,large:1",
                            "dispatch": "least_loaded", "discipline": "shortest"},
    "busy Python threads": {**USUAL, "preprocess": "resize", "busy_python_threads": 2, "cores": 1},
    "work of the program": {**USUAL, "app_ms": "3:locked", "switch_interval_ms": 1.0},
    "operators on several cores": {"models": "regnet_y_008_224", "threads": 3, "num_threads": 3, "cores": 2},
    "no period, and more latencies than are kept exactly": {
        "models": "mobilenet_v3_large_1.0_224", "threads": 8, "host": "raspberry-pi-4", "preprocess": "resize:320x240",
    },
    "everything on the CPU": {"models": NET, "threads": 5, "accelerators": 0, "cores": 2, "host": "raspberry-pi-4"},
}  # fmt: skip


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_a_loop_of_its_kind_is_equal(options):
    assert differences(built(**options)) == {}


def test_a_difference_is_seen():
    setup = built(**USUAL)
    assert totals(run(setup)) != totals(run(retimed(setup, lock="fair")))


REFUSED = {
    "requests that arrive": {"arrivals": "poisson:10"},
    "pipelines": {"mode": "pipeline", "threads": 1, "accelerators": 2},
    "random service times (--jitter)": {"jitter": "measured"},
    "accelerators that share a memory": {"size": "dpu-b1024", "host": "zcu102", "accelerators": 2},
    "--discipline operator:length_hint": {"discipline": "operator:length_hint"},
    "--dispatch operator:getitem": {"dispatch": "operator:getitem", "accelerators": 2},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_it_cannot_run_is_refused_in_words(reason):
    setup = built(**{**USUAL, **REFUSED[reason]})
    with pytest.raises(InputError, match=r"--engine fast cannot run .*take --engine auto") as caught:
        runner("fast")(setup)
    assert reason in str(caught.value)


def test_a_table_that_is_too_large_is_refused(monkeypatch):
    setup = built(**USUAL, accelerators=2)
    monkeypatch.setattr(choice, "MOST_ROOM", 7)
    assert refusal(setup) == "so many threads and accelerators"
    monkeypatch.setattr(choice, "MOST_ROOM", 8)
    assert refusal(setup) == ""


def test_what_it_cannot_run_is_simpys_with_auto():
    setup = built(**USUAL, arrivals="poisson:50", inferences=300)
    window = runner("auto")(setup)
    assert (window.engine, totals(window)) == ("simpy", totals(run(setup)))


def test_spans_come_from_simpy():
    spans = []
    assert runner("auto")(built(**USUAL), spans.append, 64).engine == "simpy"
    assert spans


def test_a_run_of_weeks_is_simpys():
    setup = built(models=TINY, app_ms="599000:wait", inferences=1900)
    window = runner("fast")(setup)
    assert (window.engine, totals(window)) == ("simpy", totals(Run(setup).until_steady()))


@pytest.fixture
def without_numba(monkeypatch):
    runner.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    yield
    runner.cache_clear()


@pytest.mark.usefixtures("without_numba")
def test_without_numba_auto_is_simpy_and_fast_says_what_is_missing():
    assert runner("auto") is run
    with pytest.raises(InputError, match=r"numba is not installed: run pip install 'edgetpusim\[fast\]'"):
        chosen("fast", 1)


def test_few_points_do_not_load_it():
    assert chosen("auto", MANY - 1) == "simpy"
    assert [chosen(engine, MANY) for engine in ENGINES] == list(ENGINES)
    with pytest.raises(InputError, match=r"--engine must be auto, simpy, fast, not 'fats'; did you mean 'fast'"):
        chosen("fats", 1)


def test_a_run_does_not_load_it():
    code = (
        "import sys; from sim.commands.cli import main; sys.argv = ['edgetpusim', 'run', 'dense_8', '--json']\n"
        "try: main()\nfinally: print([name for name in sys.modules if 'numba' in name or 'sim.fast' in name])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("[]")


def test_rows_of_a_study_and_of_a_sweep_differ_in_the_engine_s_name_alone():
    case = Case(name="headline", host="dev-board", link="pcie", threads=(1, 3), accelerators=(1, 2))
    base = build(Scenario(models=NET, host=case.host, link=case.link, preprocess=case.preprocess))
    point = {"models": NET, "threads": 6, "accelerators": 2, "cores": 2}
    both = [[*case_rows(base, case, 0.1, runner(engine)), evaluate(point, engine)] for engine in ("simpy", "fast")]
    names = [{row.pop("engine") for row in rows} for rows in both]
    for rows in both:
        rows[-1].pop("wall_s", 0)
    assert names == [{"simpy"}, {"fast"}]
    assert both[0] == both[1]


def test_both_ends_of_a_lock_are_equal():
    scenario = Scenario(**USUAL, cores=2)
    one, other = (simulate(scenario, by=by).summary for by in (run, runner("fast")))
    assert one["lock_ends"]
    assert {**one, "wall_s": 0} == {**other, "wall_s": 0}


def test_what_is_compiled_is_kept_for_the_next_process(tmp_path, monkeypatch):
    from sim.fast.compiled import cached

    def first(memory):
        return memory[0]

    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    assert cached(first)
    assert [path.suffix for path in tmp_path.rglob("*.nb?")] != []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    """Then each process compiles for itself."""
    from sim.fast.compiled import cached

    def second(memory):
        return memory[1]

    (tmp_path / "file").touch()
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "file"))
    assert cached(second)(np.array([0, 7])) == 7
