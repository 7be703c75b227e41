"""The commands ``edgetpusim parts``: check part files, and say what their keys mean; added by :func:`register`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hwmodels.errors import InputError
from hwmodels.part_keys import Described

__all__ = ["key_table", "register"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

parts_app = typer.Typer(help="Part files: accelerators, links, hosts, boards and compilers.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add ``parts`` to a typer application."""
    app.add_typer(parts_app, name="parts")


@parts_app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.toml...", help="Part files of any kind.")],
    as_json: Json = False,
) -> None:
    """Say of each part file in a line what it is, or what is wrong with it.

    Example: edgetpusim parts check my_host.toml my_link.toml
    """
    rows = [_checked(path) for path in files]
    if as_json:
        print(json.dumps({"parts": rows}, indent=1))
    for row in rows:
        if row["error"]:
            print(f"error: {row['error']}", file=sys.stderr)
        elif not as_json:
            print(_line(row))
    if any(row["error"] for row in rows):
        raise typer.Exit(2)


@parts_app.command("keys")
def keys(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="accelerator, link, host, board or compiler.")],
    as_json: Json = False,
) -> None:
    """List the keys of a kind of part file: whether a file without a base must give them, and what they mean.

    Example: edgetpusim parts keys host
    """
    rows = _described(kind)
    print(json.dumps({"keys": [row._asdict() for row in rows]}, indent=1) if as_json else key_table(kind))


def key_table(kind: str) -> str:
    """Return the keys of a kind of part as a Markdown table."""
    lines = [f"| `{row.key}` | {row.default} | {row.meaning} |" for row in _described(kind)]
    return "\n".join(["| key | default | meaning |", "| --- | --- | --- |", *lines])


def _described(kind: str) -> list[Described]:
    """The keys of a kind, those of every family for an accelerator."""
    from hwmodels.api import part_classes

    rows = [row for cls in part_classes("KIND", kind) for row in cls.keys().described()]
    return list({row.key: row for row in rows}.values())


def _checked(path: Path) -> dict[str, Any]:
    """One file's row of the answer; ``error`` is empty where nothing is wrong."""
    from hwmodels.api import load_part, part_classes
    from hwmodels.parts import kind_of, own_keys

    row: dict[str, Any] = {"file": str(path), "kind": "", "name": "", "bases": [], "own_numbers": 0, "error": ""}
    try:
        kind = kind_of(path)
        part_classes(f"{path}: kind", kind)
        part = load_part(kind, path if path.suffix == ".toml" else path.absolute())
        own = len(own_keys(type(part), path))
    except InputError as error:
        return row | {"error": str(error)}
    return row | {"kind": kind, "name": part.name, "bases": list(part.bases), "own_numbers": own}


def _line(row: dict[str, Any]) -> str:
    plural = "" if row["own_numbers"] == 1 else "s"
    based = f", based on {row['bases'][0]}" if row["bases"] else ""
    return f"{row['file']}: {row['kind']} {row['name']}{based}, {row['own_numbers']} number{plural} of its own: fine"
