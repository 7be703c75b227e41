"""An append-only file of finished work: every line has its checksum, so a kill at any moment costs at most one line.

A line is a CRC-32 in hex, a space and JSON; the first one holds the header. What cannot be read is not finished, so
damage costs time and never a wrong row.
"""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hwmodels.errors import InputError, reason

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

    ``places`` says where in the file each point's line begins: a million rows would not fit into memory.

    ``header`` says which work it is: a journal of other work is refused with :class:`InputError`, as is one that
    another process is writing, or a folder that cannot be written. A torn or damaged line counts as not finished.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path, self.header = path, header
        self.places: dict[int, int] = {}
        self.end = 0

    def __enter__(self) -> Self:
        try:
            self.file = self.path.open("a+b")
        except OSError as error:
            raise InputError.problem(
                str(self.path), f"cannot be written ({reason(error)})", "give a folder that can be written"
            ) from None
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
            raise InputError.problem(
                str(self.path), "is in use by another process", "run one sweep at a time for an output"
            ) from None

    def _read(self) -> None:
        """Take over the finished points, and cut off what was torn at the end."""
        self.file.seek(0)
        first = self.file.readline()
        if _value(first) is None and not self.file.readline():  # nothing, or a torn header alone
            self._start()
            return
        if _value(first) != self.header:
            self.file.close()
            raise InputError.problem(
                str(self.path), "is the journal of another sweep", "use the same spec, parts and version, or delete it"
            )
        self.file.seek(len(first))
        self.end = len(first)
        self._read_points()

    def _read_points(self) -> None:
        for line in self.file:
            if not line.endswith(b"\n"):
                break
            value = _value(line)
            if isinstance(value, list) and [type(part) for part in value] == [int, dict]:
                self.places[value[0]] = self.end
            self.end += len(line)
        self.file.truncate(self.end)

    def _start(self) -> None:
        self.file.truncate(0)
        self._write(_line(self.header))
        self.end = len(_line(self.header))

    def add(self, rows: dict[int, dict[str, Any]]) -> None:
        """Note finished points; they survive a kill of this process from here on."""
        lines = {number: _line([number, row]) for number, row in rows.items()}
        self._write(b"".join(lines.values()))
        for number, line in lines.items():
            self.places[number] = self.end
            self.end += len(line)

    def row(self, number: int) -> dict[str, Any]:
        """Return a finished point's row; raises :class:`InputError` where the file was changed meanwhile."""
        self.file.seek(self.places[number])
        value = _value(self.file.readline())
        if not isinstance(value, list) or value[0] != number:
            raise InputError.problem(str(self.path), "was changed by another program", "run the same command again")
        return dict(value[1])

    def _write(self, lines: bytes) -> None:
        try:
            self.file.write(lines)
            self.file.flush()
        except OSError as error:
            raise InputError.problem(
                str(self.path),
                f"cannot be written ({reason(error)})",
                "make room and run the same command again, as what was finished is kept",
            ) from None

    def remove(self) -> None:
        """Delete the file: the work's result has been written."""
        self.path.unlink()
