"""Part files: every number of a piece of hardware, with unit, source, status and uncertainty.

A part file is TOML: ``kind``, ``name``, and one inline table per number,
``clock_hz = { value = 500e6, status = "measured", source = "...", std_error = ..., range = [low, high] }``.
The unit is part of the key, so a number in another unit is an unknown key. ``base = "other"`` takes over what a file
does not say from another part of the same kind; a number without a value takes the base's, for instance to say how far
it may be off here.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hwmodels.errors import InputError, nearest
from hwmodels.files import read_text

__all__ = ["Part", "Quantity", "load", "part_names", "perturbed"]

FOLDERS = {"accelerator": "accelerators", "link": "links", "host": "hosts", "board": "boards"}


LEAST = 1e-12
LEAST_DIVISOR = 1e-3  # smaller rates and shares of anything are slips of the pen
STATUSES = ("measured", "datasheet", "fitted", "assumed")


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


@dataclass(frozen=True, kw_only=True)
class Part:
    """What all parts have: a name, the part they go back to, a hash, and the provenance of every number by key."""

    name: str
    #: Keys whose number divides something: above 0.
    DIVISORS: ClassVar[frozenset[str]] = frozenset()

    root: str = ""
    digest: str = ""
    quantities: dict[str, Quantity] = field(default_factory=dict, repr=False, compare=False)


P = TypeVar("P", bound=Part)


def part_names(kind: str) -> list[str]:
    """Return the names of the shipped parts of a kind (accelerator, link, host, board)."""
    return sorted(path.stem for path in (Path(__file__).parent / FOLDERS[kind]).glob("*.toml"))


def load(kind: str, cls: type[P], name_or_path: str) -> P:
    """Load a shipped part by name or a part file by path as ``cls``.

    Raises :class:`InputError` for an unknown name, an unreadable file, an unknown key, a missing number or a bad value.

    Parameters
    ----------
    kind
        ``accelerator``, ``link``, ``host`` or ``board``.
    cls
        The dataclass whose fields are the part's keys; units are in their names.
    name_or_path
        A shipped name, or a path that ends in ``.toml`` or holds a slash.

    Returns
    -------
    Part
        Frozen, with the provenance of every number in ``quantities``; the same object while the file does not change.
    """
    path = _path(kind, name_or_path)
    try:
        part: P = _load(kind, cls, path, path.stat().st_mtime_ns)  # type: ignore[arg-type]
        return part
    except OSError as error:
        raise InputError(str(path), error.strerror or type(error).__name__, f"a readable {kind} file") from None


def _path(kind: str, name_or_path: str) -> Path:
    names = part_names(kind)
    if name_or_path in names:
        return Path(__file__).parent / FOLDERS[kind] / f"{name_or_path}.toml"
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        return Path(name_or_path)
    raise InputError(kind, name_or_path, f"{', '.join(names)} or FILE.toml", nearest(name_or_path, names))


@lru_cache(maxsize=256)  # a sweep over a part's numbers has a file for every point
def _load(kind: str, cls: type[P], path: Path, _modified_ns: int) -> P:
    table = _table(kind, path)
    quantities = {key: _quantity(path, key, value) for key, value in table.items()}
    _check_keys(path, cls, quantities)
    values = {key: _as_value(quantity.value) for key, quantity in quantities.items()}
    digest = hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:12]
    return cls(name=path.stem, root=_root(kind, path), digest=digest, quantities=quantities, **values)


def _root(kind: str, path: Path) -> str:
    base = _read(path, path.stat().st_mtime_ns).get("base")
    return _root(kind, _path(kind, str(base))) if base else path.stem


def _as_value(value: float | list[list[float]]) -> float | int | tuple[tuple[float, ...], ...]:
    if isinstance(value, list):
        return tuple(tuple(row) for row in value)
    return int(value) if float(value).is_integer() else value


@lru_cache(maxsize=256)
def _read(path: Path, _modified_ns: int) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), str(error), "a TOML part file") from None


def _table(kind: str, path: Path) -> dict[str, Any]:
    data = dict(_read(path, path.stat().st_mtime_ns))
    if data.pop("kind", None) != kind:
        raise InputError(f"{path}: kind", "another kind of part", f'kind = "{kind}"')
    data.pop("name", None)
    base = data.pop("base", None)
    below = _table(kind, _path(kind, str(base))) if base else {}
    return below | {key: _merged(below.get(key), row) for key, row in data.items()}


def _merged(below: object, row: object) -> object:
    """A number that gives no value takes the one below it, with its own status, source and uncertainty."""
    if isinstance(below, dict) and isinstance(row, dict) and "value" not in row and "value" in below:
        return {"value": below["value"], **row}
    return row


def _quantity(path: Path, key: str, row: object) -> Quantity:
    """Check one inline table by hand: cheaper at start-up than a validation library."""
    where = f"{path}: {key}"
    if not isinstance(row, dict):
        raise InputError(where, repr(row), "{ value = ..., status = ..., source = ... }")
    known = [f.name for f in fields(Quantity)]
    for name in row:
        if name not in known:
            raise InputError(f"{where}.{name}", "an unknown key", ", ".join(known), nearest(name, known))
    for name in ("value", "status", "source"):
        if name not in row:
            raise InputError(f"{where}.{name}", "nothing", "value, status and source for every number")
    if row["status"] not in STATUSES:
        raise InputError(f"{where}.status", str(row["status"]), ", ".join(STATUSES))
    return Quantity(
        _value(f"{where}.value", row["value"]), row["status"], str(row["source"]),
        _number(f"{where}.std_error", row["std_error"]) if "std_error" in row else None,
        _range(f"{where}.range", row["range"]) if "range" in row else None,
    )  # fmt: skip


def _number(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value == 0 or LEAST <= value < 1e18):
        raise InputError(where, repr(value), f"0, or a number from {LEAST:g} to 1e18")
    return value


def _value(where: str, value: object) -> float | list[list[float]]:
    if not isinstance(value, list):
        return _number(where, value)
    if not value or not all(isinstance(row, list) and len(row) == len(value[0]) for row in value):
        raise InputError(where, repr(value), "a number, or a table of rows of numbers")
    return [[_number(where, number) for number in row] for row in value]


def _range(where: str, value: object) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2 or not _number(where, value[0]) <= _number(where, value[1]):
        raise InputError(where, repr(value), "[lowest, highest]")
    return float(value[0]), float(value[1])


def _check_keys(path: Path, cls: type[Part], quantities: dict[str, Quantity]) -> None:
    own = {f.name: f for f in fields(cls) if f.name not in {f.name for f in fields(Part)}}
    for key, quantity in quantities.items():
        if key not in own:
            raise InputError(f"{path}: {key}", "an unknown key", "the keys of a shipped part", nearest(key, own))
        _check_kind(f"{path}: {key}", str(own[key].type), key in cls.DIVISORS, quantity.value)
        if key in cls.DIVISORS and quantity.range and quantity.range[0] < LEAST_DIVISOR:
            raise InputError(f"{path}: {key}.range", repr(list(quantity.range)), f"numbers from {LEAST_DIVISOR:g}")
    for key, spec in own.items():
        if key not in quantities and spec.default is MISSING:
            raise InputError(f"{path}: {key}", "no number", "a value with status and source for every key")


def _check_kind(where: str, kind: str, is_divisor: bool, value: float | list[list[float]]) -> None:
    """Raise :class:`InputError` unless a value is what its field is: a whole number, a number, or a table of pairs."""
    if isinstance(value, list) or kind not in ("int", "float"):
        if kind in ("int", "float") or not isinstance(value, list) or len(value[0]) != 2:
            raise InputError(where, repr(value), "a number" if kind in ("int", "float") else "a table of pairs")
        return
    if (kind == "int" and not float(value).is_integer()) or (is_divisor and value < LEAST_DIVISOR):
        allowed = "a whole number" if kind == "int" else "a number"
        raise InputError(where, repr(value), f"{allowed} above 0" if is_divisor else allowed)


def perturbed(part: P, key: str, value: float) -> P:
    """Return the part with one number replaced."""
    return replace(part, **{key: value})  # type: ignore[arg-type]
