"""One way to remember results: by the identity of large frozen values, which would take long to hash."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["ByIdentity", "for_each", "forget", "remembered"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
_MEMORIES: list[OrderedDict[Any, Any]] = []  # of every function that remembers
PLAIN = frozenset({str, int, float, bool, tuple, type(None)})


class ByIdentity:
    """A key that stands for an object itself and keeps it alive, so that no other object takes its place."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and other.value is self.value


def for_each(function: Callable[[T], R], items: Iterable[T]) -> tuple[R, ...]:
    """Return a pure function's result for each item; items that are one object share one result.

    Many accelerators alike then cost as much as one.
    """
    found: dict[ByIdentity, R] = {}
    results = []
    for item in items:
        key = ByIdentity(item)
        if key not in found:
            found[key] = function(item)
        results.append(found[key])
    return tuple(results)


def forget(beyond: int = 0) -> None:
    """Forget all results of :func:`remembered` functions where they are more than so many.

    For programs that run long in little memory, as a page does: a browser's Python never gives memory back.
    """
    if sum(map(len, _MEMORIES)) > beyond:
        for memory in _MEMORIES:
            memory.clear()


def remembered(maxsize: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Remember the last ``maxsize`` results of a pure function; texts, numbers and tuples count by their value.

    Every other argument counts by its identity: two equal networks are two networks. The oldest result is forgotten
    first, and with it the last hold on its arguments.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        """Return the function with a memory."""
        memory: OrderedDict[tuple[Hashable, ...], tuple[R, tuple[Any, ...]]] = OrderedDict()
        _MEMORIES.append(memory)

        @wraps(function)
        def wrapper(*arguments: P.args, **named: P.kwargs) -> R:
            """Look up, and call where nothing is remembered."""
            given: tuple[Any, ...] = (*arguments, *named.values()) if named else arguments
            # An object's number, negative: no plain number is so small. The result holds the object.
            key = tuple([one if type(one) in PLAIN else -id(one) for one in given])
            found = memory.pop(key, None) or (function(*arguments, **named), given)
            memory[key] = found  # the youngest
            if len(memory) > maxsize:
                memory.popitem(last=False)
            return found[0]

        return wrapper

    return decorate
