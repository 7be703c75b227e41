"""Answer programs that load libedgetpu through ctypes, as TFLite's Python packages do, with a virtual one.

Device code: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path
from typing import Any

from .driver import FOLDER, open_library

__all__ = ["install", "is_edgetpu"]

LIBRARY = re.compile(r"(lib)?edgetpu(\.so[.0-9]*|[.0-9]*\.dylib|\.dll)?")
BINARY = "pycoral.pybind._pywrap_coral"
NO_BINARY = (
    "edgetpusim virtual: pycoral's binary module needs libedgetpu's C++ interface, which a virtual device has not; "
    "load the delegate with tflite_runtime or ai_edge_litert"
)


def is_edgetpu(name: Any) -> bool:
    """Whether a library's name or path is libedgetpu's, under any of its names."""
    if not isinstance(name, (str, bytes, os.PathLike)):
        return False
    return LIBRARY.fullmatch(Path(os.fsdecode(name)).name) is not None


def _new(cls: Any, name: Any = None, *arguments: Any, **options: Any) -> Any:
    """``ctypes.CDLL(name)``: what is no CDLL is returned as it is, without its constructor."""
    del arguments, options
    folder = os.environ.get(FOLDER)
    if folder and is_edgetpu(name):
        return open_library(folder)
    return object.__new__(cls)


class PycoralFinder:
    """Say why pycoral's binary module cannot be loaded, unless the real library is installed."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """Find nothing; raises :class:`ImportError` for the module that cannot work."""
        del path, target
        if name == BINARY and os.environ.get(FOLDER) and not _has_real_library():
            raise ImportError(NO_BINARY)


def _has_real_library() -> bool:
    try:
        ctypes._dlopen("libedgetpu.so.1", 0)  # type: ignore[attr-defined]  # not in the stubs
    except OSError:
        return False
    return True


def install() -> None:
    """Answer from now on, in this process, as long as a session's folder is named in the environment."""
    if ctypes.CDLL.__new__ is not _new:
        ctypes.CDLL.__new__ = _new  # type: ignore[method-assign]  # there is no other hook
        sys.meta_path.insert(0, PycoralFinder)
