"""Fit what a board's memory gives all its cores together; ``python -m calibration.boards.fit_dpu_memory`` prints it.

One number a board, by simulating the rows of its many threads with one rate after the other (releases 2.5 and 3.0). The
least mean error counts, each row's at most :data:`~calibration.boards.fit_dpu.MOST`. Groups of networks left out give
the standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from calibration.boards.fit_dpu import GROUPS, capped, chosen_rows, described, std_errors
from calibration.boards.graphs import MANY_INFERENCES, MANY_THREADS, network_of_row, scenario_of
from calibration.boards.replay import BoardRow
from sim.engine import run
from sim.setup import build

__all__ = ["best_rate", "error_at", "main"]

#: Board of several cores -> the rates that are tried, in GB/s.
RATES_GBPS = {"ZCU104": [rate / 4 for rate in range(38, 53)], "ZCU102": [rate / 2 for rate in range(19, 31)]}


def error_at(row: BoardRow, rate_gbps: float) -> float:
    """Return the relative error of a row's many threads where its cores' ports get a rate together (GB/s)."""
    setup = build(scenario_of(row, MANY_THREADS, row.cores, MANY_INFERENCES))
    channels = tuple(replace(one, memory_bytes_per_s=rate_gbps * 1e9) for one in setup.channels)
    return run(replace(setup, channels=channels)).throughput_ips / row.multi_ips - 1


def best_rate(errors: Sequence[Sequence[float]], rates_gbps: Sequence[float]) -> float:
    """Return the rate of least mean error; ``errors`` has a row for each rate."""
    return min(zip(map(capped, errors), rates_gbps, strict=True))[1]


def main() -> None:
    """Print each board's rate with its standard error, and the errors with it."""
    for board, rates in RATES_GBPS.items():
        rows = chosen_rows(board=board)
        errors = [[error_at(row, rate) for row in rows] for rate in rates]
        best = best_rate(errors, rates)
        networks = sorted({network_of_row(row) for row in rows})
        kept = [[network not in networks[g::GROUPS] for network in map(network_of_row, rows)] for g in range(GROUPS)]
        fits = [
            best_rate([[e for e, keep in zip(row, one, strict=True) if keep] for row in errors], rates) for one in kept
        ]
        sure = std_errors([{"rate": fit} for fit in fits])["rate"]
        print(described(f"{board}: {best:.2f} +- {sure:.2f} GB/s", errors[rates.index(best)]))
        print(
            "    mean error "
            + ", ".join(
                f"{rate:g}: {100 * fmean(map(abs, row)):.1f} %" for rate, row in zip(rates, errors, strict=True)
            )
        )


if __name__ == "__main__":
    main()
