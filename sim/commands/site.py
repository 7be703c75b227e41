"""The command ``edgetpusim site``, added to the command line by :func:`register`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add ``site`` to a typer application."""
    app.command("site")(site)


def site(
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
    pyodide: Annotated[
        Path | None, typer.Option(help="The npm package of Pyodide as a file (none: npm downloads it).")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--serve", min=0, max=65535, help="Serve it on this port until Ctrl-C (0: a free one).", metavar="PORT"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Build a static page that asks the simulator in a browser, with nothing installed.

    Example: edgetpusim site -o site --serve 8000
    """
    from sim.site.build import build_site
    from sim.site.serving import serve

    made = build_site(output, pyodide)
    total = sum(made.sizes.values())
    if as_json:
        answer = {"output": str(output), "bytes": total, "files": made.sizes, "compiled": made.is_compiled}
        print(json.dumps(answer))
    print(f"{output}: {len(made.sizes)} files, {total / 1e6:.1f} MB", file=sys.stderr)
    if not made.is_compiled:
        print("Node 20 is not there to compile Python: the page starts in twice the time", file=sys.stderr)
    if port is None:
        print(f"serve it: python -m http.server -b 127.0.0.1 -d {output} 8000", file=sys.stderr)
    else:
        serve(output, port)
