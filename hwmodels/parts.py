"""Part files: every number of a piece of hardware, with unit, source, status and uncertainty.

A part file is TOML: ``kind``, ``name``, and one inline table per number,
``clock_hz = { value = 500e6, status = "measured", source = "...", std_error = ..., range = [low, high] }``.
The unit is part of the key, so a number in another unit is an unknown key. ``base = "other"`` takes over what a file
does not say from another part of the same kind; a number without a value takes the base's, for instance to say how far
it may be off here.

Some keys have rows: ``[bus.usb3]`` holds the numbers of one bus. Such a number is called ``bus.usb3.floor_ns``, and a
row takes over from the base's row of its name what it does not say.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from hwmodels.cache import read_once, remembered
from hwmodels.errors import LIKELY, InputError, nearest, reason
from hwmodels.files import read_text
from hwmodels.part_keys import Keys, line_of, split_key, split_line
from hwmodels.quantities import Given, Quantity, Value, quantity_of, scalar_of, value_of

__all__ = [
    "Part", "aliases", "giver", "kind_of", "label", "load", "meant_name", "own_keys", "part_names", "shipped_name",
]  # fmt: skip

_KEYS: dict[type, Keys] = {}  # by class, read off once
FOLDERS = {
    "accelerator": "accelerators", "board": "boards", "compiler": "compilers", "host": "hosts", "link": "links",
}  # fmt: skip
#: By kind: further keys that hold a text. ``aliases`` are short names, separated by commas; ``resembles`` are those of
#: others of the kind to which a part comes nearest.
LABELS = {"accelerator": ("family",), "host": ("scaled_from", "aliases", "resembles")}

#: By kind: how alike names are that are taken for slips of the pen, and what to do about others.
SURE = {"host": 0.8}
WAY_OUT = {"host": "take one that resembles it, or measure it: edgetpusim-calibrate measure --host-only"}
MOST_LISTED = 16  # names in a sentence; a command lists more of them


@dataclass(frozen=True, kw_only=True)
class Part:
    """What all parts have: a name, the parts they are based on, a hash, and the provenance of every number by key.

    Attributes
    ----------
    name
        Of the file, without its ending.
    bases
        Names of the parts that it is based on, the nearest first; none for a part that stands by itself.
    digest
        Hash of the numbers.
    quantities
        Number by key; ``bus.usb3.floor_ns`` for a number of a row.
    """

    name: str
    #: Keys whose number divides something: above 0.
    DIVISORS: ClassVar[frozenset[str]] = frozenset()

    bases: tuple[str, ...] = ()
    digest: str = ""
    quantities: dict[str, Quantity] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def keys(cls) -> Keys:
        """Return the keys that a file of this kind may have."""
        if cls not in _KEYS:
            common = {f.name for f in fields(Part)}
            own = [f for f in fields(cls) if f.name not in common]
            plain = {f.name: f for f in own if "table" not in f.metadata}
            tables = {f.metadata["table"]: f for f in own if "table" in f.metadata}
            _KEYS[cls] = Keys(plain, tables, cls.DIVISORS)
        return _KEYS[cls]

    def number(self, key: str) -> Any:
        """Return the number of a key: ``op_ns``, ``bus.usb3.floor_ns``, or ``stream_passes[2]`` for the second line.

        Raises :class:`InputError` for a key that this kind of part does not have.
        """
        name, line = split_line(key)
        keys = self.keys()
        if not keys.kind(name):
            raise keys.unknown(self.name, name, self.quantities)
        if name in keys.plain:
            value = getattr(self, name)
            return line_of(f"{self.name}: {name}", value, line) if line else value
        table, row, column = split_key(name)
        spec = keys.tables[table]
        return getattr(getattr(self, spec.name).get(row, spec.metadata["row"]()), column)

    def with_numbers(self, numbers: Mapping[str, Given], by: str = "the caller") -> Self:
        """Return the part with numbers replaced, checked as the loader checks a file's.

        The new numbers are ``assumed``, their source says who set them, and the hash is that of the new numbers.

        Parameters
        ----------
        numbers
            Value by key, in the key's unit; keys as for :meth:`number`. A row that is not there yet is added.
        by
            Who sets them, for the source: ``set by a sweep``.

        Raises
        ------
        InputError
            For an unknown key, a value of the wrong kind, or a divisor that is not above 0.
        """
        if not numbers:
            return self
        keys = self.keys()
        given = {key: Quantity(value, "assumed", f"set by {by}") for key, value in self._whole(numbers).items()}
        keys.check(self.name, given, self.quantities)
        values = keys.values(given)
        digest = _digest({key: self.number(key) for key in self.quantities} | values)
        return replace(self, digest=digest, quantities=self.quantities | given, **keys.arguments(values, self))

    def _whole(self, numbers: Mapping[str, Given]) -> dict[str, float | list[list[float]]]:
        """Every value as a file would hold it; numbers of a table's lines make a whole new table."""
        whole: dict[str, float | list[list[float]]] = {}
        for key, value in numbers.items():
            name, line = split_line(key)
            where = f"{self.name}: {key}"
            if not line:
                whole[key] = value_of(where, value)
                continue
            table: Any = whole.get(name) or self.number(name)
            line_of(f"{self.name}: {name}", table, line)
            whole[name] = [[low, scalar_of(where, value) if i == line else n] for i, (low, n) in enumerate(table, 1)]
        return whole


P = TypeVar("P", bound=Part)


def kind_of(path: Path) -> str:
    """Return the kind that a part file says it is of.

    Raises :class:`InputError` for a file that cannot be read, or one that says no kind.
    """
    with _told(path, "part"):
        return str(_read(path, path.stat().st_mtime_ns).get("kind", ""))


def own_keys(cls: type[Part], path: Path) -> list[str]:
    """Return the keys that a part file gives itself, not through its base."""
    with _told(path, "part"):
        return [key for key, _ in cls.keys().flat(str(path), _numbers(path))]


@contextmanager
def _told(path: Path, kind: str) -> Iterator[None]:
    """Turn a failure to read into :class:`InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError.problem(
            str(path), f"cannot be read ({reason(error)})", f"give a readable {kind} file"
        ) from None


def part_names(kind: str) -> list[str]:
    """Return the names of the shipped parts of a kind (accelerator, board, compiler, host, link)."""
    return list(_shipped(FOLDERS[kind]))


@lru_cache(maxsize=16)
def _shipped(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (Path(__file__).parent / folder).glob("*.toml")))


@remembered(1024)
def shipped_name(kind: str, part: Part) -> str:
    """Return the shipped part that a part is, or else the nearest one it is based on; empty where there is none."""
    names = part_names(kind)
    return next((name for name in (part.name, *part.bases) if name in names), "")


@read_once
def load(kind: str, cls: type[P], name_or_path: str) -> P:
    """Load a shipped part by name or a part file by path as ``cls``.

    Raises :class:`InputError` for an unknown name, an unreadable file, an unknown key, a missing number or a bad value.

    Parameters
    ----------
    kind
        ``accelerator``, ``board``, ``compiler``, ``host`` or ``link``.
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
    with _told(path, kind):
        files = tuple((file, file.stat().st_mtime_ns) for file in _chain(kind, path))
        part: P = _load(kind, cls, files)  # type: ignore[arg-type]  # remembered by its files
        return part


@read_once
def label(kind: str, name_or_path: str, key: str) -> str:
    """Return a text that a part's file gives (``family``), or the nearest part that it is based on; "" where none does.

    Raises :class:`InputError` for an unknown name or an unreadable file.
    """
    path = _path(kind, name_or_path)
    with _told(path, kind):
        texts = [_read(file, file.stat().st_mtime_ns) for file in _chain(kind, path)]
    return next((str(data[key]) for data in texts if key in data), "")


#: Kind -> (how people begin the name of a part, what it begins with here).
BEGINNINGS = {
    "host": ((r"(?:raspberry|raspi|rpi|pi)-?(?=[0-9c])|(?=cm[0-9])", "raspberry-pi-"), ("coral-(?=dev)", "")),
    "link": ((r"usb-(?=[0-9])", "usb"), ("pci-?e.*", "pcie")),
}


def giver(kind: str, cls: type[Part], name: str, key: str) -> str:
    """Return the shipped part whose file gives a number of another one: itself, or the nearest base that does."""
    files = [_path(kind, name), *_chain(kind, _path(kind, name))[1:]]
    return next((path.stem for path in files if key in own_keys(cls, path)), name)


def aliases(kind: str) -> dict[str, str]:
    """Return the short names that part files of a kind give, as they are written there, with their parts' names."""
    return _given(kind, "aliases")


def _given(kind: str, key: str) -> dict[str, str]:
    """Names that part files of a kind list under a key, with the parts' names."""
    found: dict[str, str] = {}
    for name in part_names(kind):
        path = _path(kind, name)
        texts = str(_read(path, path.stat().st_mtime_ns).get(key, ""))
        found |= {text.strip(): name for text in texts.split(",") if text.strip()}
    return found


def _instead(kind: str, text: str) -> str:
    """Which part comes nearest to one that is known, and not among the parts."""
    near = {_joined(name): part for name, part in _given(kind, "resembles").items()}.get(_joined(text))
    return f"it is not known here, and {near!r} comes nearest" if near else ""


@lru_cache(maxsize=16)
def _plain_aliases(kind: str) -> dict[str, str]:
    return {_joined(alias): name for alias, name in ({name: name for name in part_names(kind)} | aliases(kind)).items()}


def _joined(text: str) -> str:
    """A name without what is spelling only."""
    return re.sub(r"[\s_-]+", "", text.lower())


@lru_cache(maxsize=1024)
def meant_name(kind: str, text: str) -> str:
    """Return the shipped part that a text means (``Pi 5``, ``n100``, ``USB 3.0``), or the text as it is."""
    names = part_names(kind)
    if text in names or text.endswith(".toml") or "/" in text:
        return text
    found = _by_rule(kind, text)
    return found if found in names else _plain_aliases(kind).get(_joined(text), text)


def _by_rule(kind: str, text: str) -> str:
    """A part's name from how people begin it and what they leave out; the text where no rule leads to a part."""
    names = part_names(kind)
    plain = re.sub(r"[\s_-]+", "-", text.strip().lower().replace("+", "-plus")).removesuffix(".0")
    for begin, name in BEGINNINGS.get(kind, ()):
        plain = re.sub(f"^(?:{begin})", name, plain)
    begun = [name for name in names if name.startswith(plain)] if plain[-1:].isdigit() else []
    return plain if plain in names else min(begun, key=len, default=text)


@lru_cache(maxsize=1024)
def _path(kind: str, name_or_path: str) -> Path:
    names, name_or_path = part_names(kind), meant_name(kind, name_or_path)
    if name_or_path in names:
        return Path(__file__).parent / FOLDERS[kind] / f"{name_or_path}.toml"
    if name_or_path.endswith(".toml") or "/" in name_or_path:
        return Path(name_or_path)
    known = ", ".join(names) if len(names) <= MOST_LISTED else f"a name of edgetpusim parts {kind}s"
    found = _instead(kind, name_or_path) or nearest(name_or_path, [*names, *aliases(kind)], SURE.get(kind, LIKELY))
    found = found or WAY_OUT.get(kind, "")
    raise InputError.value(kind, name_or_path, f"{known} or FILE.toml", found)


@lru_cache(maxsize=256)
def _load(kind: str, cls: type[P], files: tuple[tuple[Path, int], ...]) -> P:
    """A part of its file and those below, each with the time (ns) at which it was changed."""
    chain = [path for path, _ in files]
    path = chain[0]
    keys = cls.keys()
    quantities = {key: quantity_of(f"{path}: {key}", row) for key, row in _table(kind, keys, chain).items()}
    keys.check(str(path), quantities, quantities)
    keys.check_complete(str(path), quantities)
    values = keys.values(quantities)
    bases = tuple(below.stem for below in chain[1:])
    return cls(name=path.stem, bases=bases, digest=_digest(values), quantities=quantities, **keys.arguments(values))


def _chain(kind: str, path: Path) -> list[Path]:
    """The file, and those that it is based on, nearest first."""
    chain = [path]
    while base := _read(chain[-1], chain[-1].stat().st_mtime_ns).get("base"):
        below = _path(kind, str(base))
        if below in chain:
            raise InputError.value(f"{chain[-1]}: base", str(base), "a part that is not based on this one")
        chain.append(below)
    return chain


@lru_cache(maxsize=256)
def _read(path: Path, _modified_ns: int) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError.problem(str(path), f"is no TOML file ({reason(error)})") from None


def _table(kind: str, keys: Keys, chain: list[Path]) -> dict[str, Any]:
    """Inline table by key, each file over the one that it is based on."""
    table: dict[str, Any] = {}
    for path in reversed(chain):
        data = _read(path, path.stat().st_mtime_ns)
        if data.get("kind") != kind:
            raise InputError.value(f"{path}: kind", data.get("kind", "nothing"), f'"{kind}"')
        table |= {key: _merged(table.get(key), row) for key, row in keys.flat(str(path), _numbers(path))}
    return table


def _numbers(path: Path) -> dict[str, Any]:
    """What a file holds besides its heading."""
    data = _read(path, path.stat().st_mtime_ns)
    labels = ("kind", "name", "base", *LABELS.get(str(data.get("kind")), ()))
    return {key: row for key, row in data.items() if key not in labels}


def _merged(below: object, row: object) -> object:
    """A number that gives no value takes the one below it, with its own status, source and uncertainty."""
    if isinstance(below, dict) and isinstance(row, dict) and "value" not in row and "value" in below:
        return {"value": below["value"], **row}
    return row


def _digest(values: Mapping[str, Value]) -> str:
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:12]
