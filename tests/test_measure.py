import importlib
import threading

import pytest

from calibration.harness.backends import Device, PycoralBackend, RealClock, _named, _usb_link, find_backend
from calibration.harness.fake import FakeBackend, ScaledClock, VirtualClock
from calibration.harness.jobs import Job, Settings, model_name, plan_jobs, run_job, split_segments
from calibration.harness.measure import measure_command
from calibration.harness.meter import mean_power_w, read_meter
from calibration.harness.microbench import micro_network
from calibration.harness.records import (
    COLUMNS,
    Record,
    append_records,
    board_id,
    environment,
    host_text,
    read_records,
    runtime_clock,
)
from calibration.harness.tflite_writer import model_bytes
from hwmodels.errors import InputError
from hwmodels.host import load_host

MODELS = ["fc5_n500_in64_out10", "conv5x3x3_f102_64x64"]
FAKE = {"fake_device": True, "time_scale": 0, "repetitions": 20, "warm_up": 2}
SHARED_HEADER = (
    "source_id,device,host,clock,model,model_file,input_h,input_w,metric,value,unit,threads,accelerators,batch,mode,"
    "conditions,citation,link,host_id,clock_id,segmentation,runner,cut"
)


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "mine.csv"
    measure_command(path, MODELS, **FAKE, threads=3)
    return {(row.model, row.metric, row.mode, row.threads, row.accelerators): row for row in read_records(path)}


def test_the_columns_are_those_of_the_published_files():
    assert ",".join(COLUMNS) == SHARED_HEADER


@pytest.mark.parametrize("model", MODELS)
def test_rows_of_a_fake_device_are_the_simulated_times(rows, model):
    times = FakeBackend(scale=0).times(model)
    expected = {
        "invoke_latency_ms": times.invoke_ns,
        "invoke_latency_p50_ms": times.invoke_ns,
        "invoke_latency_p99_ms": times.invoke_ns,
        "invoke_latency_std_ms": 0,
        "first_inference_ms": times.cold_invoke_ns,
        "image_to_result_latency_ms": times.latency_ns,
        "host_preprocess_ms": times.preprocess_ns,
        "host_postprocess_ms": times.postprocess_ns,
    }
    for metric, ns in expected.items():
        assert rows[model, metric, "single", 1, 1].value == pytest.approx(ns / 1e6, rel=1e-6), metric


def test_alternating_pairs_pay_for_the_swap_unless_compiled_together(rows):
    backend, pair = FakeBackend(scale=0), "+".join(MODELS)
    alone = [backend.times(model) for model in MODELS]
    together = [backend.times(model, MODELS) for model in MODELS]
    swapped = rows[pair, "alternating_pair_latency_ms", "single", 1, 1].value
    shared = rows[pair, "alternating_pair_latency_ms", "cocompiled", 1, 1].value
    assert swapped == pytest.approx(sum(times.first_invoke_ns for times in alone) / 1e6, rel=1e-6)
    assert shared == pytest.approx(sum(times.invoke_ns for times in together) / 1e6, rel=1e-6)
    assert shared < swapped


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_on_one_device_overlap_host_work_only(rows, threads):
    times = FakeBackend(scale=0).times(MODELS[0])
    held = sum(stage.held_ns for stage in times.stages)
    fps = rows[MODELS[0], "throughput_fps", "multithread", threads, 1].value
    assert 1e9 / times.invoke_ns < fps <= 1e9 / held


def test_a_device_for_each_thread_doubles_the_rate(rows):
    fps = rows[MODELS[0], "throughput_fps", "data_parallel", 2, 2].value
    assert fps == pytest.approx(2e9 / FakeBackend(scale=0).times(MODELS[0]).invoke_ns, rel=1e-6)


def test_rows_say_what_they_were_taken_with(rows):
    row = rows[MODELS[0], "invoke_latency_ms", "single", 1, 1]
    assert (row.link, row.clock_id, row.host_id, row.host) == ("usb3", "max", "x86-xeon", "simulated")
    assert "repetitions=20" in row.conditions
    assert "coral" in row.conditions


def test_a_second_run_measures_nothing(tmp_path):
    path = tmp_path / "mine.csv"
    first = measure_command(path, MODELS, **FAKE)
    text = path.read_text()
    second = measure_command(path, MODELS, **FAKE)
    assert first["rows"] > 0
    assert second["rows"] == 0
    assert {job["state"] for job in second["jobs"]} == {"skipped"}
    assert path.read_text() == text


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    path, whole = tmp_path / "mine.csv", tmp_path / "whole.csv"
    measure_command(whole, MODELS, **FAKE)
    measure_command(path, MODELS[:1], **FAKE)
    resumed = measure_command(path, MODELS, **FAKE)
    assert {"skipped", "measured"} == {job["state"] for job in resumed["jobs"]}
    assert {row.key for row in read_records(path)} == {row.key for row in read_records(whole)}


def test_a_dry_run_lists_and_writes_nothing(tmp_path):
    path, lines = tmp_path / "mine.csv", []
    result = measure_command(path, MODELS, dry_run=True, report=lines.append, **FAKE)
    assert {job["state"] for job in result["jobs"]} == {"planned"}
    assert len(lines) == len(result["jobs"]) > 8
    assert not path.exists()


def test_results_do_not_depend_on_the_machine(tmp_path):
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path in paths:
        measure_command(path, MODELS, **FAKE, threads=4)
    assert paths[0].read_text() == paths[1].read_text()


def test_real_time_takes_at_least_as_long_as_simulated():
    backend = FakeBackend(scale=1.0)
    device = backend.devices()[0]
    rows = run_job(
        Job("single", (MODELS[0],), "invoke_latency_ms"), backend, [device], Settings(repetitions=5, warm_up=1)
    )
    values = {row.metric: row.value for row in rows}
    assert values["invoke_latency_min_ms"] >= backend.times(MODELS[0]).invoke_ns / 1e6 * 0.999
    assert values["invoke_latency_min_ms"] <= values["invoke_latency_p50_ms"] <= values["invoke_latency_p99_ms"]


def test_a_scaled_clock_runs_in_its_own_time():
    clock = ScaledClock(0.01)
    start = clock.now_ns()
    clock.sleep_ns(50e6)
    assert clock.now_ns() - start >= 50e6 * 0.999


def test_threads_in_real_time_run_through_the_same_code():
    backend = FakeBackend(scale=0.2)
    job = Job("threads", (MODELS[0],), "throughput_fps", "multithread", 2)
    rows = run_job(job, backend, backend.devices(), Settings(repetitions=5, warm_up=1))
    assert rows[0].value <= 1e9 / sum(stage.held_ns for stage in backend.times(MODELS[0]).stages)


def test_a_thread_that_fails_is_told_in_one_line():
    backend = FakeBackend(scale=0)
    original = backend.open

    def broken(*arguments):
        session = original(*arguments)
        calls = iter([None, None])  # the warm-up succeeds
        session.invoke = lambda: next(calls)
        return session

    backend.open = broken
    job = Job("threads", (MODELS[0],), "throughput_fps", "multithread", 2)
    with pytest.raises(InputError):
        run_job(job, backend, backend.devices(), Settings(repetitions=5, warm_up=2))


def test_the_virtual_lock_serves_first_come_first_served():
    clock = VirtualClock()
    lock, order, start = clock.lock(), [], threading.Barrier(3)

    def work(delay_ns):
        clock.enter()
        start.wait()
        clock.sleep_ns(delay_ns)
        lock.acquire()
        order.append((delay_ns, clock.now_ns()))
        clock.sleep_ns(100)
        lock.release()
        clock.leave()

    threads = [threading.Thread(target=work, args=(delay,)) for delay in (30, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert order == [(10, 10), (20, 110), (30, 210)]
    assert clock.now_ns() == 310


# A pipeline


def test_segments_make_a_pipeline():
    files = [f"dir/net_segment_{i}_of_3_edgetpu.tflite" for i in (2, 0, 1)]
    pipelines, plain = split_segments([*files, "net_edgetpu.tflite", "half_segment_0_of_2_edgetpu.tflite"])
    assert pipelines == [(files[1], files[2], files[0])]
    assert plain == ["net_edgetpu.tflite"]


def test_a_pipeline_needs_as_many_devices_as_segments():
    backend, segments = FakeBackend(scale=0), [f"net_segment_{i}_of_2" for i in range(2)]
    one, two = (
        [job for job in plan_jobs(segments, backend, backend.devices()[:n], Settings()) if job.kind == "pipeline"]
        for n in (1, 2)
    )
    assert one == []
    assert [job.batch for job in two] == [1, 50]
    assert two[0].model == "net"


def test_a_filled_pipeline_goes_at_the_pace_of_its_slowest_segment():
    backend = FakeBackend(scale=0)
    times = [backend.times(model).invoke_ns for model in MODELS]
    assert backend.pipeline_ns(MODELS, backend.devices(), 50) == sum(times) + 49 * max(times)


# Power


@pytest.fixture
def meter(tmp_path):
    path = tmp_path / "meter.csv"
    path.write_text("time,voltage,current\n" + "".join(f"{t / 10},5.0,{0.2 + 0.2 * (t >= 20)}\n" for t in range(60)))
    return path


def test_idle_and_loaded_power_come_from_the_meter(tmp_path, meter):
    path = tmp_path / "mine.csv"
    settings = {**FAKE, "repetitions": 1, "warm_up": 0}
    backend = FakeBackend(scale=0)
    rows = run_job(
        Job("idle power", (), "power_idle_w"), backend, backend.devices(), Settings(meter=meter, meter_s=1.5)
    )
    assert (rows[0].value, rows[0].unit) == (pytest.approx(1.0), "W")
    backend.clock.sleep_ns(1e9)
    rows = run_job(
        Job("loaded power", (MODELS[0],), "power_full_w"), backend, backend.devices(), Settings(meter=meter, meter_s=2)
    )
    assert rows[0].value == pytest.approx(2.0)
    result = measure_command(path, MODELS[:1], meter=meter, meter_s=1, dry_run=True, **settings)
    assert [job["job"] for job in result["jobs"]][-2].startswith("idle power")


def test_a_meter_that_does_not_log_is_told_in_one_line(meter):
    with pytest.raises(InputError, match="no sample between"):
        mean_power_w(meter, 100, 110)


def test_meters_write_watts_or_volts_and_times_in_two_ways(tmp_path):
    path = tmp_path / "meter.csv"
    path.write_text("Timestamp,Power_W\n2024-05-01T12:00:01,2.5\n2024-05-01T12:00:00+00:00,1.5\n")
    assert read_meter(path) == [(1714564800.0, 1.5), (1714564801.0, 2.5)]
    path.write_text("time,power\nnoon,2\n")
    with pytest.raises(InputError, match="line 2"):
        read_meter(path)


# Files


def record(**changes):
    return Record(**{"device": "usb3", "model": "net", "metric": "invoke_latency_ms", "value": 1.25, **changes})


def test_records_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "deep" / "mine.csv"
    written = [record(conditions='a "quoted", text'), record(threads=2, mode="multithread", value=0.125)]
    append_records(path, written[:1])
    append_records(path, written[1:])
    assert read_records(path) == written
    assert sorted(path.parent.iterdir()) == [path]


def test_a_file_of_another_kind_is_not_overwritten(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="another header"):
        measure_command(path, MODELS, **FAKE)
    assert path.read_text() == "a,b\n1,2\n"


def test_a_value_that_is_no_number_names_its_line(tmp_path):
    path = tmp_path / "mine.csv"
    append_records(path, [record()])
    path.write_text(path.read_text().replace("1.25", "fast"))
    with pytest.raises(InputError, match="line 2"):
        read_records(path)


@pytest.mark.parametrize(
    ("text", "is_32bit", "part"),
    [
        ("Raspberry Pi 4 Model B Rev 1.1, 4 cores, aarch64", False, "raspberry-pi-4"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", True, "raspberry-pi-3b-plus-32bit"),
        ("Raspberry Pi Compute Module 4 Rev 1.0", False, "raspberry-pi-cm4"),
        ("NVIDIA Jetson Nano Developer Kit", True, "jetson-nano"),
        ("Some Xeon, 8 cores, x86_64", False, ""),
    ],
)
def test_boards_are_known_by_what_they_call_themselves(text, is_32bit, part):
    assert board_id(text, is_32bit) == part
    assert not part or load_host(part).name == part


def test_the_installed_runtime_tells_the_clock(tmp_path):
    assert runtime_clock(tmp_path) == ""
    (tmp_path / "libedgetpu1-std:arm64.list").touch()
    assert runtime_clock(tmp_path) == "std"
    (tmp_path / "libedgetpu1-max.list").touch()
    assert runtime_clock(tmp_path) == ""


def test_the_environment_is_told_as_text():
    assert environment()["python"].count(".") == 2
    assert "cores" in host_text()


@pytest.mark.parametrize(
    ("model", "name"),
    [("mobilenet_v1_1.0_224", "mobilenet_v1_1.0_224"), ("a/net_1.0_quant_edgetpu.tflite", "net_1.0_quant")],
)
def test_rows_name_a_file_without_the_compilers_ending(model, name):
    assert model_name(model) == name


# Machines without a driver, a device or an interpreter


@pytest.fixture
def nothing_installed(monkeypatch):
    def refuse(name, package=None):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)


def one_line(error):
    return "\n" not in str(error.value)


def test_without_interpreter_there_is_one_line(nothing_installed, tmp_path):
    with pytest.raises(InputError, match="ai-edge-litert") as error:
        measure_command(tmp_path / "mine.csv", ["net_edgetpu.tflite"])
    assert one_line(error)


def test_without_driver_there_is_one_line(monkeypatch, tmp_path):
    import ctypes

    monkeypatch.setattr("calibration.harness.backends.interpreter_module", lambda: object())
    monkeypatch.setattr(
        "calibration.harness.backends.PycoralBackend", lambda frame: importlib.import_module("no_such_module_")
    )
    monkeypatch.setattr(ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    with pytest.raises(InputError, match="libedgetpu") as error:
        find_backend()
    assert one_line(error)


def test_without_device_there_is_one_line():
    with pytest.raises(InputError, match="no Edge TPU found") as error:
        _named([])
    assert one_line(error)


def test_devices_are_numbered_by_kind(monkeypatch):
    monkeypatch.setattr("calibration.harness.backends._usb_link", lambda: "usb3")
    assert _named(["usb", "pci", "usb"]) == [Device("usb:0", "usb3"), Device("pci:0", "pcie"), Device("usb:1", "usb3")]


def test_the_speed_of_a_stick_tells_usb3_from_usb2(tmp_path):
    assert _usb_link(tmp_path) == ""
    for name, vendor, speed in (("1-1", "1d6b", "480"), ("2-1", "18d1", "5000")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "idVendor").write_text(vendor + "\n")
        (tmp_path / name / "speed").write_text(speed + "\n")
    assert _usb_link(tmp_path) == "usb3"
    (tmp_path / "2-1" / "speed").write_text("480\n")
    assert _usb_link(tmp_path) == "usb2"


@pytest.mark.parametrize("option", [{"repetitions": 0}, {"threads": 0}, {"warm_up": -1}, {"devices": -1}])
def test_counts_below_their_limit_are_refused(option, tmp_path):
    with pytest.raises(InputError, match=next(iter(option)).replace("_", "-")):
        measure_command(tmp_path / "mine.csv", MODELS, **{**FAKE, **option})


def test_real_devices_need_files(tmp_path, monkeypatch):
    class Quiet(FakeBackend):
        name = "quiet"

    monkeypatch.setattr("calibration.harness.measure.find_backend", lambda frame: Quiet(scale=0))
    with pytest.raises(InputError, match="compiled for the Edge TPU"):
        measure_command(tmp_path / "mine.csv")


def test_pycoral_is_used_as_google_wrote_it(monkeypatch, tmp_path):
    """A stand-in for Google's package: the harness finds its devices, versions and interpreters."""
    import types

    import numpy as np

    class Interpreter:
        def allocate_tensors(self):
            self.calls = 0

        def get_input_details(self):
            return [{"index": 0, "shape": np.array([1, 64]), "dtype": np.int8, "name": "x"}]

        def get_output_details(self):
            return [{"index": 1, "quantization": (0.5, 0)}]

        def set_tensor(self, index, values):
            assert values.shape == (1, 64)

        def get_tensor(self, index):
            return np.zeros((1, 10), np.int8)

        def invoke(self):
            self.calls += 1

    edgetpu = types.SimpleNamespace(
        list_edge_tpus=lambda: [{"type": "usb", "path": ""}],
        get_runtime_version=lambda: "BuildLabel(test)",
        make_interpreter=lambda path, device: Interpreter(),
    )
    original = importlib.import_module
    monkeypatch.setattr(
        importlib,
        "import_module",
        lambda name, package=None: edgetpu if name == "pycoral.utils.edgetpu" else original(name),
    )
    backend = find_backend()
    assert isinstance(backend, PycoralBackend)
    assert isinstance(backend.clock, RealClock)
    device = backend.devices()[0]
    model = tmp_path / "net_edgetpu.tflite"
    model.write_bytes(model_bytes(micro_network(MODELS[0])))
    rows = run_job(
        Job("single", (str(model),), "invoke_latency_ms"), backend, [device], Settings(repetitions=3, warm_up=1)
    )
    assert rows[0].model == "net"
    assert rows[-1].metric == "host_cpu_time_per_invoke_ms"
    assert rows[0].model_file == "net_edgetpu.tflite"
    assert "BuildLabel(test)" in rows[0].conditions
    backend.open(str(model), device).postprocess()
    with pytest.raises(InputError, match="compiled"):
        backend.open("missing.tflite", device)
