"""Networks by name: shipped traces, the user's own, generated families, and .tflite files by path."""

from __future__ import annotations

import csv
import os
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

from hwmodels.errors import InputError, nearest
from hwmodels.files import read_text, write_text
from hwmodels.generated import FAMILIES, generate
from hwmodels.graph import LayerGraph, from_json, to_json

__all__ = ["add_network", "aliases", "canonical_name", "data_folder", "load_network", "names", "user_folder"]

LONGEST_NAME = 200  # bytes: file systems take 255, and temporary names are longer


def data_folder(kind: str) -> Path:
    """Return the folder of shipped ``zoo`` traces or ``profiles``: inside the wheel, else in the checkout."""
    inside = Path(__file__).parent / "_traces" / kind
    return inside if inside.is_dir() else Path(__file__).parent.parent / "traces" / kind


def user_folder() -> Path:
    """Return the folder of the user's own traces (``EDGETPUSIM_DATA``, else the platform's data folder)."""
    given = os.environ.get("EDGETPUSIM_DATA")
    if given:
        return Path(given) / "zoo"
    from platformdirs import user_data_path

    return user_data_path("edgetpusim", appauthor=False) / "zoo"


def _trace_path(name: str) -> Path | None:
    for folder in (data_folder("zoo"), user_folder()):
        path = folder / f"{name}.json"
        if path.is_file():
            return path
    return None


def names() -> list[str]:
    """Return the names of all networks with a trace, shipped and the user's own, sorted."""
    return sorted({path.stem for folder in (data_folder("zoo"), user_folder()) for path in folder.glob("*.json")})


@cache
def aliases() -> dict[str, str]:
    """Return alias -> zoo name for the names that files and publications use."""
    path = data_folder("zoo") / "aliases.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["alias"]: row["name"] for row in csv.DictReader(file) if row["name"]}


def canonical_name(name: str) -> str:
    """Return the zoo name of an alias, and any other name as it is."""
    return aliases().get(name, name)


def load_network(name_or_path: str) -> LayerGraph:
    """Load a network: a path to a plain or compiled .tflite, a zoo name or alias, or a generated network's name.

    Raises :class:`InputError` with the nearest valid name for anything else.

    Looked up in this order: a path (it has a slash or ends in ``.tflite``), a trace of that name (shipped, then the
    user's own), an alias, a generated family.
    """
    if name_or_path.endswith(".tflite") or "/" in name_or_path:
        return _from_file(Path(name_or_path))
    name = name_or_path if _is_plain(name_or_path) and _trace_path(name_or_path) else canonical_name(name_or_path)
    found = _from_trace(name) if _is_plain(name) else None
    found = found or generate(name)
    if found is None:
        known = names()
        families = ", ".join(FAMILIES)
        allowed = f"a zoo name (edgetpusim zoo list), a generated one ({families}), or a .tflite file"
        raise InputError("MODEL", name_or_path, allowed, nearest(name_or_path, [*known, *aliases()]))
    return found


def _is_plain(name: str) -> bool:
    is_file_name = len(name.encode("utf-8", "replace")) <= LONGEST_NAME and name.isprintable()
    return is_file_name and not set(name) & set("/\\") and not name.startswith(".")


@lru_cache(maxsize=256)
def _from_trace(name: str) -> LayerGraph | None:
    path = _trace_path(name)
    try:
        return from_json(read_text(path), str(path)) if path else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), type(error).__name__, "a readable trace: add it anew with --replace") from None


def _from_file(path: Path) -> LayerGraph:
    from hwmodels.compiled import read_network

    return read_network(path)


def add_network(path: Path, name: str = "", replace: bool = False) -> tuple[LayerGraph, Path]:
    """Read a plain .tflite file and keep its trace in the user's folder.

    Raises :class:`InputError` for a file that cannot be read, a compiled file (it has no layer graph), a name with a
    path in it, or one that exists and is not to be replaced. The trace is written to a temporary name and renamed.
    """
    graph = _from_file(path)
    name = name or graph.name
    if not _is_plain(name) or not name:
        raise InputError("zoo add: name", name, "up to 200 bytes without slashes, not starting with a dot")
    if "compiled_ops" in graph.meta:
        raise InputError(
            str(path), "an Edge-TPU-compiled file", "the plain .tflite: a compiled file has no layer graph"
        )
    if not replace and _trace_path(name):
        raise InputError("zoo add: name", name, "a new name, or --replace")
    target = user_folder() / f"{name}.json"
    with suppress(OSError):  # writing says what is wrong with the folder
        target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, to_json(LayerGraph(name, graph.layers, graph.inputs, graph.outputs, {"source": path.name})))
    _from_trace.cache_clear()
    return graph, target
