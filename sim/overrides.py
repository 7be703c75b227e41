"""Part files with some numbers replaced: what a sweep over a part's numbers simulates."""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hwmodels.errors import InputError
from hwmodels.files import read_text
from hwmodels.parts import FOLDERS, part_names
from sim.scenario import Scenario

__all__ = ["KINDS", "with_numbers"]

#: Option of a scenario -> kind of the part files that it names.
KINDS = {"size": "accelerator", "link": "link", "host": "host"}
PACKAGE = Path(__file__).parent.parent / "hwmodels"


def with_numbers(scenario: Scenario, numbers: Mapping[str, float]) -> Scenario:
    """Return the scenario with part files in which ``numbers`` (``size.KEY``, ``link.KEY``, ``host.KEY``) are replaced.

    The part files are written to a folder of this process that is deleted at its end. Raises :class:`InputError` for a
    number that the part file's loader refuses or a part that is not there.

    Parameters
    ----------
    scenario
        Names the parts; counts behind a size (``coral:2``) stay.
    numbers
        In the unit of each key.
    """
    changed: dict[str, Any] = {}
    for option, kind in KINDS.items():
        mine = {key.partition(".")[2]: value for key, value in numbers.items() if key.startswith(f"{option}.")}
        if mine:
            names = str(getattr(scenario, option)).split(",")
            changed[option] = ",".join(_replaced(kind, name.strip(), mine) for name in names)
    return replace(scenario, **changed)


def _replaced(kind: str, name: str, numbers: Mapping[str, float]) -> str:
    """Path of the part file with numbers replaced, and the count that stood behind the part's name."""
    stem, colon, count = name.rpartition(":")
    part = stem if colon and count.isdecimal() else name
    path = _write(kind, part, tuple(sorted(numbers.items())))
    return f"{path}:{count}" if part != name else path


@cache
def _write(kind: str, part: str, numbers: tuple[tuple[str, float], ...]) -> str:
    """The file keeps its name, so that everything that goes by names stays as it was."""
    path = PACKAGE / FOLDERS[kind] / f"{part}.toml" if part in part_names(kind) else Path(part)
    try:
        table = tomllib.loads(read_text(path))
    except (OSError, ValueError):
        raise InputError(kind, part, f"{', '.join(part_names(kind))} or FILE.toml") from None
    for key, value in numbers:
        table[key] = {"value": value, "status": "assumed", "source": "set by a sweep"}
    folder = _folder() / hashlib.sha256(repr((kind, part, numbers)).encode()).hexdigest()[:16]
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    target.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in table.items()), encoding="utf-8")
    return str(target)


def _toml(value: Any) -> str:
    """A value of a part file as TOML: its inline tables, numbers, texts and lists."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="edgetpusim-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
