"""Real programs and threads on virtual accelerators: what happens is exact, wall time is only bounded from below."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
from layers import like
from virtual_files import HEAD, LITERT, NEEDS_LINUX, NO_LITERT, done, run, write_compiled, write_other

from calibration.harness.tflite_writer import write_model
from hwmodels.errors import InputError
from hwmodels.networks.graph import LayerGraph
from sim.scenario import Scenario
from sim.virtual import devices
from sim.virtual.memory import make_memory
from sim.virtual.plan import checked_settings, make_plan
from sim.virtual.realtime import RealClock, Visit
from sim.virtual.records import read_passes

pytestmark = NEEDS_LINUX


@pytest.fixture
def compiled(tmp_path):
    return write_compiled(tmp_path / "one_edgetpu.tflite")


@pytest.fixture
def other(tmp_path):
    return write_other(tmp_path / "other_edgetpu.tflite")


THREADS = """
n, rounds = int(sys.argv[1]), int(sys.argv[2])
def work(number):
    interpreter = make(sys.argv[3])
    for _ in range(rounds):
        interpreter.invoke()
threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
[t.start() for t in threads]
[t.join() for t in threads]
"""


def test_a_pass_takes_the_time_of_the_simulator_and_sends_parameters_once(compiled):
    with devices(Scenario(models=str(compiled))) as session:
        done(session, "i = make(sys.argv[1])\nfor _ in range(5): i.invoke()", compiled)
        passes, own_ns = session.passes(), session.memory.state.own_ns
    stage = session.planned.setups[0].stage_times[0][0].stages[0]
    assert [one.planned_ns for one in passes] == [stage.held_ns + stage.load_ns] + [stage.held_ns] * 4
    assert [one.loaded for one in passes] == [True, False, False, False, False]
    assert all(one.end_ns - one.held_ns >= one.planned_ns - own_ns for one in passes)


def test_threads_are_served_one_at_a_time(compiled):
    with devices(Scenario(models=str(compiled))) as session:
        done(session, THREADS, 4, 10, compiled)
        passes, report = session.passes(), session.report()
    assert len(passes) == 40
    assert report["threads"] == 4
    assert report["parameter_loads"] == 4  # each interpreter registers its network anew
    assert all(later.held_ns >= earlier.end_ns for earlier, later in pairwise(passes))
    assert report["predicted"]["threads"] == 4
    assert report["predicted"]["throughput_ips"] > 0


def test_the_log_says_when_a_device_was_let_go_whatever_the_driver_itself_costs(tmp_path):
    """The driver's own time shortens a pass; it must not reach into the next one's."""
    memory = make_memory(tmp_path / "state", 1, 64)
    clock = RealClock(memory, spin_ns=20_000)
    clock.before_ns = clock.after_ns = 100_000

    def work():
        for _ in range(10):
            visit = Visit(0, 0, 1)
            clock.acquire(visit)
            visit.sent_ns = visit.computed_ns = visit.end_ns = visit.held_ns + 400_000
            clock.release(visit)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passes = read_passes(memory, 1)
    assert len(passes) == 30
    assert all(later.held_ns >= earlier.end_ns for earlier, later in pairwise(passes))
    assert all(one.end_ns - one.held_ns >= 200_000 for one in passes)


def test_what_a_program_does_between_inferences_is_reported(compiled):
    """It is what ``--app-ms`` asks for: at least the sleep, and none of the time at the device."""
    with devices(Scenario(models=str(compiled))) as session:
        done(session, "i = make(sys.argv[1])\nfor _ in range(8): (i.invoke(), time.sleep(0.02))", compiled)
        passes, report = session.passes(), session.report()
    own_ms = report["own_cost_us"] / 1e3
    gaps_ms = sorted((later.asked_ns - earlier.end_ns) / 1e6 - own_ms for earlier, later in pairwise(passes))
    assert gaps_ms[0] <= report["between_ms"]["p50"] + 1e-9
    assert report["between_ms"]["p50"] <= report["between_ms"]["max"] <= gaps_ms[-1] + 1e-9
    assert report["between_ms"]["p50"] >= 20 - own_ms


def test_processes_share_a_device_and_the_report_says_what_that_is(compiled):
    program = """
import multiprocessing
def work():
    interpreter = make(sys.argv[1], "usb:0")
    for _ in range(8): interpreter.invoke()
if __name__ == "__main__":
    processes = [multiprocessing.get_context("fork").Process(target=work) for _ in range(2)]
    [p.start() for p in processes]
    [p.join() for p in processes]
"""
    with devices(Scenario(models=str(compiled))) as session:
        done(session, program, compiled)
        passes, report = session.passes(), session.report()
    assert (len(passes), report["processes"]) == (16, 2)
    assert all(later.held_ns >= earlier.end_ns for earlier, later in pairwise(passes))
    assert any("one process at a time" in warning for warning in report["warnings"])
    assert report["predicted"]["mode"] == "processes"


def test_networks_in_turn_send_their_parameters_every_time(compiled, other):
    program = "a, b = make(sys.argv[1]), make(sys.argv[2])\nfor _ in range(6): a.invoke(); b.invoke()"
    with devices(Scenario(models=f"{compiled},{other}")) as session:
        done(session, program, compiled, other)
        passes, report = session.passes(), session.report()
    assert [one.operator for one in passes] == [0, 1] * 6
    assert (report["parameter_loads"], report["token_changes"]) == (12, 11)
    assert report["predicted"] is None
    assert "in turn" in report["no_prediction"]


def test_networks_with_one_token_stay_on_the_chip_together(compiled, tmp_path):
    twin = write_compiled(tmp_path / "twin_edgetpu.tflite", token=1, seed=3)
    program = "a, b = make(sys.argv[1]), make(sys.argv[2])\nfor _ in range(6): a.invoke(); b.invoke()"
    with devices(Scenario(models=f"{compiled},{twin}")) as session:
        done(session, program, compiled, twin)
        report = session.report()
    assert (report["parameter_loads"], report["token_changes"]) == (2, 0)


def test_a_cpu_operator_behind_the_compiled_one_really_runs(other):
    program = """
i = make(sys.argv[1]); i.invoke()
print(i.get_tensor(i.get_output_details()[0]["index"]).ravel().tolist())
"""
    with devices(Scenario(models=str(other))) as session:
        values = done(session, program, other)
    assert set(eval(values)) == {-128 + round(256 / 10)}  # softmax of ten equal values


def test_noise_is_the_same_in_every_process(compiled):
    program = (
        "i = make(sys.argv[1]); i.invoke(); print(i.get_tensor(i.get_output_details()[0]['index']).ravel().tolist())"
    )
    planned = make_plan(Scenario(models=str(compiled)), [compiled])
    with devices(Scenario(models=str(compiled)), settings=planned.plan.settings._replace(outputs="noise")) as session:
        first, second = done(session, program, compiled), done(session, program, compiled)
    assert first == second
    assert len(set(eval(first))) > 1


THREE = """
i = make(sys.argv[1])
for _ in range(3):
    i.invoke(); print(*i.get_tensor(i.get_output_details()[0]["index"]).ravel())
"""


def rows(text):
    return [list(map(int, line.split())) for line in text.splitlines()]


def test_recorded_outputs_come_one_after_the_other_and_again(compiled, tmp_path):
    record = tmp_path / "outputs.bin"
    record.write_bytes(bytes(range(25)))  # two inferences of ten bytes, and a half
    with devices(Scenario(models=str(compiled)), recorded=record) as session:
        found = rows(done(session, THREE, compiled))
    assert found == [list(range(10)), list(range(10, 20)), [*range(20, 25), *range(5)]]


def test_a_twin_computes_what_the_plain_file_does(compiled, tmp_path):
    """The plain network here is one logistic function: what the virtual device reads is what the CPU alone gives."""
    shape = (1, 8, 8, 3)
    plain = like("LOGISTIC", shape)
    write_model(LayerGraph("plain", (plain,), plain.inputs, plain.outputs), tmp_path / "same.tflite")
    file = write_compiled(tmp_path / "same_edgetpu.tflite", result=shape)
    program = """
import numpy as np
data = np.random.default_rng(1).integers(-128, 128, (1, 8, 8, 3)).astype(np.int8)
for interpreter in (make(sys.argv[1]), Interpreter(model_path=sys.argv[2])):
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], data)
    interpreter.invoke()
    print(*interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel())
"""
    scenario = Scenario(models=str(file))
    with devices(scenario, settings=checked_settings(outputs="twin")) as session:
        virtual, alone = rows(done(session, program, file, tmp_path / "same.tflite"))
        assert len(session.passes()) == 1
    assert virtual == alone
    assert len(set(virtual)) > 2


def test_a_twin_of_half_a_network_is_refused(other, tmp_path):
    (tmp_path / "other.tflite").write_bytes(b"")
    scenario = Scenario(models=str(other))
    with (
        pytest.raises(InputError, match="stays on the CPU"),
        devices(scenario, settings=checked_settings(outputs="twin")),
    ):
        pass


@pytest.mark.parametrize("content", [b"", None], ids=["empty", "missing"])
def test_recorded_outputs_that_cannot_be_read(compiled, tmp_path, content):
    record = tmp_path / "outputs.bin"
    if content is not None:
        record.write_bytes(content)
    with (
        pytest.raises(InputError, match=r"cannot be read|is empty"),
        devices(Scenario(models=str(compiled)), recorded=record),
    ):
        pass


def test_devices_are_chosen_as_libedgetpu_does(compiled):
    program = "for d in ('', ':1', 'usb:1', 'usb'): make(sys.argv[1], d).invoke()\nmake(sys.argv[1], 'pci:0')"
    with devices(Scenario(models=str(compiled), accelerators=2)) as session:
        failed = run(session, program, compiled)
        passes = session.passes()
    assert [one.device for one in passes] == [0, 1, 1, 0]
    assert failed.returncode == 1
    assert "no device 'pci:0' among 2" in failed.stderr


def test_a_killed_holder_leaves_nothing_locked(compiled, tmp_path):
    """The holder dies in the middle of a long pass; the next one finds the device free and its memory empty."""
    slow = write_compiled(tmp_path / "slow_edgetpu.tflite", token=9, estimated_cycles=300_000_000)
    program = "i = make(sys.argv[1])\nprint('ready', flush=True)\ni.invoke()"
    pytest.importorskip(LITERT, reason=NO_LITERT)
    with devices(Scenario(models=f"{compiled},{slow}")) as session:
        holder = subprocess.Popen(
            [sys.executable, "-c", HEAD + program, str(slow)], env=session.environment(), stdout=subprocess.PIPE, text=True
        )  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        state = session.memory.state.devices[0]
        while state.token != session.planned.plan.operators[1].token:
            time.sleep(0.01)  # until it holds the device: the pass takes 0.9 s
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
        done(session, "i = make(sys.argv[1])\ni.invoke(); i.invoke()", compiled)
        passes = session.passes()
    assert [one.operator for one in passes] == [0, 0]
    assert [one.loaded for one in passes] == [True, False]
    assert state.abandoned == 1


def test_the_user_s_own_sitecustomize_still_runs(compiled, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import builtins\nbuiltins.MINE = __file__\n")
    program = "import sitecustomize\nprint(MINE == sitecustomize.__file__)\nmake(sys.argv[1]).invoke()"
    with devices(Scenario(models=str(compiled))) as session:
        paths = os.pathsep.join([session.environment()["PYTHONPATH"], str(own)])
        finished = run(session, program, compiled, PYTHONPATH=paths)
        assert (finished.stdout, finished.stderr) == ("True\n", "")
        assert len(session.passes()) == 1


def test_a_session_inside_a_session_has_devices_of_its_own(compiled):
    program = """
import subprocess
from sim import Scenario
from sim.virtual import devices
make(sys.argv[1]).invoke()
with devices(Scenario(models=sys.argv[1])) as inner:
    make(sys.argv[1]).invoke()
    code = "from ai_edge_litert.interpreter import load_delegate as l; l('libedgetpu.so.1')"
    subprocess.run([sys.executable, "-c", code], check=True)
    print(len(inner.passes()), inner.memory.state.attached)
make(sys.argv[1]).invoke()
"""
    with devices(Scenario(models=str(compiled))) as session:
        assert done(session, program, compiled) == "1 2\n"
        assert len(session.passes()) == 2


def test_an_unknown_network_is_refused_in_words(compiled, other):
    with devices(Scenario(models=str(compiled))) as session:
        failed = run(session, "make(sys.argv[1])", other)
    assert failed.returncode == 1
    assert "name its file with --model FILE" in failed.stderr


def test_pycoral_s_binary_module_says_what_it_lacks(compiled, tmp_path):
    package = tmp_path / "pycoral" / "pybind"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("")
    with devices(Scenario(models=str(compiled))) as session:
        paths = os.pathsep.join([session.environment()["PYTHONPATH"], str(tmp_path)])
        failed = run(session, "import pycoral.pybind._pywrap_coral", PYTHONPATH=paths)
    assert "C++ interface" in failed.stderr
    assert "tflite_runtime or ai_edge_litert" in failed.stderr


def test_in_this_process(compiled):
    module = pytest.importorskip(LITERT, reason=NO_LITERT)
    with devices(Scenario(models=str(compiled))) as session:
        delegate = module.load_delegate("libedgetpu.so.1.0", {"device": "usb:0"})
        interpreter = module.Interpreter(model_path=str(compiled), experimental_delegates=[delegate])
        interpreter.allocate_tensors()
        interpreter.invoke()
        assert session.report()["inferences"] == 1
    with pytest.raises(OSError, match="libedgetpu"):
        ctypes.CDLL("libedgetpu.so.1")


def test_the_project_s_own_harness_measures_virtual_devices(compiled, other, tmp_path):
    """Nothing in the harness knows that the driver is not libedgetpu, and its rows say which driver it was."""
    program = """
from calibration.cli import main
sys.argv = ["edgetpusim-calibrate", "measure", "--repetitions", "3", "-o", *sys.argv[1:]]
main()
"""
    rows = tmp_path / "rows.csv"
    with devices(Scenario(models="a", accelerators=2), [compiled, other]) as session:
        done(session, program, rows, compiled, other)
        report = session.report()
    text = rows.read_text()
    assert text.count("\n") > 20
    for metric in ("first_inference_ms", "alternating_pair_latency_ms", "multithread", "data_parallel"):
        assert metric in text
    assert "edgetpusim virtual" in text
    assert report["token_changes"] >= 6  # the alternating pair


def test_what_is_not_compiled_is_refused(tmp_path):
    with pytest.raises(InputError, match="compiled"):
        make_plan(Scenario(models="mobilenet_v1_1.0_224"), [])


def test_a_timeline_has_every_pass(compiled, tmp_path):
    from sim.virtual.spans import pass_spans

    with devices(Scenario(models=str(compiled))) as session:
        done(session, "i = make(sys.argv[1])\nfor _ in range(3): i.invoke()", compiled)
        slices = session.write_timeline(tmp_path / "trace.json")
        passes = session.passes()
    assert slices >= 3 * 7
    for number, one in enumerate(passes):
        device = [s for s in pass_spans(session.planned, one, 0, number) if s.component == "coral 0"]
        assert (device[0].start_ns, device[-1].end_ns) == (one.held_ns, one.end_ns)
        assert all(a.end_ns == b.start_ns for a, b in pairwise(device))


def test_a_program_that_used_nothing_is_told_why(compiled):
    with devices(Scenario(models=str(compiled))) as session:
        assert "PYTHONPATH" in session.report()["warnings"][0]
        subprocess.run([sys.executable, "-c", "pass"], env=session.environment(), check=True)
        assert "loaded no libedgetpu" in session.report()["warnings"][0]
