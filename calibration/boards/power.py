"""Watts of the accelerator against its size: idle power linear in the size, energy of an inference nearly constant.

Law and fit (file ``datasets/boards/dpu_power_by_size.csv``, whole rails): idle W = ``BASE_W`` + ``W_PER_GOPS`` x peak,
and an inference's energy above idle goes with peak to the power ``ENERGY_EXPONENT``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hwmodels.errors import InputError

__all__ = ["idle_w", "predict_sizes", "running_w"]

BASE_W = 3.25  # +- 0.03; fitted
W_PER_GOPS = 0.00088  # +- 0.00003; fitted
ENERGY_EXPONENT = -0.08  # +- 0.03; fitted
CLOCK_GHZ = 0.3
Line = tuple[int, dict[str, str]]


def peak_gops(size: str) -> float:
    """Peak operations of a size by its name (B512 = 512 operations each cycle, at 300 MHz), in GOP/s.

    Raises :class:`InputError` for a name of another form.
    """
    found = re.fullmatch(r"[A-Za-z]*(\d+)[A-Za-z]*", size)
    if not found:
        raise InputError.value("dpu_arch", size, "B followed by the operations of a cycle")
    return int(found[1]) * CLOCK_GHZ


def idle_w(size: str) -> float:
    """Watts of all rails with the accelerator loaded and idle."""
    return BASE_W + W_PER_GOPS * peak_gops(size)


def running_w(size: str, runtime_s: float, profile_size: str, profile_w: float, profile_runtime_s: float) -> float:
    """Watts of a run of a known length, from one run of the same work on another size."""
    energy_j = (profile_w - idle_w(profile_size)) * profile_runtime_s
    scaled: float = energy_j * (peak_gops(size) / peak_gops(profile_size)) ** ENERGY_EXPONENT
    return idle_w(size) + scaled / runtime_s


def predict_sizes(path: Path, lines: Sequence[Line]) -> Iterator[tuple[Line, float, bool]]:
    """Yield every line with its predicted watts, and whether it is the profile of its workload (the smallest size)."""
    running = [line for line in lines if line[1]["runtime_s"]]
    for line in lines:
        number, row = line
        if not row["runtime_s"]:
            yield line, idle_w(row["dpu_arch"]), False
            continue
        same = [other for other in running if other[1]["workload"] == row["workload"]]
        _, profile = min(same, key=lambda other: peak_gops(other[1]["dpu_arch"]))
        try:
            runtime_s, watts, profile_s = (
                float(text) for text in (row["runtime_s"], profile["rails_total_w"], profile["runtime_s"])
            )
        except ValueError:
            raise InputError.problem(
                f"{path}:{number}", "lacks a number", "give runtime_s and rails_total_w above 0"
            ) from None
        predicted = running_w(row["dpu_arch"], runtime_s, profile["dpu_arch"], watts, profile_s)
        yield line, predicted, profile is row
