"""The full characterisation: every network on every size, with threads and accelerators, and what it all says."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import astuple
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError, nearest, need, reason
from hwmodels.files import write_text
from sim.closed_form.columns import STAGE_COLUMNS
from sim.fast.choice import SIMPY, chosen
from sim.study.area import area_findings
from sim.study.errors_by_region import error_findings, error_table, load_estimator, predictions
from sim.study.executors import Each, executor, given
from sim.study.explain import tree_findings
from sim.study.findings import Finding, findings
from sim.study.grid import PLANS, Case, Grid, Plan, network_rows
from sim.study.measured import measured_findings, measured_gains
from sim.study.overview import COLUMNS, Part, abstract, case_words, claims, gain_table
from sim.study.page import markdown
from sim.study.results_file import frame_of, is_damaged, stamp, write_frame
from sim.study.robustness import robustness
from sim.study.spec import digest_of, own_files
from sim.study.sweeps import Progress

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Grid", "grids_of", "schema", "study"]

EVERY, ALSO_EVERY = "both", "all"  # families
TITLES = {
    "claim": "The paper's claims from here", "measured": "Gains beside the measured ones",
    "area": "One large accelerator or several small ones", "area_mix": "Mixes of cores in one area",
    "tree": "What a network is, and what it gains",
    "coverage": "What was simulated", "largest_gain": "Largest gains on one accelerator, beside the paper's",
    "typical_gain": "Typical gains: whole system and accelerator alone", "trait": "What goes with the gain",
    "size_shift": "How size shifts it", "saturation": "How many threads are enough",
    "workload": "Without host work", "processes": "Processes instead of threads",
    "more_accelerators": "More accelerators", "bottleneck": "What limits a set-up",
    "pareto": "Pareto fronts of throughput, energy and latency", "robust": "Robust, or depends on",
    "spot_check": "Spot checks of the closed form", "estimator": "The estimator against the simulator",
    "estimator_region": "Where the closed form errs, and why",
}  # fmt: skip
#: In findings.json only: the page has tables and the tree instead.
KEPT_OFF = ("largest_gain", "typical_gain", "trait", "area_mix")
METHOD = (
    "Every sentence on this page is computed from results.parquet. Gains compare with one thread and one accelerator. "
    "Energy is that of the whole system unless it says accelerator alone."
)


def grid_of(models: str = "", sizes: str = "", cases: Sequence[Case] = (), family: str = "") -> Grid:
    """Return the grid for networks (names or patterns, comma separated; all if empty) and sizes of one family.

    Raises :class:`InputError` for a pattern that matches no network, an unknown size or family, or sizes of several.
    """
    from hwmodels.networks.zoo import canonical_name, names

    every = names()
    chosen: list[str] = []
    for pattern in (p.strip() for p in models.split(",")) if models else ["*"]:
        meant = pattern if "*" in pattern else canonical_name(pattern)
        matches = [name for name in every if fnmatchcase(name, meant)]
        if not matches:
            raise InputError.value(
                "--models", pattern, "a name of the zoo, or a pattern with *", nearest(pattern, every)
            )
        chosen += matches
    name, plan = _plan(sizes, family)
    wanted = tuple(size.strip() for size in sizes.split(",")) if sizes else plan.sizes
    return Grid(tuple(dict.fromkeys(chosen)), wanted, tuple(cases) or plan.cases, plan.reference, name)


def grids_of(models: str = "", sizes: str = "", family: str = "") -> tuple[Grid, ...]:
    """Return the grid of one family as :func:`grid_of` does, or those of every family for ``both``.

    Raises :class:`InputError` as :func:`grid_of` does, and for sizes where every family is asked for.
    """
    if family not in (EVERY, ALSO_EVERY):
        return (grid_of(models, sizes, family=family),)
    if sizes:
        raise InputError.problem("--sizes", f"cannot go with --family {family}", "leave one of them out")
    return tuple(grid_of(models, family=name) for name in PLANS)


def _plan(sizes: str, family: str) -> tuple[str, Plan]:
    """The family that is named, or that the sizes are of, and its plan."""
    from hwmodels.families import family_of_size

    if family and family not in PLANS:
        raise InputError.value("--family", family, " or ".join((*PLANS, EVERY)), nearest(family, (*PLANS, EVERY)))
    named = {family_of_size(size.strip()) for size in sizes.split(",")} if sizes else {family or "edgetpu"}
    if len(named) > 1 or (family and named != {family}):
        raise InputError.problem("--sizes", f"{sizes} are not all of one family", "study one family at a time")
    (name,) = named
    return name, PLANS[name]


def study(
    output: Path,
    grids: Sequence[Grid] = (),
    workers: int = 0,
    estimator: str = "",
    pool: Executor | None = None,
    engine: str = "auto",
) -> dict[str, Any]:
    """Run the study and write results.parquet, schema.json, findings.json, findings.md and report.html to a folder.

    ``grids`` limits it (one for each family), ``estimator`` (``package.module:function``, called with a row's options
    and its stage columns, returns the throughput in 1/s) is held against the simulator as ours is. ``engine`` simulates
    the points (:mod:`sim.fast.choice`). Finished networks are kept in the folder until the study is done: the same call
    goes on where one was stopped. Returns the findings' table. Raises :class:`InputError` for a folder that cannot be
    written, an unknown estimator or engine, or where an extra is missing.
    """
    started, cpu = time.monotonic(), _cpu_s()
    need("polars", "study")
    need("sklearn.ensemble", "estimator")
    other = load_estimator(estimator) if estimator else None
    kept = {_kept(output, grid): grid for grid in grids or (grid_of(),)}
    for folder in kept:
        _folder(folder)
    chosen_engine = chosen(engine, sum(grid.size for grid in kept.values()))
    with executor(workers) if pool is None else given(pool) as found:
        frame = _all_rows(kept, found.pool, chosen_engine)
        write_frame(output / "results.parquet", frame)
        write_text(output / "schema.json", json.dumps(schema(frame), indent=1))
        report = _report(frame, list(kept.values()), (other, estimator), _shared_out(found.pool))
    report["engines"] = dict(frame.drop_nulls("engine")["engine"].value_counts().iter_rows())
    report["seconds"] = {"wall": time.monotonic() - started, "cpu": _cpu_s() - cpu}
    write_text(output / "findings.json", json.dumps(report, indent=1))
    write_text(output / "findings.md", markdown(report))
    _html(output)
    for folder in kept:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _kept(output: Path, grid: Grid) -> Path:
    """Where a grid's finished networks stay until the study is done: another folder for every other grid."""
    return output / f"unfinished-{digest_of(astuple(grid), own_files(grid.networks))}"


def _shared_out(pool: Executor) -> Each:
    """Return what maps over networks in the workers of a pool, and says how far it is."""

    def each(function: Callable[[str], Any], names: Sequence[str]) -> Iterator[Any]:
        """Yield the results in the networks' order."""
        progress = Progress(len(names), unit="networks for the findings")
        for number, result in enumerate(pool.map(function, names), 1):
            progress.show(number)
            yield result
        progress.end()

    return each


def _all_rows(kept: Mapping[Path, Grid], pool: Executor, engine: str) -> pl.DataFrame:
    import polars as pl

    frames = [grid_rows(grid, folder, pool, engine) for folder, grid in kept.items()]
    return pl.concat(frames, how="diagonal_relaxed")


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
        raise InputError.problem(
            str(path), f"cannot be written ({reason(error)})", "give a folder that can be written"
        ) from None


def grid_rows(grid: Grid, kept: Path, pool: Executor, engine: str = SIMPY) -> pl.DataFrame:
    """Simulate the grid, a network at a time in each worker; rows in the grid's order.

    A network's rows become a file in ``kept`` as they arrive: a study that was stopped goes on from there, and Python
    objects would take ten times the memory.
    """
    import polars as pl

    files = {name: kept / f"{number}.parquet" for number, name in enumerate(grid.networks)}
    todo = [name for name, path in files.items() if not path.is_file() or is_damaged(path)]
    if todo:
        _simulate(grid, {name: files[name] for name in todo}, pool, engine)
    return pl.concat([pl.read_parquet(path) for path in files.values()], how="diagonal_relaxed")


def _simulate(grid: Grid, files: Mapping[str, Path], pool: Executor, engine: str) -> None:
    """Write a file of rows for each network, in whatever order they finish."""
    progress = Progress(len(grid.networks), len(grid.networks) - len(files), "networks")
    jobs = {pool.submit(network_rows, name, grid.sizes, grid.cases, engine): path for name, path in files.items()}
    for number, job in enumerate(as_completed(list(jobs)), progress.before + 1):
        write_frame(jobs.pop(job), frame_of(job.result()))
        progress.show(number)
    progress.end()


def _report(frame: pl.DataFrame, grids: Sequence[Grid], other: tuple[Any, str], each: Each) -> dict[str, Any]:
    """Abstract, table, findings, robustness and error tables of the rows; ``other`` is an estimator with its name."""
    good = frame.filter(frame["error"] == "")
    if good.is_empty():
        raise InputError.problem(
            "the study", f"could simulate no point ({frame['error'][0]})", "choose networks and sizes that can be built"
        )
    table = error_table(good, predictions(good, *other))
    parts = [Part(grid, good.filter(good["size"].is_in(grid.sizes))) for grid in grids]
    parts = [part for part in parts if part.rows.height]
    every = [finding for part in parts for finding in _family_findings(part, each)]
    every += error_findings(table)
    every += claims(parts, every)
    return {
        "abstract": abstract(parts, every), "columns": COLUMNS, "table": gain_table(parts),
        "titles": TITLES, "kept_off": KEPT_OFF, "method": METHOD, "parts": [_described(part) for part in parts],
        **stamp(), "points": frame.height, "errors": frame.height - good.height, "seed": 0, "findings": every,
        "estimator_errors": table,
    }  # fmt: skip


def _family_findings(part: Part, each: Each) -> Iterator[Finding]:
    """What the rows of one family say; each finding names the family."""
    grid = part.grid
    makers = chain(
        findings(part.rows), tree_findings(part.rows), measured_findings(grid.family),
        area_findings(part.rows["models"].unique(maintain_order=True).to_list(), grid.family, each),
        robustness(part.rows, grid.cases[0], grid.reference, each),
    )  # fmt: skip
    return (finding | {"family": grid.family} for finding in makers)


def _described(part: Part) -> dict[str, Any]:
    """A family's part in words: what its cases are, and what was measured on it."""
    grid = part.grid
    return {
        "family": grid.family, "sizes": list(grid.sizes), "cases": list(case_words(grid)),
        "note": PLANS[grid.family].note, "measured": list(measured_gains(grid.family)),
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
    "engine": "what simulated the point: simpy, or fast (compiled); both give the same",
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
