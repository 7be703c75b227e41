"""Which option can act in which mode, and why not where it cannot. ``test_scenarios.py`` tries every pair.

An option acts where a figure of the answer changes with it; one that cannot act has to be refused with the reason. The
table is the place to say so for a new option or mode.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CIRCUMSTANCES", "NOT_IN_A_TABLE", "PAIRS", "Pair"]

CPU_TAIL = "deeplab_v3_mobilenet_v2_513"  # resize and arg-max of a large map on the CPU
PLAIN: dict[str, dict[str, Any]] = {
    "threads": {"models": CPU_TAIL, "threads": 3, "accelerators": 2},
    "processes": {"models": CPU_TAIL, "threads": 3, "accelerators": 2, "mode": "processes"},
    "pipeline": {"models": CPU_TAIL, "mode": "pipeline"},
    "coexec": {"models": CPU_TAIL, "threads": 3, "mode": "coexec"},
}
MIX = {"models": "mobilenet_v1_0.25_128,mobilenet_v2_1.0_224", "threads": 4, "accelerators": 1}
TOGETHER = {"models": "efficientnet_b1_240,inception_v3_299", "threads": 3, "accelerators": 2}  # more than the memory
DETECTOR = {"models": "ssd_mobilenet_v2_coco_300"}
CONVOLUTIONS = {"models": "regnet_y_008_224", "host": "x86-epyc-litert"}  # those of its end run on the CPU


@dataclass(frozen=True)
class Row:
    """An option: a value that should act, what it needs beside it, and the modes in which it cannot act with reasons."""

    option: str
    value: Any
    beside: dict[str, Any] = field(default_factory=dict)
    cannot: dict[str, str] = field(default_factory=dict)


SEGMENTS = "only a pipeline has segments"
NO_PIPELINE = dict.fromkeys(("threads", "processes", "coexec"), SEGMENTS)
OWN_THREAD = {"pipeline": "every segment has one thread and one accelerator of its own"}
ONE_EACH = {"coexec": "an accelerator has one thread, so nobody chooses and nobody waits"}
ONE_NETWORK = {"pipeline": "a pipeline runs one network"}
OWN_LOCK = {"processes": "every process has an interpreter lock of its own"}
NATIVE = {"pipeline": "the segments of pycoral's runner are threads without Python"}
RESIZE = {"preprocess": "resize", "host": "raspberry-pi-4"}

ROWS = (
    Row("size", "large"),
    Row("link", "pcie"),
    Row("clock", "std"),
    Row("host", "raspberry-pi-4"),
    Row("cores", 1),
    Row("threads", 5, cannot=OWN_THREAD),
    Row("accelerators", 4, {"threads": 5}, {}),
    Row("num_segments", 3, cannot=NO_PIPELINE),
    Row("segmentation", "profiled", cannot=NO_PIPELINE),
    Row("batch", 4, cannot=NO_PIPELINE),
    Row("runner", "python", cannot=NO_PIPELINE),
    Row("dispatch", "round_robin", {"models": "mobilenet_v2_1.0_224"}, cannot=OWN_THREAD | ONE_EACH),
    Row("discipline", "shortest", MIX, OWN_THREAD | ONE_EACH),
    Row("lock", "fair", MIX, OWN_THREAD | ONE_EACH),
    Row("affinity_batch", 2, {**MIX, "discipline": "affinity"}, dict.fromkeys(PLAIN, "nothing else serves batches")),
    Row("compiler", "2020"),
    Row("cocompile", True, TOGETHER, ONE_NETWORK),
    Row("classes", 3, DETECTOR),
    Row("max_boxes", 5, DETECTOR),
    Row("preprocess", "resize"),
    Row("cpu_kernels", "builtin", CONVOLUTIONS),
    Row("num_threads", 2),
    Row("switch_interval_ms", 1.0, {**RESIZE, "busy_python_threads": 1}, OWN_LOCK | NATIVE),
    Row("busy_python_threads", 1, RESIZE, OWN_LOCK),
    Row("background_load", 0.5),
    Row("arrivals", "poisson:2", {"inferences": 400}),
    Row("app_ms", "3"),
    Row("cameras", "2x1", {"inferences": 400}),
    Row("motion", 0.5, {"cameras": "2x1", "inferences": 400}),
    Row("regions", 2.5, {"cameras": "2x1", "inferences": 400}),
    Row("scene_s", 10.0, {"cameras": "2x1", "regions": 2.5, "inferences": 400}),
    Row("jitter", "measured", {"inferences": 400}),
    Row("thermal", "60"),
)
#: Options that every scenario takes: how long it runs, what counts as late, the seed, the network and the mode.
NOT_IN_A_TABLE = ("models", "mode", "inferences", "duration_s", "deadline_ms", "seed")


@dataclass(frozen=True)
class Pair:
    """An option beside others: ``why_not`` says why it cannot act there, and is empty where it acts."""

    beside: dict[str, Any]
    option: str
    value: Any
    why_not: str
    name: str


def pairs() -> Iterator[Pair]:
    for row in ROWS:
        for mode, plain in PLAIN.items():
            why_not = row.cannot.get(mode, "")
            beside = dict(plain) if why_not else {**plain, **_beside(row, mode)}
            yield Pair(beside, row.option, row.value, why_not, f"{row.option} in {mode}")


def _beside(row: Row, mode: str) -> dict[str, Any]:
    """What the row needs, as far as the mode admits it."""
    beside = dict(row.beside)
    if mode == "pipeline":
        beside.pop("threads", None)
    return beside


PAIRS = tuple(pairs())

#: Not the mode but another option leaves nothing to do.
CIRCUMSTANCES = (
    Pair({"models": "mobilenet_v1_0.25_128@5,mobilenet_v2_1.0_224@5"}, "arrivals", "poisson:300", "every network has its rate", "arrivals beside rates"),
    Pair({"models": CPU_TAIL, "threads": 3}, "dispatch", "round_robin", "there is one accelerator", "dispatch of one"),
    Pair({"models": CPU_TAIL, "threads": 3}, "discipline", "shortest", "all wait with one network", "discipline of one"),
    Pair({"models": CPU_TAIL, "threads": 3}, "cocompile", True, "there is one network", "cocompile of one"),
    Pair({"models": f"{CPU_TAIL}:3", "mode": "pipeline"}, "batch", 3, "a pipeline has no thread counts", "counts in a pipeline"),
    Pair({"models": CPU_TAIL}, "motion", 0.5, "there are no cameras", "motion of no cameras"),
    Pair({"models": CPU_TAIL, "cameras": "2x1"}, "arrivals", "poisson:2", "cameras say when", "arrivals beside cameras"),
    Pair({"models": "mobilenet_v1_0.25_128,mobilenet_v2_1.0_224"}, "cameras", "2x1", "which network", "cameras of a mix"),
    Pair({"models": CPU_TAIL, "mode": "pipeline", "batch": 4}, "cameras", "2x1", "batches", "cameras of batches"),
    Pair({"models": CPU_TAIL, "mode": "pipeline", "batch": 4}, "arrivals", "poisson:2", "batches come at once", "arrivals of batches"),
)  # fmt: skip
