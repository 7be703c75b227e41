"""Both ends of a lock's fairness: who wins a race of microseconds is not known of a host, so an answer holds both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["add_lock_ends"]

WORTH_TELLING = 0.02  # how far both ends lie apart


def add_lock_ends(summary: dict[str, Any], now: Mapping[str, float], then: Mapping[str, float], other: str) -> None:
    """Add what the ``other`` kind of lock gives to the summary of a run.

    ``lock_ends`` holds the figures of ``--lock mutex`` and ``fair``, the lower one first. They are the same where
    nobody asked for a lock while a waiter was on its way to it. An interval reaches from that of the lower end to that
    of the higher one: either lock may be the host's.

    Parameters
    ----------
    summary
        Of a run, with its intervals.
    now, then
        Figures under the scenario's lock and under the other one, by their keys in the intervals and further ones.
    other
        The lock of ``then``.
    """
    summary["lock_ends"] = {key: sorted((value, then[key])) for key, value in now.items()}
    for key, (low, high) in summary["interval90"].items():
        scales = (1.0, then[key] / now[key]) if now[key] else (1.0,)
        summary["interval90"][key] = [low * min(scales), high * max(scales)]
    rate, another = now["throughput_ips"], then["throughput_ips"]
    if abs(another / rate - 1) > WORTH_TELLING:
        words = f"--lock {other} gives {another:.1f}/s in place of {rate:.1f}/s"
        summary["warnings"].append(f"microseconds decide who takes the accelerator's lock: {words}")
