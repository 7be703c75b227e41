"""What a sweep covers: a TOML spec to an ordered list of points.

::

    models = ["mobilenet_v2_1.0_224", "resnet_50_v1_224"]   # a scenario's options: one value, or a list = an axis
    threads = [1, 2, 4, 8]
    host = "dev-board"

    [parts]                                                  # numbers of part files, likewise
    "host.gil_share" = [0.2, 0.5, 1.0]

    [lhs]                                                    # optional: a Latin hypercube for every grid point
    samples = 32
    seed = 0
    [lhs.ranges]
    "size.clock_hz" = [400e6, 600e6]
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import hwmodels
from hwmodels.api import part_classes
from hwmodels.errors import InputError, nearest, reason
from hwmodels.files import read_text
from hwmodels.networks.readers import READERS
from hwmodels.networks.zoo import user_folder
from hwmodels.part_keys import split_line
from sim.scenario import option_defaults
from sim.study.results_file import stamp

__all__ = ["Spec", "digest_of", "latin_hypercube", "own_files", "points", "read_spec"]

Axes = dict[str, list[Any]]
Ranges = Mapping[str, tuple[float, float]]

#: Option that names a part -> kind of its part file.
OPTIONS = {"size": "accelerator", "link": "link", "host": "host"}
PARTS_FOLDER = Path(hwmodels.__file__).parent
MAX_POINTS = 1_000_000  # they become one table in memory, some 2 kB for a point
MAX_NUMBER = 2**63
MAX_SAMPLES = 1_000_000  # of a Latin hypercube: they are drawn at once ...
MAX_DRAWN = 10_000_000  # ... for every range
TYPES = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


@dataclass(frozen=True)
class Spec:
    """A sweep: axes of the grid, and for a Latin hypercube its ranges, number of samples and seed.

    Attributes
    ----------
    grid
        Option, or ``size.KEY`` and its kin, -> its values; the last one varies fastest.
    ranges
        Of the Latin hypercube, drawn once for every point of the grid.
    samples, seed
        Of the hypercube; 1 where there is none.
    """

    grid: Axes
    ranges: dict[str, tuple[float, float]]
    samples: int = 1
    seed: int = 0

    @property
    def size(self) -> int:
        """Number of points."""
        total = self.samples
        for values in self.grid.values():
            total *= len(values)
        return total

    @property
    def digest(self) -> str:
        """A hash of what is asked, of the version that answers, and of every part file that it reads."""
        return digest_of([list(self.grid.items()), list(self.ranges.items()), self.samples, self.seed], self._files())

    def _files(self) -> list[Path]:
        """The user's own files that the values name (part files, networks)."""
        names = {part for values in self.grid.values() for v in values if isinstance(v, str) for part in v.split(",")}
        return own_files(sorted(names))


def own_files(names: Iterable[str]) -> list[Path]:
    """Return the user's own files among names: part files and networks by path, networks by their name in the zoo."""
    names = [name.strip() for name in names]
    paths = [Path(name) for name in names if name.endswith((".toml", *READERS))]
    traces = [user_folder() / f"{name.partition(':')[0]}.json" for name in names if "/" not in name]
    return [path for path in (*paths, *traces) if _is_file(path)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for a file, for one
        return False


def digest_of(asked: Any, files: Sequence[Path] = ()) -> str:
    """Return a hash of what is asked, of the version that answers, and of the part files that it may read."""
    found = hashlib.sha256(json.dumps([*asked, stamp()]).encode())
    for path in (*sorted(PARTS_FOLDER.glob("*/*.toml")), *files):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def read_spec(path: Path) -> Spec:
    """Read a spec file.

    Raises :class:`InputError` for a file that cannot be read, an unknown key, a value of the wrong type, an empty grid.
    """
    try:
        table = tomllib.loads(read_text(path))
    except OSError as error:
        raise InputError.problem(str(path), f"cannot be read ({reason(error)})", "give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError.problem(str(path), f"is no TOML file ({reason(error)})") from None
    return spec_of(table, str(path))


def spec_of(table: Mapping[str, Any], where: str = "spec") -> Spec:
    """Check a spec given as a table."""
    options = {key: value for key, value in table.items() if key not in ("parts", "lhs")}
    parts, lhs = _table(where, table, "parts"), _table(where, table, "lhs")
    for key in lhs:
        _known(f"{where}: [lhs]", key, ("samples", "seed", "ranges"))
    grid = {key: _axis(where, key, value) for key, value in (options | parts).items()}
    ranges = {key: _range(where, key, value) for key, value in _table(where, lhs, "ranges").items()}
    if "models" not in grid:
        raise InputError.problem(where, "names no models", "give a network, or a list of networks")
    if set(grid) & set(ranges):
        twice = min(set(grid) & set(ranges))
        raise InputError.problem(f"{where}: {twice}", "is given twice", "make it an axis, or a range in [lhs.ranges]")
    spec = Spec(grid, ranges, _count(where, lhs, "samples", 1 if not ranges else 0), _count(where, lhs, "seed", 0))
    if spec.samples * len(ranges) > MAX_DRAWN:
        what = f"asks for {spec.samples} samples of {len(ranges)} ranges"
        raise InputError.problem(f"{where}: lhs", what, f"samples x ranges go up to {MAX_DRAWN}")
    if not 0 < spec.size <= MAX_POINTS:
        raise InputError.problem(
            where, f"has {spec.size} points", f"give 1 to {MAX_POINTS}, where every list needs a value"
        )
    return spec


def _table(where: str, table: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise InputError.value(f"{where}: {key}", found, f"a table [{key}]")
    return found


def _count(where: str, table: Mapping[str, Any], key: str, default: int) -> int:
    value = table.get(key, default)
    most = MAX_SAMPLES if key == "samples" else MAX_NUMBER
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InputError.value(f"{where}: lhs.{key}", value, f"a whole number from 0 to {most}")
    return value


def _known(where: str, key: str, allowed: tuple[str, ...]) -> None:
    if key not in allowed:
        raise InputError.problem(
            f"{where}: {key}", "is an unknown key", f"choose from {', '.join(allowed)}", nearest(key, allowed)
        )


def _check_key(where: str, key: str) -> type:
    """Return the type of a key's values: an option's, or float for a part's number."""
    if key == "models":
        return str
    if key in option_defaults():
        return type(option_defaults()[key])
    option, dot, number = key.partition(".")
    classes = part_classes(option, OPTIONS[option]) if option in OPTIONS else ()
    numbers = [name for cls in classes for name in cls.keys().names()]
    if dot and any(cls.keys().kind(split_line(number)[0]) for cls in classes):
        return float
    known = [f"{option}.{name}" for name in numbers] or ["models", *option_defaults(), "size.KEY, link.KEY, host.KEY"]
    raise InputError.problem(
        f"{where}: {key}", "is an unknown key", f"choose from {', '.join(known)}", nearest(key, known)
    )


def _axis(where: str, key: str, value: Any) -> list[Any]:
    kind = _check_key(where, key)
    values = value if isinstance(value, list) else [value]
    return [_typed(where, key, kind, one) for one in values]


def _typed(where: str, key: str, kind: type, value: Any) -> Any:
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise InputError.value(f"{where}: {key}", value, f"{TYPES[kind]}, at most 2**63 in size")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if key == "accelerators" and isinstance(value, str):  # sizes with counts
        return value
    if key == "app_ms" and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}"
    if type(value) is not kind:
        raise InputError.value(f"{where}: {key}", value, TYPES[kind])
    return value


def _range(where: str, key: str, value: Any) -> tuple[float, float]:
    kind = _check_key(where, key)
    is_pair = isinstance(value, list) and len(value) == 2 and not any(isinstance(one, str) for one in value)
    if kind in (str, bool) or not is_pair:
        raise InputError.value(f"{where}: {key}", value, "[lowest, highest] of a number")
    low, high = (_typed(where, key, kind, one) for one in value)
    if not -MAX_NUMBER <= low <= high <= MAX_NUMBER:  # NaN and infinities are none of these
        raise InputError.value(f"{where}: {key}", value, "[lowest, highest], finite")
    return low, high


def points(spec: Spec) -> Iterator[dict[str, Any]]:
    """Yield every point as option or part number -> value; the last axis of the spec changes fastest."""
    strata = _strata(spec.ranges, spec.samples, spec.seed)
    for values in product(*spec.grid.values()):
        for number in range(spec.samples):
            yield dict(zip(spec.grid, values, strict=True)) | _sample(spec.ranges, strata, number)


def latin_hypercube(ranges: Ranges, samples: int, seed: int) -> list[dict[str, Any]]:
    """Return samples of the ranges, each of the equal strata of a range hit once (McKay 1979); whole numbers stay."""
    strata = _strata(ranges, samples, seed)
    return [_sample(ranges, strata, number) for number in range(samples)]


def _strata(ranges: Ranges, samples: int, seed: int) -> dict[str, Any]:
    """For each range an array with the shares of it (0 to 1) at which samples lie; values are made when asked for."""
    if not ranges:
        return {}
    import numpy as np

    shares = {}
    for key, stream in zip(ranges, np.random.SeedSequence(seed).spawn(len(ranges)), strict=True):
        random = np.random.default_rng(stream)
        shares[key] = (random.permutation(samples) + random.random(samples)) / samples
    return shares


def _sample(ranges: Ranges, strata: Mapping[str, Any], number: int) -> dict[str, Any]:
    return {key: _scaled(float(strata[key][number]), low, high) for key, (low, high) in ranges.items()}


def _scaled(share: float, low: float, high: float) -> float | int:
    """A value at a share of a range; whole numbers stay whole, both ends included."""
    if isinstance(low, int) and isinstance(high, int):
        return min(high, low + int(share * (high - low + 1)))
    return low + share * (high - low)
