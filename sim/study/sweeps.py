"""Sweeps: many scenarios over any ``concurrent.futures`` executor, resumable, with the same rows for any of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodels.cache import still
from hwmodels.errors import InputError, need
from sim.fast.choice import SIMPY, chosen, runner
from sim.scenario import mixed_accelerators, option_defaults
from sim.study.executors import Workers, executor, given
from sim.study.journal import Journal
from sim.study.results_file import check_target, flat, frame_of, read_results, write_frame
from sim.study.spec import Spec, points, read_spec

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Progress", "evaluate", "options_of", "sweep"]

CHUNK, LARGE_CHUNK = 8, 512  # points handed to a worker at once, at least and at most ...
CHUNK_S = 1.0  # ... of which it hands back the finished ones after so long: a kill costs no more
CHUNKS_EACH = 16  # for each worker, where there are enough points: none works long when the others are done
BATCH = 5000  # rows that are Python objects at a time
AHEAD = 3  # chunks in flight for each worker
Numbered = list[tuple[int, dict[str, Any]]]


def sweep(
    spec: Path | Spec,
    output: Path,
    workers: int = 0,
    dask: str = "",
    pool: Executor | None = None,
    engine: str = "auto",
) -> dict[str, int]:
    """Simulate every point of a spec and write one row for each to ``output`` (Parquet), in the spec's order.

    Runs on ``pool``, or a Dask cluster at the address ``dask``, or ``workers`` processes here (0: one for each CPU). A
    journal beside the output keeps finished points: the same call goes on where a killed one stopped. A point that
    cannot be simulated is a row with its ``error``. Returns the numbers of points, of those simulated by this call, and
    of errors. Raises :class:`InputError` for a bad spec, an output that cannot be written or holds other results.

    Parameters
    ----------
    spec
        A file, or what was read of one.
    output
        A new name, or this sweep's own finished file.
    workers, dask, pool
        Where points are simulated; the file does not depend on it.
    engine
        What simulates them (:mod:`sim.fast.choice`); the file says it of each, and else does not depend on it.
    """
    spec = read_spec(spec) if isinstance(spec, Path) else spec
    need("polars", "study")
    engine = chosen(engine, spec.size)
    check_target(output)
    if output.exists():
        return _finished_before(spec, output)
    header = {"sweep": spec.digest, "points": spec.size}
    with Journal(output.with_name(f"{output.name}.journal"), header) as journal:
        done = len(journal.places)
        if done < spec.size:
            with executor(workers, dask) if pool is None else given(pool) as found:
                _run(spec, journal, found, engine)
        table = _table(spec, journal)
        write_frame(output, table)
        journal.remove()
        errors = int((table["error"] != "").sum())
    return {"points": spec.size, "simulated": spec.size - done, "errors": errors}


def _table(spec: Spec, journal: Journal) -> pl.DataFrame:
    """Every point's row in the spec's order; a batch becomes columns, which take less room, before the next is read."""
    import polars as pl

    batches = [range(start, min(start + BATCH, spec.size)) for start in range(0, spec.size, BATCH)]
    frames = [frame_of([{"sweep": spec.digest, **journal.row(number)} for number in batch]) for batch in batches]
    return pl.concat(frames, how="diagonal_relaxed")


def _finished_before(spec: Spec, output: Path) -> dict[str, int]:
    """The output is there: accept it as this sweep's result, or refuse to overwrite it."""
    frame = read_results(output)
    if "sweep" not in frame.columns or frame["sweep"].unique().to_list() != [spec.digest]:
        raise InputError.problem(
            str(output), "holds the results of something else", "give another name, or delete the file"
        )
    return {"points": spec.size, "simulated": 0, "errors": int((frame["error"] != "").sum())}


def _run(spec: Spec, journal: Journal, workers: Workers, engine: str) -> None:
    """Keep the executor filled, and note points in whatever order they finish."""
    todo = ((number, point) for number, point in enumerate(points(spec)) if number not in journal.places)
    share = (spec.size - len(journal.places)) // (CHUNKS_EACH * workers.width)
    size = max(CHUNK, min(LARGE_CHUNK, share))
    chunks = iter(lambda: list(islice(todo, size)), [])
    progress = Progress(spec.size, len(journal.places))
    pool = workers.pool
    running = {pool.submit(evaluate_all, chunk, engine): chunk for chunk in islice(chunks, AHEAD * workers.width)}
    try:
        while running:
            finished, _ = wait(running, timeout=1, return_when=FIRST_COMPLETED)
            for future in finished:
                rows, chunk = dict(future.result()), running.pop(future)
                journal.add(rows)
                rest = [pair for pair in chunk if pair[0] not in rows] or next(chunks, [])
                if rest:
                    running[pool.submit(evaluate_all, rest, engine)] = rest
            progress.show(len(journal.places))
            if not finished:
                workers.check()
    finally:
        progress.end()
        _note_finished(running, journal)


def _note_finished(running: Iterable[Future[Numbered]], journal: Journal) -> None:
    """Keep what had finished when a worker died or somebody pressed Ctrl-C."""
    for future in running:
        if future.done() and not future.cancelled() and not future.exception():
            journal.add(dict(future.result()))


@still()
def evaluate_all(chunk: Numbered, engine: str = SIMPY) -> Numbered:
    """Simulate numbered points; what a worker does. Those that a second is too short for come back unanswered."""
    end = time.monotonic() + CHUNK_S
    rows: Numbered = []
    for number, point in chunk:
        rows.append((number, evaluate(point, engine)))
        if time.monotonic() > end:
            break
    return rows


def evaluate(point: Mapping[str, Any], engine: str = SIMPY) -> dict[str, Any]:
    """Simulate one point (option or part number -> value); return its row, with an ``error`` if it failed."""
    from sim.closed_form.columns import stage_columns
    from sim.engine import simulate
    from sim.scenario import Scenario

    numbers = {key: value for key, value in point.items() if "." in key}
    row: dict[str, Any] = {"error": ""}
    try:
        scenario = Scenario(**options_of(point), numbers=numbers)
        results = simulate(scenario, by=runner(engine))
    except (OSError, MemoryError):  # the machine failed, not the point: it stays unfinished and is tried again
        raise
    except Exception as error:  # one point that fails must not end a sweep of thousands
        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        mix = {"accelerators": None} if isinstance(point.get("accelerators"), str) else {}  # the column holds numbers
        return {**point, **mix, **row, "error": text}
    made = {"engine": results.window.engine}
    named = scenario.options() | {key: results.summary["scenario"][key] for key in ("cores", "threads")}
    named.pop("numbers", None)  # a column each
    return {**flat({**results.summary, "scenario": named}), **numbers, **stage_columns(results.setup), **row, **made}


def options_of(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point's options; accelerators given as sizes with counts become both."""
    options = {key: value for key, value in point.items() if "." not in key}
    mix = options.get("accelerators")
    size = str(options.get("size", option_defaults()["size"]))
    return options | (mixed_accelerators(mix, size) if isinstance(mix, str) else {})


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
