"""What the lessons share: remembered answers, and how their figures are named and printed.

Every number that a lesson shows is an answer of :func:`sim.simulate` to a scenario, so that it can be checked.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sim import Scenario, simulate
from sim.engine import run, settled
from sim.scenario import flag, option_fields

__all__ = [
    "ENOUGH", "HOSTS", "LABELS", "LIMITED", "NETWORKS", "answer", "changed_options", "command", "invoke_ms",
    "latency_ms", "point", "rate_ips", "share", "shown", "value", "working",
]  # fmt: skip

#: Networks that the lessons offer: small and large, with and without streamed parameters and CPU operators.
NETWORKS = [
    "mobilenet_v2_1.0_224", "mobilenet_v1_1.0_224", "mobilenet_v1_0.25_128", "efficientnet_edgetpu_s_224",
    "inception_v1_224", "inception_v3_299", "resnet_50_v1_224", "ssd_mobilenet_v2_coco_300",
    "posenet_mobilenet_v1_0.75_353x481",
]  # fmt: skip
HOSTS = ["x86-xeon", "x86-desktop", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-3b", "dev-board"]
#: A lesson's run ends here if it has not repeated itself before: an answer within half a second.
ENOUGH = 200
#: The same where requests come by themselves: lines of waiting take their time to build up.
ENOUGH_OF_ARRIVALS = 1000
LABELS = {
    "throughput_ips": ("throughput", "/s"), "latency_ms.mean": ("latency, mean", "ms"),
    "latency_ms.p95": ("latency, 95 %", "ms"), "invoke_ms.mean": ("invoke(), mean", "ms"),
    "energy_mj_per_inference": ("energy, whole system", "mJ"),
    "energy_accelerator_mj_per_inference": ("energy, accelerators", "mJ"), "power_w.total": ("power", "W"),
    "utilisation.accelerator": ("accelerator held", "%"), "utilisation.gil": ("Python's lock held", "%"),
    "utilisation.cpu": ("cores busy", "%"), "utilisation.link_out": ("link busy, out", "%"),
    "speedup_vs_one_thread": ("gain over one thread", "x"),
    "time_breakdown_ms.compute": ("computing", "ms"), "time_breakdown_ms.gil_wait": ("waits for Python's lock", "ms"),
    "time_breakdown_ms.load_parameters": ("loads parameters", "ms"),
    "time_breakdown_ms.parameters": ("streams parameters", "ms"), "time_breakdown_ms.wait": ("waits its turn", "ms"),
}  # fmt: skip
#: What a summary calls the bottleneck -> words for "Limited by ...".
LIMITED = {
    "accelerator": "the accelerator", "link": "the link", "cpu": "the cores", "gil": "Python's lock",
    "arrivals": "the requests, which do not come faster",
}  # fmt: skip


@lru_cache(maxsize=4096)
def answer(scenario: Scenario) -> Mapping[str, Any]:
    """The simulator's summary of a scenario (the keys of ``edgetpusim run --json``), remembered."""
    return simulate(working(scenario)).summary


@lru_cache(maxsize=4096)
def point(scenario: Scenario) -> Mapping[str, Any]:
    """The same for a point of a curve, without the comparison to one thread."""
    return simulate(working(scenario), compare=False).summary


def working(scenario: Scenario) -> Scenario:
    """The scenario with a limit on its length, if it has none of its own."""
    if scenario.inferences or scenario.duration_s:
        return scenario
    return replace(scenario, inferences=ENOUGH_OF_ARRIVALS if scenario.arrival_process.rate_ips else ENOUGH)


def value(summary: Mapping[str, Any], key: str) -> float:
    """A figure of a summary by its dotted key."""
    found: Any = summary
    for part in key.split("."):
        found = found[part]
    return float(found) if found is not None else float("nan")


@lru_cache(maxsize=4096)
def rate_ips(scenario: Scenario) -> float:
    """Inferences a second: the answer's, without what only an answer needs."""
    return run(settled(working(scenario))).throughput_ips


def latency_ms(scenario: Scenario) -> float:
    """The mean latency of a request in ms."""
    return value(point(scenario), "latency_ms.mean")


def invoke_ms(scenario: Scenario) -> float:
    """The mean time of ``invoke()`` in ms."""
    return value(point(scenario), "invoke_ms.mean")


def share(summary: Mapping[str, Any], *states: str) -> float:
    """Share of a request's time that it spends in some states (0 to 1)."""
    parts: dict[str, float] = summary["time_breakdown_ms"]
    return sum(parts[state] for state in states) / (sum(parts.values()) or 1)


def shown(key: str, number: float) -> str:
    """A figure as a lesson prints it: three or four digits and its unit."""
    unit = LABELS[key][1]
    if unit == "%":
        return f"{100 * number:.0f} %"
    return f"{number:.0f} {unit}" if number >= 1000 else f"{number:.4g} {unit}"


def changed_options(scenario: Scenario) -> dict[str, Any]:
    """The options of a scenario that are not what they are by default."""
    default = Scenario(models=scenario.models).options()
    return {name: v for name, v in scenario.options().items() if v != default.get(name)}


def command(scenario: Scenario, verb: str = "run") -> str:
    """The command line that gives the same answer."""
    changed = changed_options(scenario).items()
    flags = [flag(option_fields()[n]) + ("" if v is True else f" {shlex.quote(str(v))}") for n, v in changed]
    return " ".join(["edgetpusim", verb, shlex.quote(scenario.models), *flags])
