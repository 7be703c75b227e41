"""What an interpreter's first inference pays beyond its parameters, from first and later inferences of the same runs.

The surplus grows with the bytes of results that nobody used before (page faults, clearing, cold caches): 10 ns a byte
on Arm boards, with 0.2 MB of results as with 18. One number a host; what the boards have in common is the prior of
each. ``python -m calibration.firstrun`` prints them, ``--write`` writes them into the hosts' part files.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from statistics import mean

from calibration.corrections import host_part_of
from calibration.cpufit import CpuFit, update_part
from calibration.measurements import Measurement
from calibration.partfiles import SHIPPED
from calibration.setups import Parts, conditions_of, executable_of, times_of
from calibration.shipped import load_dataset
from hwmodels.timing import touched_bytes

__all__ = ["KEY", "FirstRun", "first_runs", "first_touch_without", "fit_first_touch"]

KEY = "first_touch_ns_per_byte"
DATASETS = ("nobuo_detection", "salimmj_sweep")
#: Their float kernels pack all weights in the first inference, which is another cost.
PACKS_WEIGHTS = ("x86-desktop-float",)
#: Columns that the rows of one run share.
RUN = (
    "source_id", "host_id", "word_size", "link", "model", "threads", "dtype", "detections", "postprocess", "citation",
)  # fmt: skip
ARM_NS_PER_BYTE = (10.0, 10.0)  # mean, and scatter between boards
SCATTER = 0.05  # of a first inference about any model


@dataclass(frozen=True)
class FirstRun:
    """One first inference: bytes touched, ns over later ones and the parameters' transfer, and its whole time in ns."""

    row: Measurement
    touched_bytes: int
    surplus_ns: float
    first_ns: float


@cache
def first_runs() -> Mapping[str, tuple[FirstRun, ...]]:
    """First inferences by host part, of runs that state later inferences, too; flagged rows are left out."""
    found: dict[str, list[FirstRun]] = defaultdict(list)
    for dataset in DATASETS:
        rows = [row for row in load_dataset(dataset) if not row.flag]
        for first in _first_runs(rows):
            found[_part_of(first.row)].append(first)
    return {part: tuple(each) for part, each in sorted(found.items()) if part not in PACKS_WEIGHTS}


def _part_of(row: Measurement) -> str:
    return row.host_id if row.link != "none" else host_part_of(row) or conditions_of(row).host


def _run_of(row: Measurement) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in RUN)


def _first_runs(rows: Iterable[Measurement]) -> Iterator[FirstRun]:
    later: dict[tuple[object, ...], list[float]] = defaultdict(list)
    firsts: list[Measurement] = []
    for row in rows:
        if row.metric == "invoke_latency_ms":
            later[_run_of(row)].append(row.value)
        elif row.metric == "first_inference_ms":
            firsts.append(row)
    for row in firsts:
        if later[_run_of(row)]:
            executable = executable_of(row, Parts())
            load_ns = times_of(executable, row, Parts()).load_ns
            surplus_ns = (row.value - mean(later[_run_of(row)])) * 1e6 - load_ns
            yield FirstRun(row, touched_bytes(executable), surplus_ns, row.value * 1e6)


def fit_first_touch(runs: Sequence[FirstRun]) -> CpuFit:
    """Fit ns for each byte touched first: weighted least squares through 0, with the boards' value as prior.

    It is not negative: where the best line falls, the best of those that do not is flat.
    """
    weights = [1 / (SCATTER * run.first_ns) ** 2 for run in runs]
    expected, scatter = ARM_NS_PER_BYTE
    curvature = 1 / scatter**2 + sum(w * run.touched_bytes**2 for w, run in zip(weights, runs, strict=True))
    slope = sum(w * run.touched_bytes * run.surplus_ns for w, run in zip(weights, runs, strict=True))
    return CpuFit({KEY: max(0.0, (slope + expected / scatter**2) / curvature)}, {KEY: 1 / sqrt(curvature)})


def first_touch_without(part: str, is_out: Callable[[Measurement], bool]) -> CpuFit | None:
    """Fit a host without some rows; None where none of its rows is out, or none is left."""
    runs = first_runs().get(part, ())
    kept = [run for run in runs if not is_out(run.row)]
    return fit_first_touch(kept) if 0 < len(kept) < len(runs) else None


def main() -> None:
    """Print, and with ``--write`` write, every host's number."""
    for part, runs in first_runs().items():
        fitted = fit_first_touch(runs)
        print(f"{part:28}{len(runs):4} rows {fitted.values[KEY]:8.2f} +- {fitted.std_errors[KEY]:.2f} ns a byte")
        if "--write" in sys.argv[1:]:
            update_part(
                SHIPPED / "hosts" / f"{part}.toml",
                fitted,
                "first inferences of nobuo_log and salimmj (docs/measuring.md)",
            )


if __name__ == "__main__":
    main()
