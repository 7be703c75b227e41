"""Memory and time of questions to a large results file: ``python tests/benchmarks/results.py RESULTS [ROWS]``.

The rows of a results file of ``sweep`` or ``study`` are repeated, each copy with rates, latencies and energies moved a
little, until there are so many (default a million). Figures are printed, never asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOVED = ("throughput_ips", "latency_ms_p95", "energy_mj_per_inference", "power_w_total")


def enlarge(source: Path, target: Path, count: int) -> int:
    """Write the repeated rows; return how many there are."""
    import numpy as np
    import polars as pl

    from sim.study.results_file import read_results, write_frame

    frame, draw = read_results(source), np.random.default_rng(0)
    copies = -(-count // len(frame))
    frames = [
        frame.with_columns(pl.col(key) * pl.Series(draw.uniform(0.8, 1.2, len(frame))) for key in MOVED)
        for _ in range(copies)
    ]
    whole = pl.concat(frames)
    write_frame(target, whole)
    return len(whole)


def child(*arguments: str) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory (MB) of one command."""
    code = f"import sys; sys.argv = ['edgetpusim', *{list(arguments)!r}]; from sim.commands.cli import main; main()"
    started = time.monotonic()
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, arguments
    return time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    """Enlarge in a process of its own, as its memory would count for the children."""
    source, count = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.parquet"
        code = f"from results import enlarge; from pathlib import Path; print(enlarge(Path({str(source)!r}), Path({str(large)!r}), {count}))"
        made = subprocess.run(
            [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
        print(f"{made.stdout.strip()} rows, {large.stat().st_size / 1e6:.0f} MB")
        for name, command in (
            ("query --best", ("query", str(large), "--best", "throughput_ips")),
            ("query --pareto", ("query", str(large), "--pareto", "throughput_ips,energy_mj_per_inference")),
            ("report", ("report", str(large), "-o", str(Path(folder) / "report.html"))),
        ):
            wall, cpu, memory = child(*command)
            print(f"{name:16} {wall:6.1f} s, {cpu:6.1f} CPU-s, {memory:6.0f} MB")


if __name__ == "__main__":
    main()
