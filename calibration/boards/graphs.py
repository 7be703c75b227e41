"""Boards of the DPU family held against measurements by the cycle model: from the layer graph, nothing measured of it.

A row of a board table is a network on a board with one thread and with many. Which of our networks it is says
``datasets/boards/dpu_networks.csv``; what an old release of the runtime takes longer, ``dpu_releases.csv``. Size and
number of cores are the board's; everything else is in the part files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path
from typing import Any

from calibration.boards.replay import BoardRow, read_board_rows, release_number, summary
from calibration.tables import FOLDER, read_table
from hwmodels.errors import InputError
from hwmodels.families import load_accelerator
from hwmodels.host import load_host
from sim.engine import run
from sim.scenario import Scenario
from sim.setup import build

__all__ = [
    "BOARDS", "MANY_INFERENCES", "MANY_THREADS", "GraphBoard", "board_of", "flag_of", "graph_answers",
    "is_fitted", "many_ips", "network_of_row", "predict_board_table", "scenario_of", "single_ips",
]  # fmt: skip

Z90 = 1.645
MANY_THREADS = 8  # threads of the zoo's program, as it is documented
MANY_INFERENCES = 160  # of a simulated row: enough for a steady rate


@dataclass(frozen=True, slots=True)
class GraphBoard:
    """A board of the tables: the host part, and the size of its cores."""

    host: str
    size: str


#: Boards by the beginning of their name in the tables, small letters.
BOARDS = {
    "kv260": GraphBoard("kv260", "dpu-b4096"), "zcu104": GraphBoard("zcu104", "dpu-b4096"),
    "zcu102": GraphBoard("zcu102", "dpu-b4096"), "ultra96": GraphBoard("ultra96", "dpu-b1600"),
}  # fmt: skip


@cache
def _table(name: str) -> tuple[dict[str, str], ...]:
    return tuple(cells for _, cells in read_table(FOLDER / "boards" / f"{name}.csv")[1])


@cache
def _networks() -> dict[str, str]:
    return {cells["model"]: cells["network"] for cells in _table("dpu_networks")}


def network_of_row(row: BoardRow) -> str:
    """Return the network of the zoo that a row measured, or an empty text where its layers are not known."""
    return _networks().get(row.model, "")


def is_fitted(row: BoardRow) -> bool:
    """Tell whether a row's network was there when the model was fitted; the others came later and test it."""
    return any(cells["fitted"] == "yes" for cells in _table("dpu_networks") if cells["model"] == row.model)


def board_of(row: BoardRow) -> GraphBoard | None:
    """Return the board of a row, or None for one whose accelerator is no DPU of this family."""
    return next((board for name, board in BOARDS.items() if row.board.lower().startswith(name)), None)


def release_factors(row: BoardRow) -> tuple[float, float]:
    """Return by what an old release multiplies host time, and the rate of the cores' ports."""
    number, host = release_number(row.release), 1.0
    port = 1.0
    for cells in _table("dpu_releases"):
        if float(cells["first"]) <= number <= float(cells["last"]) and row.board.lower().startswith(cells["board"]):
            host *= float(cells["host_factor"])
            port *= float(cells["port_factor"])
    return host, port


def scenario_of(row: BoardRow, threads: int, cores: int, inferences: int = 0) -> Scenario:
    """Return the scenario of a row. Raises :class:`InputError` for a board or a network without a cycle model."""
    board, network = board_of(row), network_of_row(row)
    if board is None or not network:
        raise InputError.problem(row.model, "has no layer graph here" if board else "ran on another kind of board")
    size = {"size.clock_hz": row.clock_hz} if row.clock_hz else {}
    return Scenario(
        models=network, size=board.size, host=board.host, link="memory", threads=threads, accelerators=cores,
        inferences=inferences,
        numbers=size | _release_numbers(row, board),
    )  # fmt: skip


#: Numbers of a host that an old release changes.
_WORK = ("submit_ns", "input_ns_per_pixel", "argmax_ns_per_element", "anchor_ns", "box_ns_per_element")


def _release_numbers(row: BoardRow, board: GraphBoard) -> dict[str, float]:
    host_factor, port_factor = release_factors(row)
    host = load_host(board.host)
    changed = {f"host.{key}": host_factor * host.number(key) for key in _WORK if host_factor != 1}
    return changed | ({"host.bus.memory.port_factor": port_factor} if port_factor != 1 else {})


def single_ips(row: BoardRow) -> float:
    """Inferences per second of one thread: it waits for nobody, so its stage times add up."""
    setup = build(scenario_of(row, 1, 1))
    return 1e9 / setup.stage_times[0][0].latency_ns


def many_ips(row: BoardRow) -> float:
    """Inferences per second of the zoo's many threads on all of the board's cores, simulated."""
    return run(build(scenario_of(row, MANY_THREADS, row.cores, MANY_INFERENCES))).throughput_ips


Predictor = Callable[[BoardRow], float]
METRICS: dict[str, tuple[Predictor, Callable[[BoardRow], float]]] = {
    "fps_single_thread": (single_ips, lambda row: row.single_ips),
    "fps_multi_thread": (many_ips, lambda row: row.multi_ips),
}


def predict_board_table(path: str | Path) -> dict[str, Any]:
    """Predict every row of a board table from layer graphs, for one thread and for many.

    Returns the JSON object of ``validate``: rows, with board and release, and a summary by board and number of threads.
    Raises :class:`InputError` for a table that cannot be read.
    """
    rows = [answer for row in read_board_rows(path) for answer in graph_answers(row)]
    done = [row for row in rows if row["skipped"] is None]
    return {
        "rows": rows, "summary": summary(done),
        "predicted_rows": len(done), "skipped_rows": len(rows) - len(done),
    }  # fmt: skip


def _runtime(release: str) -> str:
    """Releases whose runtime behaves alike."""
    number = release_number(release)
    return "2.5 and later" if number >= 2.5 else release if number >= 1.4 else "before 1.4"


def graph_answers(row: BoardRow) -> Iterator[dict[str, Any]]:
    """Yield two answers for a row, for one thread and for many; what cannot be predicted says why."""
    for metric, (predict, measured) in METRICS.items():
        yield _answer(row, metric, predict, measured(row))


def _answer(row: BoardRow, metric: str, predict: Predictor, measured: float) -> dict[str, Any]:
    board, is_single = board_of(row), metric == "fps_single_thread"
    series = f"{row.board.split(' ')[0]} {_runtime(row.release)}"
    answer: dict[str, Any] = {
        "file": row.file, "line": row.line, "source_id": series, "device": "dpu", "link": "memory",
        "host_id": board.host if board else "", "board": row.board, "release": row.release, "model": row.model,
        "network": network_of_row(row), "metric": metric, "basis": "graph", "threads": 1 if is_single else MANY_THREADS,
        "accelerators": row.cores, "batch": 1, "mode": "threads", "measured": measured or None, "predicted": None,
        "lo90": None, "hi90": None, "error": None, "assumed": [] if is_single else ["threads"],
        "flag": flag_of(row), "skipped": _reason(row, measured),
    }  # fmt: skip
    return answer if answer["skipped"] else answer | _prediction(row, predict, measured)


def _prediction(row: BoardRow, predict: Predictor, measured: float) -> dict[str, Any]:
    try:
        ips = predict(row)
    except InputError as error:
        return {"skipped": str(error)}
    board = board_of(row)
    half = Z90 * load_accelerator(board.size if board else "").latency_spread
    return {
        "predicted": ips, "lo90": ips * exp(-half), "hi90": ips * exp(half), "error": ips / measured - 1
    }  # fmt: skip


def _reason(row: BoardRow, measured: float) -> str | None:
    if row.repeats:
        return f"repeats release {row.repeats}"
    if board_of(row) is None:
        return "another kind of accelerator: no cycle model of it"
    if not network_of_row(row):
        return "no layer graph of this network (validate-boards replays its one-core row)"
    return None if measured else "no rate"


def flag_of(row: BoardRow) -> str | None:
    """Return why a row is no fair test, from ``dpu_left_out.csv``, or None."""
    facts = {"network": network_of_row(row), "model": row.model, "release": row.release}
    found = (
        f"outlier: {cells['reason']}"
        for cells in _table("dpu_left_out")
        if all(cells[key] in ("", fact) for key, fact in facts.items())
    )
    return next(found, None)
