"""Measuring a fake device: rows are the simulated times, and a stopped run goes on where it was."""

import importlib

import pytest

from calibration.harness.fake import FakeBackend
from calibration.harness.measure import measure_command
from calibration.harness.options import MeasureOptions
from calibration.measurements import read_measurements
from hwmodels.errors import InputError

MODELS = ("fc5_n500_in64_out10", "conv5x3x3_f102_64x64")
FAKE = {"fake_device": True, "time_scale": 0, "repetitions": 20, "warm_up": 2}


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "mine.csv"
    measure_command(MeasureOptions(output=path, models=MODELS, **FAKE, threads=3))
    return {(row.model, row.metric, row.mode, row.threads, row.accelerators): row for row in read_measurements(path)}


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
    first = measure_command(MeasureOptions(output=path, models=MODELS, **FAKE))
    text = path.read_text()
    second = measure_command(MeasureOptions(output=path, models=MODELS, **FAKE))
    assert first["rows"] > 0
    assert second["rows"] == 0
    assert {job["state"] for job in second["jobs"]} == {"skipped"}
    assert path.read_text() == text


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    path, whole = tmp_path / "mine.csv", tmp_path / "whole.csv"
    measure_command(MeasureOptions(output=whole, models=MODELS, **FAKE))
    measure_command(MeasureOptions(output=path, models=MODELS[:1], **FAKE))
    resumed = measure_command(MeasureOptions(output=path, models=MODELS, **FAKE))
    assert {"skipped", "measured"} == {job["state"] for job in resumed["jobs"]}
    assert {row.key for row in read_measurements(path)} == {row.key for row in read_measurements(whole)}


def test_a_dry_run_lists_and_writes_nothing(tmp_path):
    path, lines = tmp_path / "mine.csv", []
    result = measure_command(MeasureOptions(output=path, models=MODELS, dry_run=True, **FAKE), lines.append)
    assert {job["state"] for job in result["jobs"]} == {"planned"}
    assert len(lines) == len(result["jobs"]) > 8
    assert not path.exists()


def test_results_do_not_depend_on_the_machine(tmp_path):
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path in paths:
        measure_command(MeasureOptions(output=path, models=MODELS, **FAKE, threads=4))
    assert paths[0].read_text() == paths[1].read_text()


def test_a_file_of_another_kind_is_not_overwritten(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="column a"):
        measure_command(MeasureOptions(output=path, models=MODELS, **FAKE))
    assert path.read_text() == "a,b\n1,2\n"


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
        measure_command(MeasureOptions(output=tmp_path / "mine.csv", models=["net_edgetpu.tflite"]))
    assert one_line(error)


@pytest.mark.parametrize("option", [{"repetitions": 0}, {"threads": -1}, {"warm_up": -1}, {"devices": -1}])
def test_counts_below_their_limit_are_refused(option, tmp_path):
    with pytest.raises(InputError, match=next(iter(option)).replace("_", "-")):
        measure_command(MeasureOptions(output=tmp_path / "mine.csv", models=MODELS, **{**FAKE, **option}))


def test_real_devices_need_files(tmp_path, monkeypatch):
    class Quiet(FakeBackend):
        name = "quiet"

    monkeypatch.setattr("calibration.harness.measure.find_backend", lambda frame: Quiet(scale=0))
    with pytest.raises(InputError, match="compiled for the Edge TPU"):
        measure_command(MeasureOptions(output=tmp_path / "mine.csv"))
