"""Python threads side by side: hand-over of the interpreter's lock, waking a thread, and what two threads overlap.

What a Python thread waits for depends on the interpreter and on the machine, hardly on what is computed: so it is
measured once for a host and kept in its part file (``gil_handover_ns``, ``thread_wake_ns``, ``gil_share``).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence

#: Metric of an invoke beside busy Python threads, and of the same invoke alone.
METRIC = "gil_invoke_latency_ms"

__all__ = ["METRIC", "measure_gil", "serial_share", "switch_ns"]


def measure_gil(invoke: Callable[[], object], intervals_ms: Sequence[float] = (5, 2, 1, 0.2)) -> dict[float, float]:
    """Return the mean time of an invoke in ms beside one busy Python thread, by switch interval; key 0 = alone."""
    found = {0.0: mean_ms(invoke)}
    before = sys.getswitchinterval()
    stop = threading.Event()
    peer = threading.Thread(target=_spin, args=(stop,), daemon=True)
    peer.start()
    try:
        for interval_ms in intervals_ms:
            sys.setswitchinterval(interval_ms / 1000)
            found[interval_ms] = mean_ms(invoke)
    finally:
        stop.set()
        peer.join()
        sys.setswitchinterval(before)
    return found


def _spin(stop: threading.Event) -> None:
    while not stop.is_set():
        pass


def mean_ms(call: Callable[[], object], seconds: float = 1.0) -> float:
    """Return the mean time of a call (ms), repeated for so many seconds."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        call()
        count += 1
    return (time.perf_counter() - start) / count * 1000


def switch_ns(rounds: int = 2000) -> float:
    """Return the time in ns from waking another Python thread to its running."""
    ready, done = threading.Semaphore(0), threading.Semaphore(0)

    def answer() -> None:
        """The peer: wake, and wake the other."""
        for _ in range(rounds):
            ready.acquire()
            done.release()

    peer = threading.Thread(target=answer)
    peer.start()
    start = time.perf_counter_ns()
    for _ in range(rounds):
        ready.release()
        done.acquire()
    elapsed = time.perf_counter_ns() - start
    peer.join()
    return elapsed / (2 * rounds)


def serial_share(work: Callable[[], None]) -> float:
    """Return the share of ``work`` that two threads do not overlap: 0 (they overlap all) to 1 (nothing)."""
    alone = _seconds([work])
    return min(1.0, max(0.0, _seconds([work, work]) / alone - 1))


def _seconds(works: Sequence[Callable[[], None]]) -> float:
    threads = [threading.Thread(target=work) for work in works]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start
