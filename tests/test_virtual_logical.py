"""Logical time: exact whatever the machine does meanwhile, and in agreement with timelines drawn by hand."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import pytest
from virtual_files import HEAD, LITERT, LOGICAL, NEEDS_LINUX, NO_LITERT, done, write_compiled, write_other

from sim.scenario import Scenario
from sim.virtual import devices
from sim.virtual.planfile import Settings

pytestmark = NEEDS_LINUX

#: One thread for each pair of (file, device); each makes its interpreter in turn, so that ties have an order.
THREADS = """
pairs, rounds = [word.rsplit("@", 1) for word in sys.argv[2:]], int(sys.argv[1])
interpreters = [make(file, device) for file, device in pairs]
def work(interpreter):
    for _ in range(rounds):
        interpreter.invoke()
threads = [threading.Thread(target=work, args=(i,)) for i in interpreters]
[t.start() for t in threads]
[t.join() for t in threads]
"""


@pytest.fixture
def bare(tmp_path):
    """A network without cached parameters: every pass is alike, the first one too."""
    return write_compiled(tmp_path / "bare_edgetpu.tflite", cached_bytes=0)


def ran(scenario, rounds, *pairs, settings=LOGICAL):
    with devices(scenario, sorted({file for file, _ in pairs}), settings) as session:
        done(session, THREADS, rounds, *(f"{file}@{device}" for file, device in pairs))
        return session, session.passes(), session.report()


def times(session, operator=0):
    stage = session.planned.stage(operator, 0)
    return stage.held_ns, stage.send_ns, stage.copy_ns


def test_one_thread_takes_the_closed_form(bare):
    session, passes, _ = ran(Scenario(models="a"), 20, (bare, "usb"))
    held, _, copy = times(session)
    assert [one.held_ns for one in passes] == [i * (held + copy) for i in range(20)]
    assert [one.end_ns for one in passes] == [i * (held + copy) + held for i in range(20)]


def test_threads_queue_first_come_first_served(bare):
    session, passes, report = ran(Scenario(models="a"), 10, *[(bare, "usb")] * 3)
    held, _, copy = times(session)
    assert copy < held
    assert [one.end_ns for one in passes] == [(i + 1) * held for i in range(30)]
    assert [one.tid for one in passes] == [one.tid for one in passes[:3]] * 10
    assert len({one.tid for one in passes[:3]}) == 3
    # Whoever comes back waits for the two others, less the copy that it made meanwhile (one thread, by hand).
    assert {one.end_ns - one.asked_ns for one in passes[3:]} == {3 * held - copy}
    assert report["devices"][0]["utilisation"] == pytest.approx(1)


def test_the_simulator_says_the_same(bare):
    """The queue is the simulator's; its host adds only Python's part of a call."""
    _, _, report = ran(Scenario(models="a"), 200, *[(bare, "usb")] * 3)
    assert report["throughput_ips"] == pytest.approx(report["predicted"]["throughput_ips"], rel=0.01)
    assert report["latency_ms"]["p50"] == pytest.approx(report["predicted"]["latency_ms"]["p50"], rel=0.05)


def test_two_sticks_on_one_controller_by_hand(bare):
    """Both send at once: the second one's bytes wait for the first one's, and from then on they never meet."""
    session, passes, _ = ran(Scenario(models="a", accelerators=2), 5, (bare, "usb:0"), (bare, "usb:1"))
    held, send, copy = times(session)
    first, second = ([one.end_ns for one in passes if one.device == device] for device in (0, 1))
    assert first == [i * (held + copy) + held for i in range(5)]
    assert second == [end + send for end in first]


def test_two_chips_with_a_lane_each_do_not_meet(bare):
    session, passes, _ = ran(Scenario(models="a", accelerators=2, link="pcie"), 5, (bare, "pci:0"), (bare, "pci:1"))
    held, _, copy = times(session)
    for device in (0, 1):
        assert [one.end_ns for one in passes if one.device == device] == [i * (held + copy) + held for i in range(5)]


def test_two_networks_alternate_and_pay_for_it(tmp_path):
    """The queue is fair, so every pass finds the other network's parameters: the simulator's strict alternation."""
    one, other = write_compiled(tmp_path / "one_edgetpu.tflite"), write_other(tmp_path / "other_edgetpu.tflite")
    session, passes, report = ran(Scenario(models="a"), 10, (one, "usb"), (other, "usb"))
    operators = [one.operator for one in passes]
    assert operators[:18] == [0, 1] * 9
    assert report["token_changes"] == 19
    stages = [session.planned.stage(i, 0) for i in (0, 1)]
    assert [one.end_ns - one.held_ns for one in passes] == [
        stages[i].held_ns + stages[i].load_ns for i in operators
    ]  # fmt: skip
    assert report["throughput_ips"] == pytest.approx(report["predicted"]["throughput_ips"], rel=0.05)


def test_processes_share_one_logical_time(bare):
    program = """
import multiprocessing
def work():
    interpreter = make(sys.argv[1])
    for _ in range(10): interpreter.invoke()
context = multiprocessing.get_context("fork")
processes = [context.Process(target=work) for _ in range(2)]
[p.start() for p in processes]
[p.join() for p in processes]
"""
    with devices(Scenario(models="a"), [bare], LOGICAL) as session:
        done(session, program, bare)
        passes = session.passes()
    held, *_ = times(session)
    assert Counter(one.pid for one in passes) == dict.fromkeys({one.pid for one in passes}, 10)
    assert all(one.end_ns - one.held_ns == held for one in passes)
    ordered = sorted(passes, key=lambda one: one.held_ns)
    assert all(a.end_ns <= b.held_ns for a, b in pairwise(ordered))


def test_host_work_counts_as_it_is(bare):
    """A thread that computes for 20 ms between its passes cannot be faster than that; nor can it be let down."""
    program = """
i = make(sys.argv[1])
for _ in range(5):
    i.invoke(); end = time.perf_counter() + 0.02
    while time.perf_counter() < end: pass
"""
    with devices(Scenario(models="a"), [bare], Settings(clock="logical")) as session:
        done(session, program, bare)
        passes = session.passes()
    assert all(b.asked_ns - a.end_ns >= 20_000_000 for a, b in pairwise(passes))


def test_a_killed_holder_is_buried_in_logical_time(bare, tmp_path):
    """A client that dies holds nobody up; here one that stopped between its passes."""
    pytest.importorskip(LITERT, reason=NO_LITERT)
    program = "i = make(sys.argv[1])\ni.invoke()\nprint('ready', flush=True)\nwhile True: pass"
    with devices(Scenario(models="a"), [bare], LOGICAL) as session:
        busy = subprocess.Popen(
            [sys.executable, "-c", HEAD + program, str(bare)], env=session.environment(), stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        assert busy.stdout is not None
        busy.stdout.readline()
        busy.send_signal(signal.SIGKILL)
        busy.wait()
        busy.stdout.close()
        done(session, "i = make(sys.argv[1])\nfor _ in range(3): i.invoke()", bare)
        assert len(session.passes()) == 4


def test_two_runs_are_the_same(tmp_path):
    one, other = write_compiled(tmp_path / "one_edgetpu.tflite"), write_other(tmp_path / "other_edgetpu.tflite")
    pairs = [(one, "usb:0"), (other, "usb:1"), (one, "usb:1"), (other, "usb:0")]
    logs = []
    for _ in range(2):
        _, passes, _ = ran(Scenario(models="a", accelerators=2), 8, *pairs)
        logs.append([(one.operator, one.device, one.asked_ns, one.held_ns, one.end_ns, one.loaded) for one in passes])
    assert logs[0] == logs[1]
    assert len(logs[0]) == 32
