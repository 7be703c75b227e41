"""The command ``edgetpusim-calibrate``: measure, fit, validate, convert, datasets. It parses, calls and prints."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Callable
from dataclasses import fields
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from calibration.harness.options import MeasureOptions
from sim.commands.cli import run_app
from sim.commands.options import file_option

__all__ = ["app", "main"]

app = typer.Typer(
    help="Measure Edge TPUs, fit part files to measurements, and hold the models against measurements.",
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
datasets_app = typer.Typer(help="The shipped measurements, and checks of your own.", no_args_is_help=True)
app.add_typer(datasets_app, name="datasets")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"edgetpusim {version('edgetpusim')}\ncalibration: {Path(__file__).parent}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Version and paths.")
    ] = False,
) -> None:
    pass


def _print(value: object) -> None:
    print(json_module.dumps(value, indent=1))


def _progress(line: str) -> None:
    print(line, file=sys.stderr)


@datasets_app.command("list")
def list_datasets(json: Json = False) -> None:
    """List the shipped measurement files: rows, sources, flagged rows, trust.

    Example: edgetpusim-calibrate datasets list
    """
    from dataclasses import asdict

    from calibration.shipped import dataset_info, dataset_names

    found = [dataset_info(name) for name in dataset_names()]
    if json:
        _print({"datasets": [asdict(info) for info in found]})
        return
    for info in found:
        print(f"{info.name:24} {info.rows:5} rows, {info.flagged:3} flagged  {', '.join(info.sources[:5])}")


@datasets_app.command("show")
def show_dataset(name: str, json: Json = False) -> None:
    """Show the rows of a shipped dataset or of a file.

    Example: edgetpusim-calibrate datasets show google_reference
    """
    from dataclasses import asdict

    from calibration.shipped import load_dataset

    rows = load_dataset(name)
    if json:
        _print({"dataset": name, "rows": [asdict(row) for row in rows]})
        return
    for row in rows:
        value = f"{row.metric}  {row.value:g} {row.unit}"
        print(f"{row.source_id}  {row.model}  {value}  {row.link} {row.host_id}  {row.flag}")


@datasets_app.command("check")
def check_dataset(file: Path, json: Json = False) -> None:
    """Check a measurement file: columns, numbers, units, networks, known outliers.

    Example: edgetpusim-calibrate datasets check mine.csv
    """
    from calibration.setups import is_known
    from calibration.shipped import load_dataset

    rows = load_dataset(file)
    unknown = sorted({row.model for row in rows if not is_known(row)})
    answer = {
        "file": str(file), "rows": len(rows), "flagged": sum(bool(row.flag) for row in rows),
        "networks": len({row.model for row in rows}), "unknown_networks": unknown,
    }  # fmt: skip
    if json:
        _print(answer)
        return
    print(f"{file}: {len(rows)} rows, {answer['flagged']} flagged, {answer['networks']} networks")
    print(f"not in the zoo: {', '.join(unknown) or 'none'}")


@app.command("fit")
def fit_command(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the part files.")],
    dataset: Annotated[list[str] | None, typer.Option(help="Shipped dataset or FILE.csv; again for more.")] = None,
    json: Json = False,
) -> None:
    """Fit the part files to measurements; prints the fit's error beside the error with each network left out.

    Example: edgetpusim-calibrate fit --dataset mine.csv -o mine/
    """
    from calibration.fitting import fit
    from calibration.partfiles import write_parts
    from calibration.report import fit_report, print_fit
    from calibration.shipped import load_dataset

    names = dataset or ()
    for name in names:  # what cannot be read is told before the work begins
        load_dataset(name)
    _progress("fitting ...")
    calibration = fit(names)
    paths = write_parts(calibration, output)
    report = fit_report(calibration) | {"files": [str(path) for path in paths]}
    if json:
        _print(report)
    else:
        print_fit(report)


@app.command("validate")
def validate_command(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE.csv...]", help="Measurement files or shipped datasets; none: all that are shipped."
        ),
    ] = None,
    leave_out: Annotated[str, typer.Option(help="model, family, source or host: refit without each row's group.")] = "",
    services: Annotated[
        str, typer.Option(metavar="FILE.csv", help="Service and switch times by network, for tables of mixes.")
    ] = "",
    json: Json = False,
) -> None:
    """Predict every row of measurement files and print the error.

    Example: edgetpusim-calibrate validate mine.csv --leave-out model
    """
    from calibration.mixes import mix_tables
    from calibration.report import print_validation
    from calibration.servicerows import service_tables
    from calibration.shipped import dataset_names
    from calibration.threadrows import thread_tables
    from calibration.validation import validate

    shipped: list[str | Path] = [*dataset_names(), *service_tables(), *mix_tables(), *thread_tables()]
    answer = validate(files or shipped, leave_out, _progress, services)
    if json:
        _print(answer)
    else:
        print_validation(answer)


@app.command("validate-boards")
def validate_boards_command(
    reference: Annotated[Path, typer.Option(help="Rows of the board with one core.")],
    target: Annotated[Path, typer.Option(help="Rows of boards with more cores.")],
    reference_board: Annotated[str, typer.Option(help="Board in that file; a second after a comma.")] = "KV260",
    target_board: Annotated[str, typer.Option(help="Only this board of the target file.")] = "",
    json: Json = False,
) -> None:
    """Predict boards with more cores from the rows of one-core boards (profile replay).

    Example: edgetpusim-calibrate validate-boards --reference zoo.csv --target zoo.csv --target-board ZCU104
    """
    from calibration.boards.replay import validate_boards
    from calibration.report import print_validation

    answer = validate_boards(reference, target, reference_board, target_board)
    if json:
        _print(answer)
    else:
        print_validation(answer)


@app.command("convert")
def convert_command(
    file: Annotated[Path, typer.Argument(metavar="OLD.csv", help="Measurement file of the old layout.")],
    output: Annotated[Path, file_option("-o", "--output", help="CSV file to write.", endings=(".csv",))],
    json: Json = False,
) -> None:
    """Give a measurement file of the old layout the columns that its prose states, once.

    Example: edgetpusim-calibrate convert old.csv -o new.csv
    """
    from calibration.measurements import convert_file

    count = convert_file(file, output)
    if json:
        _print({"rows": count, "output": str(output)})
    else:
        print(f"{count} rows -> {output}")


def _measure_command(function: Callable[[MeasureOptions, bool], None]) -> Callable[..., None]:
    """Give a command the options of ``measure``: one for each field of :class:`MeasureOptions` that has a help."""
    hints = get_type_hints(MeasureOptions)
    named = [
        Parameter(
            field.name, Parameter.KEYWORD_ONLY, default=field.default,
            annotation=Annotated[hints[field.name], typer.Option(help=field.metadata["help"])],
        )
        for field in fields(MeasureOptions) if "help" in field.metadata
    ]  # fmt: skip
    models = Annotated[list[str] | None, typer.Argument(metavar="[MODEL...]", help="Compiled .tflite files.")]
    output = Annotated[Path, file_option("-o", "--output", help="CSV file to write.", endings=(".csv",))]
    first = [
        Parameter("models", Parameter.KEYWORD_ONLY, default=None, annotation=models),
        Parameter("output", Parameter.KEYWORD_ONLY, default=MeasureOptions.output, annotation=output),
    ]

    def command(models: list[str] | None, json: bool, **options: Any) -> None:
        """Make the options one value and hand it to the body."""
        function(MeasureOptions(models=tuple(models or ()), **options), json)

    last = Parameter("json", Parameter.KEYWORD_ONLY, default=False, annotation=Json)
    command.__signature__ = Signature([*first, *named, last])  # type: ignore[attr-defined]  # functions take it
    command.__doc__ = function.__doc__
    return command


@app.command("measure")
@_measure_command
def measure(options: MeasureOptions, json: bool) -> None:
    """Measure on a machine with Edge TPUs (or --host-only, --virtual, --fake-device) and write a table of rows.

    Example: edgetpusim-calibrate measure -o mine.csv mobilenet_v2_1.0_224_quant_edgetpu.tflite
    """
    from calibration.harness.measure import measure_command

    answer = measure_command(options, _progress)
    if json:
        _print(answer)
    else:
        print(f"{answer['rows']} rows -> {answer['output']}")


def main() -> None:
    """Run the command; bad input becomes one line on stderr and exit code 2."""
    run_app(app)


if __name__ == "__main__":
    main()
