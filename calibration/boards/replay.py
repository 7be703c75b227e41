"""Boards held against measurements: one-core rows predict the rows of boards with more cores (profile replay).

A row of the one-core board with one thread and with many gives a network's accelerator time D = 1 / many and its host
time H = 1 / one - D. Clocks, memory and CPUs of the other board do the rest (:mod:`hwmodels.dpu.board`). A second
reference board with two cores gives a network's own memory share, where the typical one is assumed otherwise.

One-core rows give host and accelerator time of a network; a board with more cores stretches the accelerator time by
what its memory cannot give (:func:`hwmodels.dpu.board.stretches`). Nothing of the row that is predicted goes in, but
the board's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from calibration.tables import read_table
from hwmodels.dpu.board import Board, Work, closed_loop_ips, load_board
from hwmodels.errors import InputError
from sim.study.statistics import quantile

__all__ = [
    "BoardRow", "Own", "board_row", "is_board_table", "on_board", "one_core_work", "own_stretch", "predict_across",
    "predict_row", "read_board_rows", "release_number", "summary", "suspicion", "validate_boards",
]  # fmt: skip

NEEDED = ("release", "board", "cores", "clock_mhz", "model", "fps_single_thread", "fps_multi_thread")
LEAST_HOST_S = 1e-5
LEAST_SHARE, MOST_SHARE = 0.02, 0.98
#: Beyond this factor a row's own one-thread rate says that another program was measured than the profile's.
SAME_PROGRAM = 1.2
#: With less gain than this over one core, something is serial that one core cannot show.
LEAST_GAIN = 1.1
#: Host work of one core's threads, in CPUs, up to which a lack of gain is not the CPUs' doing.
FEW_CPUS = 1.3


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One row: inferences per second with one thread and with many (0 where none is given), clock in Hz."""

    file: str
    line: int
    release: str
    board: str
    cores: int
    clock_hz: float
    model: str
    single_ips: float
    multi_ips: float
    repeats: str = ""
    source: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What rows of two boards are matched by."""
        return self.release, self.model

    @property
    def is_whole(self) -> bool:
        """Whether both rates are given."""
        return self.single_ips > 0 and self.multi_ips > 0

    def part(self) -> Board:
        """The board's part file, with this row's cores and clock. Raises :class:`InputError` for an unknown board."""
        return load_board(self.board, self.cores, self.clock_hz)


@dataclass(frozen=True, slots=True)
class Own:
    """What a network's own two-core row tells: its work on one core, and what the board model does not explain.

    ``gain`` multiplies the prediction where two cores did better than the model can; ``limit_ips`` bounds it where they
    did worse than any memory share can explain: then a part of the work is serial.
    """

    work: Work
    board: Board
    gain: float = 1.0
    limit_ips: float = float("inf")


def is_board_table(header: Sequence[str]) -> bool:
    """Tell by its header whether a file is a table of boards."""
    return all(column in header for column in NEEDED)


def read_board_rows(path: str | Path) -> list[BoardRow]:
    """Read a table of boards; columns besides the seven needed ones are ignored.

    Raises :class:`InputError` for a missing column, a number that is none, or a file that cannot be read.
    """
    path = Path(path)
    header, records = read_table(path)
    missing = [column for column in NEEDED if column not in header]
    if missing:
        raise InputError.problem(
            f"{path}:1", f"has no column {', '.join(missing)}", f"a table of boards needs {', '.join(NEEDED)}"
        )
    return [board_row(path, line, record) for line, record in records]


def board_row(path: Path, line: int, record: dict[str, str]) -> BoardRow:
    """Build one row from its cells. Raises :class:`InputError` for a number that is none."""
    where = f"{path}:{line}"
    return BoardRow(
        path.name, line, record["release"], record["board"],
        int(_number(where, "cores", record["cores"], 1)), 1e6 * _number(where, "clock_mhz", record["clock_mhz"], 1),
        record["model"],
        _number(where, "fps_single_thread", record["fps_single_thread"], 0),
        _number(where, "fps_multi_thread", record["fps_multi_thread"], 0),
        record.get("same_numbers_as_release", ""), record.get("source", ""),
    )  # fmt: skip


def _number(where: str, key: str, text: str, least: float) -> float:
    if not text or text.upper() in ("NA", "-", "N/A"):
        return 0.0
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value < 1e9:
        raise InputError.value(f"{where}: {key}", text, f"a number from {least:g} to 1e9, or nothing")
    return value


def release_number(release: str) -> float:
    """Return major.minor of a release as a number (0 where it is none)."""
    try:
        return float(".".join(release.split(".")[:2]))
    except ValueError:
        return 0.0


def one_core_work(row: BoardRow, board: Board) -> Work:
    """Return a network's host and accelerator time on the board that was profiled, in s, and the typical memory share.

    What early releases of that board lost is taken off (``early_slowdown``).
    """
    accelerator_s = 1 / row.multi_ips
    host_s = max(1 / row.single_ips - accelerator_s, LEAST_HOST_S)
    early = 0 < release_number(row.release) < board.early_before_release
    return Work(host_s, accelerator_s / (board.early_slowdown if early else 1.0), board.memory_share)


def on_board(work: Work, source: Board, target: Board) -> Work:
    """Carry work over to another board: accelerator time by the DPU clock and size, host time by the CPUs."""
    size = source.peak_ops_per_cycle * source.clock_hz / (target.peak_ops_per_cycle * target.clock_hz)
    return Work(work.host_s * target.host_factor / source.host_factor, work.accelerator_s * size, work.memory_share)


def own_stretch(work: Work, source: Board, row: BoardRow, board: Board) -> Own:
    """Learn a network's memory share from its row on a second board (work: of the first one, ``source``)."""
    carried = on_board(work, source, board)
    accelerator_s = max(1 / row.single_ips - carried.host_s, carried.accelerator_s / 2)
    work = _fitted_share(Work(carried.host_s, accelerator_s, carried.memory_share), board, row.multi_ips)
    ratio = row.multi_ips / closed_loop_ips(work, board)
    if work.memory_share >= MOST_SHARE and ratio < 1:
        return Own(work, board, limit_ips=row.multi_ips)
    return Own(work, board, gain=max(1.0, ratio) if work.memory_share <= LEAST_SHARE else 1.0)


def _fitted_share(work: Work, board: Board, ips: float) -> Work:
    low, high = LEAST_SHARE, MOST_SHARE
    if closed_loop_ips(replace(work, memory_share=low), board) <= ips:
        return replace(work, memory_share=low)
    if closed_loop_ips(replace(work, memory_share=high), board) >= ips:
        return replace(work, memory_share=high)
    for _ in range(14):
        middle = (low + high) / 2
        if closed_loop_ips(replace(work, memory_share=middle), board) > ips:
            low = middle
        else:
            high = middle
    return replace(work, memory_share=(low + high) / 2)


def predict_row(
    references: Sequence[BoardRow], target: Board, part: Callable[[BoardRow], Board] = BoardRow.part
) -> tuple[float, Work]:
    """Return inferences per second on a board, and the work of one inference on one of its cores.

    ``references`` are the network's rows on the one-core board and, if any, on a second one; ``part`` says which board
    a row is of.
    """
    source = part(references[0])
    work = one_core_work(references[0], source)
    if len(references) == 1:
        work = on_board(work, source, target)
        return closed_loop_ips(work, target), work
    own = own_stretch(work, source, references[1], part(references[1]))
    work = on_board(own.work, own.board, target)
    return min(own.gain * closed_loop_ips(work, target), own.limit_ips), work


def predict_across(
    one_core: BoardRow,
    elsewhere: tuple[BoardRow, BoardRow],
    target: Board,
    part: Callable[[BoardRow], Board] = BoardRow.part,
) -> tuple[float, Work]:
    """As :func:`predict_row`, the memory share from the network's two references of another release.

    Times come from ``one_core``, of the target's own release: about one row in ten changes between releases.
    """
    first, second = elsewhere
    own = own_stretch(one_core_work(first, part(first)), part(first), second, part(second))
    work = replace(one_core_work(one_core, part(one_core)), memory_share=own.work.memory_share)
    work = on_board(work, part(one_core), target)
    return own.gain * closed_loop_ips(work, target), work


def suspicion(row: BoardRow, one_core: BoardRow, work: Work) -> str | None:
    """Return why a row is no fair test of a replay, or None: another program was measured, or it has a serial part."""
    if row.single_ips:
        ratio = row.single_ips * (work.accelerator_s + work.host_s)
        if not 1 / SAME_PROGRAM <= ratio <= SAME_PROGRAM:
            return f"outlier: with one thread already {ratio:.2f} times the rate that the profile and the clocks give"
    clocks = row.clock_hz / one_core.clock_hz if row.clock_hz and one_core.clock_hz else 1.0
    cpus = one_core.multi_ips * (1 / one_core.single_ips - 1 / one_core.multi_ips)
    if row.multi_ips < LEAST_GAIN * one_core.multi_ips * clocks and cpus < FEW_CPUS:
        return f"outlier: {row.cores} cores are no faster than one: a serial part, or a misprint"
    return None


def validate_boards(
    reference: str | Path,
    target: str | Path,
    reference_boards: str | Sequence[str] = ("KV260",),
    target_board: str = "",
) -> dict[str, Any]:
    """Predict a table's rows from another table's one-core rows, matched by release and model.

    ``reference_boards`` are one or two names (or one text with commas): the one-core board, and one with two cores.

    Returns the JSON object of ``edgetpusim-calibrate validate-boards``: rows (with board and release), summary by
    board. Rows that another program or a serial part explains are flagged and summed up apart. Raises
    :class:`InputError` for tables that cannot be read, an unknown reference board, or a target board that the table
    does not have.
    """
    names = _names(reference_boards)
    tables = [_by_key(reference, name) for name in names]
    rows = [row for row in read_board_rows(target) if _is_target(row, names, target_board)]
    if target_board and not rows:
        raise InputError.value("--target-board", target_board, f"a board of {target}")
    answers = [_answer(row, _partners(row, tables), names) for row in rows]
    predicted = [answer for answer in answers if answer["skipped"] is None]
    return {
        "rows": answers, "summary": summary(predicted),
        "predicted_rows": len(predicted), "skipped_rows": len(answers) - len(predicted),
    }  # fmt: skip


def _partners(row: BoardRow, tables: Sequence[dict[tuple[str, str], BoardRow]]) -> list[BoardRow | None]:
    """The reference rows of a row's release and model; a second board that has none lends a release that both have.

    Then there are three: the one-core row, and both rows of the release nearest to the row's.
    """
    same = [table.get(row.key) for table in tables]
    if len(tables) < 2 or same[0] is None or same[1] is not None:
        return same
    both = [key for key in tables[0] if key[1] == row.model and key in tables[1]]
    if not both:
        return same
    near = min(both, key=lambda key: abs(release_number(key[0]) - release_number(row.release)))
    return [same[0], tables[0][near], tables[1][near]]


def _names(boards: str | Sequence[str]) -> list[str]:
    names = [name.strip() for name in (boards.split(",") if isinstance(boards, str) else boards)]
    if not 1 <= len(names) <= 2 or not all(names):
        raise InputError.value("--reference-board", ",".join(names), "BOARD, or BOARD,BOARD (one core, then two)")
    return names


def _by_key(path: str | Path, board: str) -> dict[tuple[str, str], BoardRow]:
    rows = [row for row in read_board_rows(path) if row.board.lower().startswith(board.lower())]
    if not rows:
        raise InputError.value("--reference-board", board, f"a board of {path}")
    load_board(board)
    return {row.key: row for row in reversed(rows) if row.is_whole}


def _is_target(row: BoardRow, reference_boards: Sequence[str], target_board: str) -> bool:
    name = row.board.lower()
    if target_board:
        return name.startswith(target_board.lower())
    return not any(name.startswith(board.lower()) for board in reference_boards)


def _answer(row: BoardRow, partners: Sequence[BoardRow | None], names: Sequence[str]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "file": row.file, "line": row.line, "source_id": "model zoo", "citation": row.source,
        "device": "dpu", "link": "none", "host_id": "",
        "board": row.board, "release": row.release, "model": row.model, "metric": "fps_multi_thread",
        "threads": None, "accelerators": row.cores, "batch": 1, "mode": "threads", "measured": row.multi_ips or None,
        "predicted": None, "lo90": None, "hi90": None, "error": None, "assumed": [], "flag": None,
    }  # fmt: skip
    answer["skipped"] = _reason(row, partners, names)
    return answer if answer["skipped"] else answer | _prediction(row, [p for p in partners if p])


def _reason(row: BoardRow, partners: Sequence[BoardRow | None], names: Sequence[str]) -> str | None:
    if not row.multi_ips:
        return "no rate of many threads"
    if row.repeats:
        return f"repeats release {row.repeats}"
    missing = [name for name, partner in zip(names, partners, strict=False) if partner is None]
    if missing:
        return f"no {' and '.join(missing)} row of release {row.release} and this model"
    try:
        board = row.part()
    except InputError as error:
        return str(error)
    return None if board.peak_ops_per_cycle else "another kind of accelerator: no replay of this board's profile"


def _prediction(row: BoardRow, partners: Sequence[BoardRow]) -> dict[str, Any]:
    board = row.part()
    if len(partners) == 3:
        ips, work = predict_across(partners[0], (partners[1], partners[2]), board)
        assumed = ["threads", f"memory_share as in release {partners[2].release}"]
    else:
        ips, work = predict_row(partners, board)
        assumed = ["threads", "memory_share"] if len(partners) == 1 else ["threads"]
    half = board.spread90 if len(partners) == 1 else board.own_spread90
    return {
        "threads": board.threads, "predicted": ips, "lo90": ips * (1 - half), "hi90": ips * (1 + half),
        "error": ips / row.multi_ips - 1, "assumed": assumed, "flag": suspicion(row, partners[0], work),
    }  # fmt: skip


def summary(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return error statistics of predicted rows by board and metric; flagged rows are a group of their own."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        name = f"{str(row['board']).split(' ')[0]}/{row['metric']}"
        groups.setdefault(f"{name}/flagged" if row["flag"] else name, []).append(row)
    return [_statistics(name, group) for name, group in sorted(groups.items())]


def _statistics(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    errors = [row["error"] for row in rows]
    sizes = sorted(abs(error) for error in errors)
    inside = [row["lo90"] <= row["measured"] <= row["hi90"] for row in rows]
    return {
        "group": name, "n": len(rows), "mape": fmean(sizes), "median_ape": median(sizes),
        "p90_ape": quantile(sizes, 0.9), "bias": median(errors), "coverage90": fmean(inside),
    }  # fmt: skip
