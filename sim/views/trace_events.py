"""Chrome trace-event JSON, streamed to disk: slices, flow arrows, counters and names of tracks.

Format: "Trace Event Format", Google (docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU); the
Perfetto UI opens it, also compressed (``.json.gz``). Times go out in microseconds with nanosecond digits.

Format: "Trace Event Format" (Google, 2016), times in microseconds with three decimals, so that every ns is kept. Events
go to disk as they come; memory does not grow with the run.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from hwmodels.errors import InputError, reason
from hwmodels.files import discard, unfinished

__all__ = ["EventFile", "Track"]

#: Process and thread number of a track in the trace.
Track = tuple[int, int]


def _us(ns: int) -> str:
    return f"{ns // 1000}.{ns % 1000:03d}"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


class EventFile:
    """One trace file in the making: a hidden neighbour of ``path`` until it is whole.

    Raises :class:`InputError` where the file cannot be written. All times are in ns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = unfinished(path)
        self.first = True
        self.text: dict[str, str] = {}
        try:
            self.file = self._open()
        except OSError as error:
            raise InputError.problem(
                str(path), f"cannot be written ({reason(error)})", "give a file that can be written"
            ) from None
        self.file.write('{"displayTimeUnit":"ns","traceEvents":[\n')

    def _open(self) -> TextIO:
        if self.path.suffix == ".gz":
            return cast("TextIO", gzip.open(self.temporary, "wt", compresslevel=4, encoding="utf-8"))
        return self.temporary.open("w", encoding="utf-8")

    def write(self, event: str) -> None:
        """Write one event, already JSON."""
        try:
            self.file.write(event if self.first else ",\n" + event)
        except OSError as error:
            raise InputError.problem(
                str(self.path), f"cannot be written ({reason(error)})", "give a file that can be written"
            ) from None
        self.first = False

    def quoted(self, name: str) -> str:
        """A name as JSON, remembered."""
        if name not in self.text:
            self.text[name] = _json(name)
        return self.text[name]

    def slice(self, track: Track, name: str, category: str, start_ns: int, end_ns: int, args: str = "{}") -> None:
        """A slice of a track; ``args`` is JSON."""
        self.write(
            f'{{"ph":"X","pid":{track[0]},"tid":{track[1]},"name":{self.quoted(name)},"cat":{self.quoted(category)},'
            f'"ts":{_us(start_ns)},"dur":{_us(end_ns - start_ns)},"args":{args}}}'
        )

    def asynchronous(self, track: Track, name: str, number: int, start_ns: int, end_ns: int, args: str) -> None:
        """A slice that may overlap others of its track, as requests in a queue do."""
        for phase, ns in (("b", start_ns), ("e", end_ns)):
            self.write(
                f'{{"ph":"{phase}","pid":{track[0]},"tid":{track[1]},"name":{self.quoted(name)},"cat":"queue",'
                f'"id":{number},"ts":{_us(ns)},"args":{args}}}'
            )

    def flow(self, number: int, source: tuple[Track, int], target: tuple[Track, int]) -> None:
        """An arrow from a slice to another: each is named by its track and a time (ns) inside it."""
        for phase, (track, ns) in (("s", source), ("f", target)):
            bind = ',"bp":"e"' if phase == "f" else ""
            self.write(
                f'{{"ph":"{phase}","pid":{track[0]},"tid":{track[1]},"name":"request","cat":"flow","id":{number},'
                f'"ts":{_us(ns)}{bind}}}'
            )

    def counter(self, pid: int, name: str, ns: int, value: float) -> None:
        """A counter's value from a time on."""
        self.write(f'{{"ph":"C","pid":{pid},"name":{self.quoted(name)},"ts":{_us(ns)},"args":{{"value":{value:.9g}}}}}')

    def name_process(self, pid: int, name: str) -> None:
        """Name a group of tracks; groups are shown in the order of their numbers."""
        self._metadata("process_name", {"pid": pid}, {"name": name})
        self._metadata("process_sort_index", {"pid": pid}, {"sort_index": pid})

    def name_track(self, track: Track, name: str, position: int) -> None:
        """Name a track and say where in its group it is shown."""
        place = {"pid": track[0], "tid": track[1]}
        self._metadata("thread_name", place, {"name": name})
        self._metadata("thread_sort_index", place, {"sort_index": position})

    def _metadata(self, kind: str, place: Mapping[str, int], args: Mapping[str, Any]) -> None:
        self.write(_json({"ph": "M", **place, "name": kind, "args": args}))

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            self.file.close()
        discard(self.temporary)

    def close(self) -> None:
        """Close, and give the whole file its name."""
        try:
            self.file.write("\n]}\n")
            self.file.close()
            self.temporary.replace(self.path)
        except OSError as error:
            raise InputError.problem(
                str(self.path), f"cannot be written ({reason(error)})", "give a file that can be written"
            ) from None
        finally:
            discard(self.temporary)
