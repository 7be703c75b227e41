"""Ways to remember results: by the identity of large frozen values, and what was read as long as no file changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["ByIdentity", "for_each", "forget", "read_once", "remembered", "still"]

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
    found: dict[int, tuple[T, R]] = {}  # by an item's number, which stays its own while it is held here
    results = []
    for item in items:
        known = found.get(id(item))
        if known is None:
            known = found[id(item)] = item, function(item)
        results.append(known[1])
    return tuple(results)


def forget(beyond: int = 0) -> None:
    """Forget all results of :func:`remembered` functions where they are more than so many.

    For programs that run long in little memory, as a page does: a browser's Python never gives memory back.
    """
    if sum(map(len, _MEMORIES)) > beyond:
        for memory in _MEMORIES:
            memory.clear()


def remembered(
    maxsize: int, of: Callable[..., tuple[Any, ...]] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Remember the last ``maxsize`` results of a pure function; texts, numbers and tuples count by their value.

    Every other argument counts by its identity: two equal networks are two networks. The oldest result is forgotten
    first, and with it the last hold on its arguments. ``of`` picks from the arguments all that a result depends on,
    where they hold more.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        """Return the function with a memory."""
        memory: OrderedDict[tuple[Hashable, ...], tuple[R, tuple[Any, ...]]] = OrderedDict()
        _MEMORIES.append(memory)

        @wraps(function)
        def wrapper(*arguments: P.args, **named: P.kwargs) -> R:
            """Look up, and call where nothing is remembered."""
            given: tuple[Any, ...] = (*arguments, *named.values()) if named else arguments
            given = of(*arguments, **named) if of else given
            # An object's number, negative: no plain number is so small. The result holds the object.
            key = tuple([one if type(one) in PLAIN else -id(one) for one in given])
            found = memory.get(key)
            if found is None:
                found = memory[key] = function(*arguments, **named), given
                if len(memory) > maxsize:
                    memory.popitem(last=False)
            elif len(memory) == maxsize:  # their order counts only where the oldest is to be forgotten
                memory.move_to_end(key)
            return found[0]

        return wrapper

    return decorate


#: What functions that read files returned inside the outermost :func:`still` block; None outside of any.
_READ: ContextVar[dict[Any, Any] | None] = ContextVar("_READ", default=None)


@contextmanager
def still() -> Iterator[None]:
    """Take it that no file changes inside the block: what :func:`read_once` functions return holds to its end."""
    if _READ.get() is not None:
        yield
        return
    before = _READ.set({})
    try:
        yield
    finally:
        _READ.reset(before)


def read_once(function: Callable[P, R]) -> Callable[P, R]:
    """Call a function that reads files once for the same arguments inside a :func:`still` block, else always."""

    @wraps(function)
    def wrapper(*arguments: P.args, **named: P.kwargs) -> R:
        """Look up, and call where nothing is known yet."""
        read = _READ.get()
        if read is None:
            return function(*arguments, **named)
        key = (function, arguments, *named.items())
        if key not in read:
            read[key] = function(*arguments, **named)
        return read[key]  # type: ignore[no-any-return]  # what the function returned

    return wrapper
