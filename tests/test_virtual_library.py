"""The devices in C: the same plan, the same shared state, the same passes as those in Python."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time

import pytest
from virtual_files import HEAD, LITERT, NEEDS_LINUX, NO_LITERT, done, run, write_compiled, write_other

from hwmodels.errors import InputError
from sim.scenario import Scenario
from sim.virtual.library import build_library, compiler
from sim.virtual.memory import Event, State
from sim.virtual.plan import checked_settings, make_plan
from sim.virtual.session import Session

pytestmark = [NEEDS_LINUX, pytest.mark.skipif(compiler() is None, reason="no C compiler here")]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def session(library, tmp_path):
    """Two sticks on one controller, two networks; the folder is the library's."""
    files = [write_compiled(tmp_path / "one_edgetpu.tflite"), write_other(tmp_path / "other_edgetpu.tflite")]
    scenario = Scenario(models="a", accelerators=2)
    return Session(scenario, make_plan(scenario, files, checked_settings(outputs="noise")), library.parent)


def test_the_shared_structures_are_memory_s(library):
    sizes = (ctypes.c_int64 * 5).in_dll(ctypes.CDLL(str(library)), "edgetpusim_sizes")
    places = [State.devices.offset, State.buses.offset, State.clients.offset]
    assert list(sizes) == [ctypes.sizeof(State), ctypes.sizeof(Event), *places]


def test_passes_take_the_planned_time_and_are_logged(session):
    program = """
a, b = make(sys.argv[1], "usb:0"), make(sys.argv[2], ":1")
for _ in range(3): a.invoke(); b.invoke()
print(b.get_tensor(b.get_output_details()[0]["index"]).ravel().tolist())
"""
    values = eval(done(session, program, *session.planned.files))
    passes = session.passes()
    stages = [session.planned.stage(i, i) for i in (0, 1)]
    assert [(one.operator, one.device) for one in passes] == [(0, 0), (1, 1)] * 3
    assert [one.planned_ns for one in passes] == [
        stage.held_ns + (stage.load_ns if i == 0 else 0) for i in range(3) for stage in stages
    ]  # fmt: skip
    assert all(one.end_ns - one.held_ns >= one.planned_ns for one in passes)
    assert len(set(values)) > 1


def test_recorded_outputs_are_played_in_c(session, tmp_path):
    record = tmp_path / "outputs.bin"
    record.write_bytes(bytes(range(15)))
    played = Session(session.scenario, session.planned, session.folder, record)
    program = """
i = make(sys.argv[1])
for _ in range(2): i.invoke(); print(*i.get_tensor(i.get_output_details()[0]["index"]).ravel())
"""
    found = [list(map(int, line.split())) for line in done(played, program, session.planned.files[0]).splitlines()]
    assert found == [list(range(10)), [*range(10, 15), *range(5)]]


def test_python_and_c_serve_one_session(session, tmp_path):
    """Threads in both forms share a device: tokens that the other one left are seen."""
    done(session, "make(sys.argv[1]).invoke()", session.planned.files[0])
    paths = {"LD_LIBRARY_PATH": "", "PYTHONPATH": str(session.folder / "hook")}
    finished = run(session, "make(sys.argv[1]).invoke()", session.planned.files[1], **paths)
    assert finished.returncode == 0, finished.stderr
    done(session, "make(sys.argv[1]).invoke()", session.planned.files[0])
    assert [one.loaded for one in session.passes()] == [True] * 3
    assert session.report()["token_changes"] == 2


def test_a_killed_holder_leaves_nothing_locked(session, tmp_path):
    pytest.importorskip(LITERT, reason=NO_LITERT)
    slow = write_compiled(tmp_path / "slow_edgetpu.tflite", token=9, estimated_cycles=300_000_000)
    files = [*session.planned.files, slow]
    session = Session(session.scenario, make_plan(session.scenario, files), session.folder)
    program = [sys.executable, "-c", HEAD + "make(sys.argv[1]).invoke()", str(slow)]
    holder = subprocess.Popen(program, env=session.environment())
    state = session.memory.state.devices[0]
    while state.token != session.planned.plan.operators[2].token:
        time.sleep(0.01)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    done(session, "make(sys.argv[1]).invoke()", files[0])
    assert (len(session.passes()), state.abandoned) == (1, 1)


def test_an_unknown_network_is_refused_in_words(session, tmp_path):
    other = write_compiled(tmp_path / "new_edgetpu.tflite", seed=7)
    failed = run(session, "make(sys.argv[1])", other)
    assert failed.returncode == 1
    assert "name its file with --model FILE" in failed.stderr


def test_devices_are_listed_through_the_c_interface(session):
    program = """
import ctypes
class Found(ctypes.Structure): _fields_ = [("type", ctypes.c_int), ("path", ctypes.c_char_p)]
library, count = ctypes.CDLL("libedgetpu.so.1"), ctypes.c_size_t()
library.edgetpu_list_devices.restype = ctypes.POINTER(Found)
found = library.edgetpu_list_devices(ctypes.byref(count))
print([(found[i].type, found[i].path.decode()) for i in range(count.value)])
"""
    expected = [(1, device.path) for device in session.planned.plan.devices]
    assert eval(done(session, program)) == expected
    in_python = {"LD_LIBRARY_PATH": "", "PYTHONPATH": str(session.folder / "hook")}
    assert eval(run(session, program, **in_python).stdout) == expected


def test_without_a_compiler_there_is_no_library(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert build_library(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(InputError, match="builds no library"):
        build_library(tmp_path)
