"""The command ``edgetpusim``: parse, call, print. What the commands do, the Python API does."""

from __future__ import annotations

import atexit
import gc
import sys
from copy import copy
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hwmodels.errors import InputError, reason
from hwmodels.families import NEWEST
from sim.commands import capacity, compare, design_space, lab, parts, site, virtual
from sim.commands.completion import complete_model, completer_of, is_asked_for
from sim.commands.options import InGroups, file_option, scenario_command, unknown_option
from sim.commands.patience import patience
from sim.scenario import MAX_SEGMENTS, option_fields

__all__ = ["app", "main", "narrowed", "run_app"]

#: Containers that are made between two looks for garbage (Python's own number is 700): more than a short command makes.
GARBAGE = 200_000

# typer carries its own copy of click in newer versions: take the class from what it exports.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    help="Will a second thread, a second accelerator or a bigger one help? A calibrated Edge TPU simulator answers.",
    no_args_is_help=True, add_completion=is_asked_for(), rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
zoo_app = typer.Typer(help="The shipped and the user's own networks.", no_args_is_help=True)
app.add_typer(zoo_app, name="zoo")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Zoo name, generated name or .tflite path.", autocompletion=complete_model),
]
TRACES, PICTURES, PLOTS = (".json", ".json.gz"), (".svg", ".html"), (".svg", ".png", ".html")
PLOTTED = "Also draw throughput, latency and energy against threads: FILE.svg, .png, .html."
Layers = Annotated[bool, typer.Option("--layers", help="Show every layer, not the busiest ones alone.")]
Size = Annotated[str, typer.Option(help="coral, small, large or FILE.toml.", autocompletion=completer_of("size"))]

#: What compile says of options that it shares with run.
HEAD = {name: typer.Option(help=option_fields()[name].metadata["help"]) for name in ("classes", "max_boxes")}
Compiler = Annotated[
    str, typer.Option(help=option_fields()["compiler"].metadata["help"], autocompletion=completer_of("compiler"))
]


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


@app.command(cls=InGroups)
@scenario_command
def run(
    scenario: Any,
    json: Json = False,
    timeline: Annotated[
        Path | None, file_option(help="Also write a Perfetto trace to FILE.json or FILE.json.gz.", endings=TRACES)
    ] = None,
    plot: Annotated[Path | None, file_option(help=PLOTTED, endings=PLOTS)] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read and explain the parts that are named; run nothing.")
    ] = False,
) -> None:
    """Simulate one scenario: throughput, latency, energy, utilisation, bottleneck, gain over one thread.

    Example: edgetpusim run mobilenet_v2_1.0_224 --threads 4 --preprocess resize --host raspberry-pi-4
    """
    if check:
        _explain(scenario, json)
        return
    with patience("simulating"):
        results = _ran(scenario, timeline)
    if plot is not None:
        from sim.views.plot import plot_threads

        plot_threads(scenario, plot)
    if json:
        print(results.to_json())
        return
    from sim.commands.run_tables import print_run

    print_run(results)


def _ran(scenario: Any, timeline: Path | None) -> Any:
    if timeline is None:
        from sim.engine import simulate

        return simulate(scenario)
    from sim.views.timeline import record

    return record(scenario, timeline)[0]


def _explain(scenario: Any, json: bool) -> None:
    from sim.commands.part_check import explained, print_explained

    rows = explained(scenario)
    if json:
        _print_json({"parts": rows})
    else:
        print_explained(rows)


@app.command(cls=InGroups)
@scenario_command
def timeline(
    scenario: Any,
    output: Annotated[
        Path,
        file_option(
            "-o", "--output", help="A trace (.json, .json.gz) or a picture (.svg, .html).", endings=(*TRACES, *PICTURES)
        ),
    ],
    layers: Annotated[bool, typer.Option(help="Also show the layers inside each computation (traces).")] = False,
    ms: Annotated[float, typer.Option(help="Length of a picture in ms (0: about three inferences).")] = 0,
    cold: Annotated[bool, typer.Option(help="Begin a picture with the first loading of parameters.")] = False,
    json: Json = False,
) -> None:
    """Write a Perfetto trace of a scenario (open it at ui.perfetto.dev, or any trace viewer), or a small picture.

    Example: edgetpusim timeline mobilenet_v2_1.0_224 --threads 2 --inferences 20 -o trace.json
    """
    if output.name.lower().endswith(PICTURES):
        from sim.views.svg_timeline import write_picture

        write_picture(scenario, output, ms, 0 if cold else None)
        if json:
            _print_json({"output": str(output)})
        print(f"{output}: a picture; open it in a browser", file=sys.stderr)
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
    compiler: Compiler = NEWEST,
    num_segments: Annotated[
        int, typer.Option(help=f"Also cut into N segments for a pipeline, 1 to {MAX_SEGMENTS}.")
    ] = 1,
    segmentation: Annotated[
        str, typer.Option(help="compiler (equal parameters), profiled (equal time) or CUTS 3,9.")
    ] = "compiler",
    cocompile: Annotated[bool, typer.Option(help="Several networks share the parameter memory, as one set.")] = False,
    enable_multiple_subgraphs: Annotated[
        bool, typer.Option(help="Map what follows an operator that stays on the CPU, in a subgraph of its own.")
    ] = False,
    classes: Annotated[int, HEAD["classes"]] = 0,
    max_boxes: Annotated[int, HEAD["max_boxes"]] = 0,
    layers: Layers = False,
    json: Json = False,
) -> None:
    """What the compiler model does with a network on a size: placement, parameters on and off chip, bytes, cycles.

    Example: edgetpusim compile resnet_50_v1_224 --size coral

    Example: edgetpusim compile densenet_121_224,inception_v3_299 --cocompile
    """
    from sim.commands.compile_report import compile_report, many_report, set_report, with_heads

    models = with_heads([name.strip() for name in model.split(",")], classes, max_boxes)
    several = len(models) > 1
    if cocompile and not several:
        raise InputError.problem("--cocompile", "needs several networks", "separate their names by commas")
    if several and (num_segments != 1 or enable_multiple_subgraphs):
        option = "--num-segments" if num_segments != 1 else "--enable-multiple-subgraphs"
        raise InputError.problem(option, "is for one network", "compile the networks one by one")
    if enable_multiple_subgraphs and num_segments != 1:
        raise InputError.problem("--enable-multiple-subgraphs", "cuts no pipeline", "leave --num-segments away")
    if several:
        report = set_report(models, size, compiler, cocompile)
    elif enable_multiple_subgraphs:
        report = many_report(models[0], size, compiler)
    else:
        report = compile_report(models[0], size, compiler, num_segments, segmentation)
    if json:
        _print_json(report)
        return
    from sim.commands.compile_output import print_compile, print_set

    if several:
        print_set(report)
    else:
        print_compile(report, layers)


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
    from sim.commands.run_tables import print_zoo

    print_zoo(rows)


@zoo_app.command("show")
def zoo_show(model: Model, layers: Layers = False, json: Json = False) -> None:
    """Show a network: layer table, totals, placement on each size.

    Example: edgetpusim zoo show mobilenet_v2_1.0_224
    """
    from sim.commands.zoo_report import zoo_details

    details = zoo_details(model)
    if json:
        _print_json(details)
        return
    from sim.commands.run_tables import print_network

    print_network(details, layers)


@zoo_app.command("add")
def zoo_add(
    file: Annotated[Path, typer.Argument(metavar="FILE.tflite", help="A plain int8, uint8 or float model.")],
    compiled: Annotated[
        Path | None, typer.Argument(metavar="COMPILED.tflite", help="What the Edge TPU's compiler made of it.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name in the zoo; the file's stem if not given.")] = "",
    replace: Annotated[bool, typer.Option(help="Replace a network of that name.")] = False,
    json: Json = False,
) -> None:
    """Keep the trace of a .tflite file among your own networks.

    Together with a compiled file, that one is known again under any name: its layers' times are then the network's.

    Example: edgetpusim zoo add detector.tflite detector_edgetpu.tflite --name detector
    """
    from hwmodels.families import add_pair
    from hwmodels.networks.zoo import add_network

    graph, target = add_pair(file, compiled, name, replace) if compiled else add_network(file, name, replace)
    if json:
        _print_json({"name": target.stem, "ops": len(graph.layers), "macs": graph.macs, "output": str(target)})
    print(f"{target.stem}: {len(graph.layers)} operators, {graph.macs / 1e6:.1f} M MACs -> {target}", file=sys.stderr)


@zoo_app.command("remove")
def zoo_remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A network that zoo add kept.")], json: Json = False
) -> None:
    """Forget a network of your own.

    Example: edgetpusim zoo remove detector
    """
    from hwmodels.networks.zoo import remove_network

    target = remove_network(name)
    if json:
        _print_json({"name": name, "removed": str(target)})
    print(f"{name}: removed {target}", file=sys.stderr)


design_space.register(app)
compare.register(app)
capacity.register(app)
lab.register(app)
site.register(app)
virtual.register(app)
parts.register(app)


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=1))


def main() -> None:
    """Run the command; bad input becomes one line on stderr and exit code 2."""
    run_app(app)


def run_app(typer_app: typer.Typer) -> None:
    """Run a typer app so that every kind of bad input is one line, never a traceback."""
    _collect_seldom()
    _replace_unprintable()
    try:
        code = narrowed(typer_app, sys.argv[1:2])(standalone_mode=False)
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


def _collect_seldom() -> None:
    """Look for cyclic garbage seldom, and not at the end: what a command loads, it keeps."""
    gc.set_threshold(GARBAGE)
    atexit.register(gc.freeze)


def narrowed(typer_app: Any, words: list[str]) -> Any:
    """The app with the one command that the first word names: typer builds the options of all that it has, for long.

    Anything else, a help page or a wrong word for one, sees all commands.
    """
    if not isinstance(typer_app, typer.Typer):  # built already
        return typer_app
    commands = [one for one in typer_app.registered_commands if [_command_name(one)] == words]
    groups = [one for one in typer_app.registered_groups if [one.name] == words]
    has_callback = typer_app.registered_callback is not None  # without one, a single command would be the whole app
    if not has_callback or not (commands or groups):
        return typer_app
    narrow = copy(typer_app)
    narrow.registered_commands, narrow.registered_groups = commands, groups
    return narrow


def _command_name(info: Any) -> str:
    return str(info.name or info.callback.__name__.lower().replace("_", "-"))


def _replace_unprintable() -> None:
    """A name with characters that the terminal's encoding does not have ends no answer: they become question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def _what_failed(error: OSError | MemoryError | RuntimeError) -> str:
    """What this machine could not do, in a line; any other error is raised again."""
    if isinstance(error, OSError):  # a full disk, for one
        return str(InputError.problem(error.filename or "the system", f"cannot go on ({reason(error)})"))
    if isinstance(error, MemoryError):
        return "the memory does not suffice: take a smaller scenario, or fewer points at once"
    if type(error).__name__ == "BrokenProcessPool":
        return "a worker was killed (out of memory?): run the same command again, as finished points are kept"
    if type(error).__name__ == "ClusterLostError":
        return str(error)
    raise error


def _usage(error: Any) -> str:
    """One line of a parser's error; a missing sub-command shows the help instead."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        sys.exit(2)
    given = next((_after(option) for option in _options(error) if _after(option) is not None), None)
    if given is not None:
        return str(InputError.value(_options(error)[-1], given, _kind(str(error))))
    if type(error).__name__ == "NoSuchOption" and error.ctx:
        return unknown_option(error.ctx, error.option_name)
    command = f"{error.ctx.command_path}: " if error.ctx else ""
    return " ".join((command + str(error.format_message())).split())


def _options(error: Any) -> list[str]:
    """Return the option whose value the parser refuses, by all its names; none for another error."""
    param = getattr(error, "param", None)
    return list(param.opts) if param is not None and type(error).__name__ == "BadParameter" else []


def _after(option: str) -> str | None:
    """Return the last value of an option on the command line, which the parser's error does not tell."""
    words = sys.argv[1:]
    pairs = zip(words, [*words[1:], ""], strict=True)
    found = [
        value if word == option else word.partition("=")[2]
        for word, value in pairs
        if word == option or word.startswith(f"{option}=")
    ]
    return found[-1] if found else None


def _kind(message: str) -> str:
    """Say what the parser wanted: "'two' is not a valid int range." is a whole number."""
    if limits := message.partition(" is not in the range ")[2]:
        return _limits(limits.rstrip("."))
    kind = message.partition(" is not a valid ")[2].rstrip(".").removesuffix(" range")
    return {"int": "a whole number", "integer": "a whole number", "float": "a number"}.get(kind, "of another kind")


def _limits(text: str) -> str:
    """Say the parser's ``0<=x<=9``, ``x>=0`` or ``x<=9`` in words."""
    low, _, high = text.partition("<=x<=")
    return f"{low} to {high}" if high else text.replace("x>=", "at least ").replace("x<=", "at most ")


def _fail(line: str, code: int) -> NoReturn:
    print(f"error: {line}", file=sys.stderr)
    sys.exit(code)
