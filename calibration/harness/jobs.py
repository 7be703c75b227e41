"""The experiments of ``measure``: the plan as a list of jobs, and how each job becomes rows.

The same code runs on real devices and on a fake one (see ``backends`` and ``fake``).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from calibration.harness.backends import Backend, Device, Session
from calibration.harness.machine import environment, host_text, word_size
from calibration.harness.meter import mean_power_w
from calibration.harness.options import MeasureOptions
from calibration.measurements import Measurement
from hwmodels.errors import InputError, reason

__all__ = ["CITATION", "Job", "job_key", "left_out", "model_name", "plan_jobs", "run_job", "split_segments"]

SEGMENT = re.compile(r"(?P<name>.+)_segment_(?P<index>\d+)_of_(?P<count>\d+)(_edgetpu)?$")
PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
FIRST_RUNS = 3
CITATION = "edgetpusim-calibrate measure"


@dataclass(frozen=True)
class Job:
    """One experiment: its kind, the networks, how many threads and devices, and the metric whose row means done."""

    kind: str
    models: tuple[str, ...]
    metric: str
    mode: str = "single"
    threads: int = 1
    accelerators: int = 1
    batch: int = 1

    @property
    def model(self) -> str:
        """The ``model`` column of its rows."""
        name = "+".join(map(model_name, self.models))
        return re.sub(r"_segment_\d+_of_\d+.*", "", name) if self.kind == "pipeline" else name

    @property
    def text(self) -> str:
        """The job in one line."""
        threads, devices = ("s" * (count > 1) for count in (self.threads, self.accelerators))
        units = f"{self.threads} thread{threads}, {self.accelerators} device{devices}"
        names = " + ".join(model_name(model) for model in self.models) or "no network"
        return f"{self.kind}: {names}, {units}" + (f", batch {self.batch}" if self.batch > 1 else "")


def model_name(model: str) -> str:
    """Return the network's name for the rows: a file's stem without the compiler's ending."""
    stem = Path(model).stem if model.endswith(".tflite") else model
    return stem.removesuffix("_edgetpu")


def plan_jobs(models: Sequence[str], backend: Backend, devices: Sequence[Device], options: MeasureOptions) -> list[Job]:
    """Return what is to be run, cheapest first: power last, as it takes long and heats the device.

    Parameters
    ----------
    models
        Names (fake device) or files; files named ``..._segment_<i>_of_<n>...`` make pipelines.
    backend, devices
        What there is to run on.
    options
        Counts, clock and meter.

    Returns
    -------
    list of Job
        In the order in which they are run; each becomes one block of rows.
    """
    pipelines, plain = split_segments(models)
    jobs = [Job("first inference", (model,), "first_inference_ms") for model in plain]
    jobs += [Job("single", (model,), "invoke_latency_ms") for model in plain]
    jobs += [Job("image to result", (model,), "image_to_result_latency_ms") for model in plain]
    for pair in combinations(plain, 2):
        jobs += [Job("alternating", pair, "alternating_pair_latency_ms", mode) for mode in backend.pair_modes(*pair)]
    for count in range(2, options.most_threads + 1):
        jobs += [Job("threads", (model,), "throughput_fps", "multithread", count) for model in plain]
    for count in range(2, len(devices) + 1):
        jobs += [Job("devices", (model,), "throughput_fps", "data_parallel", count, count) for model in plain]
    for parts in pipelines:
        count = len(parts)
        fits = [Job("pipeline", parts, "time_per_inference_ms", "pipeline", count, count, batch) for batch in (1, 50)]
        jobs += fits if count <= len(devices) else []
    if options.meter:
        jobs.append(Job("idle power", (), "power_idle_w"))
        jobs += [Job("loaded power", (model,), "power_full_w") for model in plain]
    return jobs


def split_segments(models: Iterable[str]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Tell the segments of pipelines (``NAME_segment_0_of_2_edgetpu.tflite``) from whole networks."""
    parts, plain = _segments(models)
    return [tuple(found[i] for i in range(n)) for (_, n), found in parts.items() if len(found) == n], plain


def left_out(models: Iterable[str], devices: int) -> list[str]:
    """Say which segments make no job: those of a pipeline with a segment missing, or with too few devices for it."""
    notes = []
    for (name, count), found in _segments(models)[0].items():
        missing = ", ".join(str(i) for i in range(count) if i not in found)
        if missing:
            notes.append(f"{name}: segment {missing} of {count} is missing, so the others make no pipeline")
        elif count > devices:
            notes.append(f"{name}: a pipeline of {count} segments needs as many devices, not {devices}")
    return notes


def _segments(models: Iterable[str]) -> tuple[dict[tuple[str, int], dict[int, str]], list[str]]:
    """Segments by pipeline and number, and whole networks."""
    parts: dict[tuple[str, int], dict[int, str]] = {}
    plain = []
    for model in models:
        match = SEGMENT.fullmatch(Path(model).stem if model.endswith(".tflite") else model)
        if match:
            parts.setdefault((match["name"], int(match["count"])), {})[int(match["index"])] = model
        else:
            plain.append(model)
    return parts, plain


def run_job(job: Job, backend: Backend, devices: Sequence[Device], options: MeasureOptions) -> list[Measurement]:
    """Run one job and return its rows."""
    return _RUNNERS[job.kind](_Bench(job, backend, devices, options))


def job_key(job: Job, devices: Sequence[Device], options: MeasureOptions) -> tuple[str, ...]:
    """Return the :attr:`Measurement.key` of the row that says a job was done."""
    counts = (str(job.threads), str(job.accelerators), str(job.batch))
    return job.model, job.metric, job.mode, *counts, options.link or devices[0].link, options.host_id, options.clock_id


class _Bench:
    """One job on one backend."""

    def __init__(self, job: Job, backend: Backend, devices: Sequence[Device], options: MeasureOptions) -> None:
        self.job, self.backend, self.devices, self.options = job, backend, devices, options
        self.clock = backend.clock

    def session(self, model: str = "", device: Device | None = None) -> Session:
        """Open a model (the job's first) on a device (the first), compiled together where the job says so."""
        group = self.job.models if self.job.mode == "cocompiled" else ()
        return self.backend.open(model or self.job.models[0], device or self.devices[0], group)

    def time_ns(self, call: Callable[[], object]) -> int:
        """Time of one call on the backend's clock."""
        start = self.clock.now_ns()
        call()
        return self.clock.now_ns() - start

    def times_ms(self, call: Callable[[], object]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Warm up, then time every call."""
        for _ in range(self.options.warm_up):
            call()
        return np.array([self.time_ns(call) for _ in range(self.options.repetitions)], np.float64) / 1e6

    def row(self, metric: str, value: float, unit: str = "ms", conditions: str = "", **columns: Any) -> Measurement:
        """A row of one figure with everything that it was taken with."""
        job, link = self.job, self.options.link or self.devices[0].link
        height, width = self.backend.input_size(job.models[0]) if job.models else ("", "")
        is_fake = self.backend.name == "fake"
        return Measurement(
            source_id="own", citation=CITATION, device=link or "edgetpu", host=self.host(),
            clock=self.options.clock_id, model=job.model,
            model_file="+".join(Path(name).name for name in job.models if name.endswith(".tflite")),
            input_h=str(height), input_w=str(width), metric=metric, value=value, unit=unit, threads=job.threads,
            accelerators=job.accelerators, batch=job.batch, mode=job.mode, link=link, host_id=self.options.host_id,
            clock_id=self.options.clock_id, conditions="; ".join(filter(None, (conditions, self.state_text()))),
            runner="pipelined" if job.kind == "pipeline" else "", word_size="" if is_fake else word_size(), **columns,
        )  # fmt: skip

    def host(self) -> str:
        """What the machine calls itself."""
        return "simulated" if self.backend.name == "fake" else host_text()

    def state_text(self) -> str:
        """Versions, machine state and counts, as text for the record."""
        machine = {} if self.backend.name == "fake" else environment()
        found = {"backend": self.backend.name, **self.backend.versions(), **machine}
        counts = {"warm_up": self.options.warm_up, "repetitions": self.options.repetitions}
        return "; ".join(f"{key}={value}" for key, value in {**found, **counts}.items())


def _first(bench: _Bench) -> list[Measurement]:
    """Time the first inference of fresh interpreters, parameter load included; mean of the fresh ones."""
    times = []
    for _ in range(FIRST_RUNS):
        session = bench.session()
        times.append(bench.time_ns(session.invoke) / 1e6)
    return [
        bench.row("first_inference_ms", float(np.mean(times)), conditions=f"mean of {FIRST_RUNS} fresh interpreters")
    ]


def _single(bench: _Bench) -> list[Measurement]:
    session = bench.session()
    before_ns = time.thread_time_ns()
    times = bench.times_ms(session.invoke)
    cpu_ms = (time.thread_time_ns() - before_ns) / 1e6 / (len(times) + bench.options.warm_up)
    rows = _latency_rows(bench, times)
    if bench.backend.name != "fake":
        rows.append(bench.row("host_cpu_time_per_invoke_ms", cpu_ms, conditions="CPU time of the calling thread"))
    return rows


def _latency_rows(bench: _Bench, times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[Measurement]:
    rows = [bench.row("invoke_latency_ms", float(times.mean()))]
    rows += [bench.row(f"invoke_latency_{key}_ms", float(np.percentile(times, q))) for key, q in PERCENTILES.items()]
    rows.append(bench.row("invoke_latency_min_ms", float(times.min())))
    return [*rows, bench.row("invoke_latency_std_ms", float(times.std()))]


def _image(bench: _Bench) -> list[Measurement]:
    """Bring a camera frame to a result: resize and cast, invoke, decode; the host's two parts in rows of their own."""
    session = bench.session()
    text = "{}x{} RGB in memory, resized".format(*bench.options.frame)

    def whole() -> None:
        """From the image in memory to the result."""
        session.preprocess()
        session.invoke()
        session.postprocess()

    calls = {"image_to_result_latency_ms": whole, "host_preprocess_ms": session.preprocess}
    calls["host_postprocess_ms"] = session.postprocess
    return [bench.row(metric, float(bench.times_ms(call).mean()), conditions=text) for metric, call in calls.items()]


def _alternating(bench: _Bench) -> list[Measurement]:
    first, second = (bench.session(model) for model in bench.job.models)

    def pair() -> None:
        """One run of each network."""
        first.invoke()
        second.invoke()

    text = "one run of each in turn" + (", compiled together" if bench.job.mode == "cocompiled" else "")
    return [bench.row("alternating_pair_latency_ms", float(bench.times_ms(pair).mean()), conditions=text)]


def _parallel(bench: _Bench) -> list[Measurement]:
    """Threads with an interpreter each, on one device or one device a thread, started together.

    Each goes on until the last one has run its inferences, so that all run in the window that counts.
    """
    devices = [bench.devices[i % bench.job.accelerators] for i in range(bench.job.threads)]
    sessions = [bench.session(device=device) for device in devices]
    start = threading.Barrier(len(sessions))
    errors: list[Exception] = []
    logs: list[list[tuple[int, int]]] = [[] for _ in sessions]

    def work(session: Session, log: list[tuple[int, int]]) -> None:
        """One thread: wait for the others, then run until all have run enough."""
        try:
            bench.clock.enter()
            start.wait()
            while not errors and min(map(len, logs)) < bench.options.repetitions:
                began = bench.clock.now_ns()
                session.invoke()
                log.append((began, bench.clock.now_ns()))
        except Exception as error:  # told by the main thread
            errors.append(error)
        finally:
            bench.clock.leave()

    _warm(sessions, bench.options.warm_up)
    _join([threading.Thread(target=work, args=pair) for pair in zip(sessions, logs, strict=True)])
    if errors:
        raise InputError.problem(
            bench.job.text, f"failed in a thread ({reason(errors[0])})", "every thread must run to its end"
        )
    return _parallel_rows(bench, logs)


def _parallel_rows(bench: _Bench, logs: Sequence[Sequence[tuple[int, int]]]) -> list[Measurement]:
    """Figures of the window in which all threads run: there Little's law holds for their number."""
    begin_ns, end_ns = max(log[0][0] for log in logs), min(log[-1][1] for log in logs)
    inside = [(a, b) for log in logs for a, b in log if begin_ns < b <= end_ns]
    return [
        bench.row("throughput_fps", len(inside) * 1e9 / (end_ns - begin_ns), "inf/s"),
        bench.row("invoke_latency_ms", float(np.mean([b - a for a, b in inside])) / 1e6),
    ]


def _warm(sessions: Sequence[Session], count: int) -> None:
    for session in sessions:
        for _ in range(max(1, count)):
            session.invoke()


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _pipeline(bench: _Bench) -> list[Measurement]:
    job = bench.job
    elapsed_ns = bench.backend.pipeline_ns(job.models, bench.devices[: job.accelerators], job.batch)
    return [bench.row("time_per_inference_ms", elapsed_ns / job.batch / 1e6)]


def _idle_power(bench: _Bench) -> list[Measurement]:
    return [_power(bench, "power_idle_w", lambda: bench.clock.sleep_ns(bench.options.meter_s * 1e9))]


def _loaded_power(bench: _Bench) -> list[Measurement]:
    session = bench.session()

    def load() -> None:
        """Keep the device busy for as long as the meter is read."""
        end = bench.clock.now_ns() + bench.options.meter_s * 1e9
        while bench.clock.now_ns() < end:
            session.invoke()

    return [_power(bench, "power_full_w", load)]


def _power(bench: _Bench, metric: str, call: Callable[[], object]) -> Measurement:
    """Mean of the meter's samples while ``call`` runs (unix time; a virtual clock's own time)."""
    path = bench.options.meter
    if path is None:
        raise InputError.problem("--meter", "names no file", "give a meter's CSV file")
    start_s = bench.clock.wall_s()
    call()
    watts, samples = mean_power_w(path, start_s, bench.clock.wall_s())
    text = f"mean of {samples} samples of the meter in {bench.options.meter_s:g} s"
    return bench.row(metric, watts, "W", text, meter=bench.options.meter_at)


_RUNNERS: dict[str, Callable[[_Bench], list[Measurement]]] = {
    "first inference": _first,
    "single": _single,
    "image to result": _image,
    "alternating": _alternating,
    "threads": _parallel,
    "devices": _parallel,
    "pipeline": _pipeline,
    "idle power": _idle_power,
    "loaded power": _loaded_power,
}
