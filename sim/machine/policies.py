"""Policies: which accelerator serves a thread, and who is next in an accelerator's waiting line.

Each is a small function. ``"package.module:function"`` on the command line names one of your own.

Dispatch chooses before preprocessing, discipline when the lock comes free. Both must be deterministic: ties go to
whoever came first, or to the lowest number. To add one: a function of the type :data:`Dispatch` or :data:`Discipline`,
and a line in its dict.
"""

from __future__ import annotations

import importlib
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from hwmodels.errors import InputError, nearest
from hwmodels.stages import StageTimes
from sim.machine.ranking import Order, Ranking

__all__ = [
    "DISCIPLINES", "DISPATCHES", "Discipline", "DisciplinePolicy", "Dispatch", "DispatchPolicy", "own_discipline",
    "own_function", "policy",
]  # fmt: skip


class Caller(Protocol):
    """What a policy sees of a thread."""

    home: int
    model: int
    priority: int
    stage_times: list[StageTimes]


class Device(Protocol):
    """What a policy sees of an accelerator."""

    number: int
    token: str
    in_use: int
    chosen_for: int


#: (accelerators, thread) -> the accelerator that runs this thread's next inference.
Dispatch = Callable[[Sequence[Any], Any], Any]
#: (waiting threads, the one who held the lock last) -> position of the one who is next.
Discipline = Callable[[deque[Any], Any], int]
D = TypeVar("D", bound=Device)
MANY = 32  # accelerators from which on a heap is faster than a look at all of them


@dataclass(frozen=True, slots=True)
class DispatchPolicy:
    """A way to choose an accelerator, and what is true of it.

    Attributes
    ----------
    keeps_home
        A thread always gets the same accelerator; else it may get any.
    order
        What it takes the least of (:data:`sim.machine.ranking.Order`), of equals the first; None for any other way.
    """

    choose: Dispatch
    keeps_home: bool = False
    order: Order | None = None

    def ranks(self, count: int) -> bool:
        """Whether it keeps so many accelerators in its order, to look at few of them."""
        return self.order is not None and count >= MANY

    def chooser(self, accelerators: Sequence[Any]) -> Dispatch:
        """Return what chooses among these accelerators."""
        if self.order is None or not self.ranks(len(accelerators)):
            return self.choose
        return Ranking(self.order, accelerators).choose


@dataclass(frozen=True, slots=True)
class DisciplinePolicy:
    """An order in a waiting line, and what is true of it.

    Attributes
    ----------
    make
        Returns the order of one accelerator's line, for a longest batch (``--affinity-batch``). None means first come,
        first served.
    batches_by_model
        Waiting requests of one network are served in a row.
    by_network
        Tells requests apart by their networks, so that those of one network stay first come, first served.
    """

    make: Callable[[int], Discipline] | None
    batches_by_model: bool = False
    by_network: bool = False

    def order(self, most: int) -> Discipline | None:
        """Return the order of one accelerator's line; batches are at most so long."""
        return self.make(most) if self.make else None


def bind(accelerators: Sequence[D], thread: Caller) -> D:
    """A thread keeps its accelerator for life, as an interpreter keeps its delegate."""
    return accelerators[thread.home % len(accelerators)]


def round_robin(accelerators: Sequence[D], thread: Caller) -> D:
    """A thread takes the accelerators in turn."""
    thread.home += 1
    return accelerators[thread.home % len(accelerators)]


_IDLEST = attrgetter("in_use", "chosen_for")


def least_loaded(accelerators: Sequence[D], thread: Caller) -> D:
    """The accelerator with the fewest inferences in progress or waiting; of equals the one that was chosen first."""
    first = min(accelerators, key=_IDLEST)
    if first.chosen_for >= 0:  # for a request of its own: no other is its equal
        return first
    equal = [one for one in accelerators if _IDLEST(one) == _IDLEST(first)]
    return min(equal, key=lambda one: _alone_ns(thread, one))


def affinity(accelerators: Sequence[D], thread: Caller) -> D:
    """Of the accelerators with the fewest inferences, prefer one that already holds the network's parameters."""
    return min(accelerators, key=lambda one: _by_parameters(thread, one))


def _by_load(thread: Caller, one: Device) -> tuple[int, ...]:
    """The order of :func:`least_loaded`."""
    return one.in_use, one.chosen_for, _alone_ns(thread, one) if one.chosen_for < 0 else 0


def _by_parameters(thread: Caller, one: Device) -> tuple[int, ...]:
    """The order of :func:`affinity`."""
    return one.in_use, one.token != thread.stage_times[0].token, _alone_ns(thread, one)


def _alone_ns(thread: Caller, accelerator: Device) -> int:
    """Time of the thread's inference there: of equals, the faster one is taken, wherever it stands."""
    return thread.stage_times[accelerator.number].invoke_ns


def priority(waiting: deque[Caller], _last: Caller) -> int:
    """The lowest priority number first; models count in the order in which they were given."""
    return min(range(len(waiting)), key=lambda i: (waiting[i].priority, i))


def shortest(waiting: deque[Caller], _last: Caller) -> int:
    """The shortest inference first."""
    return min(range(len(waiting)), key=lambda i: (waiting[i].stage_times[0].invoke_ns, i))


def same_model(most: int) -> Discipline:
    """Batch by model: stay with the network whose parameters are loaded while one waits, ``most`` times in a row."""
    served = 0

    def choose(waiting: deque[Caller], last: Caller) -> int:
        """The next of the same network, unless its turn is over."""
        nonlocal served
        token, is_over = last.stage_times[0].token, served >= most
        others = [caller.stage_times[0].token != token for caller in waiting]
        found = min(range(len(waiting)), key=lambda i: (others[i] != is_over, i))
        served = 1 if others[found] else served + 1
        return found

    return choose


def always(discipline: Discipline) -> Callable[[int], Discipline]:
    """Return a maker of one stateless discipline, the same for every accelerator."""
    return lambda _most: discipline


DISPATCHES = {
    "bind": DispatchPolicy(bind, keeps_home=True),
    "round_robin": DispatchPolicy(round_robin),
    "least_loaded": DispatchPolicy(least_loaded, order=_by_load),
    "affinity": DispatchPolicy(affinity, order=_by_parameters),
}
DISCIPLINES = {
    "fifo": DisciplinePolicy(None),
    "priority": DisciplinePolicy(always(priority), by_network=True),
    "shortest": DisciplinePolicy(always(shortest), by_network=True),
    "affinity": DisciplinePolicy(same_model, batches_by_model=True, by_network=True),
}

P = TypeVar("P", DispatchPolicy, DisciplinePolicy)


def own_function(name: str) -> Any:
    """Return what ``package.module:function`` names; its module may lie in the present folder.

    Raises what importing it raises, or :class:`AttributeError`.
    """
    module, _, function = name.partition(":")
    if "" not in sys.path:
        sys.path.append("")  # last, so that it hides nothing
    return getattr(importlib.import_module(module), function)


def policy(option: str, name: str, table: dict[str, P], own: Callable[[Any], P]) -> P:
    """Return a policy by name, or make one of an imported ``package.module:function``.

    Raises :class:`InputError` for a name that is neither.

    Parameters
    ----------
    option
        For the message, e.g. ``--dispatch``.
    name
        A key of ``table``, or ``package.module:function``; it comes from the command line or a spec, never from
        results.
    table, own
        :data:`DISPATCHES` and :class:`DispatchPolicy`, or :data:`DISCIPLINES` and :func:`own_discipline`.
    """
    if name in table:
        return table[name]
    try:
        found: Any = own_function(name) if ":" in name else table[name]
    except (ImportError, AttributeError, KeyError, TypeError, ValueError):
        allowed = f"{', '.join(table)} or package.module:function"
        raise InputError.value(option, name, allowed, nearest(name, table)) from None
    return own(found)


def own_discipline(function: Discipline) -> DisciplinePolicy:
    """Return the policy of a user's own function."""
    return DisciplinePolicy(always(function))
