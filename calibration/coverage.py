"""What the shipped measurements cover: ``python -m calibration.coverage`` prints it, ``--write`` writes it for ``sim``.

Rows count that are trusted, state a time or a rate, name the link of their accelerator, and whose network is known. The
simulator reads the file (:mod:`sim.trust.coverage`) and says which traits of a set-up lie outside.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from calibration.boards.graphs import MANY_THREADS, board_of, flag_of, network_of_row
from calibration.boards.replay import BoardRow, read_board_rows
from calibration.corrections import host_part_of
from calibration.measurements import Measurement
from calibration.setups import Parts, Skip, conditions_of, network_of
from calibration.shipped import dataset_names, load_dataset, source_table
from calibration.tables import FOLDER, read_table
from hwmodels.files import write_text
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.zoo import load_network
from sim import trust

__all__ = ["FILE", "board_coverage", "coverage", "coverage_text"]

FILE = Path(trust.__file__).with_name("coverage.json")
#: Modes in which each thread has an accelerator to call.
CALLING = ("single", "multithread", "data_parallel")
Known = tuple[Measurement, LayerGraph]


def coverage(rows: Iterable[Measurement]) -> dict[str, Any]:
    """Return what rows cover, as plain lists and numbers: hosts by link, operators, clocks, and the most of each trait.

    Parameters
    ----------
    rows
        Of any metric; those that do not count are left out.
    """
    rows = list(rows)
    known = [(row, graph) for row in rows if _is_speed(row) for graph in _networks(row)]
    return {
        "rows": _rows(rows),
        "hosts": {link: sorted(_hosts(known, link)) for link in sorted({row.link for row, _ in known})},
        "operators": sorted({layer.op for _, graph in known for layer in graph.layers}),
        "clocks_hz": sorted({_clock_hz(row) for row, _ in known}),
        "most": _most(known),
    }


def _is_speed(row: Measurement) -> bool:
    return _is_time(row) and row.link not in ("", "none")


def _is_time(row: Measurement) -> bool:
    return (row.unit in ("ms", "inf/s") or "fps" in row.metric) and not row.flag


def _rows(rows: Iterable[Measurement]) -> dict[str, int]:
    """How many times and rates there are of each host part, with an accelerator or without."""
    named = Counter(host_part_of(row) for row in rows if _is_time(row) and row.host_id)
    return dict(sorted(named.items()))


def _networks(row: Measurement) -> list[LayerGraph]:
    try:
        return [network_of(row)]
    except Skip:
        return []


def _hosts(known: Sequence[Known], link: str) -> set[str]:
    """Hosts that a row or its source names, and the parts that stand for them (of another word size, for instance)."""
    there = [row for row, _ in known if row.link == link]
    named = [row for row in there if row.host_id or source_table().get(row.source_id, {}).get("host_id")]
    return {row.host_id for row in named if row.host_id} | {conditions_of(row).host for row in named}


def _clock_hz(row: Measurement) -> float:
    parts, conditions = Parts(), conditions_of(row)
    return float(parts.accelerator().at_clock(conditions.clock, parts.link(conditions.link)))


def _most(known: Sequence[Known]) -> dict[str, int]:
    graphs = [graph for _, graph in known]
    alone = [row for row, _ in known if row.mode != "pipeline"]
    calling = [row for row in alone if row.mode in CALLING]
    return {
        "multiply-accumulates": _largest(graph.macs for graph in graphs),
        "parameter bytes": _largest(graph.parameter_bytes for graph in graphs),
        "layers": _largest(len(graph.layers) for graph in graphs),
        "accelerators": _largest(row.accelerators for row in alone),
        "accelerators in a pipeline": _largest(row.accelerators for row, _ in known if row.mode == "pipeline"),
        "threads of one accelerator": _largest(ceil(row.threads / max(1, row.accelerators)) for row in calling),
    }


def _largest(values: Iterable[int]) -> int:
    return max(values, default=0)


def board_coverage(rows: Iterable[BoardRow], sizes: Iterable[str] = ()) -> dict[str, Any]:
    """Return what rows of boards cover whose networks have a layer graph, in the same form.

    ``sizes`` were measured besides those of the rows.
    """
    known = [row for row in rows if board_of(row) and network_of_row(row) and not flag_of(row) and row.is_whole]
    graphs = [load_network(name) for name in sorted({network_of_row(row) for row in known})]
    boards = [board for row in known if (board := board_of(row))]
    return {
        "rows": dict(sorted(Counter(board.host for board in boards).items())),
        "hosts": {"memory": sorted({board.host for board in boards})},
        "operators": sorted({layer.op for graph in graphs for layer in graph.layers}),
        "clocks_hz": sorted({row.clock_hz for row in known}),
        "sizes": sorted({*sizes, *(board.size for board in boards)}),
        "most": {
            "multiply-accumulates": _largest(graph.macs for graph in graphs),
            "parameter bytes": _largest(graph.parameter_bytes for graph in graphs),
            "layers": _largest(len(graph.layers) for graph in graphs),
            "accelerators": _largest(row.cores for row in known), "accelerators in a pipeline": 0,
            "threads of one accelerator": MANY_THREADS,
        },
    }  # fmt: skip


def coverage_text() -> str:
    """Return the file's text, from the shipped datasets: a family of accelerators each."""
    rows = [row for name in dataset_names() for row in load_dataset(name)]
    boards = FOLDER / "boards"
    powered = [cells["dpu_arch"] for _, cells in read_table(boards / "dpu_power_by_size.csv")[1]]
    covered = {
        "made_by": "python -m calibration.coverage --write",
        "edgetpu": coverage(rows),
        "dpu": board_coverage(read_board_rows(boards / "dpu_zoo.csv"), (f"dpu-{size.lower()}" for size in powered)),
    }
    return json.dumps(covered, indent=1) + "\n"


def main() -> None:
    """Print what is covered; with ``--write`` write the file instead."""
    text = coverage_text()
    if "--write" in sys.argv[1:]:
        write_text(FILE, text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
