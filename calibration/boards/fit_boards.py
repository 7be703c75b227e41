"""Fit the constants of the DPU boards; ``python -m calibration.boards.fit_boards [FILE.csv]`` prints them and errors.

Seven numbers for all networks, in ``hwmodels/boards``. The loss is the mean absolute logarithmic error (at most 0.3 a
row, so that misprints do not pull) of multi-core rows predicted from the one-core board, plus that of three-core rows
predicted with a two-core row of the same network, of any release, plus a quarter of the 90th percentile on two cores.
Networks that are left out in turn (ten groups) give the held-out error; the spread of the fits the standard error.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev

from calibration.boards.replay import (
    BoardRow,
    predict_across,
    predict_row,
    read_board_rows,
    suspicion,
)
from hwmodels.dpu.board import Board
from sim.study.statistics import quantile

__all__ = ["CONSTANTS", "Case", "cases", "errors", "fit", "main"]

#: Constant, start value and step of the fit; the last is of the one-core board alone.
CONSTANTS = {
    "memory_share": (0.65, 0.05), "memory_bytes_per_s": (13e9, 5e8), "slow_port_factor": (0.425, 0.05),
    "cpu_parallel": (3.1, 0.3), "bound_sharpness": (3.5, 0.8), "host_factor": (1.09, 0.03),
    "early_slowdown": (1.07, 0.02),
}  # fmt: skip
ONE_CORE, TWO_CORES = "KV260", "ZCU104"
RELEASES = ("1.4", "2.0", "2.5", "3.0")
MOST = 0.3
GROUPS = 10
TAIL = 0.25  # weight of the two-core rows' 90th percentile, which a mean hardly sees


@dataclass(frozen=True, slots=True)
class Case:
    """A row to predict, its one-core row, and (one-core, two-core) rows that tell the memory share, of any release."""

    row: BoardRow
    one_core: BoardRow
    share_from: tuple[BoardRow, BoardRow] | None = None


def cases(rows: Iterable[BoardRow]) -> list[Case]:
    """Return every multi-core row with its one-core row, and three-core rows with every two-core row of the network."""
    rows = [row for row in rows if row.is_whole and not row.repeats and row.release in RELEASES]
    one = {row.key: row for row in rows if row.board.startswith(ONE_CORE)}
    partnered = [row for row in rows if row.key in one and not row.board.startswith(ONE_CORE)]
    targets = [row for row in partnered if is_fair(row, one[row.key])]
    found = [Case(row, one[row.key]) for row in targets]
    two = [row for row in targets if row.board.startswith(TWO_CORES)]
    for row in targets:
        same = [other for other in two if other.model == row.model and row.cores > other.cores]
        found += [Case(row, one[row.key], (one[other.key], other)) for other in same]
    return found


def is_fair(row: BoardRow, one_core: BoardRow) -> bool:
    """Tell whether nothing is suspicious about a row (see :func:`calibration.boards.replay.suspicion`)."""
    _, work = predict_row([one_core], row.part())
    return suspicion(row, one_core, work) is None


def changed(values: dict[str, float]) -> Callable[[BoardRow], Board]:
    """Return a function that gives a row's board with other constants."""

    def part(row: BoardRow) -> Board:
        """A row's board with the constants that its kind of board has."""
        board = row.part()
        is_one_core = row.board.startswith(ONE_CORE)
        skipped = "host_factor" if is_one_core else "early_slowdown"
        return board.with_numbers({key: value for key, value in values.items() if key != skipped}, "a fit")

    return part


def errors(values: dict[str, float], chosen: Sequence[Case]) -> list[float]:
    """Return the relative error of every case with these constants.

    A two-core row of another release tells the memory share; times always come from the row's own release.
    """
    part = changed(values)
    return [_predicted(case, part) / case.row.multi_ips - 1 for case in chosen]


def _predicted(case: Case, part: Callable[[BoardRow], Board]) -> float:
    target = part(case.row)
    if case.share_from is None:
        return predict_row([case.one_core], target, part)[0]
    return predict_across(case.one_core, case.share_from, target, part)[0]


def loss(values: dict[str, float], chosen: Sequence[Case]) -> float:
    """Mean of the capped logarithmic errors, cases of one and of two references weighing the same, plus the tail."""
    sizes = [min(MOST, abs(math.log1p(error))) for error in errors(values, chosen)]
    single = [size for size, case in zip(sizes, chosen, strict=True) if case.share_from is None]
    double = [size for size, case in zip(sizes, chosen, strict=True) if case.share_from is not None]
    two_cores = sorted(size for size, case in zip(sizes, chosen, strict=True) if case.row.board.startswith(TWO_CORES))
    tail = TAIL * quantile(two_cores, 0.9) if two_cores else 0.0
    return tail + sum(fmean(group) for group in (single, double) if group)


def fit(chosen: Sequence[Case], rounds: int = 3) -> dict[str, float]:
    """Return the constants of least loss, by halving steps along one constant at a time (no derivatives needed)."""
    values = {key: start for key, (start, _) in CONSTANTS.items()}
    best = loss(values, chosen)
    for shrink in range(rounds):
        for key, (_, step) in CONSTANTS.items():
            for sign in (1, -1):
                trial = values | {key: values[key] + sign * step / 2**shrink}
                while is_allowed(trial) and (found := loss(trial, chosen)) < best:
                    best, values = found, trial
                    trial = values | {key: values[key] + sign * step / 2**shrink}
    return values


def is_allowed(values: dict[str, float]) -> bool:
    """Tell whether constants make sense: shares below 1, everything above 0."""
    return (
        all(value > 0 for value in values.values())
        and values["memory_share"] < 0.95
        and values["slow_port_factor"] <= 1
    )


def describe(chosen: Sequence[Case], found: Sequence[float]) -> None:
    """Print the error statistics by board and number of references."""
    for board in (TWO_CORES, "ZCU102"):
        for is_own in (False, True):
            sizes = sorted(
                abs(error) for error, case in zip(found, chosen, strict=True)
                if case.row.board.startswith(board) and (case.share_from is not None) == is_own
            )  # fmt: skip
            if sizes:
                text = f"median {median(sizes):.3f}  p90 {quantile(sizes, 0.9):.3f}  mean {fmean(sizes):.3f}"
                print(f"  {board}{', own memory share' if is_own else ''}: n {len(sizes)}  {text}")


def main(path: Path) -> None:
    """Fit, print constants with their standard error over the groups left out, and errors inside and held out."""
    chosen = cases(read_board_rows(path))
    values = fit(chosen)
    print("fit")
    describe(chosen, errors(values, chosen))
    models = sorted({case.row.model for case in chosen})
    group = {model: number % GROUPS for number, model in enumerate(models)}
    held: list[tuple[Case, float]] = []
    fits = []
    for number in range(GROUPS):
        fits.append(fit([case for case in chosen if group[case.row.model] != number]))
        left = [case for case in chosen if group[case.row.model] == number]
        held += zip(left, errors(fits[-1], left), strict=True)
    print("held out by network")
    describe([case for case, _ in held], [error for _, error in held])
    for key, value in values.items():
        error = stdev(other[key] for other in fits) * (GROUPS - 1) / math.sqrt(GROUPS)
        print(f"  {key} = {value:.4g} +- {error:.2g}")


if __name__ == "__main__":
    shipped = Path(__file__).parent.parent / "datasets" / "boards" / "dpu_zoo.csv"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else shipped)
