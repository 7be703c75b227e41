"""Measure real threads on emulated accelerators: ``measure --virtual``.

Each set-up runs a program of its own against virtual devices: threads or processes, with work on the host or without,
on one accelerator or two, on all cores or one. Its figures come from windows in which all threads run, so that Little's
law holds. The accelerator's times are the simulator's, so the rows test what the simulator says of the host.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from calibration.harness import threadprogram
from calibration.harness.darwinn_writer import Program, compiled_graph, package
from calibration.harness.machine import host_text
from calibration.harness.tflite_writer import write_model
from hwmodels.errors import InputError
from hwmodels.networks.graph import Layer, Tensor
from sim.scenario import Scenario
from sim.virtual import Session, check_system
from sim.virtual.hostload import HostLoad
from sim.virtual.library import build_library
from sim.virtual.plan import make_plan
from sim.virtual.session import session_folder

__all__ = [
    "COLUMNS", "EMULATED", "NETWORKS", "WINDOWS", "ThreadSetup", "check_whole", "figures_of", "measure_setup",
    "network_file", "row_key", "session_of", "thread_setups",
]  # fmt: skip

WINDOWS = 5
START_S, WARM_S = 2.5, 0.5  # imports of the program, and requests that do not count
COLUMNS = (
    "networks", "threads", "mode", "accelerators", "cores", "work", "ips", "ips_low", "ips_high", "p50_ms", "p99_ms",
    "cycle_ms", "work_ms", "little", "windows_ips", "window_s", "others", "load_average", "form", "host_id", "host",
)  # fmt: skip

#: Networks by name: cycles of the program, bytes of cached parameters, side of the picture that the CPU enlarges.
NETWORKS = {
    "short": (240_000, 65_536, 0),
    "long": (720_000, 65_536, 0),
    "other": (480_000, 2_097_152, 0),
    "tail": (360_000, 65_536, 384),
}
TAIL = (1, 16, 16, 8)
#: Link of the emulated accelerators, as usb3 of x86-xeon was fitted when rows were first taken. A row's device is what
#: it was told to be: no later fit of the parts moves it.
EMULATED = {
    "host.bus.usb3.floor_ns": 162_942, "host.bus.usb3.out_bytes_per_s": 4.76769e8,
    "host.bus.usb3.in_bytes_per_s": 4.90293e7,
}  # fmt: skip
Log = list[tuple[int, int, int]]


@dataclass(frozen=True)
class ThreadSetup:
    """One set-up: threads of each network, and what they run on."""

    networks: tuple[tuple[str, int], ...]
    work: str = "none"
    mode: str = "threads"
    accelerators: int = 1
    cores: int = 0

    @property
    def threads(self) -> int:
        """All its threads."""
        return sum(count for _, count in self.networks)

    @property
    def text(self) -> str:
        """The set-up in one line."""
        names = ",".join(f"{name}:{count}" for name, count in self.networks)
        return f"{names}, work {self.work}, {self.mode}, {self.accelerators} devices, {self.cores or 'all'} cores"

    @property
    def key(self) -> tuple[str, ...]:
        """What tells its row from others."""
        names = ",".join(f"{name}:{count}" for name, count in self.networks)
        return names, self.work, self.mode, str(self.accelerators), str(self.cores)


def row_key(cells: Mapping[str, str]) -> tuple[str, ...]:
    """Return the :attr:`ThreadSetup.key` of a row."""
    return tuple(cells[column] for column in ("networks", "work", "mode", "accelerators", "cores"))


def thread_setups(most: int = 8) -> list[ThreadSetup]:
    """Return all set-ups with at most so many threads; the one with a single thread first of each kind."""
    return [setup for setup in _all_setups() if setup.threads <= most]


def _all_setups() -> Iterator[ThreadSetup]:
    yield from _series("short", "none", (1, 2, 4, 8))
    yield from _series("short", "pillow", (1, 2, 3, 4, 6, 8))
    yield from _series("short", "numpy", (1, 2, 4, 8))
    yield from _series("short", "python", (1, 2, 4))
    yield from _series("long", "none", (1, 2, 4, 8))
    yield from _series("long", "pillow", (1, 2, 3, 4, 6, 8))
    yield from _series("long", "numpy", (1, 2, 4))
    yield from _series("tail", "none", (1, 2, 4, 8))
    yield from _series("tail", "pillow", (1, 2, 4))
    yield from _series("short", "none", (2, 4), mode="processes")
    yield from _series("short", "pillow", (2, 4, 8), mode="processes")
    yield from _series("long", "pillow", (2, 4), mode="processes")
    yield from _series("short", "none", (2, 4), accelerators=2)
    yield from _series("short", "pillow", (2, 4, 8), accelerators=2)
    yield from _series("short", "none", (1, 4), cores=1)
    yield from _series("short", "pillow", (1, 2, 4), cores=1)
    yield from _series("long", "pillow", (1, 2, 4), cores=1)
    for each, work in ((1, "none"), (2, "none"), (2, "pillow")):
        yield ThreadSetup((("short", each), ("other", each)), work)


def _series(network: str, work: str, counts: Sequence[int], **options: Any) -> Iterator[ThreadSetup]:
    for count in counts:
        yield ThreadSetup(((network, count),), work, **options)


def network_file(name: str, folder: Path) -> Path:
    """Write one of :data:`NETWORKS` into a folder, as if the Edge TPU's compiler had made it; return its path."""
    cycles, cached_bytes, side = NETWORKS[name]
    result = TAIL if side else (1, 10)
    grown = Tensor(2, "int8", (1, side, side, TAIL[-1]))
    tail = [Layer(1, "RESIZE_BILINEAR", (Tensor(1, "int8", TAIL),), (grown,))] if side else []
    graph = compiled_graph(name, (1, 8, 8, 3), result, *tail)
    number = 1 + list(NETWORKS).index(name)
    program = Program(token=number, estimated_cycles=cycles, cached_bytes=cached_bytes, seed=number)
    path = folder / f"{name}_edgetpu.tflite"
    write_model(graph, path, programs={0: package(program, graph.layers[0])})
    return path


@dataclass(frozen=True)
class Bench:
    """A set-up with its open session and its files by network."""

    setup: ThreadSetup
    session: Session
    files: dict[str, Path]

    def run(self, seconds: float) -> tuple[list[Log], tuple[int, int]]:
        """The logs of all threads, and start and end of the measured time (ns).

        Raises :class:`InputError` where the program fails.
        """
        start_ns = time.monotonic_ns() + round((START_S + WARM_S) * 1e9)
        end_ns = start_ns + round(seconds * 1e9)
        running = [self._start(group, end_ns) for group in self._groups()]
        return [log for process in running for log in self._logs(process)], (start_ns, end_ns)

    def _groups(self) -> list[list[tuple[str, int]]]:
        """File and device of each thread, by process."""
        names = [name for name, count in self.setup.networks for _ in range(count)]
        threads = [(str(self.files[name]), i % self.setup.accelerators) for i, name in enumerate(names)]
        return [threads] if self.setup.mode == "threads" else [[one] for one in threads]

    def _start(self, threads: list[tuple[str, int]], end_ns: int) -> subprocess.Popen[str]:
        cores = sorted(os.sched_getaffinity(0))[: self.setup.cores or None]
        spec = {"threads": threads, "work": self.setup.work, "end_ns": end_ns + round(WARM_S * 1e9), "cores": cores}
        command = [sys.executable, str(Path(threadprogram.__file__)), json.dumps(spec)]
        environment, pipe = self.session.environment(), subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)

    def _logs(self, process: subprocess.Popen[str]) -> list[Log]:
        out, err = process.communicate()
        if process.returncode:
            why = (err.strip() or "it says nothing").splitlines()[-1]
            raise InputError.problem(self.setup.text, f"failed ({why})", "see docs/virtual.md for what a program needs")
        return list(json.loads(out))


@contextmanager
def session_of(setup: ThreadSetup, host_id: str) -> Iterator[Bench]:
    """Yield virtual accelerators for a set-up, in C where there is a compiler.

    Raises :class:`InputError` where the system has no virtual devices.
    """
    check_system()
    with session_folder() as folder:
        files = {name: network_file(name, folder) for name, _ in setup.networks}
        first = str(next(iter(files.values())))
        scenario = Scenario(
            models=first, accelerators=setup.accelerators, host=host_id or "x86-xeon", link="usb3", numbers=EMULATED
        )  # fmt: skip
        build_library(folder)
        yield Bench(setup, Session(scenario, make_plan(scenario, list(files.values())), folder), files)


def measure_setup(setup: ThreadSetup, host_id: str, window_s: float) -> dict[str, str]:
    """Run one set-up and return its row: medians over windows, and how far those lie apart.

    Raises :class:`InputError` where the system has no virtual devices, or the program fails.
    """
    with session_of(setup, host_id) as bench:
        load = HostLoad()
        logs, span = bench.run(WINDOWS * window_s)
        report, form = load.report(), "C" if bench.session.is_compiled else "Python"
    row = _row(setup, figures_of(logs, span, setup.text), window_s)
    return {
        **row, "host_id": host_id, "host": host_text(), "form": form,
        "others": "" if report["others"] is None else f"{report['others']:.3f}",
        "load_average": f"{os.getloadavg()[0]:.2f}",
    }  # fmt: skip


def check_whole(logs: Sequence[Log], span: tuple[int, int], what: str) -> None:
    """Raise :class:`InputError`, about ``what``, where some thread did not run all the span (its two ends in ns)."""
    start_ns, end_ns = span
    if any(not log or log[0][0] > start_ns or log[-1][2] < end_ns for log in logs):
        raise InputError.problem(what, "has a thread that did not run all the time", "measure on a quiet machine")


def figures_of(logs: Sequence[Log], span: tuple[int, int], what: str) -> dict[str, Any]:
    """Return the figures of equal windows between two moments (ns), by column; ``windows_ips`` is a list.

    Raises :class:`InputError`, about ``what``, where some thread did not run through all of them.
    """
    check_whole(logs, span, what)
    start_ns, end_ns = span
    edges = [start_ns + (end_ns - start_ns) * i // WINDOWS for i in range(WINDOWS + 1)]
    inside = [[one for log in logs for one in log if a < one[2] <= b] for a, b in pairwise(edges)]
    rates = [len(rows) * 1e9 / (b - a) for rows, (a, b) in zip(inside, pairwise(edges), strict=True)]
    rows = [one for window in inside for one in window]
    invokes = [[one[2] - one[1] for one in window] for window in inside]
    cycle_ns = sum(one[2] - one[0] for one in rows) / max(1, len(rows))
    return {
        "ips": median(rates), "ips_low": min(rates), "ips_high": max(rates), "windows_ips": rates,
        "p50_ms": median(_percentile(window, 0.5) for window in invokes) / 1e6,
        "p99_ms": median(_percentile(window, 0.99) for window in invokes) / 1e6,
        "cycle_ms": cycle_ns / 1e6, "work_ms": sum(one[1] - one[0] for one in rows) / max(1, len(rows)) / 1e6,
        "little": sum(rates) / len(rates) * cycle_ns / 1e9,
    }  # fmt: skip


def _row(setup: ThreadSetup, figures: dict[str, Any], window_s: float) -> dict[str, str]:
    networks, work, mode, accelerators, cores = setup.key
    rates = figures.pop("windows_ips")
    return {
        "networks": networks, "threads": str(setup.threads), "mode": mode, "accelerators": accelerators,
        "cores": cores, "work": work, "windows_ips": " ".join(f"{rate:.1f}" for rate in rates),
        "window_s": f"{window_s:g}", **{key: f"{value:.5g}" for key, value in figures.items()},
    }  # fmt: skip


def _percentile(values: Sequence[int], share: float) -> int:
    return sorted(values)[max(1, ceil(share * len(values))) - 1] if values else 0
