"""Thread sweeps and watts of boards: rates and power at more threads from a profile taken at one.

Files are recognised by their header. The rows that a profile is taken from are predicted too, but flagged ``reference``
and left out of the summary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from calibration.boards.graphs import predict_board_table
from calibration.boards.power import predict_sizes
from calibration.boards.replay import NEEDED, summary
from calibration.tables import read_table
from hwmodels.dpu.board import Board, Work, busy_cores, closed_loop_ips, load_board, spread_ips
from hwmodels.errors import InputError

__all__ = ["board_file_predictor", "predict_power_by_size", "predict_power_sweep", "predict_thread_sweep"]

Record = dict[str, str]
Line = tuple[int, Record]
SWEEP = ("board", "model", "tool", "threads", "fps", "source")
POWER = ("platform", "model", "threads", "latency_system_ms", "latency_dpu_ms", "power_full_w")
SIZES = ("dpu_arch", "workload", "runtime_s", "rails_total_w")
DPU_ONLY = "get_dpu_fps"
PYTHON_HOST_SHARE = 0.2  # of one inference in the tutorials' Python programs (assumed)
SPREAD90 = 0.1


def board_file_predictor(header: Sequence[str]) -> Callable[[Path], dict[str, Any]] | None:
    """Return the function that predicts a file with this header, or None for a file of another kind."""
    found = (
        (SWEEP, predict_thread_sweep), (POWER, predict_power_sweep), (SIZES, predict_power_by_size),
        (NEEDED, predict_board_table),
    )  # fmt: skip
    return next((function for columns, function in found if all(column in header for column in columns)), None)


def predict_thread_sweep(path: str | Path, own: bool = True) -> dict[str, Any]:
    """Predict inferences per second of a fixed number of inferences split evenly over bound threads.

    A series is one network in one log. Its profile is its row with one thread and, with ``own``, one more: on a board
    with a slow port the row with as many threads as cores gives the network's memory share; elsewhere the row with the
    most threads gives the accelerator's time. Without ``own`` both are typical values. Returns the JSON object of
    ``validate``; raises :class:`InputError` for a bad file.
    """
    rows: list[dict[str, Any]] = []
    for series in _series(Path(path), SWEEP, ("board", "model", "tool")):
        rows += _guarded(Path(path), series, partial(_sweep_series, own=own), "throughput_fps", "fps")
    return _result(rows)


def _series(path: Path, columns: Sequence[str], keys: Sequence[str]) -> list[list[Line]]:
    header, records = read_table(path)
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError.problem(
            f"{path}:1", f"has no column {', '.join(missing)}", f"this table needs {', '.join(columns)}"
        )
    groups: dict[tuple[str, ...], list[Line]] = {}
    for line, record in records:
        log = record.get("source", "").split("#")[0]
        groups.setdefault((*(record.get(key, "") for key in keys), log), []).append((line, record))
    return list(groups.values())


def _guarded(
    path: Path, series: Sequence[Line], predictor: Callable[[Path, Sequence[Line]], list[dict[str, Any]]],
    metric: str, column: str,
) -> list[dict[str, Any]]:  # fmt: skip
    """Predict a series, or skip its rows with the reason why that cannot be done."""
    try:
        return predictor(path, series)
    except _NoProfileError as error:
        return [
            _row(path, line, record, metric, _value(path, line, record, column), None, skipped=str(error))
            for line, record in series
        ]


class _NoProfileError(Exception):
    """A series without a row to take a profile from."""


def _sweep_series(path: Path, series: Sequence[Line], own: bool) -> list[dict[str, Any]]:
    record = series[0][1]
    measured = {int(_value(path, line, row, "threads")): _value(path, line, row, "fps") for line, row in series}
    board = _board(record["board"])
    predict, references = _sweep_model(board, measured, record["tool"].startswith(DPU_ONLY), own)
    rows = []
    for line, row in series:
        threads = int(_value(path, line, row, "threads"))
        flag = "reference: the profile was taken from this row" if threads in references else None
        fps = _value(path, line, row, "fps")
        rows.append(_row(path, line, row, "throughput_fps", fps, predict(threads), flag))
    return rows


def _board(name: str) -> Board:
    try:
        return load_board(name.removesuffix("-DPU"))
    except InputError as error:
        raise _NoProfileError(str(error)) from None


def _sweep_model(
    board: Board, measured: dict[int, float], dpu_only: bool, own: bool
) -> tuple[Callable[[int], float], list[int]]:
    """Return rate by threads, and the thread counts of the rows it was taken from."""
    if 1 not in measured:
        raise _NoProfileError("no row with one thread in this log")
    one_s, most = 1 / measured[1], max(measured)
    host_s = min(board.submit_ns / 1e9, one_s / 2) if dpu_only else PYTHON_HOST_SHARE * one_s
    work = Work(host_s, one_s - host_s, board.sweep_memory_share)
    if board.accelerators == 1 and own:
        return _one_core(board, one_s, measured[most]), [1, most]
    if dpu_only and own and board.accelerators in measured:
        work = _share_from(work, board, measured[board.accelerators])
        return partial(spread_ips, work, board), [1, board.accelerators]
    if dpu_only or not own:
        return partial(spread_ips, work, board), [1]
    return (lambda threads: min(spread_ips(work, board, threads), measured[most])), [1, most]


def _one_core(board: Board, one_s: float, most_ips: float) -> Callable[[int], float]:
    accelerator_s = min(one_s, 1 / most_ips)
    work = Work(one_s - accelerator_s, accelerator_s, 0.0)

    def rate(threads: int) -> float:
        """Inferences per second with this many threads."""
        return closed_loop_ips(work, board.with_numbers({"cpu_parallel": threads}), threads)

    return rate


def _share_from(work: Work, board: Board, ips: float) -> Work:
    """Fit the memory share to the row with as many threads as cores."""
    low, high = 0.0, 0.98
    for _ in range(20):
        middle = (low + high) / 2
        if spread_ips(replace(work, memory_share=middle), board, board.accelerators) > ips:
            low = middle
        else:
            high = middle
    return replace(work, memory_share=(low + high) / 2)


def predict_power_sweep(path: str | Path) -> dict[str, Any]:
    """Predict watts and rate of a board at more threads from its row with one thread.

    Watts are the board's own at one thread plus ``busy_core_w`` for every core that is busier. Measured rates are
    threads over latency: at one thread the stated rate contradicts its own latency by up to 30 %. Returns the JSON
    object of ``validate``.
    """
    rows: list[dict[str, Any]] = []
    for series in _series(Path(path), POWER, ("platform", "model", "ops_kept_percent")):
        rows += _guarded(Path(path), series, _power_series, "power_full_w", "power_full_w")
    return _result(rows)


def _power_series(path: Path, series: Sequence[Line]) -> list[dict[str, Any]]:
    first = next(((line, row) for line, row in series if row["threads"] == "1"), None)
    if first is None:
        raise _NoProfileError("no row with one thread in this series")
    line, record = first
    board = _platform(path, line, record)
    both_ms, core_ms = (_value(path, line, record, key) for key in ("latency_system_ms", "latency_dpu_ms"))
    work = Work(max(both_ms - core_ms, 1e-3) / 1e3, core_ms / 1e3, board.memory_share)
    base_w = _value(path, line, record, "power_full_w") - board.busy_core_w * core_ms / both_ms
    rows = []
    for number, row in series:
        threads = int(_value(path, number, row, "threads"))
        flag = "reference: the profile was taken from this row" if number == line else None
        ips = closed_loop_ips(work, board, threads)
        watts = base_w + board.busy_core_w * busy_cores(work, board, threads)
        seconds = _value(path, number, row, "latency_system_ms") / 1e3
        rows.append(_row(path, number, row, "power_full_w", _value(path, number, row, "power_full_w"), watts, flag))
        rows.append(_row(path, number, row, "throughput_fps", threads / seconds, ips, flag))
    return rows


def _platform(path: Path, line: int, record: Record) -> Board:
    board = _board(record["platform"])
    cores = int(_value(path, line, record, "dpu_cores_assumed")) if record.get("dpu_cores_assumed") else 0
    return board.with_numbers({"accelerators": cores} if cores else {})


def predict_power_by_size(path: str | Path) -> dict[str, Any]:
    """Predict a board's watts for every size of the accelerator from its row with the smallest one.

    Idle watts grow linearly with the size; above them, an inference costs an energy that falls slowly with the size
    (both fitted, :mod:`calibration.boards.power`); the run's length is measured. Returns the JSON object of
    ``validate``.
    """
    path = Path(path)
    lines = [line for series in _series(path, SIZES, ("workload",)) for line in series]
    rows = []
    for (line, record), watts, is_reference in predict_sizes(path, lines):
        flag = "reference: the profile was taken from this row" if is_reference else None
        measured = _value(path, line, record, "rails_total_w")
        rows.append(_row(path, line, record, "power_w", measured, watts, flag))
    return _result(sorted(rows, key=lambda row: row["line"]))


def _value(path: Path, line: int, record: Record, key: str) -> float:
    try:
        value = float(record[key])
    except ValueError:
        value = float("nan")
    if not 0 < value < 1e12:
        raise InputError.value(f"{path}:{line}: {key}", record[key], "a number above 0")
    return value


def _row(
    path: Path, line: int, record: Record, metric: str, measured: float, predicted: float | None,
    flag: str | None = None, skipped: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    known = predicted is not None and not skipped
    value = predicted if predicted is not None else 0.0
    threads = int(float(record.get("threads") or 1))
    return {
        "file": path.name, "line": line, "source_id": record.get("source", "").split(":")[0],
        "citation": record.get("source", ""), "device": "dpu", "link": "none", "host_id": "",
        "board": record.get("board") or record.get("platform") or record.get("dpu_arch", ""),
        "model": record.get("model") or record.get("workload", ""), "metric": metric, "threads": threads,
        "accelerators": None, "batch": 1, "mode": "threads", "measured": measured, "predicted": predicted,
        "lo90": value * (1 - SPREAD90) if known else None, "hi90": value * (1 + SPREAD90) if known else None,
        "error": value / measured - 1 if known else None, "assumed": [], "flag": flag, "skipped": skipped,
    }  # fmt: skip


def _result(rows: list[dict[str, Any]]) -> dict[str, Any]:
    predicted = [row for row in rows if row["skipped"] is None]
    return {
        "rows": rows, "summary": summary(predicted),
        "predicted_rows": len(predicted), "skipped_rows": len(rows) - len(predicted),
    }  # fmt: skip
