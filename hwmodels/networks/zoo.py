"""Networks by name: shipped traces, the user's own, generated families, and .tflite files by path."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import cast

from hwmodels.cache import read_once, remembered
from hwmodels.errors import InputError, either, nearest, reason
from hwmodels.files import read_text, write_text
from hwmodels.networks.graph import LayerGraph, from_json, to_json
from hwmodels.networks.naming import Alias, Vocabulary, pieced, plain, spellings
from hwmodels.networks.readers import is_network_file, read_network

__all__ = [
    "add_network",
    "aliases",
    "canonical_name",
    "data_folder",
    "head_name",
    "index",
    "load_network",
    "names",
    "names_with_input",
    "networks_with",
    "own_names",
    "remove_network",
    "user_folder",
]

#: A detector's name with what another training gave its head.
_HEAD = re.compile(r"(.+?)(?=_classes|_boxes)((?:_classes(?P<classes>\d{1,6}))?(?:_boxes(?P<boxes>\d{1,6}))?)")
MOST_LIKELY = 3
LONGEST_NAME = 200  # bytes: file systems take 255, and temporary names are longer


def data_folder(kind: str) -> Path:
    """Return the folder of shipped ``zoo`` traces or ``profiles``: inside the wheel, else in the checkout."""
    package = Path(__file__).parent.parent
    inside = package / "_traces" / kind
    return inside if inside.is_dir() else package.parent / "traces" / kind


def user_folder() -> Path:
    """Return the folder of the user's own traces (``EDGETPUSIM_DATA``, else the platform's data folder)."""
    given = os.environ.get("EDGETPUSIM_DATA")
    if given:
        return Path(given) / "zoo"
    from platformdirs import user_data_path

    return user_data_path("edgetpusim", appauthor=False) / "zoo"


def _folders() -> Iterator[Path]:
    """Folders of traces, shipped ones first. A browser has no platformdirs, and no folder of the user's own."""
    yield data_folder("zoo")
    if _has_own():
        yield user_folder()


@cache
def _has_platform_folders() -> bool:
    return find_spec("platformdirs") is not None


def _has_own() -> bool:
    return bool(os.environ.get("EDGETPUSIM_DATA")) or _has_platform_folders()


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced, by whichever process."""
    about = path.stat()
    return about.st_ino, about.st_mtime_ns, about.st_size


def _trace_path(name: str) -> Path | None:
    for folder in _folders():
        path = folder / f"{name}.json"
        if path.is_file():
            return path
    return None


def names() -> list[str]:
    """Return the names of all networks with a trace, shipped and the user's own, sorted."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.json")})


def own_names() -> list[str]:
    """Return the names of the user's own networks; one that is named like a shipped network counts for nothing."""
    return sorted(set(names()) - {row["name"] for row in index()})


@cache
def index() -> tuple[dict[str, str], ...]:
    """Return what is known of every shipped network without reading its trace (made by ``traces/generate``)."""
    with (data_folder("zoo") / "index.csv").open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def names_with_input(extents: tuple[int, int, int], parameter_bytes: int, tolerance: float = 0.2) -> list[str]:
    """Return the shipped networks that read a map of such extents and have about so many bytes of parameters."""
    rows = [row for row in index() if _input_of(row) == extents]
    near = tolerance * parameter_bytes
    return [row["name"] for row in rows if abs(int(row["parameter_bytes"]) - parameter_bytes) <= near]


def networks_with(key: str, value: str) -> Iterator[LayerGraph]:
    """Yield the user's own networks that were added with a value under a key."""
    own = (_from_trace(name) for name in own_names())
    return (graph for graph in own if graph is not None and graph.meta.get(key) == value)


def _input_of(row: dict[str, str]) -> tuple[int, ...]:
    return tuple(int(row[key]) for key in ("input_h", "input_w", "input_c"))


@cache
def aliases() -> tuple[Alias, ...]:
    """Return the names that files and publications use and that no rule leads to a network."""
    path = data_folder("zoo") / "aliases.csv"
    if not path.is_file():
        return ()
    with path.open(newline="", encoding="utf-8") as file:
        return tuple(Alias(row["alias"], row["name"], row["note"]) for row in csv.DictReader(file))


@cache
def _vocabulary() -> Vocabulary:
    return Vocabulary(path.stem for path in data_folder("zoo").glob("*.json"))


@read_once
def canonical_name(name: str) -> str:
    """Return the zoo's or the generated name of what ``name`` means, and a name that means none of them as it is."""
    return _canonical_name(name, tuple(sorted(user_folder().glob("*.json"))) if _has_own() else ())


@lru_cache(maxsize=4096)
def _canonical_name(name: str, _own: Hashable) -> str:  # the user's own networks change what a name means
    head = _HEAD.fullmatch(plain(name))
    if head:
        return f"{canonical_name(head[1])}{head[2]}"
    exact = ((way, text) for text in (name, plain(name)) for way in (_by_name, _by_alias, _by_same_size))
    words = (_by_name, _by_alias, _vocabulary().resolve, _by_size, _by_alias_and_size)
    ways = chain(exact, ((way, text) for text in (*spellings(name), *pieced(name)) for way in words))
    return next(filter(None, (way(text) for way, text in ways)), name)


def _by_name(text: str) -> str:
    return text if _is_known(text) else ""


def _by_alias(text: str) -> str:
    targets = (alias.target(text) for alias in aliases())
    return next((target for target in targets if target and _is_known(target)), "")


def _by_size(text: str) -> str:
    found = _at_another_size(text)
    return found.name if found else ""


def _by_same_size(text: str) -> str:
    return text if _by_size(text) == text else ""


def _by_alias_and_size(text: str) -> str:
    targets = (alias.target(text) for alias in aliases())
    return next((target for target in targets if target and _by_same_size(target)), "")


@remembered(256)
def _at_another_size(text: str) -> LayerGraph | None:
    """Return a network of the zoo at the resolution that a spelling has, or None where it cannot have it."""
    from hwmodels.networks.variants import resized

    for template, size, name in _vocabulary().other_sizes(text):
        height, _, width = size.partition("x")
        with suppress(InputError):
            return resized(cast("LayerGraph", _from_trace(template)), name, (int(height), int(width or height)))
    return None


def head_name(name: str, classes: int, boxes: int) -> str:
    """Return the name of a detector with other classes or boxes kept; 0 leaves what the name says.

    Raises :class:`InputError` where the name says another number.
    """
    head = _HEAD.fullmatch(plain(name))
    said = {"classes": int(head["classes"] or 0), "boxes": int(head["boxes"] or 0)} if head else {}
    ends = []
    for word, option, count in (("classes", "--classes", classes), ("boxes", "--max-boxes", boxes)):
        old = said.get(word, 0)
        if count and old and old != count:
            raise InputError.problem(option, f"is {count}, but MODEL {name} names {old}", "leave one of the two out")
        ends += [f"_{word}{count or old}"] if count or old else []
    return "".join([head[1] if head else name, *ends])


def _with_another_head(name: str) -> LayerGraph | None:
    """Return a detector whose name ends in ``_classes<N>``, ``_boxes<N>`` or both, None for any other name."""
    head = _HEAD.fullmatch(name)
    return _retrained(load_network(head[1]), name, int(head["classes"] or 0), int(head["boxes"] or 0)) if head else None


@remembered(256)  # what is compiled is remembered by the network's identity
def _retrained(network: LayerGraph, name: str, classes: int, boxes: int) -> LayerGraph:
    from hwmodels.networks.variants import retrained

    return retrained(network, name, classes, boxes)


def _is_known(name: str) -> bool:
    return _is_plain(name) and (_trace_path(name) is not None or _is_generated(name))


def _is_generated(name: str) -> bool:
    from hwmodels.networks.generated import is_generated  # a network of the zoo needs none of it

    return is_generated(name)


def _generated(name: str) -> LayerGraph | None:
    from hwmodels.networks.generated import generate

    return generate(name)


def _reason(name: str) -> str:
    """Why a name that people use has no network here, where that is known."""
    texts = [plain(name), *spellings(name)]
    return next((alias.note for alias in aliases() for text in texts if alias.target(text) == ""), "")


@read_once
def load_network(name_or_path: str) -> LayerGraph:
    """Load a network: a path to a plain or compiled .tflite, a zoo name, or a generated network's name.

    Names are understood as people write them. Raises :class:`InputError` with the nearest valid name for anything else.

    Looked up in this order: a path (it has a slash or ends in ``.tflite``), a trace of that name (shipped, then the
    user's own), a generated family, an alias, the words of the zoo's names, those words at another resolution. A
    detector's name may end in ``_classes<N>`` and ``_boxes<N>``.
    """
    if is_network_file(name_or_path):
        return _from_file(Path(name_or_path))
    name = canonical_name(name_or_path)
    found = _from_trace(name) if _is_plain(name) else None
    found = (
        found
        or _generated(name)
        or _with_another_head(name)
        or (_at_another_size(name) if _by_same_size(name) else None)
    )
    if found is None and _reason(name_or_path):
        raise InputError.problem("MODEL", f"{name_or_path} is no network of the zoo", _reason(name_or_path))
    if found is None:
        raise InputError.value("MODEL", name_or_path, _allowed(name_or_path), _likely(name_or_path))
    return found


def _likely(name: str) -> str:
    """Ask for the networks that have all words of a name, or for the nearest name."""
    rows = (_vocabulary().like(text) for text in (*pieced(name), *spellings(name)))
    found = next(filter(None, rows), [])[:MOST_LIKELY]
    return f"did you mean {either(map(repr, found))}?" if found else nearest(plain(name), names())


def _allowed(name: str) -> str:
    from hwmodels.networks.variants import STEP

    sizes = {old for text in spellings(name) for old, _, _ in _vocabulary().other_sizes(text)}
    if sizes:
        return f"a resolution a multiple of {STEP} away from that of {', '.join(sorted(sizes))}"
    return "a network of edgetpusim zoo list, one that is generated by name, or a .tflite file"


def _is_plain(name: str) -> bool:
    is_file_name = len(name.encode("utf-8", "replace")) <= LONGEST_NAME and name.isprintable()
    return is_file_name and not set(name) & set("/\\") and not name.startswith(".")


def _from_trace(name: str) -> LayerGraph | None:
    path = _trace_path(name)
    return _read_trace(str(path), _stamp(path)) if path else None


@remembered(256)  # what is compiled is remembered by the network's identity
def _read_trace(path: str, _state: Hashable) -> LayerGraph:
    try:
        return from_json(read_text(Path(path)), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.problem(
            path, f"cannot be read ({reason(error)})", "add the network anew with zoo add --replace"
        ) from None


def _from_file(path: Path) -> LayerGraph:
    meant = canonical_name(path.name)
    if not path.exists() and meant != path.name:
        raise InputError.problem(
            str(path),
            "cannot be read (No such file or directory)",
            "give a .tflite file",
            f"did you mean the network {meant!r}?",
        )
    return read_network(path)


def remove_network(name: str) -> Path:
    """Delete the trace of a network of the user's own, and return where it was.

    Raises :class:`InputError` for a network that is shipped, or that nobody added.
    """
    own = [path.stem for path in user_folder().glob("*.json")]
    if name not in own:
        where = f"{name!r} of zoo remove"
        if _is_plain(name) and _trace_path(name):
            raise InputError.problem(where, "is a shipped network", "name one of your own")
        remedy = f"name {either(own)}" if own else "none was added"
        raise InputError.problem(where, "is no network of your own", remedy, nearest(name, own))
    target = user_folder() / f"{name}.json"
    target.unlink()
    return target


def add_network(
    path: Path, name: str = "", replace: bool = False, meta: Mapping[str, str] | None = None
) -> tuple[LayerGraph, Path]:
    """Read a plain .tflite file and keep its trace in the user's folder, with what ``meta`` says of it.

    Raises :class:`InputError` for a file that cannot be read, a compiled file (it has no layer graph), a name with a
    path in it, or one that exists and is not to be replaced. The trace is written to a temporary name and renamed.
    """
    graph = _from_file(path)
    name = name or graph.name
    if not _is_plain(name) or not name:
        raise InputError.value("the name of zoo add", name, "up to 200 bytes without slashes and not start with a dot")
    if graph.is_compiled:
        raise InputError.problem(
            str(path), "is compiled for the Edge TPU and has no layer graph", "give the plain .tflite file"
        )
    if not replace and _trace_path(name):
        raise InputError.problem(f"the name {name!r} of zoo add", "is taken", "give a new name, or --replace")
    target = user_folder() / f"{name}.json"
    with suppress(OSError):  # writing says what is wrong with the folder
        target.parent.mkdir(parents=True, exist_ok=True)
    about = {"source": path.name, **(meta or {})}
    write_text(target, to_json(LayerGraph(name, graph.layers, graph.inputs, graph.outputs, about)))
    return graph, target
