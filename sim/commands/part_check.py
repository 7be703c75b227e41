"""``run --check``: what the part files of a scenario say, read and explained, without a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hwmodels.part_keys import Described
from hwmodels.parts import Part, own_keys
from sim.commands.tables import Rows, new_console, say
from sim.scenario import Scenario

__all__ = ["explained", "print_explained"]


def explained(scenario: Scenario) -> list[dict[str, Any]]:
    """Return what each part of a scenario is: ``kind``, ``name``, ``file``, ``bases`` and ``numbers``.

    Numbers are those that a file of the user's gives itself: ``key``, ``value``, ``status``, ``source``, ``meaning``.
    Raises :class:`InputError` for a file that cannot be read, and for parts and networks that do not go together.
    """
    from hwmodels.api import load_part
    from sim.setup import build

    build(scenario)
    return [_row(kind, name, load_part(kind, name)) for kind, name in dict.fromkeys(_named(scenario))]


def _named(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Kind and name or file of every part that the scenario's options name."""
    for size in scenario.size.split(","):
        name, _, count = size.strip().rpartition(":")
        yield "accelerator", name if name and count.isdecimal() else size.strip()
    yield from (("link", link.strip()) for link in scenario.link.split(",") if link)
    yield "host", scenario.host
    yield "compiler", scenario.compiler


def _row(kind: str, name: str, part: Part) -> dict[str, Any]:
    is_own = name.endswith(".toml")
    words = {row.key: row for row in type(part).keys().described()}
    numbers = [_number(part, key, words) for key in own_keys(type(part), Path(name))] if is_own else []
    return {
        "kind": kind, "name": part.name, "file": name if is_own else "", "bases": list(part.bases), "numbers": numbers,
    }  # fmt: skip


def _number(part: Part, key: str, words: dict[str, Described]) -> dict[str, Any]:
    given = part.quantities[key]
    table, *row = key.split(".")
    described = words.get(f"{table}.NAME.{row[-1]}" if row else key)
    meaning = described.meaning if described else ""
    return {"key": key, "value": given.value, "status": given.status, "source": given.source, "meaning": meaning}


def print_explained(rows: list[dict[str, Any]]) -> None:
    """Print a line for each part, and a table of the numbers of each file."""
    console = new_console()
    for row in rows:
        based = f", based on {', '.join(row['bases'])}" if row["bases"] else ""
        say(console, f"{row['kind']} {row['name']}{based}{': ' + row['file'] if row['file'] else ''}: fine")
        if row["numbers"]:
            table = Rows("", "number", "value", "status", "meaning", "source", prose=(3, 4), left=(2,))
            for one in row["numbers"]:
                table.add(one["key"], f"{one['value']}", one["status"], one["meaning"], one["source"])
            table.show(console)
