"""Which engine runs a set-up: decided here and nowhere else.

Both give the same windows. The compiled one (:mod:`sim.fast.loops`) runs closed loops of constant times; SimPy runs
everything, and is the reference. Loading the compiled one takes a second, so single runs do without.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from hwmodels.errors import InputError, nearest, need
from sim.engine import Runner, run
from sim.machine.policies import DISCIPLINES, DISPATCHES
from sim.machine.records import SpanSink
from sim.setup import Setup
from sim.window import Window

__all__ = ["ENGINES", "FAST", "SIMPY", "chosen", "refusal", "runner"]

AUTO, SIMPY, FAST = ENGINES = ("auto", "simpy", "fast")
MANY = 128  # points that SimPy runs in the time in which the compiled engine is loaded
MOST_ROOM = 1 << 22  # cells of a table; beyond, SimPy's sets take less memory


def chosen(engine: str, points: int) -> str:
    """Return the engine for a number of points: ``auto`` is ``simpy`` where they are few.

    What is compiled is compiled here, once for all workers of this machine.
    Raises :class:`InputError` for an unknown engine, and for ``fast`` where numba is missing.
    """
    if engine not in ENGINES:
        raise InputError.value("--engine", engine, ", ".join(ENGINES), nearest(engine, ENGINES))
    if engine == AUTO and points < MANY:
        return SIMPY
    runner(engine)
    return engine


@cache
def runner(engine: str) -> Runner:
    """Return the function that runs set-ups by an engine, as :func:`sim.engine.run` does.

    ``auto`` takes the compiled engine where numba is there and it can run the set-up; ``fast`` refuses what it cannot.
    Raises :class:`InputError` for ``fast`` where numba is missing.
    """
    if engine == FAST:
        need("numba", "fast")
    if engine == SIMPY or not _has_numba():
        return run
    from sim.fast.loops import Loop  # compiled code: only where it is wanted

    def by_either(setup: Setup, sink: SpanSink | None = None, most: int = 0) -> Window:
        """Run a set-up's machine by the compiled engine where that can."""
        reason = "what records spans" if sink else refusal(setup)
        if reason and engine == FAST:
            raise InputError.problem("--engine fast", f"cannot run {reason}", "take --engine auto, which can")
        return run(setup, sink, most) if reason else Loop(setup, most=most).until_steady()

    return by_either


def _has_numba() -> bool:
    try:
        import_module("numba")
    except ImportError:  # also one that does not go with the installed numpy
        return False
    return True


def refusal(setup: Setup) -> str:
    """Return what in a set-up the compiled engine cannot run, in words; empty where it can."""
    scenario = setup.scenario
    reasons = {
        "requests that arrive": scenario.arrival_process.kind != "closed" or setup.is_server,
        "pipelines": bool(setup.pipelines),
        "random service times (--jitter)": scenario.jitter != "none",
        "accelerators that share a memory or a lane": setup.is_fluid,
        f"--dispatch {scenario.dispatch}": scenario.dispatch not in DISPATCHES,
        f"--discipline {scenario.discipline}": scenario.discipline not in DISCIPLINES,
        "so many threads and accelerators": _room(setup) > MOST_ROOM,
    }
    return next((words for words, is_so in reasons.items() if is_so), "")


def _room(setup: Setup) -> int:
    from sim.fast.wiring import room  # takes numpy

    return room(setup)
