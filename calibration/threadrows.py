"""Rows of real threads on emulated accelerators: predicted by the simulator, each half without the other's fit.

The work of a thread on the host is what its one-thread row shows, so that what is left is concurrency. The time in
which a woken waiter runs is fitted to half of the set-ups and held against the other half, and the other way round.

``python -m calibration.threadrows`` prints how far each group of them is off.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from statistics import mean
from typing import Any

from calibration.answers import unanswered
from calibration.harness.threadbench import EMULATED, NETWORKS, network_file
from calibration.measurements import Measurement
from calibration.tables import FOLDER, Cells, read_table
from hwmodels.errors import InputError
from hwmodels.host import load_host
from sim.answer import merged
from sim.engine import run
from sim.scenario import DEFAULT_FRAME, Scenario, parse_models
from sim.setup import Setup, build

__all__ = ["THREAD_HEADER", "GroupErrors", "ThreadRow", "errors_by_group", "fit_hand_over", "is_near",
           "read_thread_rows", "scenario_of", "thread_answers", "thread_tables"]  # fmt: skip

THREAD_HEADER = frozenset({"networks", "threads", "work", "ips", "p50_ms", "p99_ms", "little", "windows_ips"})
METRICS = {"ips": "throughput_fps", "p50_ms": "invoke_latency_p50_ms", "p99_ms": "invoke_latency_p99_ms"}
GIL_SHARE = {"python": 1.0}
PIXELS = DEFAULT_FRAME[0] * DEFAULT_FRAME[1]
FACTORS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # that the fit tries on the host's own wake-up time
AT_STAKE = 1.02  # both ends of a lock lie further apart
SLACK = {"throughput_fps": 0.05, "invoke_latency_p50_ms": 0.2, "invoke_latency_p99_ms": 1.0}
Numbers = dict[str, float]


@dataclass(frozen=True)
class ThreadRow:
    """One measured set-up.

    Attributes
    ----------
    figures
        Throughput (1/s), percentiles of an invoke and mean length of a cycle and of the work on the host (ms).
    """

    file: str
    line: int
    cells: Cells
    figures: dict[str, float]

    @property
    def threads(self) -> int:
        """All its threads."""
        return sum(count for _, count in self.networks)

    @property
    def networks(self) -> list[tuple[str, int]]:
        """Networks with their threads."""
        return parse_models(self.cells["networks"])

    @property
    def what(self) -> str:
        """Networks, work and cores: what two rows must share to differ in threads or accelerators alone."""
        cores = self.cells["cores"]
        return f"{self.cells['networks']}, {self.cells['work']}" + (f", {cores} cores" if int(cores) else "")

    @property
    def group(self) -> str:
        """What its figures are summed up with: other networks, work on the host, and threads beside cores."""
        cores = int(self.cells["cores"]) or load_host(self.cells["host_id"]).cores
        if len(self.networks) > 1:
            return "mix"
        if self.cells["work"] == "none":
            return "tail" if self.networks[0][0] == "tail" else "no work"
        return f"{self.cells['work']}, {'more threads than cores' if self.threads > cores else 'a core each'}"


def thread_tables() -> list[Path]:
    """Return the shipped tables of real threads."""
    return sorted((FOLDER / "threads").glob("*_threads.csv"))


def read_thread_rows(path: Path) -> list[ThreadRow]:
    """Read a table of :data:`THREAD_HEADER`; raises :class:`InputError` for a cell that is no number above 0."""
    return [ThreadRow(path.name, line, cells, _figures(path, line, cells)) for line, cells in read_table(path)[1]]


def _figures(path: Path, line: int, cells: Cells) -> dict[str, float]:
    found = {}
    for key in (*METRICS, "cycle_ms", "work_ms"):
        try:
            found[key] = float(cells[key])
        except ValueError:
            raise InputError.value(f"{path}:{line}: {key}", cells[key], "a number above 0") from None
    return found


@dataclass
class Predictor:
    """Simulates rows; each one's work on the host comes from the row of one thread that is most like it."""

    rows: Sequence[ThreadRow]
    folder: Path
    _found: dict[Any, tuple[float, float, float]] = field(default_factory=dict)

    def alone(self, row: ThreadRow) -> ThreadRow | None:
        """The row of one thread with the same network and work, on as many cores where there is one."""
        name = row.networks[0][0]
        like = [one for one in self.rows if one.networks == [(name, 1)] and one.cells["work"] == row.cells["work"]]
        return min(like, key=lambda one: one.cells["cores"] != row.cells["cores"], default=None)

    def predict(self, row: ThreadRow, numbers: Numbers, lock: str = "mutex") -> tuple[float, float, float]:
        """Throughput (1/s), and 50th and 99th percentile of an invoke (ms)."""
        key = row.line, tuple(sorted(numbers.items())), lock
        if key not in self._found:
            self._found[key] = _simulated(build(self.scenario(row, numbers, lock)))
        return self._found[key]

    def scenario(self, row: ThreadRow, numbers: Numbers, lock: str = "mutex") -> Scenario:
        """The scenario of a row."""
        alone = self.alone(row)
        return scenario_of(row, alone.figures["work_ms"] if alone else row.figures["work_ms"], self.folder,
                           {**self._tail(row, alone), **numbers}, lock)  # fmt: skip

    def _tail(self, row: ThreadRow, alone: ThreadRow | None) -> Numbers:
        """The cost of the CPU's operator with which one thread takes as long as it did."""
        if row.networks[0][0] != "tail" or alone is None:
            return {}
        return {"host.resize_ns_per_element": _tail_cost(self.folder, row.cells["host_id"], alone.figures["cycle_ms"] -
                                                         alone.figures["work_ms"])}  # fmt: skip


def _tail_cost(folder: Path, host: str, invoke_ms: float) -> float:
    usual = load_host(host).resize_ns_per_element
    alone = Scenario(models=str(folder / "tail_edgetpu.tflite"), host=host, link="usb3", numbers=EMULATED)
    times = build(alone).stage_times[0][0]
    return usual * max(0.1, 1 + (invoke_ms * 1e6 - times.invoke_ns) / max(1, times.ops_ns))


def scenario_of(row: ThreadRow, work_ms: float, folder: Path, numbers: Numbers, lock: str = "mutex") -> Scenario:
    """Return the scenario of a row whose threads work on the host for so long before each inference.

    Parameters
    ----------
    row
        What was measured.
    work_ms
        Of one thread, on a core of its own.
    folder
        Where the networks' files are (:func:`calibration.harness.threadbench.network_file`).
    numbers, lock
        Of the host's hand-over.
    """
    models = ",".join(f"{folder / name}_edgetpu.tflite:{count}" for name, count in row.networks)
    work = row.cells["work"]
    own: Numbers = {"host.cast_ns_per_byte": 0, "host.decode_ns_per_element": 0}
    if work != "none":
        own["host.frame_ns_per_pixel"] = work_ms * 1e6 / PIXELS
    if work in GIL_SHARE:
        own["host.gil_share"] = GIL_SHARE[work]
    return Scenario(
        models=models, mode=row.cells["mode"], accelerators=int(row.cells["accelerators"]), lock=lock,
        host=row.cells["host_id"], cores=int(row.cells["cores"]), link="usb3", numbers=EMULATED | own | numbers,
        preprocess="none" if work == "none" else "resize",
    )  # fmt: skip


def _simulated(setup: Setup) -> tuple[float, float, float]:
    window = run(setup)
    invoke = merged(window.invokes).summary_ms()
    return window.throughput_ips, invoke["p50"], invoke["p99"]


def fit_hand_over(predictor: Predictor, rows: Sequence[ThreadRow]) -> Numbers:
    """Return the wake-up time with which rows of several threads fit best: the host's own, times one of ``FACTORS``."""
    own_ns = load_host(rows[0].cells["host_id"]).lock_wake_ns
    choices = [{"host.lock_wake_ns": factor * own_ns} for factor in FACTORS]
    return min(choices, key=lambda numbers: _error(predictor, rows, numbers))


def _error(predictor: Predictor, rows: Sequence[ThreadRow], numbers: Numbers) -> float:
    """Sum of the absolute logs of predicted over measured throughput."""
    several = [row for row in rows if row.threads > 1]
    return sum(abs(log(predictor.predict(row, numbers)[0] / row.figures["ips"])) for row in several)


def thread_answers(path: Path) -> list[dict[str, Any]]:
    """Predict every figure of a table, with hand-over times fitted to the other half of its set-ups.

    Returns
    -------
    list of dict
        The keys of every row's answer; ``lo90`` and ``hi90`` are the two ends that ``--lock`` gives.
    """
    rows = read_thread_rows(path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for network in NETWORKS:
            network_file(network, folder)
        predictor = Predictor(rows, folder)
        fitted = [fit_hand_over(predictor, [row for i, row in enumerate(rows) if i % 2 != half]) for half in (0, 1)]
        return [answer for i, row in enumerate(rows) for answer in _answers(row, predictor, fitted[i % 2])]


def _answers(row: ThreadRow, predictor: Predictor, numbers: Numbers) -> Iterator[dict[str, Any]]:
    ends = [predictor.predict(row, numbers, lock) for lock in ("mutex", "fair")]
    for i, (key, metric) in enumerate(METRICS.items()):
        measured, (found, other) = row.figures[key], (end[i] for end in ends)
        what = Measurement(
            file=row.file, line=row.line, source_id=f"own_threads ({row.group})", model=row.what, metric=metric,
            value=measured, threads=row.threads, mode=row.cells["mode"], accelerators=int(row.cells["accelerators"]),
            host_id=row.cells["host_id"],
        )  # fmt: skip
        blank = unanswered(what, "usb3", row.cells["host_id"])
        yield blank | {
            "predicted": found, "error": found / measured - 1, "lo90": min(found, other), "hi90": max(found, other),
        }  # fmt: skip


@dataclass(frozen=True)
class GroupErrors:
    """How far the figures of a group of rows are off.

    ``mean_error`` and ``within`` are by metric: the mean of the absolute errors, and how many figures are near enough.
    """

    group: str
    rows: int
    mean_error: dict[str, float]
    within: dict[str, int]


def is_near(answer: Mapping[str, Any]) -> bool:
    """Whether a figure is as near as it can be asked to be.

    Where both ends of ``--lock`` are apart, it lies between them: which of both a host is near, microseconds decide.
    Else the rate is off by 5 % at most, the median by 20 % and the 99th percentile by a factor of 2. Ends are as far
    off as a rate may be.
    """
    low, high, slack = answer["lo90"], answer["hi90"], SLACK[answer["metric"]]
    if high / low > AT_STAKE:
        return bool(low / (1 + SLACK["throughput_fps"]) <= answer["measured"] <= high * (1 + SLACK["throughput_fps"]))
    return abs(log(answer["predicted"] / answer["measured"])) <= log(1 + slack)


def errors_by_group(answers: Iterable[Mapping[str, Any]]) -> list[GroupErrors]:
    """Sum up the answers of :func:`thread_answers`, group by group."""
    rows: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for answer in answers:
        group = str(answer["source_id"]).removeprefix("own_threads (").removesuffix(")")
        rows.setdefault(group, {metric: [] for metric in METRICS.values()})[answer["metric"]].append(answer)
    return [
        GroupErrors(
            group,
            len(found["throughput_fps"]),
            {metric: mean(abs(one["error"]) for one in each) for metric, each in found.items()},
            {metric: sum(map(is_near, each)) for metric, each in found.items()},
        )
        for group, found in sorted(rows.items())
    ]


def main(paths: Sequence[Path]) -> None:
    """Print how far rates and latencies of each group are off, and how many are near enough."""
    print(f"{'':34}{'rows':>5}" + "".join(f"{name:>12}{'near':>6}" for name in ("rate, %", "p50, %", "p99, %")))
    for path in paths or thread_tables():
        for row in errors_by_group(thread_answers(path)):
            cells = (f"{100 * row.mean_error[metric]:12.1f}{row.within[metric]:6}" for metric in METRICS.values())
            print(f"{row.group:34}{row.rows:5}" + "".join(cells))


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
