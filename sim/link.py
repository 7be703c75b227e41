"""The link at run time: who waits for the bus, in each direction."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

__all__ = ["SharedLink"]


class SharedLink:
    """One host controller: transfers of all its accelerators share it chunk by chunk, in and out separately.

    A direction is only the time at which it is free again. ``shared`` is False when one accelerator has it for itself:
    then nobody can be in the way and transfers need no events of their own.
    """

    def __init__(self, shared: bool, chunk_bytes: int) -> None:
        self.shared, self.chunk_bytes = shared, chunk_bytes
        self.out_free_ns = 0
        self.in_free_ns = 0

    def send(self, env: simpy.Environment, n_bytes: int, work_ns: int) -> Generator[Any, Any, None]:
        """Send bytes to the accelerator; ``work_ns`` is the time with the bus to itself."""
        if n_bytes <= self.chunk_bytes:
            now = int(env.now)
            start = self.out_free_ns if self.out_free_ns > now else now
            self.out_free_ns = start + work_ns
            yield env.timeout(self.out_free_ns - now)
            return
        chunks = -(-n_bytes // self.chunk_bytes)
        for chunk in range(chunks):
            part = work_ns * (chunk + 1) // chunks - work_ns * chunk // chunks
            now = int(env.now)
            start = self.out_free_ns if self.out_free_ns > now else now
            self.out_free_ns = start + part
            yield env.timeout(self.out_free_ns - now)

    def receive(self, now_ns: int, work_ns: int) -> int:
        """Take the bus towards the host; return when the transfer ends (ns)."""
        start = self.in_free_ns if self.in_free_ns > now_ns else now_ns
        self.in_free_ns = start + work_ns
        return self.in_free_ns
