"""Compiling by numba (extra ``fast``), once for a version of the code."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_cache_path

from hwmodels.errors import need

__all__ = ["cached", "compiled"]

numba = need("numba", "fast")
SIGNATURE = "int64(int64[::1])"
F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function as a part of those that call it."""
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)  # type: ignore[no-any-return]  # numba has no types


def cached(function: F) -> F:
    """Compile a function of a memory that returns a number, or take it from a file of the user's cache.

    numba itself looks at the time of one source file only. So the folder is named for what all of them hold.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = before or str(user_cache_path("edgetpusim") / f"fast-{_digest()}")
    try:
        return numba.njit(SIGNATURE, cache=True)(function)  # type: ignore[no-any-return]  # numba has no types
    except RuntimeError:  # no folder can be written: it is compiled in every process
        return numba.njit(SIGNATURE)(function)  # type: ignore[no-any-return]  # numba has no types
    finally:
        numba.config.CACHE_DIR = before


def _digest() -> str:
    """A few digits that change with any file of this folder."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
