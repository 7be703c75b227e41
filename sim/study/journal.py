"""An append-only file of finished work: every line has its checksum, so a kill at any moment costs at most one line.

A line is a CRC-32 in hex, a space and JSON; the first one holds the header. What cannot be read is not finished, so
damage costs time and never a wrong row.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hwmodels.errors import InputError

__all__ = ["Journal"]


def _line(value: Any) -> bytes:
    body = json.dumps(value, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _value(line: bytes) -> Any:
    """Return what a line holds, or None for a torn or damaged one."""
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    try:
        return json.loads(body) if line.endswith(b"\n") and int(checksum, 16) == zlib.crc32(body) else None
    except ValueError:
        return None


class Journal:
    """Finished points of one piece of work, by number, kept in ``path`` until the work is done.

    ``header`` says which work it is: a journal of other work is refused with :class:`InputError`, as is one that
    another process is writing, or a folder that cannot be written. A torn or damaged line counts as not finished.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path, self.header = path, header
        self.rows: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        try:
            self.file = self.path.open("a+b")
        except OSError as error:
            raise InputError(str(self.path), error.strerror or "", "a folder that can be written") from None
        self._lock()
        self._read()
        return self

    def __exit__(self, kind: type[BaseException] | None, _value: object, _trace: TracebackType | None) -> None:
        with suppress(OSError):  # what could not be written was said when it was added
            self.file.close()

    def _lock(self) -> None:
        try:
            import fcntl

            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on this system: two writers are then the user's own care
            return
        except OSError:
            self.file.close()
            raise InputError(str(self.path), "in use by another process", "one sweep at a time for an output") from None

    def _read(self) -> None:
        """Take over the finished points, and cut off what was torn at the end."""
        self.file.seek(0)
        lines = self.file.readlines()
        if not lines or (len(lines) == 1 and _value(lines[0]) is None):
            self._start()
            return
        if _value(lines[0]) != self.header:
            self.file.close()
            raise InputError(
                str(self.path), "the journal of another sweep", "the same spec, parts and version, or delete it"
            )
        self.rows.update(_finished(lines[1:]))
        if not lines[-1].endswith(b"\n"):
            self.file.truncate(sum(map(len, lines[:-1])))

    def _start(self) -> None:
        self.file.truncate(0)
        self._write(_line(self.header))

    def add(self, rows: dict[int, dict[str, Any]]) -> None:
        """Note finished points; they survive a kill of this process from here on."""
        self.rows.update(rows)
        self._write(b"".join(_line([number, row]) for number, row in rows.items()))

    def _write(self, lines: bytes) -> None:
        try:
            self.file.write(lines)
            self.file.flush()
        except OSError as error:
            text = "room: what was finished is kept, the same command goes on"
            raise InputError(str(self.path), error.strerror or type(error).__name__, text) from None

    def remove(self) -> None:
        """Delete the file: the work's result has been written."""
        self.path.unlink()


def _finished(lines: list[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    for line in lines:
        value = _value(line)
        if isinstance(value, list) and [type(part) for part in value] == [int, dict]:
            yield int(value[0]), value[1]
