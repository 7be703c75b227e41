"""Random scenarios of every kind, for Hypothesis and for a seeded search alike.

One function makes the options of a scenario from choices; who chooses is left open. Hypothesis chooses so that it can
shrink a failure (the plainest choice comes first), a search chooses with ``random.Random``. A combination that
``build`` refuses is dropped and counted in a :class:`Tally`.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import reject
from hypothesis import strategies as st

from hwmodels.errors import InputError
from sim import Scenario
from sim.scenario import option_defaults
from sim.setup import build

__all__ = [
    "ANY",
    "NETWORKS",
    "TALLY",
    "Focus",
    "Tally",
    "buildable",
    "options",
    "plain",
    "scenarios",
    "seeded",
    "shrunk",
]

DEFAULTS = option_defaults()

T = TypeVar("T")
#: Takes one of several choices, the plainest first.
Pick = Callable[[Sequence[Any]], Any]

#: Networks of different character. Their order is that of their size.
NETWORKS = (
    "mobilenet_v1_0.25_128",  # small: nearly all of it is dispatch
    "mobilenet_v2_1.0_224",  # the usual one: parameters fit
    "ssd_mobilenet_v2_coco_300",  # a detector: boxes and NMS on the CPU
    "movenet_lightning_192",  # a pose network: a short tail on the CPU
    "efficientnet_b1_240",  # streams a little of its parameters
    "deeplab_v3_mobilenet_v2_513",  # segmentation: resize and arg-max of a large map on the CPU
    "regnet_y_008_224",  # leaves the accelerator early: convolutions on the CPU
    "inception_v3_299",  # streams three quarters of its parameters
)
HOSTS = ("x86-xeon", "raspberry-pi-4", "raspberry-pi-3b", "x86-desktop", "jetson-nano", "raspberry-pi-5", "dev-board")
LINKS = ("usb3", "pcie", "usb2")
SIZES = ("coral", "large", "small")
ARRIVALS = Path(__file__).parent / "arrivals.txt"


def mostly(plain: T, *others: T) -> list[T]:
    """Choices of which the plain one has half the weight."""
    return [plain] * len(others) + list(others)


@dataclass(frozen=True)
class Focus:
    """Choices that a law narrows, so that few of the scenarios drawn are in vain."""

    modes: Sequence[str] = ("threads",) * 3 + ("processes",) * 2 + ("pipeline",) * 2 + ("coexec",)
    accelerators: Sequence[int] = (1, 1, 2, 2, 3, 4)
    networks: Sequence[str] = ("one",) * 5 + ("counts", "shared", "turns", "rates")
    unlike: Sequence[bool] = (False, False, False, True)
    closed: Sequence[bool] = (True, True, False)
    jitter: Sequence[str] = ("none",) * 9 + ("measured",)


ANY = Focus()


def options(pick: Pick, focus: Focus = ANY) -> dict[str, Any]:
    """Options of one scenario, none of them at its default."""
    mode, count = pick(focus.modes), pick(focus.accelerators)
    chosen: dict[str, Any] = {"mode": mode, "jitter": pick(focus.jitter)}
    for part in (_devices, _networks, _host, _arrivals, _own_options):
        chosen |= part(pick, Draw(mode, count, focus, str(chosen.get("models", ""))))
    if chosen["jitter"] != "none" or "arrivals" in chosen or "@" in chosen["models"]:
        chosen["inferences"] = pick([2000, 2000, 2000, 0])  # a random run is as long as it is allowed to be
    if "arrivals" in chosen:
        chosen.pop("batch", 0)  # they contradict each other
    return {key: value for key, value in chosen.items() if key == "models" or value != DEFAULTS[key]}


@dataclass(frozen=True)
class Draw:
    """What has been drawn before everything else."""

    mode: str
    count: int
    focus: Focus
    models: str


def _devices(pick: Pick, drawn: Draw) -> dict[str, Any]:
    """Accelerators of one size on one kind of link, or a size or a link for each."""
    count = drawn.count
    mixed, mixed_links = (count > 1 and pick(drawn.focus.unlike) for _ in range(2))
    sizes = [pick(SIZES) for _ in range(count)] if mixed else [pick(SIZES)]
    links = [pick(LINKS) for _ in range(count)] if mixed_links else [pick(LINKS)]
    slow = "pcie" not in links and "large" not in sizes and pick([False, False, True])
    return {
        "accelerators": 1 if mixed else count,
        "size": _counted(sizes) if mixed and pick([False, True]) else ",".join(sizes),
        "link": ",".join(links),
        "clock": "std" if slow else "max",
        "compiler": pick(["2021", "2021", "2021", "2020"]),
        "thermal": pick(["off"] * 9 + ["60"]),
    }


def _counted(sizes: Sequence[str]) -> str:
    """``coral:2,large:1``: equal neighbours together."""
    return ",".join(f"{size}:{sizes.count(size)}" for size in dict.fromkeys(sizes))


def _networks(pick: Pick, drawn: Draw) -> dict[str, Any]:
    """One network, or a mix: bound to threads, in turn on every thread, or with a rate each."""
    kind = "one" if drawn.mode == "pipeline" else pick(drawn.focus.networks)
    kind = "shared" if drawn.mode == "coexec" and kind in ("turns", "rates") else kind
    names = [pick(NETWORKS) for _ in range(1 if kind == "one" else pick([2, 2, 3]))]
    mixed = {"cocompile": len(set(names)) > 1 and pick([False, False, True])}
    if kind == "counts":
        counts = [pick([1, 2, 3, 4]) for _ in names]
        counts[0] += max(0, drawn.count + 1 - sum(counts)) if drawn.mode == "coexec" else 0
        named = zip(names, counts, strict=True)
        return {"models": ",".join(f"{name}:{count}" for name, count in named), **mixed}
    if kind == "rates":
        mixed |= {"models": ",".join(f"{name}@{pick([5, 20, 60])}" for name in names)}
    names = list(dict.fromkeys(names)) if drawn.mode == "coexec" else names
    if kind == "shared" and len(set(names)) < len(names):
        return {"models": ",".join(names), **mixed}  # a network named twice has two threads, and no others
    least = drawn.count + 1 if drawn.mode == "coexec" else 1
    threads = 1 if drawn.mode == "pipeline" else max(pick([2, 1, 3, 4, 5, 6, 8]), least)
    return {"models": ("+" if kind == "turns" else ",").join(names), "threads": threads, **mixed}


def _host(pick: Pick, drawn: Draw) -> dict[str, Any]:
    """The host, its cores, what else runs on it, and Python's lock."""
    chosen: dict[str, Any] = {
        "host": pick(HOSTS),
        "cores": pick(mostly(0, 1, 2, 3, 8)),
        "preprocess": pick(["none", "none", "resize", "resize:640x480"]),
        "num_threads": pick(mostly(1, 2, 4)),
        "cpu_kernels": pick(["xnnpack", "xnnpack", "xnnpack", "builtin"]),
        "background_load": pick([0.0] * 5 + [0.3, 0.8]),
        "app_ms": pick(["0"] * 9 + ["3", "2:locked", "15:wait"]),
    }
    if drawn.mode == "threads":
        chosen["switch_interval_ms"] = pick(mostly(5.0, 0.5, 20.0))
        chosen["busy_python_threads"] = pick([0] * 6 + [1, 2])
    return chosen


def _arrivals(pick: Pick, drawn: Draw) -> dict[str, Any]:
    """Requests that come on their own, where the networks leave it open when they come."""
    fixed = "+" in drawn.models or "@" in drawn.models
    rarely = drawn.mode in ("pipeline", "coexec") and pick([True, True, False])
    if pick(drawn.focus.closed) or fixed or rarely:
        return {}
    rates = [f"{kind}:{rate}" for kind in ("poisson", "server") for rate in (5, 30, 120, 400)]
    queries = ["singlestream", "multistream:3", "multistream:8", "offline:50", "offline:500", f"trace:{ARRIVALS}"]
    return {"arrivals": pick(rates + queries), "seed": pick([0, 1, 2])}


def _own_options(pick: Pick, drawn: Draw) -> dict[str, Any]:
    """What belongs to a mode alone; policies where there is something to choose."""
    if drawn.mode == "pipeline":
        runner = pick(["pipelined", "pipelined", "python", "chained"])
        return {
            "segmentation": pick(["compiler", "profiled"]),
            "num_segments": pick(mostly(0, *(n for n in (2, 3) if drawn.count == 1 or drawn.count % n == 0), 0)),
            "batch": 0 if runner == "chained" else pick(mostly(0, 1, 5, 20)),
            "runner": runner,
        }
    if drawn.mode == "coexec":
        return {}
    dispatch = pick(mostly("bind", "round_robin", "least_loaded", "affinity")) if drawn.count > 1 else "bind"
    several = len({re.sub(r"[:@]\d+$", "", name) for name in re.split("[,+]", drawn.models)}) > 1
    discipline = pick(mostly("fifo", "priority", "shortest", "affinity")) if several else "fifo"
    batch = {"affinity_batch": pick([8, 2])} if discipline == "affinity" else {}
    return {"dispatch": dispatch, "discipline": discipline, **batch}


@dataclass
class Tally:
    """How many combinations were drawn, and why some of them were refused."""

    drawn: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def share_refused(self) -> float:
        """Share of the combinations that were refused."""
        return self.refused.total() / max(1, self.drawn)

    def take(self, chosen: dict[str, Any]) -> Scenario | None:
        """The scenario of these options, or None where they are refused."""
        self.drawn += 1
        try:
            return buildable(chosen)
        except InputError as error:
            self.refused[str(error)] += 1
            return None


#: What Hypothesis drew in this process.
TALLY = Tally()


def buildable(chosen: dict[str, Any]) -> Scenario:
    """The scenario of these options; raises InputError where they do not fit together."""
    scenario = Scenario(**chosen)
    build(scenario)
    return scenario


@st.composite
def scenarios(draw: st.DrawFn, where: Callable[[Scenario], bool] = lambda _: True, focus: Focus = ANY) -> Scenario:
    """Scenarios that build, and of which ``where`` holds."""
    scenario = TALLY.take(options(lambda choices: draw(st.sampled_from(list(choices))), focus))
    if scenario is None or not where(scenario):
        reject()
    return scenario


def seeded(seed: int | str, tally: Tally) -> Iterator[Scenario]:
    """Scenarios without end; the same seed gives the same ones."""
    stream = random.Random(seed)
    while True:
        scenario = tally.take(options(stream.choice))
        if scenario is not None:
            yield scenario


def plain(scenario: Scenario) -> dict[str, Any]:
    """The options that differ from their defaults, as :class:`Scenario` takes them."""
    return {key: value for key, value in scenario.options().items() if key == "models" or value != DEFAULTS[key]}


def shrunk(scenario: Scenario, fails: Callable[[Scenario], bool]) -> Scenario:
    """The smallest scenario found that still fails: options back at their defaults, fewer threads and devices."""
    steps = iter(_smaller(scenario))
    for chosen in steps:
        try:
            candidate = buildable(chosen)
        except InputError:
            continue
        if fails(candidate):
            return shrunk(candidate, fails)
    return scenario


def _smaller(scenario: Scenario) -> Iterator[dict[str, Any]]:
    chosen = plain(scenario)
    yield from ({k: v for k, v in chosen.items() if k != key} for key in chosen.keys() - {"models"})
    yield from _shorter_lists(chosen)
    for key in ("threads", "accelerators", "num_threads", "cores", "batch", "num_segments", "busy_python_threads"):
        if chosen.get(key, 0) > 1:
            yield {**chosen, key: chosen[key] - 1}
    for i, name in enumerate(NETWORKS):
        for simpler in NETWORKS[:i]:
            if name in scenario.models and simpler not in scenario.models:
                yield {**chosen, "models": scenario.models.replace(name, simpler)}


def _shorter_lists(chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One network, size or link less."""
    for key in ("models", "size", "link"):
        parts = str(chosen.get(key, "")).split(",")
        if len(parts) > 1:
            yield from ({**chosen, key: ",".join(parts[:i] + parts[i + 1 :])} for i in range(len(parts)))
            yield {**chosen, key: parts[0]}
