"""What segments on a card of eight accelerators tell alone: how fast its host takes results in, what a reshape costs.

Whole networks send a kilobyte back, so the big fit leaves both open; segments send maps of 0.2 to 1.2 MB.
``python -m calibration.cardfit`` fits three numbers to the times of one accelerator, the rates of pycoral's runner and
the latencies of chained segments (``sparta``). It leaves each network out in turn and prints the errors; ``--write``
writes the part files.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from statistics import fmean

import numpy as np

from calibration.measurements import Measurement
from calibration.partfiles import SHIPPED
from calibration.parttext import with_quantities
from calibration.predict import predict
from calibration.setups import Parts
from calibration.shipped import load_dataset
from calibration.solver import Array, Parameter, Search, Solution, solve
from hwmodels.files import write_text
from hwmodels.quantities import Quantity

__all__ = ["HOST", "NUMBERS", "CardFit", "card_rows", "fit_card", "mean_errors", "sigma_of"]

DATASET, HOST, SIZE = "sparta_imagenet_multitpu", "x86-crl-g18u", "coral"
SIGMA, CHAINED_SIGMA = 0.08, 0.16  # of a row about a model whose stages are right to 5 % each
SEARCH = Search("soft_l1", tolerance=1e-4, step=1e-3)  # coarse: the simulator counts whole nanoseconds


@dataclass(frozen=True)
class Number:
    """A free number: kind of part, part, key, and the range that counts as plausible."""

    kind: str
    part: str
    key: str
    low: float
    high: float


NUMBERS = (
    Number("host", HOST, "bus.pcie.in_bytes_per_s", 60e6, 250e6),  # PCs' prior of the big fit, and twice a desktop's
    Number("host", HOST, "bus.pcie.floor_ns", 70e3, 150e3),  # published: 0.07 to 0.15 ms
    Number("accelerator", SIZE, "reshape_cycles_per_position", 1, 10),  # a word a cycle, to one for each hop of a mesh
)


@dataclass(frozen=True)
class CardFit:
    """Fitted numbers and their standard errors, in the order of ``NUMBERS``."""

    values: tuple[float, ...]
    std_errors: tuple[float, ...]

    @property
    def parts(self) -> Parts:
        """The part files with the fitted numbers."""
        return _parts(self.values)


def card_rows() -> list[Measurement]:
    """Return the times and rates of one accelerator, of copies side by side as of one, and of pipelines."""
    timed = ("invoke_latency_ms", "throughput_fps")
    return [_of_one(row) for row in load_dataset(DATASET) if row.metric in timed and not row.flag]


def _of_one(row: Measurement) -> Measurement:
    """A copy on an accelerator and a lane of its own takes what it takes alone."""
    if row.mode != "multithread":
        return row
    rate = row.value / row.accelerators if row.metric == "throughput_fps" else row.value
    return replace(row, mode="single", threads=1, accelerators=1, value=rate)


def _parts(values: Sequence[float]) -> Parts:
    changes: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for number, value in zip(NUMBERS, values, strict=True):
        changes[number.kind, number.part][number.key] = value
    return Parts(changes=changes)


def sigma_of(row: Measurement) -> float:
    """Relative standard error that a row is believed to: chained segments hold Python's work between them, too."""
    return CHAINED_SIGMA if row.mode == "pipeline" and row.metric == "invoke_latency_ms" else SIGMA


def fit_card(rows: Sequence[Measurement]) -> CardFit:
    """Fit the numbers to rows: logarithms of predicted over measured, within each one's range, which is its prior."""
    parameters = [
        Parameter(
            number.key, (log(number.low) + log(number.high)) / 2, log(number.low), log(number.high),
            ((log(number.low) + log(number.high)) / 2, (log(number.high) - log(number.low)) / 2),
        )
        for number in NUMBERS
    ]  # fmt: skip

    def residuals(x: Array) -> Array:
        """Logarithm of predicted over measured, in standard deviations, row by row."""
        parts = _parts([exp(value) for value in x])
        return np.array([log(predict(row, parts) / row.value) / sigma_of(row) for row in rows])

    found: Solution = solve(residuals, parameters, SEARCH)
    values = tuple(exp(value) for value in found.x)
    return CardFit(values, tuple(v * float(e) for v, e in zip(values, found.std_errors, strict=True)))


def mean_errors(rows: Iterable[Measurement], parts: Parts) -> dict[str, float]:
    """Return mean absolute relative errors: of one accelerator, of pipelines' rates and of their latencies."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        kind = "one accelerator and copies" if row.mode == "single" else f"pipelines, {row.metric}"
        found[kind].append(abs(predict(row, parts) / row.value - 1))
    return {kind: fmean(errors) for kind, errors in sorted(found.items())}


def _quantities(fit: CardFit, rows: int, kind: str) -> Mapping[str, Quantity]:
    source = f"calibration.cardfit: {rows} rows of sparta, one accelerator and pipelines of 2 to 8"
    numbers = zip(NUMBERS, fit.values, fit.std_errors, strict=True)
    return {n.key: Quantity(v, "fitted", source, e) for n, v, e in numbers if n.kind == kind}


def main() -> None:
    """Print the fit beside the errors with each network left out; with ``--write``, write the part files."""
    rows = card_rows()
    fit = fit_card(rows)
    for number, value, error in zip(NUMBERS, fit.values, fit.std_errors, strict=True):
        print(f"{number.part}: {number.key} {value:.4g} +- {error:.2g}")
    left_out: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for model in sorted({row.model for row in rows}):
        own = [row for row in rows if row.model == model]
        without = fit_card([row for row in rows if row.model != model])
        print(f"without {model}: {', '.join(f'{value:.4g}' for value in without.values)}")
        for kind, error in mean_errors(own, without.parts).items():
            left_out[kind].append((error, len(own)))
    for kind, error in mean_errors(rows, fit.parts).items():
        print(f"{kind}: {error:.1%}, left out {fmean(e for e, _ in left_out[kind]):.1%}")
    if "--write" in sys.argv[1:]:
        for kind, part in (("host", HOST), ("accelerator", SIZE)):
            path = SHIPPED / f"{kind}s" / f"{part}.toml"
            write_text(
                path,
                with_quantities(path.read_text(encoding="utf-8"), _quantities(fit, len(rows), kind)),
            )


if __name__ == "__main__":
    main()
