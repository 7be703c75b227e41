"""Policies: which accelerator serves a thread, and who is next in an accelerator's waiting line.

Each is a small function. ``"package.module:function"`` on the command line names one of your own.

Dispatch chooses before preprocessing, discipline when the lock comes free. Both must be deterministic: ties go to
whoever came first, or to the lowest number. To add one: a function of the type :data:`Dispatch` or :data:`Discipline`,
and a line in its dict.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hwmodels.errors import InputError, nearest

if TYPE_CHECKING:
    from sim.accelerator import SimAccelerator
    from sim.request import Thread

__all__ = ["DISCIPLINES", "DISPATCHES", "Discipline", "Dispatch", "policy"]

#: (accelerators, thread) -> the accelerator that runs this thread's next inference.
Dispatch = Callable[[list["SimAccelerator"], "Thread"], "SimAccelerator"]
#: (waiting threads, the one who held the lock last) -> position of the one who is next.
Discipline = Callable[[deque[Any], Any], int]


def bind(accelerators: list[SimAccelerator], thread: Thread) -> SimAccelerator:
    """A thread keeps its accelerator for life, as an interpreter keeps its delegate."""
    return accelerators[thread.home % len(accelerators)]


def round_robin(accelerators: list[SimAccelerator], thread: Thread) -> SimAccelerator:
    """A thread takes the accelerators in turn."""
    thread.home += 1
    return accelerators[thread.home % len(accelerators)]


def least_loaded(accelerators: list[SimAccelerator], _thread: Thread) -> SimAccelerator:
    """The accelerator with the fewest inferences in progress or waiting; of equals the one that was chosen first."""
    return min(accelerators, key=lambda accelerator: (accelerator.in_use, accelerator.chosen_for))


def affinity(accelerators: list[SimAccelerator], thread: Thread) -> SimAccelerator:
    """An accelerator that already holds the network's parameters, unless an idle one is to be had."""
    token = thread.networks[0].token
    return min(accelerators, key=lambda accelerator: (accelerator.in_use, accelerator.token != token))


def fifo(_waiting: deque[Any], _last: Any) -> int:
    """First come, first served."""
    return 0


def priority(waiting: deque[Any], _last: Any) -> int:
    """The lowest priority number first; models count in the order in which they were given."""
    return min(range(len(waiting)), key=lambda i: (waiting[i].priority, i))


def shortest(waiting: deque[Any], _last: Any) -> int:
    """The shortest inference first."""
    return min(range(len(waiting)), key=lambda i: (waiting[i].networks[0].invoke_ns, i))


def same_model(waiting: deque[Any], last: Any) -> int:
    """Batch by model: stay with the network whose parameters are loaded as long as one waits."""
    return min(range(len(waiting)), key=lambda i: (waiting[i].model != last.model, i))


DISPATCHES: dict[str, Dispatch] = {
    "bind": bind, "round_robin": round_robin, "least_loaded": least_loaded, "affinity": affinity,
}  # fmt: skip
DISCIPLINES: dict[str, Discipline] = {
    "fifo": fifo, "priority": priority, "shortest": shortest, "affinity": same_model,
}  # fmt: skip

F = TypeVar("F")


def policy(option: str, name: str, table: dict[str, F]) -> F:
    """Return a policy by name, or import ``package.module:function``.

    Raises :class:`InputError` for a name that is neither.

    Parameters
    ----------
    option
        For the message, e.g. ``--dispatch``.
    name
        A key of ``table``, or ``package.module:function``; it comes from the command line or a spec, never from
        results.
    table
        :data:`DISPATCHES` or :data:`DISCIPLINES`.
    """
    if name in table:
        return table[name]
    module, _, function = name.partition(":")
    try:
        found: F = getattr(importlib.import_module(module), function) if function else table[name]
    except (ImportError, AttributeError, KeyError, TypeError, ValueError):
        allowed = f"{', '.join(table)} or package.module:function"
        raise InputError(option, name, allowed, nearest(name, table)) from None
    return found
