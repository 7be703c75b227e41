"""Where the points of a sweep or study are simulated: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from hwmodels.errors import InputError, need

__all__ = ["ClusterLostError", "Each", "Workers", "executor", "given"]

#: Maps a function over networks, as :func:`map` and an executor's ``map`` do.
Each = Callable[[Callable[[str], Any], Sequence[str]], Iterable[Any]]

DASK_TIMEOUT_S = 10
LOOK_EVERY = 10_000  # objects, for garbage; with Python's 700 that is a ninth of a sweep's time
PAUSE_S = 0.01  # between looks at a worker that hands over a result
PATIENCE_S = 30  # with a cluster that has no worker left: a nanny may start new ones


class ClusterLostError(RuntimeError):
    """A cluster that was there at first is gone; the text says what to do."""


@dataclass
class Workers:
    """An executor, how many tasks it runs at once, and a check that raises where nobody is there to work any more."""

    pool: Executor
    width: int
    check: Callable[[], None] = lambda: None


@contextmanager
def executor(workers: int = 0, dask: str = "") -> Iterator[Workers]:
    """Yield a Dask cluster's executor, or one of ``workers`` processes of this machine (0: one for each CPU).

    The processes end at once when the block is left by an error or Ctrl-C, or when this process is killed. Raises
    :class:`InputError` for a Dask address that does not answer, or where dask.distributed is missing, and
    :class:`ClusterLostError` for a cluster that vanishes.
    """
    with _cluster(dask) if dask else _processes(workers or os.cpu_count() or 1) as found:
        yield found


def given(pool: Executor) -> AbstractContextManager[Workers]:
    """Yield an executor of the caller's, who shuts it down."""
    return nullcontext(Workers(pool, os.cpu_count() or 1))


@contextmanager
def _processes(width: int) -> Iterator[Workers]:
    # Not fork: a forked child of a process with threads (polars) can hang.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    pool = _Pool(width, mp_context=context, initializer=_begin, initargs=(here,))
    try:
        with _ctrl_c_ignored():  # a worker that is started now inherits that
            pool.submit(int)
        yield Workers(pool, width)
    except BaseException:
        there.close()  # nobody waits for work whose result is not wanted
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        there.close()
        here.close()


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only that one may
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Pool(ProcessPoolExecutor):
    """Processes that know whether they work or hand over what they have done."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a call, as the executor does."""
        return super().submit(_worked, function, *args, **kwargs)


class _Working:
    """Whether this worker computes. Only then may it end: half a result would leave its reader waiting for the rest."""

    gate = threading.Lock()  # held while that changes, and by whoever ends the worker
    now = False


def _worked(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the function in a worker."""
    with _Working.gate:
        _Working.now = True
    try:
        return function(*args, **kwargs)
    finally:
        with _Working.gate:
            _Working.now = False


def _begin(pipe: Connection) -> None:
    """Begin a worker. A point makes little that has to be looked for as garbage, so that it is looked for seldom."""
    gc.set_threshold(LOOK_EVERY)
    _end_with(pipe)


def _end_with(pipe: Connection) -> None:
    """End this worker when the other end of a pipe is closed, by hand or because its process was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who closes the pipe

    def watch() -> None:
        """Leave as soon as the parent's end of the pipe is gone and nobody waits for the rest of a result."""
        with suppress(OSError):
            pipe.poll(None)
        while True:
            with _Working.gate:
                if _Working.now or not _has_parent():
                    os._exit(1)
            time.sleep(PAUSE_S)

    threading.Thread(target=watch, daemon=True).start()


def _has_parent() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and parent.is_alive()


@contextmanager
def _cluster(address: str) -> Iterator[Workers]:
    killed = need("distributed.scheduler", "cluster").KilledWorker
    text = f"the cluster at {address} is gone; finished points are kept: the same command goes on (any --dask)"
    with _quiet_logs(), _dask_client(address) as client:
        seen_s = time.monotonic()

        def check() -> None:
            """Raise once no worker has been seen for too long."""
            nonlocal seen_s
            if client.nthreads():
                seen_s = time.monotonic()
            elif time.monotonic() - seen_s > PATIENCE_S:
                raise ClusterLostError(text)

        try:
            yield Workers(client.get_executor(pure=False), max(1, sum(client.nthreads().values())), check)
        except (CancelledError, TimeoutError, killed):
            raise ClusterLostError(text) from None


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep Dask's own log of a lost cluster off the terminal: one line says it."""
    logs = [logging.getLogger(name) for name in ("distributed", "distributed.client", "asyncio", "tornado")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _dask_client(address: str) -> Any:
    distributed = need("distributed", "cluster")
    try:
        client = distributed.Client(address, timeout=DASK_TIMEOUT_S)
    except (OSError, ValueError, TypeError) as error:
        raise InputError.problem(
            f"--dask {address}",
            f"does not answer ({type(error).__name__})",
            "give the address of a running scheduler, such as tcp://HOST:8786",
        ) from None
    if not client.nthreads():
        client.close()
        raise InputError.problem(f"--dask {address}", "has no workers", "give a scheduler with at least one worker")
    return client
