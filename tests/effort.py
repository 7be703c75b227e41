"""How much work an answer takes, counted: events and calls are the same on every machine, seconds are not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sim.engine import Run, settled
from sim.scenario import Scenario


def events(**options: Any) -> int:
    """Events of a run."""
    run = Run(settled(Scenario(**options)))
    run.until_steady()
    return run.env.count()


def calls(action: Callable[[], Any]) -> int:
    """Calls of functions, in Python and in C, that an action makes in this thread."""
    count = 0

    def seen(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        action()
    finally:
        sys.setprofile(before)
    return count
