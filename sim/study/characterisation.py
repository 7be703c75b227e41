"""The full characterisation: every network on every size, with threads and accelerators, and what it all says."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import astuple
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError, nearest
from hwmodels.files import write_text
from sim.stages import STAGE_COLUMNS
from sim.study.errors_by_region import error_findings, error_table, load_estimator, predictions
from sim.study.executors import executor, given
from sim.study.findings import Finding, findings, markdown
from sim.study.grid import CASES, SIZES, Case, Grid, network_rows
from sim.study.robustness import robustness
from sim.study.spec import digest_of, own_files
from sim.study.sweeps import Progress
from sim.tabular import frame_of, is_damaged, need, stamp, write_frame

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Grid", "schema", "study"]

TITLES = {
    "coverage": "What was simulated", "largest_gain": "Largest gains on one accelerator, beside the paper's",
    "typical_gain": "Typical gains: whole system and accelerator alone", "trait": "What explains the gain",
    "size_shift": "How size shifts it", "saturation": "How many threads are enough",
    "workload": "Without host work", "processes": "Processes instead of threads",
    "more_accelerators": "More accelerators", "bottleneck": "What limits a set-up",
    "pareto": "Pareto fronts of throughput, energy and latency", "robust": "Robust, or depends on",
    "spot_check": "Spot checks of the closed form", "estimator": "The estimator against the simulator",
    "estimator_region": "Where the closed form errs, and why",
}  # fmt: skip
METHOD = (
    "Every sentence on this page is computed from results.parquet. Gains compare with one thread and one accelerator; "
    "the headline's workload resizes and casts a 1280x720 RGB frame and decodes the result on the host. Energy is "
    "that of the whole system unless it says accelerator alone. Power of the hosts was measured; small and large never "
    "were: their figures are extrapolations."
)


def grid_of(models: str = "", sizes: str = "", cases: Sequence[Case] = CASES) -> Grid:
    """Return the grid for networks (names or patterns, comma separated; all if empty) and sizes.

    Raises :class:`InputError` for a pattern that matches no network, or an unknown size.
    """
    from hwmodels.accelerator import load_accelerator
    from hwmodels.zoo import names

    every = names()
    chosen: list[str] = []
    for pattern in (p.strip() for p in models.split(",")) if models else ["*"]:
        matches = [name for name in every if fnmatchcase(name, pattern)]
        if not matches:
            raise InputError("--models", pattern, "names of the zoo, or patterns with *", nearest(pattern, every))
        chosen += matches
    wanted = tuple(size.strip() for size in sizes.split(",")) if sizes else SIZES
    for size in wanted:
        load_accelerator(size)
    return Grid(tuple(dict.fromkeys(chosen)), wanted, tuple(cases))


def study(
    output: Path, grid: Grid | None = None, workers: int = 0, estimator: str = "", pool: Executor | None = None
) -> dict[str, Any]:
    """Run the study and write results.parquet, schema.json, findings.json, findings.md and report.html to a folder.

    ``grid`` limits it, ``estimator`` (``package.module:function``, called with a row's options and its stage columns,
    returns the throughput in 1/s) is held against the simulator as ours is. Finished networks are kept in the folder
    until the study is done: the same call goes on where one was stopped. Returns the findings' table. Raises
    :class:`InputError` for a folder that cannot be written, an unknown estimator, or where an extra is missing.
    """
    started, cpu = time.monotonic(), _cpu_s()
    need("polars", "study")
    need("sklearn.ensemble", "estimator")
    other = load_estimator(estimator) if estimator else None
    grid = grid or grid_of()
    kept = output / f"unfinished-{digest_of(astuple(grid), own_files(grid.networks))}"
    _folder(kept)
    frame = _rows(grid, kept, workers, pool)
    write_frame(output / "results.parquet", frame)
    write_text(output / "schema.json", json.dumps(schema(frame), indent=1))
    report = _report(frame, grid, other, estimator)
    report["seconds"] = {"wall": time.monotonic() - started, "cpu": _cpu_s() - cpu}
    write_text(output / "findings.json", json.dumps(report, indent=1))
    write_text(output / "findings.md", markdown(report))
    _html(output)
    shutil.rmtree(kept, ignore_errors=True)
    return report


def _cpu_s() -> float:
    """CPU seconds of this process and its finished children."""
    import os

    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(str(path), error.strerror or type(error).__name__, "a folder that can be written") from None


def _rows(grid: Grid, kept: Path, workers: int, pool: Executor | None) -> pl.DataFrame:
    """Simulate the grid, a network at a time in each worker; rows in the grid's order.

    A network's rows become a file in ``kept`` as they arrive: a study that was stopped goes on from there, and Python
    objects would take ten times the memory.
    """
    import polars as pl

    files = {name: kept / f"{number}.parquet" for number, name in enumerate(grid.networks)}
    todo = [name for name, path in files.items() if not path.is_file() or is_damaged(path)]
    if todo:
        _simulate(grid, {name: files[name] for name in todo}, workers, pool)
    return pl.concat([pl.read_parquet(path) for path in files.values()], how="diagonal_relaxed")


def _simulate(grid: Grid, files: Mapping[str, Path], workers: int, pool: Executor | None) -> None:
    """Write a file of rows for each network, in whatever order they finish."""
    progress = Progress(len(grid.networks), len(grid.networks) - len(files), "networks")
    with executor(workers) if pool is None else given(pool) as chosen:
        jobs = {chosen.pool.submit(network_rows, name, grid.sizes, grid.cases): path for name, path in files.items()}
        for number, job in enumerate(as_completed(list(jobs)), progress.before + 1):
            write_frame(jobs.pop(job), frame_of(job.result()))
            progress.show(number)
    progress.end()


def _report(frame: pl.DataFrame, grid: Grid, other: Any, name: str) -> dict[str, Any]:
    """Findings, robustness and error tables of the rows."""
    good = frame.filter(frame["error"] == "")
    if good.is_empty():
        raise InputError(
            "study", "no point could be simulated", "networks and sizes that can be built", frame["error"][0]
        )
    table = error_table(good, predictions(good, other, name))
    every: list[Finding] = [*findings(frame), *robustness(good, grid.cases[0]), *error_findings(table)]
    return {
        "titles": TITLES, "method": METHOD, **stamp(), "points": frame.height,
        "errors": frame.height - good.height, "seed": 0, "findings": every, "estimator_errors": table,
    }  # fmt: skip


def _html(output: Path) -> None:
    from sim.study.report import report

    report(output / "results.parquet", output / "report.html")


DESCRIPTIONS = {
    "case": "workload and host of the study", "family": "the network's family in the zoo",
    "trait_macs": "multiply-accumulates of the network",
    "trait_parameter_bytes": "its parameters (bytes)",
    "trait_host_share": "share of one inference alone outside the accelerator's lock",
    "trait_ops_per_input_byte": "operations (2 per multiply-accumulate) per byte of input",
    "trait_off_chip_bytes": "parameter bytes streamed in every inference",
    "trait_depthwise_share": "share of the multiply-accumulates in depthwise convolutions",
    "trait_output_bytes": "output bytes over the link",
    "trait_mac_utilisation": "multiply-accumulates over what the array could do in its compute time",
    "trait_compute_share": "compute time over held time", "trait_cpu_ops": "runs of operators on the CPU",
    "error": "why the point could not be simulated; empty if it was",
    "interval90_throughput_ips_lo": "90 % interval: the network's one-thread parameter uncertainty on this size",
    "interval90_throughput_ips_hi": "90 % interval, upper end",
    "inferences_simulated": "inferences until the run was steady",
}  # fmt: skip


def schema(frame: pl.DataFrame) -> dict[str, Any]:
    """Describe every column: type, unit where its name has one, and meaning."""
    meanings: Mapping[str, str] = {**STAGE_COLUMNS, **DESCRIPTIONS}
    return {
        **stamp(),
        "rows": "one for each point; every option of `edgetpusim run`, every scalar of `run --json` (nested keys "
        "joined by _), stage_... = what an estimator is given, trait_... = properties of the network",
        "columns": [
            {"name": name, "type": str(kind), "unit": _unit(name), "meaning": meanings.get(name, "as in run --json")}
            for name, kind in frame.schema.items()
        ],
    }


def _unit(name: str) -> str:
    ends = {
        "_ips": "1/s", "_ns": "ns", "_ms": "ms", "_mj": "mJ", "_w": "W", "_bytes": "bytes", "mj_per_inference": "mJ",
        "_s": "s",
    }  # fmt: skip
    if "_ms_" in name:
        return "ms"
    if name.startswith("power_w"):
        return "W"
    plain = name.removesuffix("_lo").removesuffix("_hi")
    return next((unit for end, unit in ends.items() if plain.endswith(end)), "")
