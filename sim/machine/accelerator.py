"""The accelerator at run time: whose parameters its memory holds, and who was promised it."""

from __future__ import annotations

from typing import Any

from sim.machine.link import SharedLink
from sim.machine.lock import Lock
from sim.machine.ranking import Ranking

__all__ = ["RankedAccelerator", "SimAccelerator"]


class SimAccelerator:
    """One accelerator: TFLite's lock (one inference at a time) and the parameter-caching token of its memory.

    The driver forgets the whole cached set when the token changes, and sends a network's parameters once for every
    interpreter that registered it (docs/parameter-cache.md).
    """

    def __init__(self, number: int, component: int, lock: Lock, link: SharedLink, link_component: int) -> None:
        self.number, self.component, self.lock = number, component, lock
        self.link, self.link_component = link, link_component
        self.token = ""
        self.loaded: set[Any] = set()
        self.in_use = 0
        self.chosen_for = -1

    def must_load(self, token: str, reference: Any) -> bool:
        """Note which interpreter's network runs next, and return whether its parameters must be sent first."""
        if token != self.token:
            self.token = token
            self.loaded.clear()
        if reference in self.loaded:
            return False
        self.loaded.add(reference)
        return True


class RankedAccelerator(SimAccelerator):
    """One of many among which a dispatch chooses by an order: it tells the ranking of whatever may change its place."""

    ranking: Ranking | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if self.ranking is not None:
            self.ranking.changed(self)
