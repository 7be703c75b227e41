"""The commands of the design space: estimate, sweep, study, query, report, advise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.commands.options import InGroups, file_option, scenario_command
from sim.commands.patience import sign_of_life

__all__ = ["StoppedError", "register"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Results = Annotated[
    Path, typer.Argument(metavar="RESULTS", help="A results file of sweep or study, or a study's folder.")
]
TableFile = Annotated[Path, file_option("-o", "--output", help="The file to write: .parquet.", endings=(".parquet",))]
PageFile = Annotated[Path, file_option("-o", "--output", help="The page to write: .html.", endings=(".html", ".htm"))]
AnyVersion = Annotated[bool, typer.Option(help="Also rows of other versions, whose numbers may mean something else.")]
MinIps = Annotated[float | None, typer.Option(help="At least so many inferences per second.")]
MaxP95 = Annotated[
    float | None, typer.Option("--max-p95-ms", help="95th percentile of the latency at most so many ms.")
]
MaxP99 = Annotated[
    float | None, typer.Option("--max-p99-ms", help="99th percentile of the latency at most so many ms.")
]
MaxW = Annotated[float | None, typer.Option(help="At most so many watts, whole system.")]
Workers = Annotated[
    int, typer.Option(min=0, max=256, help="Processes on this machine (0: one for each CPU).")
]  # a mistyped number would fill its memory

EngineName = Annotated[
    str, typer.Option("--engine", help="auto, simpy (runs everything) or fast (compiled closed loops, extra fast).")
]


class StoppedError(RuntimeError):
    """Ctrl-C during work that goes on from what it has kept; the text says so."""


@contextmanager
def _keeping() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError("interrupted; what was finished is kept: the same command goes on") from None


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(cls=InGroups)(scenario_command(estimate))
    app.command(cls=InGroups)(scenario_command(advise))
    for command in (sweep, study, query, report):
        app.command()(command)


def estimate(
    scenario: Any,
    method: Annotated[str, typer.Option(help="bounds, mva or mix.")] = "bounds",
    correction: Annotated[
        Path | None, typer.Option(help="Correct by what this results file of study or sweep shows.")
    ] = None,
    json: Json = False,
) -> None:
    """The closed-form estimate of a scenario: the answer of run, without the simulation.

    Example: edgetpusim estimate mobilenet_v2_1.0_224 --threads 4 --preprocess resize --host raspberry-pi-4
    """
    from sim.estimator import estimate as closed_form

    summary = closed_form(scenario, method, _fitted(correction) if correction else None)
    if json:
        _print_json(summary)
        return
    from sim.commands.study_output import print_estimate

    print_estimate(summary)


def _fitted(path: Path) -> Any:
    """A correction fitted on the simulated points of a results file."""
    from sim.closed_form.correction import Correction
    from sim.study.errors_by_region import columns_of
    from sim.study.results_file import read_results

    frame = read_results(path / "results.parquet" if path.is_dir() else path)
    good = frame.filter(frame["error"] == "")
    return Correction().fit(columns_of(good), good["throughput_ips"].to_numpy())


def advise(
    scenario: Any,
    min_ips: MinIps = None,
    max_p95_ms: MaxP95 = None,
    max_p99_ms: MaxP99 = None,
    max_w: MaxW = None,
    what_if: Annotated[bool, typer.Option(help="Also what cannot be bought or plugged in.")] = False,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your prices (TOML, as docs/prices.toml): cheapest by them.")
    ] = None,
    years: Annotated[
        float | None, typer.Option(help="Cheapest with the energy of so many years (needs prices with per_kwh).")
    ] = None,
    json: Json = False,
) -> None:
    """Which next step gains how much: a thread, an accelerator, a link, a host, the CPU; and the cheapest under limits.

    Example: edgetpusim advise mobilenet_v2_1.0_224 --preprocess resize --host raspberry-pi-4 --min-ips 150
    """
    from sim.advice import Limits, Shop
    from sim.advice import advise as ranked
    from sim.choices.market import Prices, read_prices

    limits = Limits(min_ips=min_ips, max_p95_ms=max_p95_ms, max_p99_ms=max_p99_ms, max_w=max_w)
    table = (read_prices(prices) if prices else Prices()).over(years)
    with sign_of_life() as progress:
        found = ranked(scenario, limits, Shop(what_if, table if prices else None, progress))
    if json:
        _print_json(found)
        return
    from sim.commands.study_output import print_advice

    print_advice(found, limits.given, table.currency)


def sweep(
    spec: Annotated[
        Path, typer.Argument(metavar="SPEC.toml", help="Options and part numbers, each a value or a list.")
    ],
    output: TableFile,
    workers: Workers = 0,
    dask: Annotated[str, typer.Option(metavar="ADDRESS", help="Run on the Dask cluster of this scheduler.")] = "",
    engine: EngineName = "auto",
    json: Json = False,
) -> None:
    """Simulate a grid or Latin hypercube of scenarios; the same command goes on after a kill.

    Example: edgetpusim sweep spec.toml -o results.parquet --workers 2
    """
    from sim.study.sweeps import sweep as run_sweep

    with _keeping():
        done = run_sweep(spec, output, workers, dask, engine=engine)
    if json:
        _print_json(done | {"output": str(output)})
    words = f"{done['points']} points, {done['simulated']} simulated now, {done['errors']} with an error"
    print(f"{output}: {words}", file=sys.stderr)
    if done["errors"]:
        from sim.study.results_file import failures

        for reason, count in failures(output):
            print(f"{count} x {reason}", file=sys.stderr)


def study(
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
    models: Annotated[str, typer.Option(help="Only these networks: names or patterns, comma separated.")] = "",
    sizes: Annotated[str, typer.Option(help="Only these sizes.")] = "",
    family: Annotated[str, typer.Option(help="edgetpu, dpu or both; the sizes' own if empty.")] = "",
    estimator: Annotated[str, typer.Option(help="package.module:function to hold against the simulator as well.")] = "",
    workers: Workers = 0,
    engine: EngineName = "auto",
    json: Json = False,
) -> None:
    """The full characterisation: every network on every size, findings, figures, estimator errors.

    Example: edgetpusim study -o study/
    """
    from sim.study.characterisation import grids_of
    from sim.study.characterisation import study as run_study

    with _keeping():
        found = run_study(output, grids_of(models, sizes, family), workers, estimator, engine=engine)
    if json:
        _print_json(found)
        return
    from sim.commands.study_output import print_study

    print_study(found, output)


def query(
    results: Results,
    pareto: Annotated[str, typer.Option(help="Only the Pareto front over these columns, comma separated.")] = "",
    best: Annotated[str, typer.Option(help="Only the best row by this column.")] = "",
    model: Annotated[str, typer.Option(help="Only this network.")] = "",
    where: Annotated[list[str] | None, typer.Option(help="COLUMN=VALUE; may be repeated.")] = None,
    min_ips: MinIps = None,
    max_p95_ms: MaxP95 = None,
    max_w: MaxW = None,
    max_mj: Annotated[float | None, typer.Option(help="At most so many mJ per inference, whole system.")] = None,
    any_version: AnyVersion = False,
    json: Json = False,
) -> None:
    """Search a results file: a Pareto front, or the best point, under limits.

    Example: edgetpusim query study/results.parquet --model mobilenet_v2_1.0_224 --pareto throughput_ips,power_w_total
    """
    from sim.study.query import query as search

    points = search(
        results / "results.parquet" if results.is_dir() else results,
        pareto_keys=[key.strip() for key in pareto.split(",") if key.strip()],
        best=best,
        model=model,
        where=dict(_pair(text) for text in where or []),
        limits={"min_ips": min_ips, "max_p95_ms": max_p95_ms, "max_w": max_w, "max_mj": max_mj},
        any_version=any_version,
    )
    if json:
        _print_json({"points": points})
        return
    from sim.commands.study_output import print_points

    print_points(points)


def _pair(text: str) -> tuple[str, str]:
    from hwmodels.errors import InputError

    key, equals, value = text.partition("=")
    if not equals:
        raise InputError.value("--where", text, "COLUMN=VALUE")
    return key.strip(), value.strip()


def report(results: Results, output: PageFile, any_version: AnyVersion = False, json: Json = False) -> None:
    """Write one self-contained HTML page about a results file; it opens without a network.

    Example: edgetpusim report study/ -o study.html
    """
    from sim.study.report import report as write

    written = write(results, output, any_version)
    if json:
        _print_json({"output": str(written)})
    print(f"{written}: written", file=sys.stderr)


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=1))
