"""What a session is made of, by hand: the plan's text, windows and percentiles, others' load, who is who."""

from __future__ import annotations

import ctypes
from itertools import pairwise
from types import SimpleNamespace

import pytest
from virtual_files import NEEDS_LINUX, write_compiled, write_other

from hwmodels.errors import InputError
from sim.scenario import Scenario
from sim.virtual import abi, hostload
from sim.virtual.device import must_load
from sim.virtual.driver import find_device
from sim.virtual.loader import is_edgetpu
from sim.virtual.memory import DeviceState, make_memory
from sim.virtual.plan import make_plan
from sim.virtual.planfile import Device, plan_text, read_plan
from sim.virtual.predict import same_scenario
from sim.virtual.records import PassRecord, percentiles_ms, read_passes, steady_window, token_changes

pytestmark = NEEDS_LINUX


def record(thread=1, start=0, end=10, **changes):
    """A pass that asks and holds at ``start`` and ends at ``end``."""
    times = {"asked_ns": start, "held_ns": start, "sent_ns": start, "computed_ns": end, "end_ns": end}
    whole = {"pid": 7, "tid": thread, "operator": 0, "device": 0, **times, "late_ns": 0, "planned_ns": end - start}
    return PassRecord(**{**whole, "loaded": False, **changes})


@pytest.fixture
def planned(tmp_path):
    files = [write_compiled(tmp_path / "one_edgetpu.tflite", streamed_bytes=500), write_other(tmp_path / "two.tflite")]
    return make_plan(Scenario(models="a", accelerators=3, link="usb3,usb3,pcie"), files)


def test_a_plan_is_read_back_as_it_was_written(planned):
    assert read_plan(plan_text(planned.plan)) == planned.plan
    with pytest.raises(ValueError, match="another version"):
        read_plan(plan_text(planned.plan).replace("edgetpusim-virtual 1", "edgetpusim-virtual 0"))


def test_sticks_of_one_speed_share_a_bus_and_chips_have_a_lane(planned):
    assert [(device.kind, device.bus) for device in planned.plan.devices] == [("usb", 0), ("usb", 0), ("pci", -1)]
    assert planned.plan.bus_chunks == (1 << 20,)


def test_planned_times_are_the_simulator_s(planned):
    for number, operator in enumerate(planned.plan.operators):
        for device, one in enumerate(operator.passes):
            stage = planned.stage(number, device)
            assert (one.held_ns, one.load_ns, one.copy_ns) == (stage.held_ns, stage.load_ns, stage.copy_ns)
            assert one.send_bytes == stage.instruction_bytes + stage.input_bytes
    assert {operator.token for operator in planned.plan.operators} == {1, 2}


def test_the_window_is_that_in_which_all_threads_run():
    """Thread 1 passes at 0, 10, ... 90, thread 2 at 25, ... 125; a third one only warmed up."""
    first = [record(1, at, at + 10) for at in range(0, 1000, 10)]
    second = [record(2, at, at + 10) for at in range(25, 1025, 10)]
    window = steady_window(sorted([*first, *second, record(3, 2, 4)], key=lambda one: one.end_ns))
    assert (window.start_ns, window.end_ns) == (35, 1000)
    assert len(window.of(first)) == 97  # ends 40, 50, ... 1000


def test_threads_in_turn_have_no_common_window():
    passes = [
        *(record(1, at, at + 10) for at in range(0, 100, 10)),
        *(record(2, at, at + 10) for at in range(100, 200, 10)),
    ]
    window = steady_window(passes)
    assert (window.start_ns, window.end_ns) == (0, 200)


def test_percentiles_are_ranks():
    found = percentiles_ms([i * 1_000_000 for i in range(1, 101)])
    assert [found[name] for name in ("mean", "p50", "p90", "p95", "p99", "max")] == [50.5, 50, 90, 95, 99, 100]
    assert percentiles_ms([])["p99"] == 0


def test_a_change_of_token_is_counted_for_each_device(planned):
    order = [(0, 0), (1, 1), (0, 0), (1, 1), (1, 0), (0, 0)]
    passes = [record(operator=operator, device=device) for operator, device in order]
    assert token_changes(passes, planned.plan) == 2


def test_the_same_scenario_counts_who_worked(planned):
    rows = [record(thread, at, at + 10, pid=pid, operator=operator) for at in range(0, 1000, 10)
            for thread, pid, operator in ((1, 7, 0), (2, 7, 0), (3, 8, 1))]  # fmt: skip
    scenario = same_scenario(Scenario(models="a", accelerators=3, link="usb3,usb3,pcie", cores=3), planned, rows)
    assert scenario.models == f"{planned.files[0]}:2,{planned.files[1]}:1"
    assert (scenario.mode, scenario.cores, scenario.accelerators) == ("processes", 3, 3)
    with pytest.raises(InputError, match="several networks in turn"):
        same_scenario(scenario, planned, [record(), record(operator=1)])


def test_parameters_are_sent_once_for_each_interpreter_and_token():
    state = DeviceState()
    asked = [(1, 10), (1, 10), (1, 11), (1, 10), (2, 20), (1, 10), (1, 11)]
    assert [must_load(state, token, reference) for token, reference in asked] == [
        True, False, True, False, True, True, True,
    ]  # fmt: skip


def test_the_log_keeps_the_newest_passes(tmp_path):
    memory = make_memory(tmp_path / "state", 2, 4)
    for number in range(6):
        event = memory.event(1, memory.state.devices[1].passes)
        event.end_ns, event.device = number, 1
        memory.state.devices[1].passes += 1
    assert [one.end_ns for one in read_passes(memory, 2)] == [2, 3, 4, 5]


@pytest.mark.parametrize(("text", "number"), [("", 0), (":1", 1), ("usb", 0), ("usb:1", 2), ("pci:0", 1), ("pci:1", -1),
                                              (":3", -1), ("usb:x", -1), ("coral", -1)])  # fmt: skip
def test_a_device_is_found_as_libedgetpu_names_it(text, number):
    devices = (Device("usb", -1, "a"), Device("pci", -1, "b"), Device("usb", -1, "c"))
    assert find_device(devices, text) == number


def test_libedgetpu_has_many_names():
    for name in ("libedgetpu.so.1", "libedgetpu.so.1.0", "/usr/lib/libedgetpu.so", b"libedgetpu.so.1", "edgetpu.dll",
                 "libedgetpu.1.dylib"):  # fmt: skip
        assert is_edgetpu(name)
    for name in (None, "", "libm.so.6", "libedgetpu_test.so", "/opt/edgetpu/libc.so.6", 3):
        assert not is_edgetpu(name)


def test_a_tensor_that_contradicts_itself_is_noticed():
    """A tensor of 2 x 3 int8 in 7 bytes: then the declarations are not this TFLite's."""
    dims = (ctypes.c_int * 3)(2, 2, 3)
    pointer = ctypes.cast(dims, ctypes.POINTER(abi.Integers))
    tensors = (abi.Tensor * 1)(abi.Tensor(type=9, dims=pointer, bytes=6))
    context = abi.Context(tensors_size=1, tensors=ctypes.addressof(tensors))
    one = abi.Integers(1, 0)
    node = abi.Node(inputs=ctypes.pointer(one), outputs=ctypes.pointer(one))
    assert abi.tensor_fault(ctypes.addressof(context), node) == ""
    tensors[0].bytes = 7
    assert "[2, 3] of type 9 and 7 bytes" in abi.tensor_fault(ctypes.addressof(context), node)


def test_others_share_of_the_cores_is_measured(monkeypatch, tmp_path):
    """Two cores for 10 s: busy 12 s, 4 of them ours; so others took 40 % of 20 s."""
    monkeypatch.setattr(hostload, "STAT", tmp_path / "stat")
    monkeypatch.setattr(hostload.os, "sysconf", lambda _: 100)
    ours = iter([1.0, 5.0])
    monkeypatch.setattr(hostload, "_own_s", lambda: next(ours))
    (tmp_path / "stat").write_text("cpu  100 0 100 1000 0 0 0 0 0 0\ncpu0 1 1\n")
    load = hostload.HostLoad()
    (tmp_path / "stat").write_text("cpu  1000 0 400 1700 100 0 0 0 0 0\ncpu0 1 1\n")
    found = load.report()
    assert found["others"] == pytest.approx(0.4)
    assert found["loaded"]


def test_where_the_system_says_nothing_the_load_average_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(hostload, "STAT", tmp_path / "none")
    monkeypatch.setattr(hostload, "os", SimpleNamespace(getloadavg=lambda: (3.0, 0, 0), cpu_count=lambda: 4))
    assert hostload.HostLoad().report() == {"load_average": 3.0, "others": None, "loaded": True}


def test_spans_of_a_pass_are_its_device_s_time_without_gaps(planned):
    from sim.virtual.spans import pass_spans

    stage = planned.stage(0, 0)
    sent = stage.load_ns + stage.driver_ns + stage.latency_ns + stage.send_ns
    computed = sent + stage.program_ns
    one = record(start=0, end=computed + stage.output_ns, sent_ns=sent, computed_ns=computed, loaded=True)
    spans = [span for span in pass_spans(planned, one, 0, 0) if span.component == "coral 0"]
    assert (spans[0].start_ns, spans[-1].end_ns) == (0, computed + stage.output_ns)
    assert all(a.end_ns == b.start_ns for a, b in pairwise(spans))
    assert spans[0].n_bytes == stage.load_bytes
