"""Many accelerators in the order in which a dispatch prefers them: a heap, so that each choice takes few steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

__all__ = ["Order", "Ranking"]

#: (thread, accelerator) -> what a dispatch takes the least of; the same for all threads of a network.
Order = Callable[[Any, Any], tuple[int, ...]]
OLD = 4  # entries of an accelerator in a heap, on average, from which on it is made anew


class Ranking:
    """A heap of accelerators for each network; of equals the one with the lowest number is first.

    Whoever changes an accelerator tells its ranking (``changed``), which adds an entry. One that is true no more is
    dropped when it comes to the top.
    """

    def __init__(self, order: Order, accelerators: Sequence[Any]) -> None:
        self.order, self.accelerators = order, accelerators
        self.heaps: dict[int, tuple[Any, list[tuple[tuple[int, ...], int]]]] = {}  # a thread of each network, its heap
        for accelerator in accelerators:
            accelerator.ranking = self

    def choose(self, _accelerators: Sequence[Any], thread: Any) -> Any:
        """Return the first accelerator for a thread."""
        if thread.model not in self.heaps:
            self.heaps[thread.model] = thread, []
            self._fill(*self.heaps[thread.model])
        caller, heap = self.heaps[thread.model]
        while True:
            order, number = heap[0]
            if order == self.order(caller, self.accelerators[number]):
                return self.accelerators[number]
            heappop(heap)

    def changed(self, accelerator: Any) -> None:
        """Note that an accelerator's place may be another now."""
        for caller, heap in self.heaps.values():
            heappush(heap, (self.order(caller, accelerator), accelerator.number))
            if len(heap) > OLD * len(self.accelerators):
                self._fill(caller, heap)

    def _fill(self, caller: Any, heap: list[tuple[tuple[int, ...], int]]) -> None:
        heap[:] = [(self.order(caller, one), one.number) for one in self.accelerators]
        heapify(heap)
