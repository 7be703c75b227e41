"""The Python code and data of a page, packed: this package as far as the page needs it, SimPy, and the file reader."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from hwmodels.networks.zoo import data_folder

__all__ = ["code_files", "packed", "zoo_files"]

#: What makes and serves pages, and is asked by none of them.
MAKERS = (
    *(f"site/{name}.py" for name in ("answering", "build", "bundle", "bytecode", "gate", "pages", "pyodide", "server")),
    *(f"lab/{name}.py" for name in ("export", "notebooks", "printed", "research", "source")),
)
#: Packages of the page -> folders of them that it does not use.
PACKAGES = {
    "hwmodels": ("_traces",), "sim": ("commands", "virtual", "study", "site/static", *MAKERS), "simpy": (),
    "flatbuffers": (), "tflite": (),
}  # fmt: skip
LONGEST_NAME = 100  # of a file in the oldest tar headers
NOT_CODE = {".pyc", ".pyi", ".typed"}


def code_files() -> dict[str, bytes]:
    """Return the modules and part files by their path, and what says the version."""
    found = {path: data for name, left_out in PACKAGES.items() for path, data in _package(name, left_out)}
    about = f"Metadata-Version: 2.1\nName: edgetpusim\nVersion: {version('edgetpusim')}\n"
    return found | {"edgetpusim.dist-info/METADATA": about.encode()}


def _package(name: str, left_out: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    spec = find_spec(name)
    assert spec is not None  # a dependency, or this package itself
    assert spec.origin is not None
    home = Path(spec.origin).parent
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home)
        skipped = any(inside.is_relative_to(folder) for folder in left_out) or path.suffix in NOT_CODE
        if path.is_file() and not skipped:
            yield f"{name}/{inside.as_posix()}", path.read_bytes()


def zoo_files() -> dict[str, bytes]:
    """Return the shipped traces by the path that an installed package has them under."""
    return {f"hwmodels/_traces/zoo/{path.name}": path.read_bytes() for path in sorted(data_folder("zoo").glob("*.*"))}


def packed(files: dict[str, bytes]) -> bytes:
    """Return files as a compressed archive, the same for the same files; the page reads only the oldest tar headers."""
    assert max(map(len, files)) <= LONGEST_NAME
    raw = BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, BytesIO(data))
    return gzip.compress(raw.getvalue(), 9, mtime=0)
