"""Both engines on one set-up: every total of the window, side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scenarios import Focus

from sim import Scenario
from sim.engine import run
from sim.fast.loops import Loop
from sim.setup import Setup, build
from sim.window import Window

#: Scenarios that the compiled engine runs.
LOOPS = Focus(
    modes=("threads", "threads", "processes", "coexec"), networks=("one", "one", "counts", "shared", "turns"),
    closed=(True,), jitter=("none",),
)  # fmt: skip


def totals(window: Window) -> dict[str, Any]:
    """Everything that a window holds but the engine's name; counts of latencies as they are."""
    found = {key: value for key, value in vars(window).items() if key != "engine"}
    for key in ("latency", "invokes"):
        found[key] = [vars(counts) for counts in found[key]]
    return found | {"queries": vars(window.queries), "frames": window.frames}


def differences(setup: Setup, most: int = 0) -> dict[str, tuple[Any, Any]]:
    """What differs between SimPy's window and the compiled engine's: none of it should."""
    compiled = Loop(setup, most=most).until_steady()
    assert compiled.engine == "fast", "the run was too long for it"
    one, other = totals(run(setup, most=most)), totals(compiled)
    return {key: (one[key], other[key]) for key in one if one[key] != other[key]}


def built(**options: Any) -> Setup:
    """The set-up of a scenario that fits: the options of one of the random ones, and more."""
    return build(Scenario(**options))


def retimed(setup: Setup, **options: Any) -> Setup:
    """The set-up with other options that change nothing of what is built."""
    return replace(setup, scenario=replace(setup.scenario, **options))
