"""The host: who waits for a core, and who waits for Python's global interpreter lock."""

from __future__ import annotations

from collections.abc import Generator
from heapq import heapreplace
from typing import TYPE_CHECKING, Any

from sim.machine.lock import Lock

if TYPE_CHECKING:
    from sim.machine.clock import Clock

__all__ = ["SLICE_NS", "Cores", "Gil"]

SLICE_NS = 4_000_000  # a scheduler's time slice when runnable threads outnumber cores


class Cores:
    """CPU cores that serve bursts of known length first come, first served, in slices of a quantum.

    A burst's length is known when it arrives. So a core is represented by the time at which it is free again, without a
    queue, at one event a slice. A burst that finds every core busy pays the cost of a context switch. Work takes
    ``slowdown`` times as long where others share the cores all the time. With more cores busy than ``parallel`` (0: no
    such limit) they do no more together: a burst takes as much longer as there are more of them when it begins.
    """

    def __init__(self, count: int, quantum_ns: int, switch_ns: int, slowdown: int = 1, parallel: float = 0) -> None:
        self.free_ns = [0] * count
        self.quantum_ns, self.switch_ns, self.slowdown = quantum_ns, switch_ns, slowdown
        self.parallel = parallel if 0 < parallel < count else 0
        self.is_plain = slowdown == 1 and not self.parallel
        self.busy_ns = 0
        self.slice_end_ns = -1

    def reserve(self, now_ns: int, work_ns: int) -> int:
        """Give a burst the core that is free first; return when it ends (ns)."""
        start = self.free_ns[0]
        if not self.is_plain:
            work_ns *= self.slowdown
        if start > now_ns:
            work_ns += self.switch_ns
        else:
            start = now_ns
        if not self.is_plain and self.parallel:
            work_ns = self._crowded(start, work_ns)
        self.busy_ns += work_ns
        heapreplace(self.free_ns, start + work_ns)
        return start + work_ns

    def seek(self, env: Clock) -> Generator[Any, Any, None]:
        """Wait until a core comes free for a thread that was woken, or until somebody's slice ends.

        Whoever computes goes on: the next piece of its work comes before those who wait like this, for a slice at most.
        """
        since_ns = env.now
        while wait_ns := self.wait_ns(env.now, since_ns):
            yield env.timeout(wait_ns)

    def wait_ns(self, now_ns: int, since_ns: int) -> int:
        """How long until a thread that was woken at ``since_ns`` may look for a core again; 0 where it gets one now.

        Who has waited for a slice is next, however short the pieces are in which others compute.
        """
        free_ns = self.free_ns[0]
        if free_ns <= now_ns or self._takes_turn(now_ns) or now_ns - since_ns >= self.quantum_ns:
            return 0
        return free_ns - now_ns

    def end_ns(self, now_ns: int, since_ns: int) -> int:
        """How long until nobody computes, for a slice at most since a thread was woken; 0 where that is now."""
        left_ns = since_ns + SLICE_NS - now_ns
        return max(0, min(left_ns, max(self.free_ns) - now_ns))

    def done_ns(self, now_ns: int) -> int:
        """Work of all cores until now: what was given to them, less what is still to come."""
        return self.busy_ns - sum(max(0, free_ns - now_ns) for free_ns in self.free_ns)

    def are_several(self) -> bool:
        """Whether there are others beside the one that a thread runs on."""
        return len(self.free_ns) > 1

    def _takes_turn(self, now_ns: int) -> bool:
        """Whether a slice ends at this moment, after which nobody has taken a turn yet."""
        is_end = self.slice_end_ns == now_ns
        self.slice_end_ns = -1 if is_end else self.slice_end_ns
        return is_end

    def go_on(self, now_ns: int, work_ns: int) -> int:
        """Give a burst to a thread that runs already, and return when it ends; whoever is next starts later."""
        work_ns *= self.slowdown
        self.busy_ns += work_ns
        heapreplace(self.free_ns, max(now_ns, self.free_ns[0]) + work_ns)
        return now_ns + work_ns

    def _crowded(self, start_ns: int, work_ns: int) -> int:
        busy = 1 + sum(free > start_ns for free in self.free_ns)
        return round(work_ns * max(1.0, busy / self.parallel))

    def run(self, env: Clock, now_ns: int, work_ns: int, count: int = 1) -> Generator[Any, Any, int]:
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
            if work_ns > 0:
                self.slice_end_ns = now_ns
        return now_ns


class Gil:
    """Python's global interpreter lock.

    One thread runs Python code, and a waiting one takes over after the switch interval. Who asks for the lock waits
    ``turn_ns`` for busy threads of the process. Those keep a core, which the holder of the lock then uses.
    """

    def __init__(self, env: Clock, interval_ns: int, turn_ns: int = 0) -> None:
        self.lock = Lock(env)
        self.interval_ns, self.turn_ns, self.has_core = interval_ns, turn_ns, turn_ns > 0
        self.busy_ns = 0
        self.acquire, self.release = self.lock.acquire, self.lock.release
