"""Measure Edge TPUs, or a host without one, and write rows of the measurement schema.

Every job of the plan writes its rows as one block, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from calibration.harness.backends import Backend, find_backend
from calibration.harness.fake import FakeBackend
from calibration.harness.gil import METRIC, measure_gil
from calibration.harness.handover import measure_hand_over
from calibration.harness.hostbench import Figure, interpreter_version, make_interpreter, measure_host, quartile_ns
from calibration.harness.jobs import CITATION, job_key, left_out, model_name, plan_jobs, run_job
from calibration.harness.machine import board_id, environment, host_text, runtime_clock, word_size
from calibration.harness.microbench import named_network
from calibration.harness.options import MeasureOptions
from calibration.harness.tflite_writer import model_bytes
from calibration.harness.threadbench import COLUMNS, measure_setup, row_key, thread_setups
from calibration.measurements import Measurement, append_measurements, read_measurements
from calibration.tables import read_table, write_table
from hwmodels.errors import InputError
from hwmodels.files import write_text
from hwmodels.parts import part_names

__all__ = ["host_part_text", "measure_command"]

FAKE_MODELS = ("mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224")
GIL_NETWORK = "conv5x3x3_f72_64x64"
Report = Callable[[str], None]


def measure_command(options: MeasureOptions, report: Report = lambda _: None) -> dict[str, Any]:
    """Run the harness and return what it did: ``jobs`` (text and state), ``rows`` written, ``output``, ``host_part``.

    Parameters
    ----------
    options
        What to measure and how.
    report
        Called with one line for every job.

    Raises
    ------
    InputError
        One line: no driver, no device, no interpreter, an unknown network, an unwritable file.
    """
    if options.virtual:
        return _on_virtual_devices(options, report)
    if options.host_only:
        return _host_only(options, report)
    return _on_fake_device(options, report) if options.fake_device else _on_devices(options, report)


def _on_fake_device(options: MeasureOptions, report: Report) -> dict[str, Any]:
    known = replace(
        options, models=tuple(options.models or FAKE_MODELS), host_id=options.host_id or "x86-xeon",
        link=options.link or "usb3", clock_id=options.clock_id or "max", devices=options.devices or 2,
    )  # fmt: skip
    backend = FakeBackend(
        known.size, known.link, known.host_id,
        clock_id=known.clock_id, devices=known.devices, scale=known.time_scale, frame=known.frame,
    )  # fmt: skip
    return _run_plan(replace(known, link=""), backend, report)


def _on_devices(options: MeasureOptions, report: Report) -> dict[str, Any]:
    host_id, clock_id = options.host_id or board_id(host_text()), options.clock_id or runtime_clock()
    return _run_plan(replace(options, host_id=host_id, clock_id=clock_id), find_backend(options.frame), report)


def _run_plan(options: MeasureOptions, backend: Backend, report: Report) -> dict[str, Any]:
    devices = backend.devices()[: options.devices or None]
    if not options.models:
        raise InputError.problem(
            "the command", "names no models", "give files compiled for the Edge TPU (NAME_edgetpu.tflite)"
        )
    done = _done(options.output)
    jobs: list[dict[str, str]] = []
    written = 0
    for note in left_out(options.models, len(devices)):
        report(f"left out: {note}")
        jobs.append({"job": note, "state": "left out"})
    for job in plan_jobs(options.models, backend, devices, options):
        is_done = job_key(job, devices, options) in done
        state = "skipped" if is_done else "planned" if options.dry_run else "measured"
        report(f"{state}: {job.text}")
        if state == "measured":
            written += _appended(options.output, run_job(job, backend, devices, options))
        jobs.append({"job": job.text, "state": state})
    return _answer(options, jobs, written) | {"devices": [device.name for device in devices]}


def _done(output: Path) -> set[tuple[str, ...]]:
    return {row.key for row in read_measurements(output)} if output.exists() else set()


def _appended(output: Path, rows: Sequence[Measurement]) -> int:
    append_measurements(output, rows)
    return len(rows)


def _answer(options: MeasureOptions, jobs: list[dict[str, str]], written: int) -> dict[str, Any]:
    return {"jobs": jobs, "rows": written, "output": str(options.output), "host_part": None, "devices": []}


def _on_virtual_devices(options: MeasureOptions, report: Report) -> dict[str, Any]:
    """Measure every set-up of real threads that is not in the table yet."""
    rows = [cells for _, cells in read_table(options.output)[1]] if options.output.exists() else []
    done, jobs, written = {row_key(row) for row in rows}, [], 0
    if not options.dry_run:
        _report_load(report)
    for setup in thread_setups(options.most_threads):
        state = "skipped" if setup.key in done else "planned" if options.dry_run else "measured"
        report(f"{state}: {setup.text}")
        if state == "measured":
            rows.append(measure_setup(setup, options.host_id, options.window_s))
            options.output.parent.mkdir(parents=True, exist_ok=True)
            write_table(options.output, COLUMNS, rows)
            written += 1
        jobs.append({"job": setup.text, "state": state})
    return _answer(options, jobs, written)


def _report_load(report: Report) -> None:
    """Say that other programs keep the machine busy: figures of several threads mean little then."""
    average, most = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, 0.5 * (os.cpu_count() or 1)
    if average > most:
        report(f"the load average is {average:.1f}, above {most:g}: other programs change these figures")


def _host_only(options: MeasureOptions, report: Report) -> dict[str, Any]:
    part = options.output.with_name(f"{options.output.stem}.host.toml")
    if not options.dry_run:
        _report_load(report)
    jobs, written = [], 0
    for text, is_done, work in _host_jobs(options, part):
        state = "skipped" if is_done else "planned" if options.dry_run else "measured"
        report(f"{state}: {text}")
        if state == "measured":
            written += _appended(options.output, work())
        jobs.append({"job": text, "state": state})
    return _answer(options, jobs, written) | {"host_part": str(part)}


def _host_jobs(options: MeasureOptions, part: Path) -> list[tuple[str, bool, Callable[[], list[Measurement]]]]:
    """What is to be measured on a host: its text, whether it was done, and what does it."""
    done, host_id = _done(options.output), options.host_id
    has_gil = any(METRIC in key for key in done)
    return [
        (
            "operators, copies, pre- and postprocessing, hand-over of a lock",
            part.exists(),
            partial(_write_part, part, host_id),
        ),
        ("hand-over of the GIL", has_gil, partial(_gil_rows, host_id)),
        *(
            (f"on the CPU: {model_name(model)}", _cpu_key(model, host_id) in done, partial(_cpu_rows, model, options))
            for model in options.models
        ),
    ]


def _cpu_key(model: str, host_id: str) -> tuple[str, ...]:
    return Measurement(model=model_name(model), metric="invoke_latency_ms", value=0.0, link="none", host_id=host_id).key


def _cpu_row(model: str, metric: str, value: float, host_id: str, text: str, **columns: Any) -> Measurement:
    texts = [text, interpreter_version(), *(f"{key}={text}" for key, text in environment().items())]
    return Measurement(
        source_id="own", citation=CITATION, device="cpu", host=host_text(), model=model, metric=metric, value=value,
        unit="ms", link="none", host_id=host_id, conditions="; ".join(filter(None, texts)), word_size=word_size(),
        **columns,
    )  # fmt: skip


def _cpu_rows(model: str, options: MeasureOptions) -> list[Measurement]:
    """Time a whole network on the CPU, int8, by threads of the interpreter (1 and all cores)."""
    content = Path(model).read_bytes() if model.endswith(".tflite") else model_bytes(named_network(model))
    rows = []
    for threads in sorted({1, os.cpu_count() or 1}):
        interpreter = make_interpreter(content, threads)
        value = quartile_ns(interpreter.invoke, options.repetitions / 200) / 1e6
        text = "int8, default kernels (XNNPACK), lower quartile"
        columns = {"threads": threads, "kernels": "xnnpack"}
        rows.append(_cpu_row(model_name(model), "invoke_latency_ms", value, options.host_id, text, **columns))
    return rows


def _gil_rows(host_id: str) -> list[Measurement]:
    interpreter = make_interpreter(model_bytes(named_network(GIL_NETWORK)))
    return [_gil_row(interval_ms, value, host_id) for interval_ms, value in measure_gil(interpreter.invoke).items()]


def _gil_row(interval_ms: float, value: float, host_id: str) -> Measurement:
    """The invoke alone (interval 0), or beside one busy Python thread."""
    if not interval_ms:
        return _cpu_row(GIL_NETWORK, METRIC, value, host_id, "alone")
    text = f"switch interval {interval_ms:g} ms, one busy Python thread"
    columns = {"python_threads": 1, "switch_interval_ms": float(interval_ms)}
    return _cpu_row(GIL_NETWORK, METRIC, value, host_id, text, **columns)


def _write_part(path: Path, host_id: str) -> list[Measurement]:
    path.parent.mkdir(parents=True, exist_ok=True)
    base = host_id if host_id in part_names("host") else ""
    figures = [*measure_host(), *(measure_hand_over() if sys.platform == "linux" else [])]
    write_text(path, host_part_text(path.name.removesuffix(".host.toml"), figures, base))
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
