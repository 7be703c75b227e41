"""The link at run time: who waits for the bus, in each direction."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.machine.clock import Clock

__all__ = ["SharedLink"]

MOST_CHUNKS = 4096  # of one transfer: beyond, the grain of sharing grows instead of the number of events


class SharedLink:
    """One host controller: transfers of all its accelerators share it chunk by chunk, in and out separately.

    A direction is represented by the time at which it is free again. Where one accelerator has the link for itself
    (``is_shared`` is False), nobody can be in the way and transfers need no events of their own.
    """

    #: Whether transfers share it at every moment: then one takes longer beside others, and none waits.
    is_fluid = False

    def __init__(self, is_shared: bool, chunk_bytes: int) -> None:
        self.is_shared, self.chunk_bytes = is_shared, chunk_bytes
        self.out_free_ns = 0
        self.in_free_ns = 0

    def reserve(self, now_ns: int, work_ns: int) -> int:
        """Take the bus towards the accelerator for one chunk; return when the transfer ends (ns)."""
        start = self.out_free_ns if self.out_free_ns > now_ns else now_ns
        self.out_free_ns = start + work_ns
        return self.out_free_ns

    def send(self, env: Clock, now_ns: int, n_bytes: int, work_ns: int) -> Generator[Any, Any, int]:
        """Send bytes to the accelerator, ``work_ns`` with the bus to itself; return when the last one is there.

        Parameters
        ----------
        now_ns
            The present moment of ``env``.
        n_bytes
                        Size of the transfer. It goes in chunks, and other transfers may come between them.
        work_ns
            Time with the bus to itself; the chunks' times add up to it.
        """
        alone = not self.is_shared or n_bytes <= self.chunk_bytes
        chunks = 1 if alone else min(MOST_CHUNKS, -(-n_bytes // self.chunk_bytes))
        for chunk in range(chunks):
            part = work_ns * (chunk + 1) // chunks - work_ns * chunk // chunks
            end = self.reserve(now_ns, part)
            yield env.timeout(end - now_ns)
            now_ns = end
        return now_ns

    def receive(self, now_ns: int, work_ns: int) -> int:
        """Take the bus towards the host; return when the transfer ends (ns)."""
        start = self.in_free_ns if self.in_free_ns > now_ns else now_ns
        self.in_free_ns = start + work_ns
        return self.in_free_ns

    def fetch(self, env: Clock, now_ns: int, work_ns: int) -> Generator[Any, Any, int]:
        """Wait for a transfer towards the host, ``work_ns`` with the bus to itself; return when it ends (ns)."""
        end = self.receive(now_ns, work_ns)
        yield env.timeout(end - now_ns)
        return end
