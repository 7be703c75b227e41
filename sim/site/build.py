"""The static folder: page, Python and networks, with a list of them by which a browser keeps the page for later."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from hwmodels.errors import InputError, reason
from hwmodels.files import write_bytes
from sim.site.bundle import code_files, packed, zoo_files
from sim.site.bytecode import with_bytecode
from sim.site.pages import notebook_files, page_files
from sim.site.pyodide import pyodide_files

__all__ = ["Site", "build_site", "site_files"]

ENGINE = "pyodide.asm.wasm"  # goes over the wire compressed, whatever the server does


@dataclass(frozen=True)
class Site:
    """What was written: the bytes of each file by name, and whether Python lies there as bytecode."""

    sizes: dict[str, int]
    is_compiled: bool


def build_site(folder: Path, pyodide: Path | None = None) -> Site:
    """Write the site into a folder.

    ``pyodide`` is the npm package of Pyodide as a file; without one, npm downloads it. Raises :class:`InputError` for a
    folder that cannot be written, and as :func:`sim.site.pyodide.pyodide_files`.
    """
    python, is_compiled = with_bytecode(pyodide_files(pyodide) | {"code.tar.gz": packed(code_files())})
    files = site_files(python)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError.problem(
            f"-o {folder}", f"cannot be written ({reason(error)})", "give a folder that can be written"
        ) from None
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_bytes(folder / name, data)
    return Site({name: len(data) for name, data in files.items()}, is_compiled)


def site_files(python: dict[str, bytes]) -> dict[str, bytes]:
    """Return every file of the site by name, given those of Pyodide and the packed code."""
    files = page_files() | notebook_files() | {name: data for name, data in python.items() if name != ENGINE}
    files |= {f"{ENGINE}.gz": gzip.compress(python[ENGINE], 9, mtime=0), "zoo.tar.gz": packed(zoo_files())}
    return files | {"service.js": _with_list(files["service.js"], files)}


def _with_list(script: bytes, files: dict[str, bytes]) -> bytes:
    """The service worker with the names of all files and a version that changes with any of them."""
    whole = hashlib.sha256()
    for name, data in sorted(files.items()):
        whole.update(name.encode() + data)
    kept = ["./", *sorted(set(files) - {"service.js"})]
    head = f"const VERSION = {json.dumps(whole.hexdigest()[:16])};\nconst FILES = {json.dumps(kept)};\n"
    return head.encode() + script
