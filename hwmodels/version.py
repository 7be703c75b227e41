"""Which version of the program made an answer."""

from __future__ import annotations

from functools import cache

__all__ = ["program_version"]


@cache
def program_version() -> str:
    """Return the installed version of this program; reading it takes half a millisecond."""
    from importlib.metadata import version

    return version("edgetpusim")
