"""Make the shipped profiles of boards: ``python -m calibration.boards.make_profiles [TABLE.csv [FOLDER]]``.

For every network of a one-core board, in the newest release that has it: accelerator time D = 1 / rate of many threads,
host time H = 1 / rate of one thread - D. The share of D in which memory is the limit cannot be seen from one core: the
typical one of the board's part file is written, with the bytes that the core's port moves in that time.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from calibration.boards.replay import BoardRow, read_board_rows, release_number
from hwmodels.dpu.board import load_board
from hwmodels.files import whole_file

__all__ = ["BOARDS", "main", "newest", "profile_rows"]

BOARDS = {"KV260": "dpu_kv260.csv", "Ultra96": "dpu_ultra96.csv"}
COLUMNS = ("name", "resource", "time_ns", "bytes", "status", "release", "source")


def newest(rows: list[BoardRow], board: str) -> list[BoardRow]:
    """Return a board's rows that have both rates, each network once, from its newest release; sorted by model."""
    found: dict[str, BoardRow] = {}
    for row in rows:
        if row.board.startswith(board) and row.is_whole:
            before = found.get(row.model)
            if before is None or release_number(row.release) >= release_number(before.release):
                found[row.model] = row
    return [found[model] for model in sorted(found)]


def profile_rows(row: BoardRow) -> list[tuple[str, str, int, int, str, str, str]]:
    """Return a network's stages: host, accelerator, memory (integer ns and bytes)."""
    board = load_board(row.board, row.cores, row.clock_hz)
    held_ns = round(1e9 / row.multi_ips)
    host_ns = max(0, round(1e9 / row.single_ips) - held_ns)
    memory_ns = round(held_ns * board.memory_share)
    moved = round(memory_ns * board.port_bytes_per_s / 1e9)
    stages = (
        ("cpu", host_ns, 0, "measured"),
        ("accelerator", held_ns - memory_ns, 0, "measured; split by the typical share"),
        ("memory", memory_ns, moved, "measured; split by the typical share"),
    )
    return [(row.model, *stage, row.release, row.source) for stage in stages]


def main(table: Path, folder: Path) -> None:
    """Write one profile file for each one-core board."""
    rows = read_board_rows(table)
    for board, name in BOARDS.items():
        with whole_file(folder / name) as path, path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in newest(rows, board):
                writer.writerows(profile_rows(row))


if __name__ == "__main__":
    here = Path(__file__).parent.parent
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else here / "datasets" / "boards" / "dpu_zoo.csv",
        Path(sys.argv[2]) if len(sys.argv) > 2 else here.parent / "traces" / "profiles",
    )
