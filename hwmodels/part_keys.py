"""Which keys a kind of part has, read off the fields of its class: type, meaning, and whether a file must give them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any, NamedTuple

from hwmodels.errors import InputError, nearest
from hwmodels.quantities import Quantity, Value, check_kind, plain_value

__all__ = ["Keys", "line_of", "number", "rows", "split_key", "split_line"]


def number(meaning: str, default: Any = MISSING, most: float | None = None, effect: str = "program") -> Any:
    """Declare a number of a part: what its key means, the value where a file may leave it out, the largest allowed.

    ``effect`` is what a number acts on (:data:`hwmodels.accelerator.Effect`, :meth:`hwmodels.host.Host.acts_on`).
    """
    return field(default=default, metadata={"meaning": meaning, "most": most, "effect": effect})


def rows(table: str, row: type) -> Any:
    """Declare rows of numbers: ``[table.NAME]`` in the file, ``{NAME: row}`` in the part."""
    return field(default_factory=dict, hash=False, metadata={"table": table, "row": row})


def split_key(key: str) -> tuple[str, str, str]:
    """Return table, row and column of ``bus.usb3.floor_ns``; a key without rows has only the first."""
    table, _, rest = key.partition(".")
    name, _, column = rest.rpartition(".")
    return table, name, column


def split_line(key: str) -> tuple[str, int]:
    """Return the key and the line (from 1) of ``stream_passes[2]``; line 0 stands for the whole."""
    name, _, line = key.removesuffix("]").partition("[")
    return (name, int(line)) if key.endswith("]") and line.isdecimal() else (key, 0)


def line_of(where: str, table: Any, line: int) -> float:
    """Return the number of a table's line, the second of its pair.

    Raises :class:`InputError` where there is no such line.
    """
    if not isinstance(table, list | tuple) or not 1 <= line <= len(table):
        raise InputError.problem(where, f"has no line {line}", "lines of a table are counted from 1")
    return float(table[line - 1][1])


class Described(NamedTuple):
    """A key of a part file: its default (empty where a file must give it), and what it means."""

    key: str
    default: str
    meaning: str


@dataclass(frozen=True)
class Keys:
    """The keys of a kind of part.

    Attributes
    ----------
    plain
        Field by key.
    tables
        Field of the rows by their table's name in the file.
    divisors
        Keys whose number divides something: above 0.
    """

    plain: Mapping[str, Field[Any]]
    tables: Mapping[str, Field[Any]]
    divisors: frozenset[str]

    def kind(self, key: str) -> str:
        """Return the type of a key's number as its field names it; empty for an unknown key. Any row may be named."""
        if key in self.plain:
            return str(self.plain[key].type)
        table, name, column = split_key(key)
        columns = self.columns(table) if table in self.tables and name else ()
        return next((str(f.type) for f in columns if f.name == column), "")

    def columns(self, table: str) -> tuple[Field[Any], ...]:
        """Return the fields of a table's rows."""
        return fields(self.tables[table].metadata["row"])

    def names(self, row: str = "NAME") -> list[str]:
        """Return every key, with ``row`` for the name of a row."""
        return [*self.plain, *(f"{table}.{row}.{f.name}" for table in self.tables for f in self.columns(table))]

    def described(self) -> list[Described]:
        """Return every key with its default and meaning, as the classes declare them."""
        rows = [(f"{table}.NAME.{f.name}", f) for table in self.tables for f in self.columns(table)]
        return [
            Described(key, "" if f.default is MISSING else f"{float(f.default):g}", f.metadata.get("meaning", ""))
            for key, f in (*self.plain.items(), *rows)
        ]

    def unknown(self, where: str, key: str, present: Mapping[str, object]) -> InputError:
        """Return the error for an unknown key, with the nearest known one."""
        known = [*self.names(split_key(key)[1] or "NAME"), *(other for other in present if other != key)]
        hint = nearest(key, known)
        return InputError.problem(
            f"{where}: {key}", "is an unknown key", "" if hint else "a shipped part shows the keys", hint
        )

    def check(self, where: str, quantities: Mapping[str, Quantity], present: Mapping[str, object]) -> None:
        """Raise :class:`InputError` for a key that there is not, or a number that is not what its field is."""
        for key, quantity in quantities.items():
            kind = self.kind(key)
            if not kind:
                raise self.unknown(where, key, present)
            check_kind(f"{where}: {key}", kind, key in self.divisors, quantity)
            most = self.plain[key].metadata.get("most") if key in self.plain else None
            if most is not None and not isinstance(quantity.value, list) and quantity.value > most:
                raise InputError.value(f"{where}: {key}", quantity.value, f"at most {most:g}")

    def check_complete(self, where: str, quantities: Mapping[str, Quantity]) -> None:
        """Raise :class:`InputError` where a number is missing that has no default."""
        for key, spec in self.plain.items():
            if key not in quantities and spec.default is MISSING:
                raise InputError.problem(f"{where}: {key}", "has no number", 'give it one, or name a base = "..."')

    def values(self, quantities: Mapping[str, Quantity]) -> dict[str, Value]:
        """Return every number as a part holds it."""
        return {key: plain_value(self.kind(key), quantity.value) for key, quantity in quantities.items()}

    def flat(self, where: str, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield key and inline table of a file's content; table and row stand before the key of a row's number.

        Raises :class:`InputError` for a table of rows that is something else.
        """
        for key, value in data.items():
            if key not in self.tables:
                yield key, value
                continue
            for name, row in value.items() if isinstance(value, dict) else [("", value)]:
                if not name or not isinstance(row, dict) or "value" in row:
                    raise InputError.problem(
                        f"{where}: {key}", "has no named row", f"put [{key}.NAME] before its numbers"
                    )
                yield from ((f"{key}.{name}.{column}", inner) for column, inner in row.items())

    def arguments(self, values: Mapping[str, Value], before: object = None) -> dict[str, Any]:
        """Return fields by name: plain numbers, and rows gathered from theirs over those of the part ``before``."""
        found: dict[str, Any] = {key: value for key, value in values.items() if key in self.plain}
        changed: dict[str, dict[str, dict[str, Value]]] = defaultdict(lambda: defaultdict(dict))
        for key in (key for key in values if key not in found):
            table, name, column = split_key(key)
            changed[table][name][column] = values[key]
        for table, by_name in changed.items():
            spec = self.tables[table]
            old = getattr(before, spec.name, {})
            new = {name: replace(old.get(name, spec.metadata["row"]()), **row) for name, row in by_name.items()}
            found[spec.name] = {**old, **new}
        return found
