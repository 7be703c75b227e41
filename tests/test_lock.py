"""How a lock changes hands: timelines drawn by hand, and what holds whatever its cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hand import accelerator_stage, network

from hwmodels.stages import StepTime
from sim import Scenario, estimate
from sim.closed_form.bounds import throughput_bound
from sim.engine import run
from sim.machine.host import SLICE_NS
from sim.machine.states import State

WAKE = 50
#: Held for 190 ns: dispatch 10 + 10, instructions 20, input 30, program 100, output 20.
HELD = 190


def woken(hand_setup, networks, models=None, wake_ns=WAKE, lock="mutex", stay_load=0.0, **options):
    """A set-up whose locks take a time to change hands; copies take no time unless a network says so."""
    setup = hand_setup(networks, models, lock=lock, **options)
    return replace(setup, host=replace(setup.host, lock_wake_ns=wake_ns, stay_load=stay_load))


def short(token="a", **changes):
    return network(token, accelerator_stage(copy_ns=0), **changes)


def passes(setup, count):
    """(thread's model or number, start, end) of the first passes."""
    spans = []
    run(replace(setup, scenario=replace(setup.scenario, inferences=count + 4)), sink=spans.append)
    begun = {s.request: s.start_ns for s in spans if s.state is State.INSTRUCTIONS}
    ended = {s.request: s.end_ns for s in spans if s.state is State.OUTPUT}
    names = {s.request: s.model for s in spans if s.state is State.OUTPUT}
    return sorted((begun[r], ended[r], names[r]) for r in ended)[:count]


def test_a_releaser_that_is_back_at_once_goes_on_once(hand_setup):
    """Two threads without other work: each has two passes in a row, and the other one then takes WAKE to run."""
    found = passes(woken(hand_setup, [short("a", python_ns=5), short("b", python_ns=5)], [0, 1], threads=2), 6)
    starts = [start for start, _, _ in found]
    assert [name for *_, name in found] == list("aabbaa")
    loads = 100  # each network sends its parameters when it comes
    assert starts[1] - found[0][1] == 5
    assert starts[2] - found[1][1] == WAKE + loads
    assert starts[3] - found[2][1] == 5


def test_a_fair_lock_alternates_and_always_takes_the_wake_up(hand_setup):
    setup = woken(hand_setup, [short(python_ns=5)], threads=2, lock="fair")
    window = run(setup)
    assert window.throughput_ips == pytest.approx(1e9 / (HELD + WAKE))
    found = passes(setup, 6)
    assert {b[0] - a[1] for a, b in pairwise(found[1:])} == {WAKE}


def test_whoever_comes_back_late_meets_a_waiter_that_runs(hand_setup):
    """Away for longer than a wake-up: first come, first served, at the price of the wake-up."""
    window = run(woken(hand_setup, [short(python_ns=WAKE + 1)], threads=3))
    assert window.throughput_ips == pytest.approx(1e9 / (HELD + WAKE))
    assert len(window.served) == 3


def test_a_woken_waiter_waits_for_a_core(hand_setup):
    """One core, longer work than a pass: the waiter runs when the releaser's work is done, which then asks first."""
    setup = woken(hand_setup, [short(preprocess_ns=400)], threads=2, cores=1)
    alone = run(woken(hand_setup, [short(preprocess_ns=400)], cores=1))
    both, core_ns = run(setup), 400 + 10  # with the driver's
    assert alone.throughput_ips < both.throughput_ips < 0.95e9 / core_ns  # neither core nor accelerator is full
    assert both.periodic
    assert len(both.served) == 2  # whoever came too late is owed the lock


@pytest.mark.parametrize("lock", ["mutex", "fair"])
@pytest.mark.parametrize("wake_ns", [1, 50, 5000])
def test_one_thread_never_pays(hand_setup, lock, wake_ns):
    setup = woken(hand_setup, [short(preprocess_ns=300)], wake_ns=wake_ns, lock=lock)
    assert run(setup).throughput_ips == pytest.approx(1e9 / (HELD + 300))


@pytest.mark.parametrize("cores", [1, 2, 4])
@pytest.mark.parametrize("threads", [2, 3, 8])
@pytest.mark.parametrize("work_ns", [0, 20, 700, 6000])
@pytest.mark.parametrize("lock", ["mutex", "fair"])
def test_everybody_is_served_and_no_bound_is_passed(hand_setup, cores, threads, work_ns, lock):
    setup = woken(hand_setup, [short(preprocess_ns=work_ns)], threads=threads, cores=cores, lock=lock)
    window = run(setup)
    assert window.periodic
    assert len(window.served) == threads
    assert window.throughput_ips <= throughput_bound(setup) * (1 + threads / window.count)
    assert window.core_ns <= cores * window.elapsed_ns * (1 + 1e-9)


def test_two_passes_in_a_row_halve_the_swaps(hand_setup):
    """Two networks that evict each other: loads of half the passes, where strict turns load for each."""
    heavy = [network(n, accelerator_stage(load_ns=5000, copy_ns=0), python_ns=5) for n in "ab"]
    mutex, fair = (run(woken(hand_setup, heavy, [0, 1], threads=2, lock=lock)) for lock in ("mutex", "fair"))
    loads = [w.state_ns(State.LOAD_PARAMETERS) / 5000 / w.count for w in (mutex, fair)]
    assert loads == [pytest.approx(0.5), pytest.approx(1.0)]
    assert mutex.throughput_ips > 1.5 * fair.throughput_ips


@pytest.mark.parametrize("lock", ["mutex", "fair"])
@pytest.mark.parametrize(("work_ns", "threads"), [(0, 2), (20, 5), (100, 3), (4000, 4)])
def test_the_closed_form_pays_the_same(hand_setup, lock, work_ns, threads):
    """With a core for each thread nothing is left to chance."""
    from sim.closed_form.lines import expected_ips

    setup = woken(hand_setup, [short(preprocess_ns=work_ns)], threads=threads, cores=8, lock=lock)
    assert expected_ips(setup) == pytest.approx(run(setup).throughput_ips, rel=0.01)


@pytest.mark.parametrize(("threads", "is_said"), [(1, False), (2, False), (3, True)])
def test_an_estimate_says_that_it_leaves_out_the_core_of_a_waiter(threads, is_said):
    scenario = Scenario(models="mobilenet_v1_1.0_224", threads=threads, cores=2, preprocess="resize")
    assert any("needs a core" in note for note in estimate(scenario)["warnings"]) == is_said


def test_latencies_of_an_unfair_lock_spread(hand_setup):
    window = run(woken(hand_setup, [short(python_ns=5)], threads=4))
    counts = Counter(window.invokes[0].counts)
    assert min(counts) == HELD + 5  # the second of two passes in a row waits for nobody
    assert max(counts) > 6 * HELD


def test_both_locks_are_one_where_nobody_asks_while_a_waiter_is_on_its_way(hand_setup):
    """Over random times of work and wake-up: the same spans, or a race that was noticed under both locks."""
    random, seen = Random(5), Counter()
    for _ in range(60):
        threads, cores, wake_ns, work_ns = (
            random.choice(row) for row in ((2, 3, 8), (1, 2, 8), (1, 30, 400), (0, 20, 700))
        )
        rows = {lock: spans_of(hand_setup, lock, wake_ns, threads, cores, work_ns) for lock in ("mutex", "fair")}
        raced = {lock: was_raced for lock, (was_raced, _) in rows.items()}
        assert raced["mutex"] == raced["fair"]
        assert raced["mutex"] or rows["mutex"] == rows["fair"]
        seen[raced["mutex"]] += 1
    assert min(seen[True], seen[False]) >= 5


def spans_of(hand_setup, lock, wake_ns, threads, cores, work_ns):
    setup = woken(hand_setup, [short(preprocess_ns=work_ns)], wake_ns=wake_ns, lock=lock, threads=threads, cores=cores)
    spans = []
    window = run(replace(setup, scenario=replace(setup.scenario, inferences=50)), sink=spans.append)
    return window.was_raced, spans


# Hosts whose kernel leaves a woken waiter on the core of whoever woke it while little is to be done


def staying(hand_setup, work_ns, **options):
    """Two threads on two cores that work for so long between passes, and need (work + 10) / held of a core."""
    usual = {"threads": 2, "cores": 2, "stay_load": 0.5} | options
    return woken(hand_setup, [short(preprocess_ns=work_ns)], **usual)


def test_a_waiter_that_stays_runs_when_the_releaser_stops(hand_setup):
    """Every other time the releaser works and asks first; then the waiter is owed the lock and runs at once."""
    work_ns = 60
    found = passes(staying(hand_setup, work_ns), 30)
    assert {b[0] - a[1] for a, b in pairwise(found[10:])} == {0, work_ns}
    assert run(staying(hand_setup, work_ns)).throughput_ips == pytest.approx(2e9 / (2 * HELD + work_ns))


@pytest.mark.parametrize("options", [{"stay_load": 0.2}, {"cores": 1}, {"work_ns": 130}])
def test_it_takes_an_idle_core_where_there_is_more_to_do_or_no_other_core(hand_setup, options):
    """The load is 70 / 190 of a core, or 140 / 190."""
    options = {"work_ns": 60} | options
    rates = {run(staying(hand_setup, **{**options, **more})).throughput_ips for more in ({}, {"stay_load": 0})}
    assert len(rates) == 1


def test_a_fair_lock_waits_for_the_releaser_s_work_in_every_pass(hand_setup):
    assert run(staying(hand_setup, 60, lock="fair")).throughput_ips == pytest.approx(1e9 / (HELD + 60))


def test_after_a_slice_it_is_moved_to_an_idle_core(hand_setup):
    stage = accelerator_stage(copy_ns=0, steps=(StepTime(40_000_000, 0, 0),))
    nets = [network("a", stage, preprocess_ns=9_000_000)]
    setup = woken(hand_setup, nets, threads=2, cores=2, stay_load=0.5, lock="fair")
    found = passes(setup, 20)
    assert {b[0] - a[1] for a, b in pairwise(found[4:])} == {SLICE_NS}


@pytest.mark.parametrize("lock", ["mutex", "fair"])
@pytest.mark.parametrize(("work_ns", "threads"), [(0, 2), (20, 5), (60, 3), (130, 2), (4000, 4)])
def test_the_closed_form_knows_waiters_that_stay(hand_setup, lock, work_ns, threads):
    from sim.closed_form.lines import expected_ips

    setup = staying(hand_setup, work_ns, threads=threads, cores=8, lock=lock)
    assert expected_ips(setup) == pytest.approx(run(setup).throughput_ips, rel=0.01)


@pytest.mark.parametrize("lock", ["mutex", "fair"])
def test_the_closed_form_knows_unlike_waiters_that_stay(hand_setup, lock):
    from sim.closed_form.lines import expected_ips

    nets = [short("a", preprocess_ns=30), network("b", accelerator_stage(copy_ns=0, load_ns=700), preprocess_ns=60)]
    setup = woken(hand_setup, nets, [0, 1], threads=2, cores=2, stay_load=0.5, lock=lock)
    assert expected_ips(setup) == pytest.approx(run(setup).throughput_ips, rel=0.01)
