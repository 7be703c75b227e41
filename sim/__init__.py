"""Who waits for whom: the discrete-event simulator, and what is computed from its spans."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.engine import simulate
    from sim.results import Results
    from sim.scenario import Scenario

__all__ = ["Results", "Scenario", "simulate"]

# Names are imported when they are first used: a command's help must not wait for them.
_HOMES = {"Results": "results", "Scenario": "scenario", "simulate": "engine"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"sim.{_HOMES[name]}"), name)
