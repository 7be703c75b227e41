"""The command ``edgetpusim virtual``, added to the command line by :func:`register`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hwmodels.errors import InputError
from sim.commands.options import file_option
from sim.scenario import option_fields

__all__ = ["register"]

HELP = {name: spec.metadata["help"] for name, spec in option_fields().items()}


def register(app: typer.Typer) -> None:
    """Add ``virtual`` to a typer application."""
    settings = {"allow_interspersed_args": False}
    app.command("virtual", context_settings=settings)(virtual)


@dataclass(frozen=True)
class Answer:
    """What to do with the report of a session, where its devices live, and what they answer."""

    as_json: bool
    timeline: Path | None
    library: Path | None
    recorded: Path | None


def virtual(
    program: Annotated[
        list[str] | None, typer.Argument(metavar="PROGRAM [ARGS]...", help="The program, after --.")
    ] = None,
    accelerators: Annotated[str, typer.Option(help=HELP["accelerators"])] = "1",
    size: Annotated[str, typer.Option(help=HELP["size"])] = "coral",
    link: Annotated[str, typer.Option(help=HELP["link"])] = "usb3",
    clock: Annotated[str, typer.Option(help=HELP["clock"])] = "max",
    host: Annotated[str, typer.Option(help="Whose bus and driver: a host's name or FILE.toml.")] = "x86-xeon",
    preprocess: Annotated[str, typer.Option(help="Of the prediction: none, or resize[:WxH].")] = "none",
    model: Annotated[
        list[Path] | None, typer.Option(help="A compiled file that the program runs, if its arguments name none.")
    ] = None,
    outputs: Annotated[
        str, typer.Option(help="What the program reads: zeros, noise, twin, or results in FILE.")
    ] = "zeros",
    clock_mode: Annotated[
        str, typer.Option(help="real, or logical: times are accounted and nobody sleeps (docs/virtual.md).")
    ] = "real",
    host_work: Annotated[str, typer.Option(help="In logical time: measured, or none (an infinitely fast host).")] = "",
    library: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Build the devices in C into DIR, for containers and C programs.")
    ] = None,
    timeline: Annotated[
        Path | None,
        file_option(help="Also write a Perfetto trace to FILE.json or FILE.json.gz.", endings=(".json", ".json.gz")),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; the program's go to stderr.")] = False,
) -> None:
    """Run a program of yours, unchanged, against virtual accelerators that take the simulator's time.

    Example: edgetpusim virtual --accelerators 2 -- python detect.py model_edgetpu.tflite
    """
    from sim.scenario import Scenario, mixed_accelerators
    from sim.virtual import check_system

    check_system()
    from sim.virtual.launch import find_files
    from sim.virtual.plan import checked_settings, make_plan

    counts = {"size": size, **mixed_accelerators(accelerators, size)}
    scenario = Scenario(models="program", link=link, clock=clock, host=host, preprocess=preprocess, **counts)
    recorded = Path(outputs) if Path(outputs).is_file() else None
    settings = checked_settings(clock_mode, host_work, "zeros" if recorded else outputs)
    command = program or []
    planned = make_plan(scenario, model or find_files(command), settings)
    if not command:
        raise typer.Exit(_prepare(scenario, planned, Answer(as_json, timeline, library, recorded)))
    raise typer.Exit(_run(scenario, planned, command, Answer(as_json, timeline, library, recorded)))


def _prepare(scenario: Any, planned: Any, answer: Answer) -> int:
    """Without a program: leave the devices in a folder, and say how a program finds them."""
    from sim.virtual.session import Session

    library = answer.library
    if library is None:
        raise InputError.problem("the program", "is missing", "name it after --, or use --library DIR")
    if not _build(planned, library):
        return 0
    session = Session(scenario, planned, library.resolve(), answer.recorded)
    print(f"EDGETPUSIM_VIRTUAL={session.folder}\nLD_LIBRARY_PATH={session.folder}")
    return 0


def _build(planned: Any, library: Path) -> bool:
    """Build the C form; without a compiler say so in a line and leave it at that."""
    from sim.virtual.library import NO_COMPILER, build_library

    if planned.plan.settings.clock != "real":
        raise InputError.problem("--library", "knows real time only", "leave out --clock-mode logical")
    if planned.plan.settings.outputs == "twin":
        raise InputError.problem("--library", "knows no twins", "leave out --outputs twin, or give a file")
    try:
        library.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.problem(str(library), "cannot be written", error.strerror or "") from None
    if build_library(library) is None:
        print(NO_COMPILER, file=sys.stderr)
        return False
    return True


@contextmanager
def _folder(planned: Any, library: Path | None) -> Iterator[Path]:
    """Where the session lives: the library's folder, or one of its own that is removed."""
    from sim.virtual.session import session_folder

    if library is not None and _build(planned, library):
        yield library.resolve()
        return
    with session_folder() as folder:
        yield folder


def _run(scenario: Any, planned: Any, program: list[str], answer: Answer) -> int:
    from sim.virtual.launch import run_program
    from sim.virtual.session import Session

    with _folder(planned, answer.library) as folder:
        session = Session(scenario, planned, folder, answer.recorded)
        code = run_program(session, program, answer.as_json)
        report = {**session.report(), "exit_code": code}
        if answer.timeline is not None:
            session.write_timeline(answer.timeline)
    if answer.as_json:
        print(json.dumps(report, indent=1))
    else:
        from sim.commands.virtual_output import print_virtual

        print_virtual(report)
    return code
