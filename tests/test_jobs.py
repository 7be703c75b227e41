"""The plan of a measurement: jobs for files, segments and meters."""

import pytest

from calibration.harness.fake import FakeBackend
from calibration.harness.jobs import Job, left_out, model_name, plan_jobs, run_job, split_segments
from calibration.harness.measure import measure_command
from calibration.harness.options import MeasureOptions
from calibration.measurements import read_measurements

MODELS = ("fc5_n500_in64_out10", "conv5x3x3_f102_64x64")
FAKE = {"fake_device": True, "time_scale": 0, "repetitions": 20, "warm_up": 2}


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "mine.csv"
    measure_command(MeasureOptions(output=path, models=MODELS, **FAKE, threads=3))
    return {(row.model, row.metric, row.mode, row.threads, row.accelerators): row for row in read_measurements(path)}


# A pipeline


def test_segments_make_a_pipeline():
    files = [f"dir/net_segment_{i}_of_3_edgetpu.tflite" for i in (2, 0, 1)]
    pipelines, plain = split_segments([*files, "net_edgetpu.tflite", "half_segment_0_of_2_edgetpu.tflite"])
    assert pipelines == [(files[1], files[2], files[0])]
    assert plain == ["net_edgetpu.tflite"]


@pytest.mark.parametrize(
    ("models", "devices", "words"),
    [
        (["net_segment_1_of_2"], 2, "segment 0 of 2 is missing"),
        (["net_segment_1_of_4", "net_segment_2_of_4"], 4, "segment 0, 3 of 4 is missing"),
        (["net_segment_0_of_2", "net_segment_1_of_2"], 1, "needs as many devices, not 1"),
    ],
)
def test_segments_that_make_no_pipeline_are_told(models, devices, words):
    (note,) = left_out(models, devices)
    assert words in note
    said = []
    measure_command(MeasureOptions(models=tuple(models), **FAKE, devices=devices, dry_run=True), said.append)
    assert said == [f"left out: {note}"]


@pytest.mark.parametrize("threads", [2, 3])
def test_rows_of_several_threads_obey_little_s_law(rows, threads):
    """All threads run in the window that counts, so their number is rate times latency."""
    for model in MODELS:
        rate, latency_ms = (
            rows[model, metric, "multithread", threads, 1].value for metric in ("throughput_fps", "invoke_latency_ms")
        )
        assert rate * latency_ms / 1e3 == pytest.approx(threads, rel=0.06)


def test_a_pipeline_needs_as_many_devices_as_segments():
    backend, segments = FakeBackend(scale=0), [f"net_segment_{i}_of_2" for i in range(2)]
    one, two = (
        [job for job in plan_jobs(segments, backend, backend.devices()[:n], MeasureOptions()) if job.kind == "pipeline"]
        for n in (1, 2)
    )
    assert one == []
    assert [job.batch for job in two] == [1, 50]
    assert two[0].model == "net"


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
        Job("idle power", (), "power_idle_w"), backend, backend.devices(), MeasureOptions(meter=meter, meter_s=1.5)
    )
    assert (rows[0].value, rows[0].unit) == (pytest.approx(1.0), "W")
    backend.clock.sleep_ns(1e9)
    rows = run_job(
        Job("loaded power", (MODELS[0],), "power_full_w"),
        backend,
        backend.devices(),
        MeasureOptions(meter=meter, meter_s=2),
    )
    assert rows[0].value == pytest.approx(2.0)
    result = measure_command(
        MeasureOptions(output=path, models=MODELS[:1], meter=meter, meter_s=1, dry_run=True, **settings)
    )
    assert [job["job"] for job in result["jobs"]][-2].startswith("idle power")


@pytest.mark.parametrize(
    ("model", "name"),
    [("mobilenet_v1_1.0_224", "mobilenet_v1_1.0_224"), ("a/net_1.0_quant_edgetpu.tflite", "net_1.0_quant")],
)
def test_rows_name_a_file_without_the_compilers_ending(model, name):
    assert model_name(model) == name
