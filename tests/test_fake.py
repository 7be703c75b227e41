"""The fake device: clocks and locks in virtual and in scaled time."""

import threading

import pytest

from calibration.harness.fake import FakeBackend, ScaledClock, VirtualClock
from calibration.harness.jobs import Job, run_job
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


def test_real_time_takes_at_least_as_long_as_simulated():
    backend = FakeBackend(scale=1.0)
    device = backend.devices()[0]
    rows = run_job(
        Job("single", (MODELS[0],), "invoke_latency_ms"), backend, [device], MeasureOptions(repetitions=5, warm_up=1)
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
    rows = run_job(job, backend, backend.devices(), MeasureOptions(repetitions=5, warm_up=1))
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
        run_job(job, backend, backend.devices(), MeasureOptions(repetitions=5, warm_up=2))


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


def test_a_filled_pipeline_goes_at_the_pace_of_its_slowest_segment():
    backend = FakeBackend(scale=0)
    times = [backend.times(model).invoke_ns for model in MODELS]
    assert backend.pipeline_ns(MODELS, backend.devices(), 50) == sum(times) + 49 * max(times)
