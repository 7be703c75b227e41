"""The host: who waits for a core, and who waits for Python's global interpreter lock."""

from __future__ import annotations

from collections.abc import Generator
from heapq import heapreplace
from typing import Any

import simpy

from sim.accelerator import Lock

__all__ = ["Cores", "Gil"]


class Cores:
    """CPU cores that serve bursts of known length first come, first served, in slices of a quantum.

    Because a burst's length is known on arrival, a core is only the time at which it is free again: no queue, one event
    for a slice. A burst that finds every core busy pays the cost of a context switch.
    """

    def __init__(self, count: int, quantum_ns: int, switch_ns: int) -> None:
        self.free_ns = [0] * count
        self.quantum_ns, self.switch_ns = quantum_ns, switch_ns
        self.busy_ns = 0

    def reserve(self, now_ns: int, work_ns: int) -> int:
        """Give a burst the core that is free first; return when it ends (ns)."""
        start = self.free_ns[0]
        if start > now_ns:
            work_ns += self.switch_ns
        else:
            start = now_ns
        self.busy_ns += work_ns
        heapreplace(self.free_ns, start + work_ns)
        return start + work_ns

    def run(self, env: simpy.Environment, now_ns: int, work_ns: int, count: int = 1) -> Generator[Any, Any, int]:
        """Run a burst on ``count`` cores at once, slice by slice; return when it ends (ns).

        Parameters
        ----------
        now_ns
            The present moment of ``env``.
        work_ns
            Length of the burst on a free core; a context switch is added where it waits.
        count
            Cores that it takes at once (CPU operators on several threads); it ends with the last.
        """
        while work_ns > 0:
            part = work_ns if work_ns < self.quantum_ns else self.quantum_ns
            end = self.reserve(now_ns, part)
            for _ in range(count - 1):
                end = max(end, self.reserve(now_ns, part))
            yield env.timeout(end - now_ns)
            now_ns = end
            work_ns -= part
        return now_ns


class Gil:
    """Python's global interpreter lock: one thread computes in Python, a waiting one takes over after an interval.

    ``busy_threads`` other threads of the process compute in Python all the time, so whoever asks for the lock waits
    one switch interval for each of them, and the hand-over itself.
    """

    def __init__(self, env: simpy.Environment, interval_ns: int, busy_threads: int, handover_ns: int) -> None:
        self.lock = Lock(env)
        self.interval_ns, self.busy_threads = interval_ns, busy_threads
        self.handover_ns = busy_threads * interval_ns + handover_ns
        self.busy_ns = 0
        self.acquire, self.release = self.lock.acquire, self.lock.release
