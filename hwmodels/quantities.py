"""One number of a part file: its value, where it comes from and how sure it is, checked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from hwmodels.errors import InputError, nearest

__all__ = ["Given", "Quantity", "Value", "check_kind", "plain_value", "quantity_of", "scalar_of", "value_of"]

Value = float | tuple[tuple[float, ...], ...]
#: What a caller may give for a number: itself, or a table of pairs.
Given = float | Sequence[Sequence[float]]

LEAST = 1e-12
LEAST_DIVISOR = 1e-3  # smaller rates and shares of anything are slips of the pen
STATUSES = ("measured", "datasheet", "fitted", "assumed")
SCALARS = ("int", "float", "bool")  # types of a part's numbers; a bool is 1 or 0 in the file


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a part: value in the unit of its key, where it comes from and how sure it is.

    ``std_error`` (one standard error) or ``range`` (lowest and highest plausible value) is given where it is uncertain;
    ``status`` is measured, datasheet, fitted or assumed.
    """

    value: float | list[list[float]]
    status: str
    source: str
    std_error: float | None = None
    range: tuple[float, float] | None = None

    @property
    def spread(self) -> float:
        """One standard error; for a range, the standard deviation of a uniform spread over it; else 0."""
        if self.std_error is not None:
            return self.std_error
        return (self.range[1] - self.range[0]) / 12**0.5 if self.range else 0.0


def quantity_of(where: str, row: object) -> Quantity:
    """Return the number of one inline table; cheaper at start-up than a validation library.

    Raises :class:`InputError` for anything that is not such a table, with ``where`` in front.
    """
    if not isinstance(row, dict):
        raise InputError.value(where, row, "{ value = ..., status = ..., source = ... }")
    known = [f.name for f in fields(Quantity)]
    for name in row:
        if name not in known:
            remedy = f"a number has {', '.join(known)}"
            raise InputError.problem(f"{where}.{name}", "is an unknown key", remedy, nearest(name, known))
    for name in ("value", "status", "source"):
        if name not in row:
            raise InputError.problem(where, f"has no {name}", "every number needs value, status and source")
    if row["status"] not in STATUSES:
        raise InputError.value(f"{where}.status", str(row["status"]), " or ".join(STATUSES))
    return Quantity(
        value_of(f"{where}.value", row["value"]), row["status"], str(row["source"]),
        scalar_of(f"{where}.std_error", row["std_error"]) if "std_error" in row else None,
        _range(f"{where}.range", row["range"]) if "range" in row else None,
    )  # fmt: skip


def value_of(where: str, value: object) -> float | list[list[float]]:
    """Return a number, or a table of rows of numbers, as a part file holds them.

    Raises :class:`InputError` for anything else.
    """
    if not isinstance(value, list | tuple):
        return scalar_of(where, value)
    if not value or not all(isinstance(row, list | tuple) and len(row) == len(value[0]) for row in value):
        raise InputError.value(where, value, "a number, or a table of rows of numbers")
    return [[scalar_of(where, number) for number in row] for row in value]


def scalar_of(where: str, value: object) -> float:
    """Return a number that is 0, or large and small enough to compute with.

    Raises :class:`InputError` for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value == 0 or LEAST <= value < 1e18):
        raise InputError.value(where, value, f"0, or a number from {LEAST:g} to 1e18")
    return value


def _range(where: str, value: object) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or not scalar_of(where, value[0]) <= scalar_of(where, value[1]):
        raise InputError.value(where, value, "[lowest, highest]")
    return float(value[0]), float(value[1])


def plain_value(kind: str, value: float | list[list[float]]) -> Value:
    """Return a value as a part holds it: whole numbers whole, tables as tuples, 1 or 0 as true or false."""
    if isinstance(value, list):
        return tuple(tuple(row) for row in value)
    if kind == "bool":
        return bool(value)
    return int(value) if float(value).is_integer() else value


def check_kind(where: str, kind: str, is_divisor: bool, quantity: Quantity) -> None:
    """Raise :class:`InputError` unless a number is what its field is: whole, any, 1 or 0, or a table of pairs."""
    value = quantity.value
    if isinstance(value, list) or kind not in SCALARS:
        if kind in SCALARS or not isinstance(value, list) or len(value[0]) != 2:
            raise InputError.value(where, value, "a number" if kind in SCALARS else "a table of pairs")
        return
    if kind == "bool" and value not in (0, 1):
        raise InputError.value(where, value, "1 or 0")
    if (kind == "int" and not float(value).is_integer()) or (is_divisor and value < LEAST_DIVISOR):
        allowed = "a whole number" if kind == "int" else "a number"
        raise InputError.value(where, value, f"{allowed} above 0" if is_divisor else allowed)
    if is_divisor and quantity.range and quantity.range[0] < LEAST_DIVISOR:
        raise InputError.value(f"{where}.range", list(quantity.range), f"numbers from {LEAST_DIVISOR:g}")
