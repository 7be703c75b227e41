"""Set-ups side by side: which figures differ, and what in the set-ups makes them differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from hwmodels.numerals import plain_number
from sim.engine import simulate
from sim.estimator import AROUND
from sim.machine.states import BREAKDOWN, TRAITS
from sim.scenario import Scenario

__all__ = ["Difference", "compare", "differences", "figure_at", "figure_keys"]

NOTICEABLE = 0.01  # relative; what differs by less is not shown
WORDS = {state.name.lower(): TRAITS[state].words for state in BREAKDOWN}

Answers = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Difference:
    """A figure by its key in the answers, its value in each set-up, and why they differ."""

    key: str
    values: tuple[Any, ...]
    why: str


def compare(scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """Simulate scenarios and explain how their answers differ.

    Raises :class:`InputError` for one that cannot be built.

    Returns
    -------
    dict
        ``setups`` (an answer of ``run`` each) and ``differences`` (:class:`Difference` as dictionaries).
    """
    answers = [simulate(scenario).summary for scenario in scenarios]
    return {"setups": answers, "differences": [asdict(one) for one in differences(answers)]}


def differences(answers: Answers) -> list[Difference]:
    """Return the figures that differ by more than 1 % between any two answers, the options that differ first."""
    options = [
        Difference(f"scenario.{key}", tuple(answer["scenario"][key] for answer in answers), "it was asked for")
        for key in answers[0]["scenario"]
        if len({repr(answer["scenario"][key]) for answer in answers}) > 1
    ]
    figures = [
        (key, tuple(figure_at(answer, key) for answer in answers), why(answers)) for key, why in _figures(answers)
    ]
    return options + [Difference(key, values, why) for key, values, why in figures if _differ(values)]


def _figures(answers: Answers) -> Iterator[tuple[str, Callable[[Answers], str]]]:
    """Figures that every answer has: only those of cameras know frames."""
    for key, why in FIGURES.items():
        if all(key.partition(".")[0] in answer for answer in answers):
            yield key, why


def figure_keys(answers: Answers) -> list[str]:
    """Return the figures that answers are compared by, as keys of theirs."""
    return [key for key, _ in _figures(answers)]


def figure_at(answer: Mapping[str, Any], key: str) -> Any:
    """Return the figure of an answer that a key such as ``latency_ms.mean`` names."""
    value: Any = answer
    for part in key.split("."):
        value = value[part]
    return value


def _differ(values: Sequence[Any]) -> bool:
    if isinstance(values[0], str):
        return len(set(values)) > 1
    return bool(max(values) > min(values) + NOTICEABLE * abs(max(values)))


def _limits(answers: Answers) -> str:
    """What limits each set-up."""
    found = [str(answer["bottleneck"]) for answer in answers]
    if len(set(found)) == 1:
        used = ", ".join(f"{max(answer['utilisation'].values()):.0%}" for answer in answers)
        return f"all are limited by the {found[0]}; their busiest resource is used {used}"
    return f"limited by: {', '.join(found)}"


def _longest_change(answers: Answers, key: str, words: Mapping[str, str], unit: str) -> str:
    """The part of a sum that differs most: the same for all set-ups, or one for each pair of neighbours that differ."""
    parts = {name: [float(answer[key][name]) for answer in answers] for name in answers[0][key] if name != "total"}
    named = {pair: _largest_step(parts, *pair) for pair in pairwise(range(len(answers))) if _step(parts, *pair)}
    if len(set(named.values())) <= 1:
        name = next(iter(named.values()), max(parts, key=lambda part: max(parts[part]) - min(parts[part])))
        return f"most by {words.get(name, name)}: {_listed(parts[name])} {unit}"
    return "; ".join(
        f"{a + 1} to {b + 1} most by {words.get(name, name)}: {_listed([parts[name][a], parts[name][b]])} {unit}"
        for (a, b), name in named.items()
    )


def _step(parts: Mapping[str, Sequence[float]], a: int, b: int) -> bool:
    """Whether two set-ups differ in the sum of the parts."""
    return _differ([sum(row[i] for row in parts.values()) for i in (a, b)])


def _largest_step(parts: Mapping[str, Sequence[float]], a: int, b: int) -> str:
    """The part that goes most the way that the sum goes."""
    rises = sum(row[b] - row[a] for row in parts.values()) > 0
    return max(parts, key=lambda part: (parts[part][b] - parts[part][a]) * (1 if rises else -1))


def _listed(values: Sequence[float]) -> str:
    return ", ".join(plain_number(value, 3) for value in values)


def _time(answers: Answers) -> str:
    return _longest_change(answers, "time_breakdown_ms", WORDS, "ms")


def _invoke(answers: Answers) -> str:
    """The part of ``invoke()`` that differs most: no work around it, and of the waiting only what is inside."""
    return _longest_change([{"inside": _inside(answer)} for answer in answers], "inside", WORDS, "ms")


def _inside(answer: Mapping[str, Any]) -> dict[str, float]:
    parts = {key: ms for key, ms in answer["time_breakdown_ms"].items() if key not in (*AROUND, "wait", "total")}
    return {**parts, "wait": max(0.0, round(answer["invoke_ms"]["mean"] - sum(parts.values()), 9))}


def _power(answers: Answers) -> str:
    return _longest_change(answers, "power_w", {}, "W")


def _energy(answers: Answers) -> str:
    """Energy is power over throughput."""
    powers = ", ".join(f"{answer['power_w']['total']:.3g}" for answer in answers)
    rates = ", ".join(plain_number(answer["throughput_ips"], 3) for answer in answers)
    return f"{powers} W at {rates} inferences a second"


def _frames(answers: Answers) -> str:
    """Frames are dropped where a camera still waits for the regions of those before."""
    waits = ", ".join(plain_number(answer["latency_ms"]["mean"], 3) for answer in answers)
    return f"a region takes {waits} ms, and a camera asks for one after the other"


def _spread(answers: Answers) -> str:
    times = [answer["latency_ms"] for answer in answers]
    ratios = [f"{one['p95'] / one['mean']:.2f}" if one["mean"] else "0" for one in times]
    return "as the mean: latencies do not vary" if set(ratios) == {"1.00"} else f"over the mean: {', '.join(ratios)}"


#: Figure of an answer -> what explains its differences.
FIGURES: dict[str, Callable[[Answers], str]] = {
    "throughput_ips": _limits, "latency_ms.mean": _time, "latency_ms.p95": _spread, "invoke_ms.mean": _invoke,
    "skipped_share": _frames, "age_ms.p95": _frames, "energy_mj_per_inference": _energy, "power_w.total": _power,
    "bottleneck": _limits,
}  # fmt: skip
