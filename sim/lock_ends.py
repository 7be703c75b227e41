"""Both ends of a lock's fairness: who wins a race of microseconds is not known of a host, so an answer holds both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sim.answer import Results, latencies, merged, power_of
from sim.budget import events
from sim.setup import Setup
from sim.window import Window

__all__ = ["Runner", "add_lock_ends"]

#: Runs a set-up as :func:`sim.engine.run` does.
Runner = Callable[..., Window]

MOST_TWICE = 500_000  # events of a run that is repeated for the other end
WORTH_TELLING = 0.02  # how far both ends lie apart


def add_lock_ends(results: Results, by: Runner) -> None:
    """Add what the other kind of lock gives, where threads share an accelerator and the run is short enough to repeat.

    ``lock_ends`` holds the figures of ``--lock mutex`` and ``fair``, the lower one first. They are the same where
    nobody asked for a lock while a waiter was on its way to it. An interval reaches from that of the lower end to that
    of the higher one: either lock may be the host's.
    """
    setup, found, window = results.setup, results.summary, results.window
    is_short = window.completions * events(setup) <= MOST_TWICE
    if not is_short or setup.hand_over is None or not setup.share_a_lock:
        return
    other = {"mutex": "fair", "fair": "mutex"}[setup.scenario.lock]
    then = by(replace(setup, scenario=replace(setup.scenario, lock=other))) if window.was_raced else window
    now, that = _figures(setup, window), _figures(setup, then)
    found["lock_ends"] = {key: sorted((value, that[key])) for key, value in now.items()}
    for key, (low, high) in found["interval90"].items():
        scales = (1.0, that[key] / now[key]) if now[key] else (1.0,)
        found["interval90"][key] = [low * min(scales), high * max(scales)]
    if abs(then.throughput_ips / window.throughput_ips - 1) > WORTH_TELLING:
        words = f"--lock {other} gives {then.throughput_ips:.1f}/s in place of {window.throughput_ips:.1f}/s"
        found["warnings"].append(f"microseconds decide who takes the accelerator's lock: {words}")


def _figures(setup: Setup, window: Window) -> dict[str, float]:
    """What has an interval, and percentiles of the latency."""
    latency_ms, invoke_ms = latencies(window).summary_ms(), merged(window.invokes).summary_ms()
    return {
        "throughput_ips": window.throughput_ips,
        "latency_mean_ms": latency_ms["mean"], "latency_p50_ms": latency_ms["p50"], "latency_p99_ms": latency_ms["p99"],
        "invoke_mean_ms": invoke_ms["mean"], "energy_mj_per_inference": power_of(setup, window).energy_mj,
    }  # fmt: skip
