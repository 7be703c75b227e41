"""Virtual accelerators beside the simulator, printed: ``python tests/benchmarks/virtual.py [SECONDS]``.

First one inference alone, on devices that hold it for 0.5 to 7 ms: the median of many, the closed form, what the
device's own code takes, how late the holder woke up. Then threads: inferences a second and percentiles, the
Python form, the C form where there is a compiler, logical time, and what is simulated. Files are of our own writer.
The last line says what other programs took of the cores: the figures mean little where it is much.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from virtual_files import HEAD, write_compiled

from sim.scenario import Scenario
from sim.virtual.hostload import HostLoad
from sim.virtual.library import build_library
from sim.virtual.plan import checked_settings, make_plan
from sim.virtual.session import Session, session_folder

CYCLES = (50_000, 200_000, 640_000, 2_200_000)
ALONE = """
i, took = make(sys.argv[1]), []
for _ in range(30): i.invoke()
end = time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    start = time.perf_counter_ns(); i.invoke(); took.append(time.perf_counter_ns() - start)
print(*took)
"""
THREADS = """
end, n = time.perf_counter() + float(sys.argv[2]), int(sys.argv[3])
def work(i):
    while time.perf_counter() < end: i.invoke()
threads = [threading.Thread(target=work, args=(make(sys.argv[1]),)) for _ in range(n)]
[t.start() for t in threads]; [t.join() for t in threads]
"""


@dataclass(frozen=True)
class Bench:
    """A file, and for how long each figure is taken (s)."""

    file: Path
    seconds: float

    def session(self, folder: Path, clock: str = "real") -> Session:
        """A stick of its own."""
        scenario = Scenario(models=str(self.file))
        return Session(scenario, make_plan(scenario, [self.file], checked_settings(clock)), folder)

    def run(self, session: Session, code: str, *arguments: object) -> str:
        """The output of a program."""
        command = [sys.executable, "-c", HEAD + code, str(self.file), str(self.seconds), *map(str, arguments)]
        return subprocess.run(command, env=session.environment(), capture_output=True, text=True, check=True).stdout

    def alone(self) -> str:
        """One line: an inference that nobody else disturbs."""
        with session_folder() as folder:
            session = self.session(folder)
            took = [int(word) for word in self.run(session, ALONE).split()]
            report = session.report()
        closed_ms = session.planned.setups[0].stage_times[0][0].invoke_ns / 1e6
        middle_ms, low_ms = median(took) / 1e6, sorted(took)[len(took) // 10] / 1e6
        return (
            f"{closed_ms:8.3f} {middle_ms:8.3f} {middle_ms / closed_ms - 1:+7.2%} {low_ms:8.3f} "
            f"{report['own_cost_us']:8.1f} {report['late_ms']['p50'] * 1e3:8.1f} {report['late_ms']['p99'] * 1e3:8.1f}"
        )

    def threads(self, count: int) -> str:
        """One line for each form: this many threads on one device."""
        rows = [self._row("Python", count, "real"), self._row("C", count, "real", True)]
        rows.append(self._row("logical", count, "logical"))
        return "\n".join(filter(None, rows))

    def _row(self, name: str, count: int, clock: str, compiled: bool = False) -> str:
        with session_folder() as folder:
            if compiled and build_library(folder) is None:
                return ""
            session = self.session(folder, clock)
            self.run(session, THREADS, count)
            report = session.report()
        return f"{count:3d} {name:8s} {_rates(report)} | simulated {_rates(report['predicted'])}"


def _rates(answer: dict[str, Any]) -> str:
    latency = answer["latency_ms"]
    return f"{answer['throughput_ips']:8.1f}/s p50 {latency['p50']:7.3f} p99 {latency['p99']:7.3f} ms"


def main(seconds: float) -> None:
    """Print everything."""
    load = HostLoad()
    with tempfile.TemporaryDirectory() as folder:
        files = [write_compiled(Path(folder) / f"b{c}_edgetpu.tflite", estimated_cycles=c) for c in CYCLES]
        benches = [Bench(file, seconds) for file in files]
        print("one inference alone (ms; own cost and late waking in us)")
        print("  closed   median    error      p10 own cost late p50 late p99")
        for bench in benches:
            print(bench.alone(), flush=True)
        for count in (1, 2, 4, 8):
            print(benches[1].threads(count), flush=True)
    report = load.report()
    print(f"load average {report['load_average']:.1f}; others took {report['others'] or 0:.0%} of the cores' time")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
