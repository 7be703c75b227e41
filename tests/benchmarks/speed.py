"""Speed and memory figures, printed, never asserted: ``python tests/benchmarks/speed.py``.

CPU seconds of this process or of a child; a shared machine is noisy, so take the best of several.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NETWORK = "mobilenet_v2_1.0_224"


def child(*arguments: str) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of one command."""
    code = f"import sys; sys.argv = ['edgetpusim', *{list(arguments)!r}]; from sim.commands.cli import main; main()"
    # What was installed is compiled: the first of several runs compiles it here, wherever Python is told not to.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], environment, file_actions=_quiet())
    _, _, used = os.wait4(pid, 0)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _quiet() -> list[tuple[int, int, str, int, int]]:
    return [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]


def median(*arguments: str, times: int = 5) -> str:
    child(*arguments)
    cpu, memory = zip(*sorted(child(*arguments) for _ in range(times)), strict=True)
    return f"{cpu[times // 2]:.3f} CPU-s in the median of {times} (least {cpu[0]:.3f}), {max(memory):.0f} MB"


def engine(inferences: int = 100_000, name: str = "simpy", **options: object) -> float:
    """Simulated inferences for a CPU second, without spans and without stopping at a period."""
    from sim.engine import Run
    from sim.scenario import Scenario
    from sim.setup import build

    kind = Run
    if name == "fast":
        from sim.fast.loops import Loop

        kind = Loop

    class Endless(kind):
        def _may_repeat(self) -> bool:
            return False

        def _is_settled(self) -> bool:
            return False

    setup = build(Scenario(models=NETWORK, threads=8, cores=4, accelerators=2, inferences=inferences, **options))
    started = time.process_time()
    run = Endless(setup)
    run.until_steady()
    return run.completions / (time.process_time() - started)


def interaction(network: str) -> float:
    """CPU seconds (best of three) of what the busiest lesson draws: figures, timeline and a curve of eight points."""
    from dataclasses import replace

    from sim import Scenario
    from sim.lab import kit
    from sim.lab.lesson import Figures, Timeline
    from sim.site.view_data import view_data

    scenario, took = Scenario(models=network, accelerators=2, host="raspberry-pi-4", preprocess="resize"), []
    for number in (3, 5, 6, 7):  # the first time the network is loaded and compiled
        moved, started = replace(scenario, threads=number), time.process_time()
        view_data(Figures(moved, ("throughput_ips",)))
        view_data(Timeline(moved))
        for threads in range(1, 9):
            kit.point(replace(moved, threads=threads))
        took.append(time.process_time() - started)
    return min(took)


def large_file() -> str:
    """Read a .tflite of 130 MB (one dense layer): CPU time of the reading, and its memory in a process of its own."""
    from calibration.harness.tflite_writer import write_model
    from hwmodels.networks.generated import generate

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.tflite"
        write_model(generate("dense_11400"), path)
        code = (
            "import resource, sys, time; from pathlib import Path; from hwmodels.networks.tflite import read_graph;"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; started = time.process_time();"
            f"graph = read_graph(Path({str(path)!r})); seconds = time.process_time() - started;"
            "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before;"
            "print(f'{graph.parameter_bytes / 1e6:.0f} MB of weights: {seconds:.3f} CPU-s, {grown / 1024:.1f} MB more memory')"
        )
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    print(f"run {NETWORK} --threads 4, cold: {median('run', NETWORK, '--threads', '4')}")
    print(f"run {NETWORK} --json, cold: {median('run', NETWORK, '--json')}")
    for words in (("--help",), ("zoo", "list"), ("advise", NETWORK)):
        print(f"{' '.join(words)}, cold: {median(*words)}")
    # A child's peak memory starts at its parent's: commands first, what makes this process large after them.
    for inferences in ("10000", "1000000"):
        print(f"run --inferences {inferences}: {median('run', NETWORK, '--threads', '4', '--inferences', inferences)}")
    print(f"reading a large file: {large_file()}")
    for name in (NETWORK, "yolov8n_320", "inception_resnet_v2_299"):
        print(f"an interaction of a lesson, {name}: {interaction(name):.2f} CPU-s")
    what = "8 threads, 4 cores, 1 link, 2 accelerators"
    for name in ("simpy", "fast"):
        for options in ({}, {"mode": "processes"}, {"preprocess": "resize"}):
            figures = max(engine(name=name, **options) for _ in range(5))
            print(f"engine {name}, {what} {options or ''}: {figures:,.0f} inferences per CPU-s")


if __name__ == "__main__":
    sys.exit(main())
