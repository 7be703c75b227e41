"""The answer of a session: what the virtual devices did, and beside it what the simulator predicts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

from hwmodels.errors import InputError
from sim.scenario import Scenario
from sim.virtual.hostload import HostLoad
from sim.virtual.memory import Memory
from sim.virtual.plan import Planned
from sim.virtual.predict import predict, same_scenario
from sim.virtual.records import (
    PassRecord,
    Window,
    by_thread,
    percentiles_ms,
    steady_window,
    token_changes,
)

__all__ = ["summarise"]

SPEED_NOTE = "host work ran at this machine's speed, whatever --host says; the host's part gives bus and driver times"
SHARED_NOTE = "several processes used one device: a real one belongs to one process at a time"


class Ran(Protocol):
    """What a report looks at of a session."""

    scenario: Scenario
    planned: Planned
    memory: Memory
    load: HostLoad

    def passes(self) -> list[PassRecord]:
        """Return the passes that the devices' logs hold."""

    def idle_reason(self) -> str:
        """Say why no device was used."""


def summarise(session: Ran) -> dict[str, Any]:
    """Return the report of a session as one JSON object: times in ms, rates in 1/s.

    ``throughput_ips`` and latencies are those of the window in which all threads ran (``window_s``).
    """
    planned, memory = session.planned, session.memory
    passes, load = session.passes(), session.load.report()
    total = sum(int(memory.state.devices[i].passes) for i in range(len(planned.plan.devices)))
    answer = {
        "scenario": session.scenario.options(),
        "clock_mode": planned.plan.settings.clock,
        "outputs": planned.plan.settings.outputs,
        "networks": [{"name": n, "file": str(f)} for n, f in zip(planned.plan.networks, planned.files, strict=True)],
        "passes": total,
        "processes": len({one.pid for one in passes}),
        "threads": len(by_thread(passes)),
        "own_cost_us": int(memory.state.own_ns) / 1e3,
        "host": load,
    }
    if not passes:
        return {**answer, "warnings": [session.idle_reason()]}
    return {
        **answer,
        **measured(planned, passes, int(memory.state.own_ns)),
        **_beside(session, passes),
        "warnings": _warnings(session, passes, load),
    }


def measured(planned: Planned, passes: Sequence[PassRecord], own_ns: int = 0) -> dict[str, Any]:
    """Return rates, latencies and waits of the window in which all threads ran, whole and by device and thread.

    ``own_ns`` is what the driver's code takes around a pass: to the program it is part of the inference.
    """
    window = steady_window(passes)
    inside = window.of(passes)
    return {
        "inferences": len(_inferences(planned, passes)),
        "elapsed_s": (max(p.end_ns for p in passes) - min(p.asked_ns for p in passes)) / 1e9,
        "window_s": window.seconds,
        "throughput_ips": len(_inferences(planned, inside)) / window.seconds,
        "latency_ms": percentiles_ms([one.end_ns - one.asked_ns + own_ns for one in inside]),
        "wait_ms": percentiles_ms([one.held_ns - one.asked_ns for one in inside]),
        "between_ms": percentiles_ms([max(0, gap_ns - own_ns) for gap_ns in _between_ns(planned, inside)]),
        "late_ms": percentiles_ms([one.late_ns for one in inside]),
        "parameter_loads": sum(one.loaded for one in passes),
        "token_changes": token_changes(passes, planned.plan),
        "devices": [_device(planned, number, inside, window) for number in range(len(planned.plan.devices))],
        "by_thread": _threads(planned, inside, window, own_ns),
    }


def _between_ns(planned: Planned, passes: Sequence[PassRecord]) -> list[int]:
    """What each thread did from an inference's last pass to the next inference: what ``--app-ms`` stands for."""
    operators = planned.plan.operators
    return [
        later.asked_ns - earlier.end_ns
        for own in by_thread(passes).values()
        for earlier, later in pairwise(own)
        if operators[later.operator].position == 0
    ]


def _inferences(planned: Planned, passes: Sequence[PassRecord]) -> list[PassRecord]:
    """One pass for each inference: the first operator of its network."""
    return [one for one in passes if planned.plan.operators[one.operator].position == 0]


def _device(planned: Planned, number: int, inside: Sequence[PassRecord], window: Window) -> dict[str, Any]:
    own = [one for one in inside if one.device == number]
    busy_ns = sum(one.end_ns - max(one.held_ns, window.start_ns) for one in own)
    return {
        "device": number,
        "inferences": len(_inferences(planned, own)),
        "throughput_ips": len(_inferences(planned, own)) / window.seconds,
        "utilisation": min(1.0, busy_ns / 1e9 / window.seconds),
        "wait_ms": percentiles_ms([one.held_ns - one.asked_ns for one in own]),
        "parameter_loads": sum(one.loaded for one in own),
        "token_changes": token_changes(own, planned.plan),
    }


def _threads(planned: Planned, inside: Sequence[PassRecord], window: Window, own_ns: int) -> list[dict[str, Any]]:
    rows = []
    for (pid, tid), own in by_thread(inside).items():
        networks = dict.fromkeys(planned.plan.networks[planned.plan.operators[one.operator].network] for one in own)
        rows.append({
            "process": pid,
            "thread": tid,
            "networks": list(networks),
            "inferences": len(_inferences(planned, own)),
            "throughput_ips": len(_inferences(planned, own)) / window.seconds,
            "latency_ms": percentiles_ms([one.end_ns - one.asked_ns + own_ns for one in own]),
            "held_mean_ms": sum(one.end_ns - one.held_ns for one in own) / len(own) / 1e6,
        })  # fmt: skip
    return rows


def _beside(session: Ran, passes: Sequence[PassRecord]) -> dict[str, Any]:
    """The simulator's answer for the same threads, or why there is none."""
    try:
        return {"predicted": predict(same_scenario(session.scenario, session.planned, passes))}
    except InputError as error:
        return {"predicted": None, "no_prediction": str(error)}


def _warnings(session: Ran, passes: Sequence[PassRecord], load: dict[str, Any]) -> list[str]:
    found = [note for setup in session.planned.setups for note in setup.warnings]
    if load["loaded"]:
        others = f"{load['others']:.0%} of the cores' time" if load["others"] is not None else "the load average"
        found.append(f"taken on a loaded host ({others} was others'): times of host work and waits mean little")
    for device in range(len(session.planned.plan.devices)):
        if len({one.pid for one in passes if one.device == device}) > 1:
            found.append(SHARED_NOTE)
            break
    kept = session.planned.plan.settings.capacity
    if any(int(one.passes) > kept for one in session.memory.state.devices):
        found.append(f"more than {kept} passes of a device: rates and latencies are those of the last ones")
    return [*dict.fromkeys(found), SPEED_NOTE]
