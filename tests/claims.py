"""What an answer claims about changes, and whether a change does what was claimed when it is tried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.choices.market import has_port
from sim.setup import build

__all__ = ["LEAST", "Claim", "Tried", "claims", "tried"]

LEAST = 1.02  # a gain that counts
ON_CPU = " on the CPU"

#: What a diagnosis leads a reader to try, though it does not say so: words of it, the change, the options.
HINTS = (
    (r"(core is|cores are) busy \([^)]*\)\.", "twice the cores", lambda s: {"cores": 2 * build(s).cores}),
    (r"^Python's global lock is held", "processes instead of threads", lambda _: {"mode": "processes"}),
    (r"accelerators? (is|are) held .* computing", "size large", lambda s: {"size": _all_large(s), "clock": "max"}),
    (r"accelerators? (is|are) held .* transfers", "link pcie", lambda _: {"link": "pcie", "clock": "max"}),
    (r"bus .* is full", "link pcie", lambda _: {"link": "pcie", "clock": "max"}),
)


@dataclass(frozen=True)
class Claim:
    """A change, its options, and whether it is said to help.

    ``where`` tells who says so: ``sentence`` is what a person reads, ``data`` stands in the JSON answer alone, ``hint``
    is what a diagnosis leads to.
    """

    change: str
    options: tuple[tuple[str, Any], ...]
    helps: bool
    where: str


@dataclass(frozen=True)
class Tried:
    """A claim after the change was tried; the gain is None where the change was refused."""

    claim: Claim
    gain: float | None

    @property
    def is_contradicted(self) -> bool:
        """Help was promised and there is none, or help came that was denied."""
        return self.gain is not None and (self.gain >= LEAST) != self.claim.helps


def claims(scenario: Scenario, summary: Mapping[str, Any]) -> Iterator[Claim]:
    """Everything that an answer says or implies about changes."""
    text = summary["bottleneck_text"]
    helpful, _, useless = text.partition("What does not:")
    for remedy in summary["remedies"]:
        if remedy["helps"] is not None:
            said = remedy["change"] in (helpful if remedy["helps"] else useless)
            yield _claim(remedy["change"], remedy["options"], remedy["helps"], "sentence" if said else "data")
    if "Requests do not come faster" in text and "," not in scenario.models and scenario.mode != "pipeline":
        yield _claim("one more thread", _one_more_thread(scenario), False, "sentence")
    tried_already = {remedy["change"] for remedy in summary["remedies"]}
    for words, change, options in HINTS:
        if re.search(words, text) and change not in tried_already and not _is_there(scenario, options(scenario)):
            yield _claim(change, options(scenario), True, "hint")


def _is_there(scenario: Scenario, options: Mapping[str, Any]) -> bool:
    """Whether a diagnosis does not lead there: an accelerator has that link, or all have that size already.

    Nor does anything lead away from copies on the CPU, to a link that the host has no port for, that takes longer for
    the same parameters there, or on which heat lowers the clock, where heat counts.
    """
    links, sizes = ({one.partition(":")[0] for one in scenario.options()[key].split(",")} for key in ("link", "size"))
    if "mode" in options and scenario.mode == "coexec":  # processes leave nothing to the CPU
        return True
    if "link" in options:
        there = options["link"] in links or scenario.thermal != "off" or not has_port(scenario.host, options["link"])
        return there or _loads_ns(scenario.with_options(**options)) > _loads_ns(scenario)
    return sizes == {"large"} and "size" in options


def _all_large(scenario: Scenario) -> str:
    return ",".join(["large"] * len(build(scenario).stage_times[0]))


def _loads_ns(scenario: Scenario) -> int:
    """Time to load the parameters of all networks, each over its quickest link."""
    return sum(min(one.load_ns for one in row) for row in build(scenario).stage_times)


def _claim(change: str, options: Mapping[str, Any], helps: bool, where: str) -> Claim:
    return Claim(re.sub(r"^\d+ cores$", "twice the cores", change), tuple(options.items()), helps, where)


def _one_more_thread(scenario: Scenario) -> dict[str, Any]:
    name = re.sub(r":\d+$", "", scenario.models)
    return {"models": name, "threads": len(build(scenario).thread_models) + 1}


def tried(scenario: Scenario, summary: Mapping[str, Any], claim: Claim) -> Tried:
    """Run the scenario with the change.

    Unlike networks are not added up: an inference counts as long as it takes alone in the scenario as it is.
    """
    try:
        changed = simulate(scenario.with_options(**dict(claim.options)), compare=False).summary
    except InputError:
        return Tried(claim, None)
    weights = _alone_ns(scenario)
    return Tried(claim, _work(changed, weights) / _work(summary, weights))


def _alone_ns(scenario: Scenario) -> dict[str, int]:
    setup = build(scenario)
    if scenario.mode == "pipeline":
        return {}
    alone: dict[str, int] = {}
    for name, row in zip(setup.models, setup.stage_times, strict=True):
        least = min(one.latency_ns for one in row)
        alone[name.removesuffix(ON_CPU)] = min(least, alone.get(name.removesuffix(ON_CPU), least))
    return alone


def _work(summary: Mapping[str, Any], weights: Mapping[str, int]) -> float:
    rows = summary["models"].items()
    return sum(float(row["throughput_ips"]) * weights.get(name.removesuffix(ON_CPU), 1) for name, row in rows)
