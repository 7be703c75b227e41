"""Measure Edge TPUs, or a host without one, and write rows of the measurement schema.

Every job of the plan writes its rows as one block, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from calibration.harness.backends import Backend, Device, find_backend
from calibration.harness.fake import FakeBackend
from calibration.harness.gil import measure_gil
from calibration.harness.hostbench import Figure, interpreter_version, make_interpreter, measure_host, quartile_ns
from calibration.harness.jobs import Job, Settings, model_name, plan_jobs, run_job
from calibration.harness.microbench import micro_network
from calibration.harness.records import (
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
from hwmodels.files import write_text
from hwmodels.graph import LayerGraph
from hwmodels.parts import part_names

__all__ = ["host_part_text", "measure_command"]

FAKE_MODELS = ("mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224")
GIL_NETWORK = "conv5x3x3_f72_64x64"
Report = Callable[[str], None]


def measure_command(
    output: Path,
    models: Sequence[str] = (),
    *,
    dry_run: bool = False,
    fake_device: bool = False,
    host_only: bool = False,
    repetitions: int = 200,
    warm_up: int = 10,
    threads: int = 2,
    devices: int = 0,
    meter: Path | None = None,
    meter_s: float = 30.0,
    host_id: str = "",
    link: str = "",
    clock_id: str = "",
    size: str = "coral",
    time_scale: float = 1.0,
    frame: tuple[int, int] = (1280, 720),
    report: Report = lambda _: None,
) -> dict[str, Any]:
    """Run the harness and return what it did: ``jobs`` (text and state), ``rows`` written, ``output``, ``host_part``.

    Parameters
    ----------
    output
        CSV file of the measurement schema; rows that are in it already are not measured again.
    models
        Compiled .tflite files (several segments ``NAME_segment_0_of_2_edgetpu.tflite`` make a pipeline). With
        ``fake_device`` names of the zoo or of generated families; with ``host_only`` plain .tflite files or such names,
        timed on the CPU.
    dry_run
        Only list the jobs; neither devices nor files are touched with ``fake_device`` or ``host_only``.
    fake_device
        Replay the simulator: accelerator ``size``, link ``link`` and host ``host_id`` by name or part file.
    host_only
        Measure this host without a device; also writes a part file ``<output stem>.host.toml``, which takes buses and
        power from the shipped part ``host_id``.
    repetitions, warm_up
        Inferences of a row, and inferences before it that do not count.
    threads
        Most threads on one device.
    devices
        Use at most so many devices; 0 = all (fake: 2).
    meter, meter_s
        A power meter's CSV that grows while the harness runs, and the length of a window in s.
    host_id, link, clock_id
        What the rows say of host part, link (usb3, usb2, pcie) and clock (max, std); empty = found
        out or not known.
    time_scale
        Fake device: real time times this; 0 = virtual time, without waiting.
    frame
        Width and height of the camera frame for pre- and postprocessing.
    report
        Called with one line for every job.

    Raises
    ------
    InputError
        One line: no driver, no device, no interpreter, an unknown network, an unwritable file.
    """
    _check(repetitions=repetitions, threads=threads, warm_up=warm_up + 1, devices=devices + 1)
    if host_only:
        return _host_only(output, models, host_id, repetitions, dry_run, report)
    settings = Settings(
        repetitions=repetitions, warm_up=warm_up, threads=threads, meter=meter, meter_s=meter_s,
        host_id=host_id or ("x86-xeon" if fake_device else board_id(host_text())), link=link * (not fake_device),
        clock_id=clock_id or ("max" if fake_device else runtime_clock()), frame=frame,
    )  # fmt: skip
    if fake_device:
        backend: Backend = FakeBackend(
            size, link or "usb3", host_id or "x86-xeon",
            clock_id=clock_id or "max", devices=devices or 2, scale=time_scale, frame=frame,
        )  # fmt: skip
    else:
        backend = find_backend(frame)
    found = backend.devices()[: devices or None]
    return _run_plan(output, models or (FAKE_MODELS if fake_device else ()), backend, found, settings, dry_run, report)


def _check(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"--{name.replace('_', '-')}", count, "a natural number")


def _run_plan(
    output: Path,
    models: Sequence[str],
    backend: Backend,
    devices: Sequence[Device],
    settings: Settings,
    dry_run: bool,
    report: Report,
) -> dict[str, Any]:
    if not models:
        raise InputError("models", "none", "files compiled for the Edge TPU (NAME_edgetpu.tflite)")
    done = {_done_key(record) for record in read_records(output)}
    jobs, written = [], 0
    for job in plan_jobs(models, backend, devices, settings):
        state = "skipped" if _job_key(job, devices, settings) in done else "planned" if dry_run else "measured"
        report(f"{state}: {job.text}")
        if state == "measured":
            rows = run_job(job, backend, devices, settings)
            append_records(output, rows)
            written += len(rows)
        jobs.append({"job": job.text, "state": state})
    return {
        "jobs": jobs,
        "rows": written,
        "output": str(output),
        "host_part": None,
        "devices": [d.name for d in devices],
    }


def _done_key(record: Record) -> tuple[str, ...]:
    names = ("model", "metric", "mode", "threads", "accelerators", "batch", "link", "host_id", "clock_id")
    return tuple(str(getattr(record, name)) for name in names)


def _job_key(job: Job, devices: Sequence[Device], settings: Settings) -> tuple[str, ...]:
    counts = (str(job.threads), str(job.accelerators), str(job.batch))
    place = (settings.link or devices[0].link, settings.host_id, settings.clock_id)
    return job.model, job.metric, job.mode, *counts, *place


def _host_only(
    output: Path, models: Sequence[str], host_id: str, repetitions: int, dry_run: bool, report: Report
) -> dict[str, Any]:
    part = output.with_name(f"{output.stem}.host.toml")
    done = {_done_key(record) for record in read_records(output)}
    jobs = [("operators, copies, pre- and postprocessing", part.exists()), ("hand-over of the GIL", _has_gil(output))]
    jobs += [(f"on the CPU: {model_name(model)}", _cpu_key(model, host_id) in done) for model in models]
    states = ["skipped" if is_done else "planned" if dry_run else "measured" for _, is_done in jobs]
    works: list[Callable[[], list[Record]]] = [lambda: _write_part(part, host_id), lambda: _gil_rows(host_id)]
    # mypy: a default argument binds the loop's model, and has no place in the type of a callable
    works += [lambda model=model: _cpu_rows(model, host_id, repetitions) for model in models]  # type: ignore[misc]
    written = 0
    for (text, _), state, work in zip(jobs, states, works, strict=True):
        report(f"{state}: {text}")
        if state == "measured":
            rows = work()
            append_records(output, rows)
            written += len(rows)
    listed = [{"job": text, "state": state} for (text, _), state in zip(jobs, states, strict=True)]
    return {"jobs": listed, "rows": written, "output": str(output), "host_part": str(part), "devices": []}


def _has_gil(output: Path) -> bool:
    return any(record.metric == "gil_invoke_latency_ms" for record in read_records(output))


def _cpu_key(model: str, host_id: str) -> tuple[str, ...]:
    return model_name(model), "invoke_latency_ms", "single", "1", "1", "1", "none", host_id, ""


def _cpu_row(model: str, metric: str, value: float, conditions: str, host_id: str, threads: int = 1) -> Record:
    texts = [conditions, interpreter_version(), *(f"{key}={text}" for key, text in environment().items())]
    return Record(
        device="cpu", host=host_text(), model=model, metric=metric, value=value, threads=threads, link="none",
        host_id=host_id, conditions="; ".join(texts),
    )  # fmt: skip


def _cpu_rows(model: str, host_id: str, repetitions: int) -> list[Record]:
    """Time a whole network on the CPU, int8, by threads of the interpreter (1 and all cores) and kernels."""
    content = Path(model).read_bytes() if model.endswith(".tflite") else model_bytes(_network(model))
    rows = []
    for threads in sorted({1, os.cpu_count() or 1}):
        interpreter = make_interpreter(content, threads)
        value = quartile_ns(interpreter.invoke, repetitions / 200) / 1e6
        text = "int8, default kernels (XNNPACK), lower quartile"
        rows.append(_cpu_row(model_name(model), "invoke_latency_ms", value, text, host_id, threads))
    return rows


def _network(model: str) -> LayerGraph:
    from hwmodels.zoo import load_network

    return (micro_network(model) if model.startswith("micro_") else None) or load_network(model)


def _gil_rows(host_id: str) -> list[Record]:
    interpreter = make_interpreter(model_bytes(_network(GIL_NETWORK)))
    return [
        _cpu_row(
            GIL_NETWORK, "gil_invoke_latency_ms", value,
            f"switch interval {interval_ms:g} ms, one busy Python thread" if interval_ms else "alone", host_id,
        )
        for interval_ms, value in measure_gil(interpreter.invoke).items()
    ]  # fmt: skip


def _write_part(path: Path, host_id: str) -> list[Record]:
    path.parent.mkdir(parents=True, exist_ok=True)
    base = host_id if host_id in part_names("host") else ""
    write_text(path, host_part_text(path.name.removesuffix(".host.toml"), measure_host(), base))
    return []


def host_part_text(name: str, figures: Sequence[Figure], base: str = "") -> str:
    """Return a host part file with measured figures; what was not measured (buses, power) comes from ``base``."""
    base = base or ("x86-xeon" if platform.machine() in ("x86_64", "AMD64") else "raspberry-pi-4")
    cores = os.cpu_count() or 1
    lines = [
        'kind = "host"', f'name = "{name}"', f'base = "{base}"', "",
        f"# {host_text()}; {interpreter_version()}. Buses, driver and power: those of {base}.",
        f'cores = {{ value = {cores}, status = "measured", source = "cores of the system" }}',
    ]  # fmt: skip
    return "\n".join([*lines, *map(_figure_line, figures)]) + "\n"


def _figure_line(figure: Figure) -> str:
    spread = f", range = [{figure.low:.4g}, {figure.high:.4g}]" if figure.high > figure.low else ""
    source = f"{figure.source} ({interpreter_version()})"
    return f'{figure.key} = {{ value = {figure.value:.4g}, status = "measured", source = "{source}"{spread} }}'
