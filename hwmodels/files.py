"""Files that are there as a whole or not at all: written under a temporary name beside their place, then renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hwmodels.errors import InputError, either, nearest, reason

__all__ = ["check_ending", "discard", "read_text", "unfinished", "whole_file", "write_bytes", "write_text"]


MOST_BYTES = 32 << 20  # of a text: parsed, it takes some twenty times the memory
PIECE_BYTES = 64 << 10


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Return a text; raises :class:`OSError` also for one of more than 32 MB, and for a device that never ends."""
    data = bytearray()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):  # read(MOST_BYTES) would take that much memory for a text of any length
            data += piece
            if len(data) > MOST_BYTES:
                raise OSError(errno.EFBIG, f"more than {MOST_BYTES >> 20} MB", str(path))
    return data.decode(encoding).replace("\r\n", "\n")


def check_ending(path: Path, endings: Sequence[str]) -> None:
    """Raise :class:`InputError` unless a file's name has one of these endings, which say what it will hold."""
    if not path.name.lower().endswith(tuple(endings)):
        raise InputError.value(f"the ending of {path}", path.suffix, either(endings), nearest(path.suffix, endings))


def unfinished(path: Path) -> Path:
    """Return the hidden neighbour that a file is until it is whole; every process has its own."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield the name to write to; what is there at the end of the block becomes ``path``, after an error nothing.

    Raises :class:`InputError` where the folder cannot be written.
    """
    temporary = unfinished(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError.problem(
            str(path), f"cannot be written ({reason(error)})", "give a folder that can be written"
        ) from None
    finally:
        discard(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; raises :class:`InputError` where it cannot be written."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; raises :class:`InputError` where it cannot be written."""
    with whole_file(path) as temporary:
        temporary.write_bytes(data)


def discard(temporary: Path) -> None:
    """Remove what is left of a file that could not be written."""
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
