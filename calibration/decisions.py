"""Which of two measured set-ups of one network is better: how often the predictions say so, too.

A decision is a pair of set-ups of one source, host, network (or mix at one load) and figure that differ in link, clock,
cut, number of accelerators, or in being compiled together. Readings of the same set-up count as their median. Pairs
whose figures lie within :data:`NOTICEABLE` of each other are no decision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Any

__all__ = ["decisions"]

NOTICEABLE = 1.05
#: Metrics that are one figure under several names: time of an inference.
SAME_FIGURE = ("invoke_latency_ms", "invoke_latency_p50_ms", "time_per_inference_ms")
SPEED = ("_ms", "_fps")


@dataclass(frozen=True)
class _Setup:
    """What one may decide about."""

    link: str
    clock: str
    cut: tuple[str, str]
    accelerators: int
    mode: str
    batch: int

    def kind(self, other: _Setup) -> str:
        """What the decision between two is about, the first of the differences that counts; empty for none."""
        if self.batch != other.batch and "single" not in (self.mode, other.mode):
            return ""
        named = {
            "link": self.link != other.link, "clock": self.clock != other.clock,
            "compiled together": "cocompiled" in {self.mode} ^ {other.mode},
            "accelerators": self.accelerators != other.accelerators, "cut": self.cut != other.cut,
        }  # fmt: skip
        return next((kind for kind, differs in named.items() if differs), "")


def decisions(answers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how many decisions there are of each kind, and the share in which the better set-up was named.

    Parameters
    ----------
    answers
        Rows of :func:`calibration.validation.validate`. Flagged ones and the CPU's are left out.

    Returns
    -------
    list of dict
        ``kind``, ``pairs``, ``right`` (a share); the last line is of all.
    """
    judged: dict[str, list[bool]] = defaultdict(list)
    for setups in _figures(answers).values():
        for (one, first), (other, second) in combinations(setups.items(), 2):
            kind = one.kind(other)
            low, high = sorted((first[0], second[0]))
            if kind and high > NOTICEABLE * low:
                judged[kind].append((first[0] - second[0]) * (first[1] - second[1]) > 0)
    rows = [(kind, judged[kind]) for kind in sorted(judged)]
    every = [right for _, found in rows for right in found]
    return [
        {"kind": kind, "pairs": len(found), "right": sum(found) / len(found)}
        for kind, found in [*rows, ("all", every)]
        if found
    ]


def _figures(answers: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], dict[_Setup, tuple[float, float]]]:
    """Measured and predicted by set-up, for every figure."""
    groups: dict[tuple[Any, ...], dict[_Setup, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for answer in _usable(answers):
        figure = SAME_FIGURE[0] if answer["metric"] in SAME_FIGURE else answer["metric"]
        key = (answer["source_id"], answer["host_id"], answer["model"], figure, answer.get("load"))
        setup = _Setup(
            answer["link"], answer["clock_id"], (answer["segmentation"], answer["cut"]), answer["accelerators"],
            answer["mode"], answer["batch"],
        )  # fmt: skip
        groups[key][setup].append(answer)
    return {key: {setup: _medians(rows) for setup, rows in setups.items()} for key, setups in groups.items()}


def _usable(answers: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for answer in answers:
        is_known = (
            answer["measured"]
            and answer["predicted"] is not None
            and not answer["flag"]
            and answer.get("segmentation") is not None
        )
        if is_known and answer["link"] != "none" and answer["metric"].endswith(SPEED):
            yield answer


def _medians(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    measured, predicted = (median(row[key] for row in rows) for key in ("measured", "predicted"))
    return measured, predicted
