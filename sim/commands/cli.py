"""The command ``edgetpusim``: parse, call, print. What the commands do, the Python API does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hwmodels.errors import InputError
from sim.commands import design_space, lab
from sim.commands.options import scenario_command

__all__ = ["app", "main", "run_app"]

# typer carries its own copy of click in newer versions: take the class from what it exports.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    help="Will a second thread, a second accelerator or a bigger one help? A calibrated Edge TPU simulator answers.",
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
)  # fmt: skip
zoo_app = typer.Typer(help="The shipped and the user's own networks.", no_args_is_help=True)
app.add_typer(zoo_app, name="zoo")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Zoo name, generated name or .tflite path.")]
Size = Annotated[str, typer.Option(help="coral, small, large or FILE.toml.")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"edgetpusim {version('edgetpusim')}\nsim: {Path(__file__).parent.parent}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Version and paths.")
    ] = False,
) -> None:
    pass


@app.command()
@scenario_command
def run(
    scenario: Any,
    json: Json = False,
    timeline: Annotated[Path | None, typer.Option(help="Also write a Perfetto trace to FILE.")] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw throughput, latency and energy against threads: FILE.svg, .png, .html."),
    ] = None,
) -> None:
    """Simulate one scenario: throughput, latency, energy, utilisation, bottleneck, gain over one thread.

    Example: edgetpusim run mobilenet_v2_1.0_224 --threads 4 --preprocess resize --host raspberry-pi-4
    """
    from sim.engine import simulate

    if timeline is None:
        results = simulate(scenario)
    else:
        from sim.views.timeline import record

        results, _ = record(scenario, timeline)
    if plot is not None:
        from sim.views.plot import plot_threads

        plot_threads(scenario, plot)
    if json:
        print(results.to_json())
        return
    from sim.commands.tables import print_run

    print_run(results)


@app.command()
@scenario_command
def timeline(
    scenario: Any,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A trace (.json, .json.gz) or a picture (.svg, .html).")
    ],
    layers: Annotated[bool, typer.Option(help="Also show the layers inside each computation (traces).")] = False,
    ms: Annotated[float, typer.Option(help="Length of a picture in ms (0: about three inferences).")] = 0,
    cold: Annotated[bool, typer.Option(help="Begin a picture with the first loading of parameters.")] = False,
    json: Json = False,
) -> None:
    """Write a Perfetto trace of a scenario (open it at ui.perfetto.dev, or any trace viewer), or a small picture.

    Example: edgetpusim timeline mobilenet_v2_1.0_224 --threads 2 --inferences 20 -o trace.json
    """
    if output.suffix in (".svg", ".html"):
        from sim.views.svg_timeline import write_picture

        write_picture(scenario, output, ms, 0 if cold else None)
        if json:
            _print_json({"output": str(output)})
        return
    from sim.views.timeline import record

    _, spans = record(scenario, output, layers, compare=False)
    if json:
        _print_json({"output": str(output), "spans": spans})
    print(f"{output}: {spans} spans; open it in the Perfetto UI", file=sys.stderr)


@app.command("compile")
def compile_command(
    model: Model,
    size: Size = "coral",
    compiler: Annotated[str, typer.Option(help="2021 or 2020: whose instruction stream.")] = "2021",
    num_segments: Annotated[int, typer.Option(help="Also cut into N segments for a pipeline.")] = 1,
    segmentation: Annotated[
        str, typer.Option(help="compiler (equal parameters), profiled (equal time) or CUTS 3,9.")
    ] = "compiler",
    json: Json = False,
) -> None:
    """What the compiler model does with a network on a size: placement, parameters on and off chip, bytes, cycles.

    Example: edgetpusim compile resnet_50_v1_224 --size coral
    """
    from sim.commands.compile_report import compile_report

    report = compile_report(model, size, compiler, num_segments, segmentation)
    if json:
        _print_json(report)
        return
    from sim.commands.tables import print_compile

    print_compile(report)


@zoo_app.command("list")
def zoo_list(
    family: Annotated[str, typer.Option(help="Only this family.")] = "",
    task: Annotated[str, typer.Option(help="Only this task, e.g. classification.")] = "",
    max_parameters: Annotated[float, typer.Option(help="Only networks of at most this many million parameters.")] = 0,
    sort: Annotated[str, typer.Option(help="name, macs or parameters.")] = "name",
    json: Json = False,
) -> None:
    """List the networks with a trace, and the families that are generated by name.

    Example: edgetpusim zoo list --task detection --sort macs
    """
    from sim.commands.zoo_report import zoo_rows

    rows = zoo_rows(family, task, max_parameters, sort)
    if json:
        _print_json({"models": rows})
        return
    from sim.commands.tables import print_zoo

    print_zoo(rows)


@zoo_app.command("show")
def zoo_show(model: Model, json: Json = False) -> None:
    """Show a network: layer table, totals, placement on each size.

    Example: edgetpusim zoo show mobilenet_v2_1.0_224
    """
    from sim.commands.zoo_report import zoo_details

    details = zoo_details(model)
    if json:
        _print_json(details)
        return
    from sim.commands.tables import print_network

    print_network(details)


@zoo_app.command("add")
def zoo_add(
    file: Annotated[Path, typer.Argument(metavar="FILE.tflite", help="A plain int8, uint8 or float model.")],
    name: Annotated[str, typer.Option(help="Name in the zoo; the file's stem if not given.")] = "",
    replace: Annotated[bool, typer.Option(help="Replace a network of that name.")] = False,
    json: Json = False,
) -> None:
    """Keep the trace of a .tflite file among your own networks.

    Example: edgetpusim zoo add detector.tflite --name detector
    """
    from hwmodels.zoo import add_network

    graph, target = add_network(file, name, replace)
    if json:
        _print_json({"name": target.stem, "ops": len(graph.layers), "macs": graph.macs, "output": str(target)})
    print(f"{target.stem}: {len(graph.layers)} operators, {graph.macs / 1e6:.1f} M MACs -> {target}", file=sys.stderr)


design_space.register(app)
lab.register(app)


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=1))


def main() -> None:
    """Run the command; bad input becomes one line on stderr and exit code 2."""
    run_app(app)


def run_app(typer_app: typer.Typer) -> None:
    """Run a typer app so that every kind of bad input is one line, never a traceback."""
    try:
        code = typer_app(standalone_mode=False)
    except InputError as error:
        _fail(str(error), 2)
    except USAGE_ERROR as error:
        _fail(_usage(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted", 130)
    except BrokenPipeError:
        sys.exit(0)
    except design_space.StoppedError as error:
        _fail(str(error), 130)
    except (OSError, MemoryError, RuntimeError) as error:
        _fail(_what_failed(error), 1)
    else:
        if code == 130:
            _fail("interrupted", 130)
        sys.exit(code if isinstance(code, int) else 0)


def _what_failed(error: OSError | MemoryError | RuntimeError) -> str:
    """What this machine could not do, in a line; any other error is raised again."""
    if isinstance(error, OSError):  # a full disk, for one
        return f"{error.filename or 'system'}; {error.strerror or type(error).__name__}"
    if isinstance(error, MemoryError):
        return "out of memory; a smaller scenario, or fewer points at once"
    if type(error).__name__ == "BrokenProcessPool":
        return "a worker was killed (out of memory?); finished points are kept: the same command goes on"
    if type(error).__name__ == "ClusterLostError":
        return str(error)
    raise error


def _usage(error: Any) -> str:
    """One line of a parser's error; a missing sub-command shows the help instead."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        sys.exit(2)
    command = f"{error.ctx.command_path}: " if error.ctx else ""
    return " ".join((command + str(error.format_message())).split())


def _fail(line: str, code: int) -> NoReturn:
    print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
