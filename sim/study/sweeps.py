"""Sweeps: many scenarios over any ``concurrent.futures`` executor, resumable, with the same rows for any of them."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from hwmodels.errors import InputError
from sim.study.journal import Journal
from sim.study.spec import Spec, points, read_spec
from sim.tabular import check_target, flat, need, read_results, write_parquet

__all__ = ["Progress", "evaluate", "executor", "sweep"]

CHUNK = 8  # points handed to a worker at once
AHEAD = 3  # chunks in flight for each worker
DASK_TIMEOUT_S = 10
Numbered = list[tuple[int, dict[str, Any]]]


def sweep(
    spec: Path | Spec, output: Path, workers: int = 0, dask: str = "", pool: Executor | None = None
) -> dict[str, int]:
    """Simulate every point of a spec and write one row for each to ``output`` (Parquet), in the spec's order.

    Runs on ``pool``, or a Dask cluster at the address ``dask``, or ``workers`` processes here (0: one for each CPU). A
    journal beside the output keeps finished points: the same call goes on where a killed one stopped. A point that
    cannot be simulated is a row with its ``error``. Returns the numbers of points, of those simulated by this call, and
    of errors. Raises :class:`InputError` for a bad spec, an output that cannot be written or holds other results.
    """
    spec = read_spec(spec) if isinstance(spec, Path) else spec
    need("polars", "study")
    check_target(output)
    if output.exists():
        return _finished_before(spec, output)
    header = {"sweep": spec.digest, "points": spec.size}
    with Journal(output.with_name(f"{output.name}.journal"), header) as journal:
        done = len(journal.rows)
        if done < spec.size:
            with executor(workers, dask) if pool is None else _given(pool) as (chosen, width):
                _run(spec, journal, chosen, width)
        rows = [{"sweep": spec.digest, **journal.rows[number]} for number in range(spec.size)]
        write_parquet(output, rows)
        journal.remove()
    return {"points": spec.size, "simulated": spec.size - done, "errors": sum(bool(row["error"]) for row in rows)}


def _finished_before(spec: Spec, output: Path) -> dict[str, int]:
    """The output is there: accept it as this sweep's result, or refuse to overwrite it."""
    frame = read_results(output)
    if "sweep" not in frame.columns or frame["sweep"].unique().to_list() != [spec.digest]:
        raise InputError(str(output), "the results of something else", "another name, or delete the file")
    return {"points": spec.size, "simulated": 0, "errors": int((frame["error"] != "").sum())}


def _run(spec: Spec, journal: Journal, pool: Executor, width: int) -> None:
    """Keep the executor filled, and note chunks in whatever order they finish."""
    todo = ((number, point) for number, point in enumerate(points(spec)) if number not in journal.rows)
    chunks = iter(lambda: list(islice(todo, CHUNK)), [])
    progress = Progress(spec.size, len(journal.rows))
    running: set[Future[Numbered]] = {pool.submit(evaluate_all, chunk) for chunk in islice(chunks, AHEAD * width)}
    while running:
        finished, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
        for future in finished:
            journal.add(dict(future.result()))
            running |= {pool.submit(evaluate_all, chunk) for chunk in islice(chunks, 1)}
        progress.show(len(journal.rows))
    progress.end()


def evaluate_all(chunk: Numbered) -> Numbered:
    """Simulate numbered points; what a worker does."""
    return [(number, evaluate(point)) for number, point in chunk]


def evaluate(point: Mapping[str, Any]) -> dict[str, Any]:
    """Simulate one point (option or part number -> value); return its row, with an ``error`` if it failed."""
    from sim.engine import simulate
    from sim.overrides import with_numbers
    from sim.scenario import Scenario
    from sim.stages import stage_columns

    numbers = {key: value for key, value in point.items() if "." in key}
    row: dict[str, Any] = {"error": ""}
    try:
        scenario = Scenario(**{key: value for key, value in point.items() if "." not in key})
        results = simulate(with_numbers(scenario, numbers))
    except (OSError, MemoryError):  # the machine failed, not the point: it stays unfinished and is tried again
        raise
    except Exception as error:  # one point that fails must not end a sweep of thousands
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return {**point, **row, "error": text}
    named = scenario.options() | {key: results.summary["scenario"][key] for key in ("cores", "threads")}
    return {**flat({**results.summary, "scenario": named}), **numbers, **stage_columns(results.setup), **row}


@contextmanager
def executor(workers: int = 0, dask: str = "") -> Iterator[tuple[Executor, int]]:
    """Yield an executor and how many tasks it runs at once: a Dask cluster's, or processes of this machine.

    Raises :class:`InputError` for a Dask address that does not answer, or where dask.distributed is missing.
    """
    if dask:
        with _dask_client(dask) as client:
            width = sum(client.nthreads().values())
            yield client.get_executor(pure=False), max(1, width)
        return
    width = workers or os.cpu_count() or 1
    # Not fork: a forked child of a process with threads (polars) can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(width, mp_context=context, initializer=_leave_with_parent) as pool:
        yield pool, width


@contextmanager
def _given(pool: Executor) -> Iterator[tuple[Executor, int]]:
    yield pool, os.cpu_count() or 1


def _leave_with_parent() -> None:
    """End this worker when its parent is killed; else it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _dask_client(address: str) -> Any:
    distributed = need("distributed", "cluster")
    try:
        client = distributed.Client(address, timeout=DASK_TIMEOUT_S)
    except (OSError, ValueError, TypeError) as error:
        text = f"no answer from {address!r} ({type(error).__name__})"
        raise InputError("--dask", text, "the address of a running scheduler, e.g. tcp://HOST:8786") from None
    if not client.nthreads():
        client.close()
        raise InputError("--dask", f"no workers at {address}", "a scheduler with at least one worker")
    return client


class Progress:
    """Points done and time left, on stderr: in place on a terminal, else a line now and then."""

    def __init__(self, total: int, done: int = 0, unit: str = "points") -> None:
        self.total, self.before, self.unit = total, done, unit
        self.started = time.monotonic()
        self.live = sys.stderr.isatty()
        self.next_s = 1.0 if self.live else 10.0

    def show(self, done: int) -> None:
        """Say how far the work is, at most once a second (every ten without a terminal)."""
        elapsed = time.monotonic() - self.started
        if elapsed < self.next_s or done == self.before:
            return
        self.next_s = elapsed + (1.0 if self.live else 10.0)
        left_s = elapsed * (self.total - done) / (done - self.before)
        text = f"{done} of {self.total} {self.unit}, about {_clock(left_s)} left"
        print(f"\r{text:60}" if self.live else text, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Finish the line."""
        if self.live:
            print(file=sys.stderr)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
