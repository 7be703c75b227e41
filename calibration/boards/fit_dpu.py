"""Fit the cycle model of the DPU; ``python -m calibration.boards.fit_dpu`` prints constants and errors.

Two constants for time, the same for every network: what the core's port carries in a cycle, and the cycles that each
pass costs on top. They are fitted to the time for which a network holds the core of KV260 (1 / rate of many threads,
releases 2.5 and 3.0), one figure a network. Host constants follow from what one thread takes longer. Networks, and
whole families of them, are left out in turn for the held-out errors; ten groups left out give the standard errors. Rows
that ``datasets/boards/dpu_left_out.csv`` names take no part.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from calibration.boards.graphs import board_of, flag_of, is_fitted, network_of_row, scenario_of
from calibration.boards.replay import BoardRow, read_board_rows
from calibration.tables import FOLDER
from hwmodels.executable import Executable
from hwmodels.families import compile_graph, load_accelerator
from hwmodels.networks.zoo import load_network
from sim.setup import build
from sim.study.statistics import quantile

__all__ = ["Case", "cases", "core_cycles", "errors", "fit_core", "main"]

Constants = dict[str, float]
#: Constant, start value and first step of the fit.
CORE = {"port_bytes_per_cycle": (26.0, 2.0), "layer_cycles": (2000.0, 400.0)}
HOST = {"submit_ns": (1e5, 4e4), "input_ns_per_pixel": (7.0, 1.0)}
BOARD, RELEASES = "KV260", ("2.5", "3.0")
MOST = 0.3
GROUPS = 10
ROUNDS = 8


@dataclass(frozen=True)
class Case:
    """One network on one core: its passes as (cycles, bytes), and how many cycles it was measured to take."""

    network: str
    family: str
    passes: tuple[tuple[float, int], ...]
    measured: float


def passes_of(executable: Executable) -> tuple[tuple[float, int], ...]:
    """Return cycles of the array and bytes of every pass that costs anything."""
    every = (one for segment in executable.accelerator_segments for one in segment.passes)
    return tuple((one.cycles, one.streamed_bytes) for one in every if one.streamed_bytes or one.cycles)


def chosen_rows(releases: Sequence[str] = RELEASES, board: str = BOARD) -> list[BoardRow]:
    """Return the rows of a board and some releases whose network has a layer graph and that are not left out."""
    rows = read_board_rows(FOLDER / "boards" / "dpu_zoo.csv")
    return [
        row for row in rows
        if row.board.startswith(board) and row.release in releases and row.is_whole and not row.repeats
        and board_of(row) and network_of_row(row) and not flag_of(row)
    ]  # fmt: skip


def cases(rows: Iterable[BoardRow], size: str = "dpu-b4096") -> list[Case]:
    """Return a case for each network of some rows: the median of its measured times."""
    by_network: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        by_network[network_of_row(row)].append(row.clock_hz / row.multi_ips)
    part = load_accelerator(size)
    found = []
    for name, cycles in sorted(by_network.items()):
        graph = load_network(name)
        passes = passes_of(compile_graph(graph, part))
        found.append(Case(name, str(graph.meta.get("family", "")), passes, median(cycles)))
    return found


def core_cycles(passes: Sequence[tuple[float, int]], constants: Mapping[str, float]) -> float:
    """Cycles of a network: the longer of array and port in each pass, and what each costs on top."""
    rate, fixed = constants["port_bytes_per_cycle"], constants["layer_cycles"]
    return sum(max(cycles, n_bytes / rate) for cycles, n_bytes in passes) + fixed * len(passes)


def errors(chosen: Sequence[Case], constants: Mapping[str, float]) -> list[float]:
    """Return the relative error of each case."""
    return [core_cycles(case.passes, constants) / case.measured - 1 for case in chosen]


def capped(relative: Iterable[float]) -> float:
    """Mean absolute logarithmic error, at most 0.3 each, so that one network does not pull."""
    return fmean(min(MOST, abs(math.log1p(error))) for error in relative)


def descend(start: Mapping[str, tuple[float, float]], loss: Callable[[Constants], float]) -> Constants:
    """Return the constants of least loss, by steps along one constant at a time that are halved in turn."""
    values = {key: first for key, (first, _) in start.items()}
    best = loss(values)
    for shrink in range(ROUNDS):
        moved = True
        while moved:
            moved = False
            for key, (_, step) in start.items():
                for sign in (1, -1):
                    trial = values | {key: values[key] + sign * step / 2**shrink}
                    if trial[key] > 0 and (found := loss(trial)) < best:
                        best, values, moved = found, trial, True
    return values


def fit_core(chosen: Sequence[Case]) -> Constants:
    """Return the two constants of time."""
    return descend(CORE, lambda values: capped(errors(chosen, values)))


def std_errors(fits: Sequence[Constants]) -> Constants:
    """Return the jackknife's standard errors, from fits with one group left out each."""
    scale = (len(fits) - 1) / math.sqrt(len(fits))
    return {key: scale * stdev(one[key] for one in fits) for key in fits[0]}


def left_out(chosen: Sequence[Case], group_of: Callable[[Case], object]) -> list[float]:
    """Return the error of each case, predicted with constants fitted without its group."""
    found: dict[str, float] = {}
    for group in {group_of(case) for case in chosen}:
        constants = fit_core([case for case in chosen if group_of(case) != group])
        mine = [case for case in chosen if group_of(case) == group]
        found.update(zip((case.network for case in mine), errors(mine, constants), strict=True))
    return [found[case.network] for case in chosen]


@dataclass(frozen=True)
class HostCase:
    """What one thread takes longer than a busy core (ns), less the operators on the CPU, and the input's pixels."""

    network: str
    pixels: int
    host_ns: float


def host_cases(rows: Iterable[BoardRow]) -> list[HostCase]:
    """Return a case for each row of a network whose results take no work of their own."""
    found = []
    for row in rows:
        setup = build(scenario_of(row, 1, 1))
        work, times = setup.executables[0][0].work, setup.stage_times[0][0]
        if work.classes or work.scores or work.boxes:
            continue
        around = work.passes * setup.host.submit_ns + work.pixels * setup.host.input_ns_per_pixel
        operators_ns = times.ops_ns - around
        host_ns = 1e9 / row.single_ips - 1e9 / row.multi_ips - operators_ns
        found.append(HostCase(network_of_row(row), work.pixels, host_ns))
    return found


def fit_host(chosen: Sequence[HostCase]) -> Constants:
    """Return the two constants of host time, by the relative error of the whole of it."""

    def loss(values: Constants) -> float:
        """Capped mean error of the host time."""
        predicted = [values["submit_ns"] + case.pixels * values["input_ns_per_pixel"] for case in chosen]
        return fmean(min(MOST, abs(p / case.host_ns - 1)) for p, case in zip(predicted, chosen, strict=True))

    return descend(HOST, loss)


def result_ns(rows: Iterable[BoardRow]) -> dict[str, list[tuple[str, float]]]:
    """Return by kind of result what decoding an element took (ns): host time beyond the call and the input."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for row in rows:
        setup = build(scenario_of(row, 1, 1))
        work = setup.executables[0][0].work
        around = work.passes * setup.host.submit_ns + work.pixels * setup.host.input_ns_per_pixel
        host_ns = 1e9 / row.single_ips - 1e9 / row.multi_ips - around
        for kind in ("classes", "scores", "boxes"):
            if count := getattr(work, kind):
                found[kind].append((network_of_row(row), host_ns / count))
    return found


def described(name: str, relative: Sequence[float]) -> str:
    """One line of error statistics."""
    sizes = sorted(map(abs, relative))
    figures = (median(sizes), fmean(sizes), quantile(sizes, 0.9), sizes[-1])
    text = "  ".join(f"{word} {100 * figure:5.1f} %" for word, figure in zip(WORDS, figures, strict=True))
    return f"  {name:34} n {len(sizes):3}  {text}"


WORDS = ("median", "mean", "90 %", "worst")


def port_factor(chosen: Sequence[Case], constants: Constants) -> float:
    """Return the factor on the port's rate with which an old release is told best."""
    found = descend(
        {"factor": (0.8, 0.1)},
        lambda v: capped(errors(chosen, constants | {
            "port_bytes_per_cycle": v["factor"] * constants["port_bytes_per_cycle"]
        })),
    )  # fmt: skip
    return found["factor"]


def main() -> None:
    """Fit, and print constants with their standard errors, and errors inside and held out."""
    every = chosen_rows()
    rows, later = ([row for row in every if is_fitted(row) == wanted] for wanted in (True, False))
    chosen = cases(rows)
    constants = fit_core(chosen)
    fits = [fit_core([case for i, case in enumerate(chosen) if i % GROUPS != g]) for g in range(GROUPS)]
    print(f"time of one core, {BOARD} {' and '.join(RELEASES)}")
    print(described("fit", errors(chosen, constants)))
    print(described("a network left out", left_out(chosen, lambda case: case.network)))
    print(described("a family left out", left_out(chosen, lambda case: case.family)))
    datasheet = {"port_bytes_per_cycle": 32.0, "layer_cycles": 0.0}
    print(described("datasheet alone", errors(chosen, datasheet)))
    print(described("networks added after the fit", errors(cases(later), constants)))
    for case in (*chosen, *cases(later)):
        (error,) = errors([case], constants)
        print(f"    {case.network:44} {100 * error:+6.1f} %{'' if case in chosen else '  added after the fit'}")
    show(constants, std_errors(fits))
    host = host_cases(rows)
    host_fits = [fit_host([case for i, case in enumerate(host) if i % GROUPS != g]) for g in range(GROUPS)]
    show(fit_host(host), std_errors(host_fits))
    for kind, values in sorted(result_ns(every).items()):
        sizes = sorted(value for _, value in values)
        print(f"  {kind}: {median(sizes):.2f} ns an element, {sizes[0]:.2f} to {sizes[-1]:.2f} in {len(sizes)} rows")
    for release in ("1.4", "2.0"):
        old = cases(chosen_rows((release,)))
        print(f"  port of {BOARD} in release {release}: x {port_factor(old, constants):.3f}")


def show(constants: Constants, sure: Constants) -> None:
    """Print constants with their standard errors."""
    for key, value in constants.items():
        print(f"  {key} = {value:.4g} +- {sure[key]:.2g}")


if __name__ == "__main__":
    main()
