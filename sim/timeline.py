"""Spans to a timeline that opens in the Perfetto UI: Chrome trace-event JSON, streamed to disk.

One track for each thread, accelerator and link direction; times in microseconds with nanosecond digits.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import TextIO

from hwmodels.errors import InputError
from sim.records import Span, State

__all__ = ["TimelineWriter"]

PROCESSES = {"thread": 1, "accelerator": 2, "link": 3}


class TimelineWriter:
    """Writes spans as they come to ``PATH``'s temporary neighbour and renames it when closed.

    Use as a context manager and as a span sink: ``with TimelineWriter(path) as write: simulate(scenario, write)``.
    Raises :class:`InputError` where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.tracks: dict[str, tuple[int, int]] = {}
        self.file: TextIO

    def __enter__(self) -> TimelineWriter:
        """Open the temporary file."""
        try:
            self.file = self.temporary.open("w", encoding="utf-8")
        except OSError as error:
            raise InputError(str(self.path), error.strerror or "", "a file that can be written") from None
        self.file.write('{"displayTimeUnit":"ns","traceEvents":[\n')
        self._emit({"ph": "M", "pid": 0, "name": "process_name", "args": {"name": "edgetpusim"}}, first=True)
        return self

    def __call__(self, span: Span) -> None:
        """Write one span."""
        pid, tid = self._track(span)
        event = {
            "ph": "X", "pid": pid, "tid": tid, "name": span.state.name.lower(), "cat": span.model,
            "ts": span.start_ns / 1000, "dur": (span.end_ns - span.start_ns) / 1000,
            "args": {"request": span.request, "model": span.model, "segment": span.segment, "bytes": span.n_bytes},
        }  # fmt: skip
        self._emit(event)

    def _track(self, span: Span) -> tuple[int, int]:
        name = span.component
        if span.state is State.TRANSFER_OUT:
            name += " out"
        elif span.state is State.TRANSFER_IN:
            name += " in"
        if name not in self.tracks:
            kind = "link" if span.state >= State.TRANSFER_OUT else name.split(" ")[0]
            pid = PROCESSES.get(kind, PROCESSES["accelerator"])
            self.tracks[name] = (pid, len(self.tracks) + 1)
            self._name(name, *self.tracks[name])
        return self.tracks[name]

    def _name(self, name: str, pid: int, tid: int) -> None:
        group = {number: kind for kind, number in PROCESSES.items()}[pid] + "s"
        self._emit({"ph": "M", "pid": pid, "name": "process_name", "args": {"name": group}})
        self._emit({"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}})

    def _emit(self, event: dict[str, object], first: bool = False) -> None:
        self.file.write(("" if first else ",\n") + json.dumps(event, separators=(",", ":")))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; rename the whole file, or remove it after an error."""
        self.file.write("\n]}\n")
        self.file.close()
        if kind is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)
