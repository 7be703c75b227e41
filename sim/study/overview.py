"""What the study says at a glance: an abstract of five sentences, one table of gains, and the paper's claims.

Everything is computed from the rows and from the findings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from sim.study.findings import PAPER, Finding, best_rows, of, single, sizes
from sim.study.grid import Grid
from sim.study.statistics import quantile

if TYPE_CHECKING:
    import polars as pl

__all__ = ["COLUMNS", "Part", "abstract", "case_words", "claims", "gain_table"]

GAIN, ENERGY = "speedup_vs_one_thread", "energy_gain_vs_one_thread"
#: Columns of the table -> their heads.
COLUMNS = {
    "size": "size", "case": "case", "networks": "networks", "median": "median gain", "p90": "90 %",
    "largest": "largest", "network": "network", "threads": "threads", "whole": "largest, nothing on the CPU",
    "energy": "largest in energy",
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """What belongs to one family of a study: its grid, and its good rows."""

    grid: Grid
    rows: pl.DataFrame


def gain_table(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return a row for each size in each case of one accelerator and the most threads, the paper's row first."""
    paper = {
        "size": "the paper, three sizes", "case": "not told", "networks": 104, "median": None, "p90": None,
        "largest": PAPER["throughput"], "network": "", "threads": None, "whole": None, "energy": PAPER["energy"],
    }  # fmt: skip
    return [paper, *(row for part in parts for row in _rows(part))]


def _rows(part: Part) -> Iterator[dict[str, Any]]:
    for case in _leading(part.grid):
        rows = single(part.rows, case)
        for size in sizes(rows):
            yield _row(of(rows, size=size), size, case)


def _leading(grid: Grid) -> list[str]:
    """The cases in which threads are varied most: the others change one thing about them."""
    most = [case for case in grid.cases if 1 in case.accelerators and len(case.threads) > 3]
    return [case.name for case in most or grid.cases[:1]]


def _row(rows: pl.DataFrame, size: str, case: str) -> dict[str, Any]:
    best, energy = best_rows(rows, GAIN), best_rows(rows, ENERGY)
    gains = sorted(best[GAIN].to_list())
    top = best.sort([GAIN, "models"], descending=[True, False]).row(0, named=True)
    whole = of(best, trait_cpu_ops=0)
    return {
        "size": size, "case": case, "networks": best.height, "median": median(gains), "p90": quantile(gains, 0.9),
        "largest": top[GAIN], "network": top["models"], "threads": top["threads"],
        "whole": max(whole[GAIN].to_list(), default=None), "energy": max(energy[ENERGY].to_list()),
    }  # fmt: skip


def abstract(parts: Sequence[Part], findings: Sequence[Finding]) -> list[str]:
    """Return five sentences: what was simulated, the largest gains, the typical ones, what explains them, how sure."""
    table = [row for part in parts for row in _rows(part)]
    return [_scope(parts), _largest(table), _typical(table), _why(findings), _sure(findings)]


def _scope(parts: Sequence[Part]) -> str:
    networks = {name for part in parts for name in part.rows["models"].unique()}
    names = [size for part in parts for size in part.grid.sizes]
    points = sum(part.rows.height for part in parts)
    return f"{len(networks)} networks were simulated on {', '.join(names)}, with one to eight threads: {points} points."


def _largest(table: Sequence[Mapping[str, Any]]) -> str:
    top, energy = max(table, key=lambda row: float(row["largest"])), max(table, key=lambda row: float(row["energy"]))
    return (
        f"Threads on one accelerator gain at most {top['largest']:.2f}x in throughput ({top['network']} on "
        f"{top['size']}, {top['case']}) and {energy['energy']:.2f}x in energy ({energy['size']}), where the paper has "
        f"{PAPER['throughput']:.2f}x and {PAPER['energy']:.2f}x."
    )


def _typical(table: Sequence[Mapping[str, Any]]) -> str:
    low, high = (f(table, key=lambda row: float(row["median"])) for f in (min, max))
    return (
        f"The median network gains {low['median']:.2f}x ({low['size']}, {low['case']}) to {high['median']:.2f}x "
        f"({high['size']}, {high['case']})."
    )


def _why(findings: Sequence[Finding]) -> str:
    """How much of the differences a small tree explains for families that it has not seen."""
    trees = [finding["values"] for finding in findings if finding["id"] == "tree"]
    if not trees:
        return "Too few networks were chosen to say what explains the gains."
    held = [float(tree["held_out"]) for tree in trees]
    return (
        "What a network is, without running it, explains "
        f"{max(0.0, min(held)):.0%} to {max(0.0, max(held)):.0%} of the differences between the gains of families that "
        "a tree of six leaves was not fitted to."
    )


def _sure(findings: Sequence[Finding]) -> str:
    measured = [finding["values"] for finding in findings if finding["id"] == "measured"]
    if not measured:
        return "No measurement has several threads on one of these accelerators: waiting is computed, not calibrated."
    words = ", ".join(f"{100 * v['median']:.1f} % ({v['networks']} networks of {v['board']})" for v in measured)
    return f"Where gains were measured, the predicted ones are within {words} in the median."


def claims(parts: Sequence[Part], findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield what the paper's claims look like from here, a sentence each."""
    table = [row for part in parts for row in _rows(part)]
    for key, paper, words in (
        ("largest", PAPER["throughput"], "throughput"), ("energy", PAPER["energy"], "energy per inference"),
    ):  # fmt: skip
        reached = [f"{row['size']} ({row['case']})" for row in table if row[key] >= paper]
        where = f"is reached on {', '.join(reached)}" if reached else "is reached nowhere"
        most = max(float(row[key]) for row in table)
        yield _claim(f"A gain of {paper:.2f}x in {words} on one accelerator {where}; the largest here is {most:.2f}x.")
    yield from _above(parts)
    networks = min(row["networks"] for row in table)
    yield _claim(f"104 networks on three sizes: here are {networks} on {len({row['size'] for row in table})}.")
    bounds = [f["values"] for f in findings if f["id"] == "estimator" and f["values"]["method"] == "bounds"]
    if bounds:
        yield _claim(
            f"A throughput model of low error: the closed form is within {bounds[0]['median']:.1%} in the median and "
            f"{bounds[0]['mae']:.1%} in the mean of the simulator."
        )
    yield _claim(
        "The abstract names neither accelerator nor board, workload or threads, so that its figures cannot be "
        "reproduced row by row."
    )


def _above(parts: Sequence[Part]) -> Iterator[Finding]:
    """Where gains above the paper's come from."""
    for part in parts:
        rows = part.rows.filter(part.rows["accelerators"] == 1)
        high = best_rows(rows.filter(rows[GAIN] > PAPER["throughput"]), GAIN)
        cut = high.filter(high["trait_cpu_ops"] > 0)
        names = " and ".join((part.grid.sizes[0], part.grid.sizes[-1]))
        if high.height:
            yield _claim(
                f"Gains above {PAPER['throughput']:.2f}x on sizes from {names}: {high['models'].n_unique()} networks, "
                f"of which {cut['models'].n_unique()} leave operators to the CPU."
            )


def _claim(text: str) -> Finding:
    return {"id": "claim", "text": text, "values": {}}


def case_words(grid: Grid) -> Iterator[str]:
    """Yield a sentence for each case of a study: host, link, what runs, threads and accelerators."""
    for case in grid.cases:
        work = "a 1280x720 frame is resized and the result decoded" if case.preprocess != "none" else "invoke alone"
        if case.link == "memory":
            work = "the board's program copies the input in and decodes the result"
        threads, many = (
            f"{min(n)} to {max(n)}" if len(n) > 1 else str(n[0]) for n in (case.threads, case.accelerators)
        )
        yield (
            f"{case.name}: {case.mode} on {case.host} over {case.link}; {work}; threads {threads}, accelerators {many}."
        )
