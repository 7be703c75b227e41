"""The calibration problem: which numbers are free within which ranges, which rows they must explain, how well.

All free numbers are positive and fitted as logarithms. A prior is a range: half a width away from its middle counts as
one standard error. Residuals are logarithms of predicted over measured.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from math import exp, log

import numpy as np

from calibration.fastpath import BUS_KEYS, Bus, Evaluator
from calibration.measurements import Measurement
from calibration.setups import Parts, Skip, canonical, executable_of
from calibration.shipped import source_table, trust_of
from calibration.solver import Array, Parameter
from calibration.tables import shipped_table
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.errors import InputError
from hwmodels.link import channel

__all__ = ["Number", "Problem", "block_of", "fit_rows", "sigma_of"]

FITTED_METRICS = ("invoke_latency_ms", "alternating_pair_latency_ms")
TRUST_SIGMA = {"A": 0.05, "B": 0.08, "C": 0.25, "": 0.05}
CLOCK_PAIR_SIGMA = 0.05
HOST_SIGMA = 0.3  # relative uncertainty of the host's own work
LEAST_HALF_WIDTH = 0.1
LEAST_ROWS = 3
CROWD = 30  # rows of one source beyond which its weight no longer grows
SWEEP = re.compile(r"(conv5x3x3|conv7x7|fc5|dense_u|dense|stride|padding_stride|padding|baseline_io|depthwise_k5)_")


@dataclass(frozen=True)
class Number:
    """One free number: the part and key it belongs to and its prior range.

    Attributes
    ----------
    kind, part, key
        Where it belongs: ``accelerator`` ``coral`` ``conv_cycles_per_step``.
    low, high
        Range that counts as plausible, in the key's unit; both above 0.
    """

    kind: str
    part: str
    key: str
    low: float
    high: float

    @property
    def middle(self) -> float:
        """Logarithm of the range's (geometric) middle."""
        return (log(self.low) + log(self.high)) / 2

    @property
    def half_width(self) -> float:
        """Half of the range's logarithmic width."""
        return (log(self.high) - log(self.low)) / 2

    def parameter(self, start: float) -> Parameter:
        """The number's logarithm as the solver takes it: the range as prior, bounds at three times its width."""
        reach = 3 * self.half_width
        prior = self.middle, self.half_width
        return Parameter(self.label, start, self.middle - reach, self.middle + reach, prior)

    @property
    def label(self) -> str:
        """How the number is called in reports."""
        return self.key if self.kind == "accelerator" else f"{self.part}: {self.key}"


@cache
def priors() -> tuple[tuple[str, str, str, float, float], ...]:
    """The prior ranges of ``priors.csv``; later lines are more special."""
    cells = shipped_table("priors")
    return tuple((c["kind"], c["part"], c["key"], float(c["low"]), float(c["high"])) for c in cells)


def prior_of(kind: str, part: str, key: str) -> tuple[float, float] | None:
    """Return the range of a number, or None where it is not free."""
    found = [(low, high) for k, p, name, low, high in priors() if k == kind and name == key and fnmatchcase(part, p)]
    return found[-1] if found else None


def sigma_of(row: Measurement) -> float:
    """Relative standard error that a row is believed to: by its source's trust, wider where it was rounded.

    Trust A, B and C stand for 5, 8 and 25 %, unless the source has a figure of its own; a value printed as a whole
    number adds its rounding.
    """
    given = source_table().get(row.source_id, {}).get("sigma")
    sigma = float(given) if given else TRUST_SIGMA[trust_of(row.source_id)]
    digits = 0.3 if row.value >= 1 and float(row.value).is_integer() else 0.0
    return float(np.hypot(sigma, digits / row.value))


def fit_rows(rows: Sequence[Measurement], parts: Parts) -> list[Measurement]:
    """Rows that the fit explains: unflagged single-inference latencies of known networks, each figure once.

    Parameters
    ----------
    rows
        Of any metric.
    parts
        To tell which networks use the accelerator at all.

    Returns
    -------
    list of Measurement
        In their order; of equal figures the first.
    """
    kept: dict[tuple[object, ...], Measurement] = {}
    for row in rows:
        if _is_fitted(row) and _is_known(row, parts):
            kept.setdefault((canonical(row), row.link, row.host_id, row.clock_id, row.mode, row.value), row)
    return list(kept.values())


def _is_fitted(row: Measurement) -> bool:
    alone = row.threads == row.accelerators == 1 and row.mode in ("single", "cocompiled") and row.batch == 1
    source = source_table().get(row.source_id)
    is_trusted = source is None or bool(source["sigma"])
    is_fair = is_trusted and not row.flag and row.value > 0
    return row.metric in FITTED_METRICS and row.link != "none" and alone and is_fair


def _is_known(row: Measurement, parts: Parts) -> bool:
    try:
        return all(executable_of(row, parts, model).accelerator_segments for model in row.model.split("+"))
    except (Skip, InputError):
        return False


def block_of(row: Measurement, parts: Parts) -> str:
    """What leaves the fit together: a network under all its names; of a sweep a whole cached or streamed regime."""
    match = SWEEP.match(row.model)
    if not match:
        return canonical(row)
    try:
        executable = executable_of(row, parts)
    except (Skip, InputError):
        return match[1]
    streams = any(not plan.cached for plan in executable.plans if not plan.reason and plan.blob_bytes)
    spills = match[1] == "depthwise_k5" and int(row.model.rpartition("c")[2]) > 224
    return f"{match[1]} {'streamed' if streams else 'spilled' if spills else 'cached'}"


class Problem:
    """Rows, free numbers and residuals of one calibration; ``is_own``: the shipped parts never saw these rows."""

    def __init__(self, rows: Sequence[Measurement], parts: Parts, is_own: bool = False) -> None:
        self.rows, self.parts = list(rows), parts
        self.evaluator = Evaluator(rows, parts)
        self.accelerator = parts.accelerator()
        self.numbers = [self._narrowed(number) if is_own else number for number in self._numbers()]
        self.measured = np.array([row.value for row in rows])
        self.weights = _weights(rows, self.evaluator.host_share(self.measured))
        self.pairs = _clock_pairs(rows)

    def _numbers(self) -> list[Number]:
        own = [line for line in priors() if line[0] == "accelerator"]
        numbers = [Number(kind, self.accelerator.name, key, low, high) for kind, _, key, low, high in own]
        for bus in self.evaluator.buses:
            for key in BUS_KEYS:
                name = f"bus.{bus.link}.{key}"
                found = prior_of("host", bus.host, name)
                numbers += [Number("host", bus.host, name, *found)] if found else []
        return numbers

    def _narrowed(self, number: Number) -> Number:
        """The range around the shipped number: rows of one's own add to what the published ones say of the chip."""
        quantity = self.accelerator.quantities.get(number.key)
        if number.kind != "accelerator" or quantity is None or not isinstance(quantity.value, float):
            return number
        half = min(number.half_width, max(LEAST_HALF_WIDTH, 2 * quantity.spread / quantity.value))
        return replace(number, low=quantity.value * exp(-half), high=quantity.value * exp(half))

    def start(self) -> Array:
        """Logarithms of the parts' present numbers, moved into the prior ranges."""
        values = [self._present(number) for number in self.numbers]
        inside = [min(max(v, n.low), n.high) for v, n in zip(values, self.numbers, strict=True)]
        return np.log(inside)

    def _present(self, number: Number) -> float:
        if number.kind == "accelerator":
            return float(self.accelerator.number(number.key))
        try:
            return float(self.parts.host(number.part.lstrip("?")).number(number.key)) or np.exp(number.middle)
        except InputError:
            return float(np.exp(number.middle))

    def unpack(self, x: Array) -> tuple[EdgeTpu, Array]:
        """Return the accelerator and the table of buses that a vector of logarithms stands for."""
        values = np.exp(x)
        accelerator = self.accelerator
        table = np.array([self.shipped(bus) for bus in self.evaluator.buses])
        changes: dict[str, float] = {}
        for number, value in zip(self.numbers, values, strict=True):
            if number.kind == "accelerator":
                changes[number.key] = float(value)
                continue
            _, link, key = number.key.split(".")
            table[self.evaluator.buses.index(Bus(number.part, link)), BUS_KEYS.index(key)] = value
        return accelerator.with_numbers(changes, "a fit"), table

    def shipped(self, bus: Bus) -> tuple[float, float, float, float]:
        """Return a bus's present numbers in the order of ``BUS_KEYS``; a host without a name has a desktop's."""
        host = self.parts.host("x86-desktop" if bus.host.startswith("?") else bus.host)
        line = channel(self.parts.link(bus.link), host)
        return line.out_bytes_per_s, line.in_bytes_per_s, line.floor_ns, line.instruction_ns_per_byte

    def is_informed(self, number: Number) -> bool:
        """Whether at least three rows were measured on a number's host."""
        buses = self.evaluator.buses
        return sum(1 for bus in self.evaluator.bus if buses[bus].host == number.part) >= LEAST_ROWS

    def predict_ms(self, x: Array) -> Array:
        """Predicted times of all rows."""
        return self.evaluator.predict_ms(*self.unpack(x))

    def data_residuals(self, x: Array) -> Array:
        """Weighted logarithmic residuals of the rows, then of the clock pairs."""
        predicted = self.predict_ms(x)
        rows = np.log(predicted / self.measured) * self.weights
        pairs = [self._pair(predicted, slow, fast) for slow, fast in self.pairs]
        return np.concatenate([rows, pairs])

    def _pair(self, predicted: Array, slow: int, fast: int) -> float:
        measured = self.measured[slow] - self.measured[fast]
        rounding = 0.4 / measured if float(self.measured[slow]).is_integer() else 0.0
        ratio = max(1e-3, predicted[slow] - predicted[fast]) / measured
        return float(np.log(ratio) / np.hypot(CLOCK_PAIR_SIGMA, rounding))


def _weights(rows: Sequence[Measurement], host_share: Array) -> Array:
    """One over the standard error, CPU operators' uncertainty included; a source counts as CROWD rows at most."""
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row.source_id] += 1
    crowd = np.array([min(1.0, (CROWD / counts[row.source_id]) ** 0.5) for row in rows])
    return crowd / np.hypot([sigma_of(row) for row in rows], HOST_SIGMA * host_share)


def _clock_pairs(rows: Sequence[Measurement]) -> list[tuple[int, int]]:
    """Rows of one network, host and source at both clocks: their difference holds no host time."""
    found: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
    for number, row in enumerate(rows):
        if row.clock_id:
            found[row.source_id, row.host_id, row.link, canonical(row)].setdefault(row.clock_id, number)
    both = [(d["std"], d["max"]) for d in found.values() if {"std", "max"} <= set(d)]
    return [(slow, fast) for slow, fast in both if rows[slow].value > 1.1 * rows[fast].value]
