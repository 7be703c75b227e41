"""Name what limits a set-up, in one sentence that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.records import State

if TYPE_CHECKING:
    from sim.results import Window
    from sim.setup import Setup

__all__ = ["bottleneck"]

SATURATED = 0.93
ON_LINK = (State.LOAD_PARAMETERS, State.INSTRUCTIONS, State.INPUT, State.PARAMETERS, State.OUTPUT)
ON_CPU = (State.PREPROCESS, State.HOST_COPY, State.CPU_OPS, State.POSTPROCESS)
WORDS = {
    State.LOAD_PARAMETERS: "sending parameters again after each change of model",
    State.INSTRUCTIONS: "dispatch and instructions",
    State.INPUT: "input",
    State.PARAMETERS: "streamed parameters",
    State.OUTPUT: "output",
}


def bottleneck(setup: Setup, window: Window, used: dict[str, float], is_overloaded: bool = False) -> tuple[str, str]:
    """Return the limiting resource (accelerator, link, cpu, gil, arrivals) and a sentence about it.

    Parameters
    ----------
    used
        Shares of time by resource (:func:`sim.results.utilisation`); one counts as full from :data:`SATURATED` on.
    is_overloaded
        Requests come faster than they are served: then they are not what limits, however idle every resource is.

    Notes
    -----
    Order: requests that do not come faster; full cores, as whoever waits for one may hold the accelerator or the GIL;
    the fuller of accelerator and GIL; else the longest part of an inference.
    """
    if setup.scenario.arrivals != "closed" and not is_overloaded and max(used.values()) < SATURATED:
        return "arrivals", f"Requests do not come faster: the busiest resource is used {max(used.values()):.0%}."
    full = {name: used[name] for name in ("accelerator", "cpu", "gil") if used[name] >= SATURATED}
    if not full:
        return _unsaturated(window, used)
    # Whoever waits for a core may hold the accelerator or the GIL meanwhile, never the other way round.
    name = "cpu" if "cpu" in full else max(full, key=lambda key: full[key])
    if name == "cpu":
        return (
            "cpu",
            f"All {setup.cores} cores are busy ({used['cpu']:.0%}): more cores or less host work per inference.",
        )
    if name == "gil":
        return "gil", f"Python's global lock is held {used['gil']:.0%} of the time: use processes instead of threads."
    return _accelerator(setup, window, used)


def _accelerator(setup: Setup, window: Window, used: dict[str, float]) -> tuple[str, str]:
    """The accelerator is held all the time: by transfers, or by computing?"""
    link_ns = {state: window.state_ns(state) for state in ON_LINK}
    total = sum(link_ns.values()) + window.state_ns(State.COMPUTE)
    share = sum(link_ns.values()) / max(1, total)
    held = f"The accelerator is held {used['accelerator']:.0%} of the time"
    if share > 0.5:
        worst = max(link_ns, key=lambda state: link_ns[state])
        return "link", (
            f"{held}, {share:.0%} of it by transfers over {setup.channels[0].name}, most for {WORDS[worst]}: "
            "a faster link, or another accelerator on a link of its own, helps; more threads do not."
        )
    return "accelerator", (
        f"{held}, {1 - share:.0%} of it computing: another or a larger accelerator helps; more threads do not."
    )


def _unsaturated(window: Window, used: dict[str, float]) -> tuple[str, str]:
    """Nothing is full: too few threads to keep anything busy. Name the longest part of an inference."""
    parts = {
        "accelerator": window.state_ns(State.COMPUTE),
        "link": sum(window.state_ns(state) for state in ON_LINK),
        "cpu": sum(window.state_ns(state) for state in ON_CPU),
        "gil": window.state_ns(State.GIL_WAIT),
    }
    name = max(parts, key=lambda key: parts[key])
    share = parts[name] / max(1, sum(parts.values()))
    idle = 1 - used["accelerator"]
    words = {"accelerator": "computing", "link": "transfers", "cpu": "host work", "gil": "waiting for Python's lock"}
    ahead = "another thread can use" if idle > 0.15 else "leaves"
    return (
        name,
        f"{share:.0%} of an inference is {words[name]}; the accelerator idles {idle:.0%} of the time, which {ahead}"
        + ("." if idle > 0.15 else " little for another thread."),
    )
