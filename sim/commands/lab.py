"""The command ``edgetpusim lab``, added to the command line by :func:`register`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add ``lab`` to a typer application."""
    app.command("lab")(lab)


def lab(
    lesson: Annotated[str, typer.Argument(metavar="LESSON", help="1 to 9; none opens the list.")] = "",
    port: Annotated[int, typer.Option(help="Port (0: a free one).")] = 0,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    remote: Annotated[bool, typer.Option("--remote", help="Allow an address that other machines reach.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the browser, if there is one.")] = True,
    export: Annotated[Path | None, typer.Option(help="Write the lessons as plain pages into a folder instead.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the address, or the pages, as one JSON object.")
    ] = False,
) -> None:
    """Open the lessons: how threads share an Edge TPU, to be seen and tried.

    Example: edgetpusim lab 1
    """
    if export is not None:
        from sim.lab.export import export_lessons

        pages = [str(page) for page in export_lessons(export)]
        print("\n".join(pages), file=sys.stderr)
        if as_json:
            print(json.dumps({"output": pages}))
        return
    from sim.site.server import serve

    serve(lesson, port, address, remote, browser, as_json)
