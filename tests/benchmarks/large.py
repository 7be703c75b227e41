"""What large studies and sweeps cost: ``python tests/benchmarks/large.py study [EVERY]`` or ``... sweep [POINTS] [--dask]``.

``study`` simulates the points of every EVERYth network of the Edge TPU's study (1: all). ``sweep`` runs a spec of POINTS
points (10 000) on two processes, stops and resumes it half way, and with ``--dask`` compares the bytes of its file with
those from a cluster of four local workers. CPU seconds are those of all processes, workers' start included.
"""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WHOLE = 37_464  # points of the Edge TPU's study when its aim was set
MILLION = 1_000_000
NETWORKS = (
    "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224", "inception_v1_224", "inception_v3_299", "resnet_50_v1_224",
    "efficientdet_lite0_320", "ssd_mobilenet_v2_coco_300", "efficientnet_lite0_224", "mobilenet_v3_large_1.0_224",
    "densenet_121_224",
)  # fmt: skip
SPEC = """
models = {networks}
threads = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16]
accelerators = [1, 2, 3, 4]
host = ["raspberry-pi-4", "raspberry-pi-5", "dev-board", "x86-xeon", "jetson-nano"]
preprocess = ["none", "resize:320x240", "resize:640x480", "resize:1280x720", "resize:1920x1080"]
app_ms = {app_ms}
"""
EACH = 10_000  # points for each of the program's times


def cpu_s() -> float:
    """CPU seconds of this process and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak_mb() -> tuple[float, float]:
    """Peak memory (MB) of this process, and of the largest finished child."""
    return tuple(resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


@contextmanager
def measured(name: str, points: int) -> Iterator[None]:
    """Print what a number of points took."""
    wall, cpu = time.monotonic(), cpu_s()
    yield
    wall, cpu = time.monotonic() - wall, cpu_s() - cpu
    here, child = peak_mb()
    print(f"{name}: {points} points, {cpu:.1f} CPU-s, {cpu / points * 1e3:.2f} ms a point, {wall:.0f} s on the wall; "
          f"peak {here:.0f} MB, largest worker {child:.0f} MB", flush=True)  # fmt: skip


def study(every: int) -> None:
    """Simulate the points of a part of the study, or of all of it."""
    from dataclasses import replace

    from sim.fast.choice import chosen
    from sim.study.characterisation import grid_of, grid_rows
    from sim.study.executors import executor

    grid = grid_of()
    grid = replace(grid, networks=grid.networks[::every])
    cpu = cpu_s()
    with tempfile.TemporaryDirectory() as folder, measured("study", grid.size), executor(2) as found:
        frame = grid_rows(grid, Path(folder), found.pool, chosen("auto", grid.size))
    print(f"{WHOLE} points at that rate: {(cpu_s() - cpu) * WHOLE / grid.size:.0f} CPU-s")
    print(f"engines: {dict(Counter(frame['engine'].to_list()))}")


def spec_of(points: int) -> str:
    """A spec of so many points, in steps of ten thousand."""
    times = [str(number) for number in range(max(1, points // EACH))]
    return SPEC.format(networks=list(NETWORKS), app_ms=times)


def digest(path: Path) -> str:
    """What the bytes of a file are."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def stopped_and_resumed(spec: Path, output: Path, points: int) -> None:
    """Run a sweep that is stopped half way, as by Ctrl-C, and run it again."""
    from sim.study import sweeps

    note = sweeps.Journal.add

    def until_half(journal: object, rows: dict) -> None:
        note(journal, rows)
        if len(journal.places) > points / 2:
            raise KeyboardInterrupt

    sweeps.Journal.add = until_half
    try:
        sweeps.sweep(spec, output, workers=2)
    except KeyboardInterrupt:
        print("stopped half way", flush=True)
    sweeps.Journal.add = note
    found = sweeps.sweep(spec, output, workers=2)
    print(f"resumed: {found['simulated']} of {found['points']} points left, {found['errors']} errors", flush=True)


def sweep(points: int, has_dask: bool) -> None:
    """Run a sweep on two processes, again with a stop, and on a cluster of four workers."""
    from sim.study.results_file import read_results
    from sim.study.spec import read_spec
    from sim.study.sweeps import sweep as run

    with tempfile.TemporaryDirectory() as folder:
        spec, outputs = Path(folder) / "spec.toml", [Path(folder) / f"{number}.parquet" for number in range(3)]
        spec.write_text(spec_of(points))
        size, cpu = read_spec(spec).size, cpu_s()
        with measured("sweep on two processes", size):
            run(spec, outputs[0], workers=2)
        print(
            f"a million at that rate: {(cpu_s() - cpu) * MILLION / size:.0f} CPU-s, {outputs[0].stat().st_size * MILLION / size / 1e6:.0f} MB"
        )
        print(f"engines: {dict(Counter(read_results(outputs[0], columns=['engine'])['engine'].to_list()))}")
        with measured("the same, stopped and resumed", size):
            stopped_and_resumed(spec, outputs[1], size)
        if has_dask:
            import distributed

            options = {"threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
            options |= {"n_workers": 4, "local_directory": folder}
            with measured("on four Dask workers", size), distributed.LocalCluster(**options) as cluster:
                run(spec, outputs[2], dask=cluster.scheduler_address)
        digests = {digest(path) for path in outputs if path.exists()}
        print(
            f"bytes of {2 + has_dask} files: {'identical' if len(digests) == 1 else 'DIFFERENT'} ({', '.join(digests)})"
        )


def main() -> None:
    """Choose by the command line."""
    numbers = [int(word) for word in sys.argv[2:] if word.isdigit()]
    if sys.argv[1:2] == ["study"]:
        study(*numbers or [1])
    else:
        sweep(*numbers or [10_000], "--dask" in sys.argv)


if __name__ == "__main__":
    main()
