"""Who waits for whom: the discrete-event simulator, and what is computed from its spans."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.advice import advise
    from sim.answer import Results
    from sim.engine import simulate
    from sim.estimator import estimate
    from sim.scenario import Scenario
    from sim.study.sweeps import sweep

__all__ = ["Results", "Scenario", "advise", "estimate", "simulate", "sweep"]

# Names are imported when they are first used: a command's help must not wait for them.
_HOMES = {
    "Results": "answer", "Scenario": "scenario", "advise": "advice", "estimate": "estimator", "simulate": "engine",
    "sweep": "study.sweeps",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from hwmodels.version import program_version

        return program_version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"sim.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
