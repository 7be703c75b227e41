"""Ratios that need no absolute time: gains of threads on one core, and sizes of the array against each other.

``python -m calibration.boards.ratios`` prints measured beside predicted; ``--write`` writes the gains for the study,
which shows them beside its own.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median

from calibration.boards.fit_dpu import chosen_rows, described
from calibration.boards.fit_dpu_power import WORKLOADS
from calibration.boards.graphs import network_of_row, scenario_of
from calibration.boards.replay import BoardRow
from calibration.tables import FOLDER, read_table
from hwmodels.files import write_text
from sim import study
from sim.engine import run
from sim.scenario import Scenario
from sim.setup import build
from sim.study.statistics import quantile, rank_correlation

__all__ = ["FILE", "Gain", "Ratio", "gains", "gains_text", "main", "size_ratios"]

FILE = Path(study.__file__).with_name("measured_gains.json")
THREADS, INFERENCES = 8, 160
#: One-core boards and the releases whose runtime the part files describe.
BOARDS = (("KV260", ("2.5", "3.0")), ("Ultra96", ("1.0", "1.1")))


@dataclass(frozen=True, slots=True)
class Gain:
    """Throughput of many threads over that of one, on one core of a board."""

    board: str
    network: str
    task: str
    measured: float
    predicted: float

    @property
    def is_known(self) -> bool:
        """Whether the host's work on its results is one that the part files have a number for.

        Large SSDs take three to ten times as long for a score as the three small ones that the number comes from.
        """
        large = self.network.startswith("ssd_resnet")
        return self.task in ("classification", "features", "segmentation", "detection") and not large

    @property
    def error(self) -> float:
        """Predicted over measured less 1."""
        return self.predicted / self.measured - 1


def gains() -> list[Gain]:
    """Return a gain for each network and one-core board: the median of its rows beside the simulated one."""
    found: list[Gain] = []
    for board, releases in BOARDS:
        by_network: dict[str, list[BoardRow]] = defaultdict(list)
        for row in chosen_rows(releases, board):
            by_network[network_of_row(row)].append(row)
        found += [_gain(board, network, rows) for network, rows in sorted(by_network.items())]
    return found


def _gain(board: str, network: str, rows: Sequence[BoardRow]) -> Gain:
    one = build(scenario_of(rows[0], 1, 1))
    many = run(build(scenario_of(rows[0], THREADS, 1, INFERENCES))).throughput_ips
    task = str(one.executables[0][0].graph.meta.get("task", ""))
    measured = median(row.multi_ips / row.single_ips for row in rows)
    return Gain(board, network, task, measured, many * one.stage_times[0][0].latency_ns / 1e9)


def gains_text() -> str:
    """Return the study's file: board, network, task, measured and predicted gain, four digits each."""
    rows = [asdict(gain) for gain in gains()]
    for row in rows:
        row |= {key: round(row[key], 4) for key in ("measured", "predicted")}
    found = {"made_by": "python -m calibration.boards.ratios --write", "family": "dpu", "gains": rows}
    return json.dumps(found, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Ratio:
    """Time of a workload on a size over its time on B4096."""

    workload: str
    size: str
    measured: float
    predicted: float


def size_ratios() -> Iterator[Ratio]:
    """Yield the ratio of every running reading of ZCU102's rails whose layers are known, one thread and one core."""
    seconds: dict[str, dict[str, float]] = defaultdict(dict)
    for _, cells in read_table(FOLDER / "boards" / "dpu_power_by_size.csv")[1]:
        if cells["workload"] in WORKLOADS:
            seconds[cells["workload"]][cells["dpu_arch"]] = float(cells["runtime_s"])
    for workload, by_size in seconds.items():
        predicted = {size: _alone_ns(WORKLOADS[workload], size) for size in by_size}
        for size in by_size:
            if size != "B4096":
                yield Ratio(
                    workload, size, by_size[size] / by_size["B4096"], predicted[size] / predicted["B4096"]
                )  # fmt: skip


def _alone_ns(network: str, size: str) -> float:
    setup = build(Scenario(models=network, size=f"dpu-{size.lower()}", host="zcu102"))
    return setup.stage_times[0][0].latency_ns


def main() -> None:
    """Print ratios measured and predicted; with ``--write`` write the gains' file instead."""
    if "--write" in sys.argv[1:]:
        write_text(FILE, gains_text())
        return
    every = gains()
    for board, _ in BOARDS:
        mine = [gain for gain in every if gain.board == board]
        show(f"gains on {board}", mine)
        show("results of a known cost", [gain for gain in mine if gain.is_known])
        for gain in mine:
            print(f"    {gain.network:44} measured {gain.measured:.2f}  predicted {gain.predicted:.2f}  {gain.task}")
    ratios = list(size_ratios())
    errors = [abs(ratio.predicted / ratio.measured - 1) for ratio in ratios]
    print(
        f"  sizes over B4096: mean error {100 * fmean(errors):.1f} %, 90 % {100 * quantile(sorted(errors), 0.9):.1f} %"
    )
    for ratio in ratios:
        print(f"    {ratio.workload:14} {ratio.size:6} measured {ratio.measured:.2f}  predicted {ratio.predicted:.2f}")


def show(name: str, chosen: Sequence[Gain]) -> None:
    """Print the errors of some gains, and how alike measured and predicted ones are ordered."""
    rho, low, high = rank_correlation([gain.measured for gain in chosen], [gain.predicted for gain in chosen])
    print(described(name, [gain.error for gain in chosen]))
    print(f"    rank correlation {rho:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
