"""The commands ``edgetpusim parts``: list the shipped parts, check part files, and say what their keys mean.

:func:`register` adds them to the command line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from hwmodels.errors import InputError
from hwmodels.part_keys import Described

__all__ = ["key_table", "register"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

parts_app = typer.Typer(help="Accelerators, links, hosts, boards and compilers: what there is, and part files.")
#: Lists, with what each says.
KINDS = {
    "hosts": "List the hosts: cores, watts, short names, what was measured on them and what is scaled from where.",
    "links": "List the links: rates, fixed time, and on how many hosts an accelerator was measured over them.",
    "sizes": "List the accelerators: family, multiply-accumulates a cycle, clock, and whether they exist.",
    "boards": "List the boards whose profiles can be replayed: cores, clock, watts.",
    "compilers": "List the versions of the compiler, and how well each is known.",
}


def register(app: typer.Typer) -> None:
    """Add ``parts`` to a typer application."""
    for kind, text in KINDS.items():
        parts_app.command(kind, help=f"{text}\n\nExample: edgetpusim parts {kind}")(_lister(kind))
    app.add_typer(parts_app, name="parts")


@parts_app.callback(invoke_without_command=True)
def _all(context: typer.Context, as_json: Json = False) -> None:
    """List every kind of part where none is named."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise InputError.problem("--json", f"stands before {context.invoked_subcommand}", "put it behind")
        return
    if as_json:
        from sim.commands.parts_list import LISTS

        print(json.dumps({kind: rows() for kind, rows in LISTS.items()}, indent=1))
        return
    for number, kind in enumerate(KINDS):
        print("\n" if number else "", end="")
        _list(kind)


def _lister(kind: str) -> Callable[..., None]:
    """The command that lists one kind of part."""

    def command(as_json: Json = False) -> None:
        """Print the list; the command's own help says of what."""
        _list(kind, as_json)

    return command


def _list(kind: str, as_json: bool = False) -> None:
    from sim.commands.parts_list import LISTS, print_parts

    rows = LISTS[kind]()
    if as_json:
        print(json.dumps({kind: rows}, indent=1))
    else:
        print_parts(kind, rows)


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
