"""Where the points of a sweep or study are simulated: processes of this machine, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from hwmodels.errors import InputError
from sim.tabular import need

__all__ = ["DASK_TIMEOUT_S", "executor", "given"]

DASK_TIMEOUT_S = 10


@contextmanager
def executor(workers: int = 0, dask: str = "") -> Iterator[tuple[Executor, int]]:
    """Yield an executor and how many tasks it runs at once: a Dask cluster's, or processes of this machine.

    The processes end at once when the block is left by an error or Ctrl-C, or when this process is killed. Raises
    :class:`InputError` for a Dask address that does not answer, or where dask.distributed is missing.
    """
    if dask:
        with _dask_client(dask) as client:
            width = sum(client.nthreads().values())
            yield client.get_executor(pure=False), max(1, width)
        return
    with _processes(workers or os.cpu_count() or 1) as found:
        yield found


@contextmanager
def given(pool: Executor) -> Iterator[tuple[Executor, int]]:
    """Yield an executor of the caller's, who shuts it down."""
    yield pool, os.cpu_count() or 1


@contextmanager
def _processes(width: int) -> Iterator[tuple[Executor, int]]:
    # Not fork: a forked child of a process with threads (polars) can hang.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(width, mp_context=context, initializer=_end_with, initargs=(here,))
    try:
        with _ctrl_c_ignored():  # a worker that is started now inherits that
            pool.submit(int)
        yield pool, width
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


def _end_with(pipe: Connection) -> None:
    """End this worker when the other end of a pipe is closed, by hand or because its process was killed."""

    def watch() -> None:
        with suppress(OSError):
            pipe.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _dask_client(address: str) -> Any:
    distributed = need("distributed", "cluster")
    try:
        client = distributed.Client(address, timeout=DASK_TIMEOUT_S)
    except (OSError, ValueError, TypeError) as error:
        text = f"no answer from {address!r} ({type(error).__name__})"
        raise InputError("--dask", text, "the address of a running scheduler, e.g. tcp://HOST:8786") from None
    if not client.nthreads():
        client.close()
        raise InputError("--dask", f"no workers at {address}", "a scheduler with at least one worker")
    return client
