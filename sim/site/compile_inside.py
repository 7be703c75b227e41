"""Modules become bytecode, which halves the page's start: this runs in the page's own Python when the site is built.

Modules of the standard library that the page does not use are left out, as bytecode is larger than compressed source.
"""

from __future__ import annotations

import gzip
import io
import marshal
import tarfile
import zipfile
from importlib.util import MAGIC_NUMBER
from pathlib import Path

__all__ = ["compile_code", "compile_library"]

HEADER = MAGIC_NUMBER + bytes(12)  # no source to compare with
#: Servers, clients, shells, tests and old formats: parts of the library that no module of the page leads to.
LEFT_OUT = {
    "_ast_unparse", "_pydatetime", "_pyio", "_pyrepl", "_strptime", "_sysconfigdata__emscripten_wasm32-emscripten",
    "argparse", "bdb", "cProfile", "calendar", "cmd", "code", "colorsys", "compileall", "configparser", "ctypes",
    "doctest", "filecmp", "fileinput", "ftplib", "getopt", "gettext", "http", "imaplib", "mailbox", "mimetypes",
    "modulefinder", "multiprocessing", "netrc", "nntplib", "optparse", "pdb", "pickle", "pickletools", "plistlib",
    "poplib", "pprint", "profile", "pstats", "py_compile", "pyclbr", "pydoc", "sched", "shelve", "smtplib",
    "socketserver", "sqlite3", "stringprep", "symtable", "tabnanny", "timeit", "trace", "tracemalloc", "turtle",
    "unittest", "uuid", "wave", "webbrowser", "wsgiref", "xml", "xmlrpc", "zipapp", "zoneinfo",
    "asyncio/__main__", "asyncio/proactor_events", "asyncio/tools", "asyncio/windows_events", "asyncio/windows_utils",
    "concurrent/futures/process", "html/parser", "json/__main__", "json/tool", "logging/config", "logging/handlers",
    "urllib/robotparser",
}  # fmt: skip
CODECS = {"__init__", "aliases", "ascii", "cp437", "idna", "latin_1", "utf_16", "utf_8", "utf_8_sig"}


def compiled(name: str, source: bytes) -> tuple[str, bytes]:
    """Name and bytes of a module without its source."""
    return f"{name}c", HEADER + marshal.dumps(compile(source, name, "exec", dont_inherit=True))


def is_kept(name: str) -> bool:
    """Whether a module of the standard library goes with the page."""
    first, _, rest = name.partition("/")
    if first == "encodings":
        return rest.removesuffix(".py") in CODECS
    return LEFT_OUT.isdisjoint([first.removesuffix(".py"), name.removesuffix(".py")])


def compile_code(path: str) -> None:
    """Replace the modules of a compressed archive; other files stay."""
    raw = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as new:
        for entry in old:
            file = old.extractfile(entry)
            assert file is not None  # the archive holds files alone
            name, data = entry.name, file.read()
            if name.endswith(".py"):
                name, data = compiled(name, data)
            made = tarfile.TarInfo(name)
            made.size = len(data)
            new.addfile(made, io.BytesIO(data))
    Path(path).write_bytes(gzip.compress(raw.getvalue(), 9, mtime=0))


def compile_library(path: str) -> None:
    """Replace the modules of the zipped standard library."""
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in sorted(old.namelist()) if is_kept(name)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for name, data in files.items():
            made = compiled(name, data) if name.endswith(".py") else (name, data)
            new.writestr(zipfile.ZipInfo(made[0]), made[1], zipfile.ZIP_DEFLATED)
