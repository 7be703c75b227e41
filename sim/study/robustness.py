"""Which findings survive the ranges of the part files: the estimator over a Latin hypercube, and spot checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hwmodels.accelerator import Accelerator
from hwmodels.families import load_accelerator
from hwmodels.host import Host, load_host
from hwmodels.link import load_link
from hwmodels.parts import Part
from hwmodels.quantities import Quantity
from sim.closed_form.flows import flows, power_at
from sim.closed_form.lines import expected_ips
from sim.engine import run
from sim.scenario import Scenario
from sim.setup import Parts, Setup, assemble
from sim.study.executors import Each
from sim.study.findings import PAPER, Finding, best_rows, of, single
from sim.study.grid import Case, resized
from sim.study.spec import latin_hypercube
from sim.trust.sensitivity import with_part

if TYPE_CHECKING:
    import polars as pl

__all__ = ["robustness"]

SAMPLES = 20
SPREAD = 12  # networks over which each number alone is moved: only to name the one that matters most
CHECKED = 3  # samples and networks that are simulated as well
ROBUST = 0.95  # share of the samples in which a finding has to be as at the nominal numbers
THREADS = tuple(range(1, 9))
P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class _Gains:
    """One network on one set of parts: best gains on one accelerator."""

    throughput: float
    energy: float
    accelerator: float


@dataclass(frozen=True)
class _Subject:
    """A part whose numbers have ranges, in a workload: a size, or the workload's host with the reference size."""

    name: str
    case: Case
    reference: str

    @property
    def is_host(self) -> bool:
        """Whether the part is the workload's host."""
        return self.name == self.case.host

    @property
    def part(self) -> Accelerator | Host:
        """The part at its nominal numbers."""
        return load_host(self.name) if self.is_host else load_accelerator(self.name)

    def ranges(self) -> dict[str, tuple[float, float]]:
        """The uncertain numbers of the part."""
        return {key: span for key, quantity in self.part.quantities.items() if (span := _range(quantity))}

    def samples(self) -> list[Accelerator | Host]:
        """The part with all its uncertain numbers drawn at once."""
        return [_with(self.part, sample) for sample in latin_hypercube(self.ranges(), SAMPLES, seed=0)]

    def setup(self, network: str, part: Accelerator | Host) -> Setup:
        """One thread that runs a network, with another part in this one's place."""
        size, host = (
            (load_accelerator(self.reference), cast("Host", part))
            if self.is_host
            else (cast("Accelerator", part), load_host(self.case.host))
        )
        case = self.case
        scenario = Scenario(
            models=network, size=size.name, host=host.name, link=case.link, mode=case.mode, preprocess=case.preprocess
        )
        return assemble(scenario, Parts(host, (size,), (load_link(case.link),)), [network], [0])


def robustness(frame: pl.DataFrame, case: Case, reference: str = "coral", each: Each = map) -> list[Finding]:
    """Return findings that say of each statement ``robust`` or ``depends on`` which number.

    Covers the ranges of each size but the reference (all its numbers at once), and those of the case's host with the
    reference; over all networks. ``each`` maps a function over the networks: an executor's map shares the work out.
    """
    names = _ranked(frame, case)
    subjects = [
        _Subject(name, case, reference)
        for name in (*frame["size"].unique(maintain_order=True).to_list(), case.host)
        if name != reference
    ]
    table = list(each(partial(_network_gains, subjects=subjects), names))
    nominal = _metrics([rows[-1][0] for rows in table])  # of the reference, on the host as it is
    found: list[Finding] = []
    for place, subject in enumerate(subjects):
        metrics = [_metrics(column) for column in zip(*(rows[place] for rows in table), strict=True)]
        found += _verdicts(subject, names, metrics, nominal)
    return found


def _network_gains(network: str, subjects: Sequence[_Subject]) -> list[list[_Gains]]:
    """For each subject a network's gains at the nominal numbers, then at each sample."""
    return [
        [_gains(subject.setup(network, part)) for part in (subject.part, *subject.samples())] for subject in subjects
    ]


def _ranked(frame: pl.DataFrame, case: Case) -> list[str]:
    """The networks in the order of their gains."""
    rows = best_rows(of(single(frame, case.name), error="", size=frame["size"][0]), "speedup_vs_one_thread")
    return [str(name) for name in rows.sort("speedup_vs_one_thread", "models")["models"]]


def _spread(ranked: Sequence[str], most: int) -> tuple[str, ...]:
    """Some of the networks, spread evenly over their order, the first and the last included."""
    count = min(most, len(ranked))
    return tuple(ranked[round(i * (len(ranked) - 1) / max(1, count - 1))] for i in range(count))


def _gains(base: Setup) -> _Gains:
    """Best gains over the threads on one accelerator, by the closed form."""
    rows = [resized(base, threads, 1) for threads in THREADS]
    rates = [expected_ips(row) for row in rows]
    energies = [_energies(row, rate) for row, rate in zip(rows, rates, strict=True)]
    whole, own = (energies[0][i] / min(energy[i] for energy in energies) for i in range(2))
    return _Gains(max(rates) / rates[0], whole, own)


def _energies(setup: Setup, ips: float) -> tuple[float, float]:
    power = power_at(setup, flows(setup, ips))
    return power.total_w / ips, power.accelerators_w / ips


def _metrics(rows: Sequence[_Gains]) -> dict[str, float]:
    """What the statements are about."""
    from statistics import median

    return {
        "largest gain": max(row.throughput for row in rows),
        "largest energy gain": max(row.energy for row in rows),
        "median gain": median(row.throughput for row in rows),
        "median energy gain": median(row.energy for row in rows),
        "median accelerator energy gain": median(row.accelerator for row in rows),
    }


def _statements(subject: _Subject, nominal: Mapping[str, float]) -> Iterator[tuple[str, str, float, bool]]:
    """Sentence, metric, threshold, and whether the sentence holds above or below it."""
    size, part, reference = subject.name, subject.part, load_accelerator(subject.reference)
    for words, key, paper in (("gain", "largest gain", "throughput"), ("energy gain", "largest energy gain", "energy")):
        yield (
            f"on {size} the largest {words} on one accelerator reaches the paper's {PAPER[paper]}x",
            key,
            PAPER[paper],
            True,
        )
    yield f"on {size} the largest gain from threads on one accelerator is above 2x", "largest gain", 2.0, True
    yield (
        f"on {size} threads lower the whole system's energy of the median network by a fifth",
        "median energy gain",
        1.25,
        True,
    )
    name = "median accelerator energy gain"
    yield f"on {size} threads lower the accelerator's energy of the median network by a fifth", name, 1.25, True
    if isinstance(part, Accelerator):
        is_larger = part.peak_macs_per_cycle > reference.peak_macs_per_cycle
        word = "more" if is_larger else "less"
        for words, key in (("throughput", "median gain"), ("energy of the whole system", "median energy gain")):
            text = f"the median network gains {word} in {words} on {size} than on {reference.name}"
            yield text, key, nominal[key], is_larger


def _verdicts(
    subject: _Subject, names: Sequence[str], metrics: Sequence[dict[str, float]], reference: Mapping[str, float]
) -> Iterator[Finding]:
    """Every statement about one part; ``metrics`` are those at its nominal numbers, then those of each sample."""
    first, samples = metrics[0], metrics[1:]
    sampled = f"{len(samples)} samples of {len(subject.ranges())} numbers of {subject.name}, {len(names)} networks"
    swings: list[dict[str, Any]] = []  # worked out once, and only where a statement depends on something
    for text, key, threshold, above in _statements(subject, reference):
        holds = (first[key] > threshold) == above
        same = sum(((row[key] > threshold) == above) == holds for row in samples) / len(samples)
        cause = ""
        if same < ROBUST:
            swings = swings or _swings(subject, _spread(names, SPREAD))
            cause = max((row[key], row["number"]) for row in swings)[1]
        values = {"statement": text, "holds": holds, "share": same, "cause": cause, "subject": subject.name}
        yield _verdict(values, sampled, [row[key] for row in samples])
    few = [(name, part) for part in subject.samples()[:CHECKED] for name in _spread(names, CHECKED)]
    yield _spot_check(subject.name, [subject.setup(name, part) for name, part in few])


def _swings(subject: _Subject, names: Sequence[str]) -> list[dict[str, Any]]:
    """How far each number alone moves every metric from one end of its range to the other."""
    found: list[dict[str, Any]] = []
    setups = [subject.setup(name, subject.part) for name in names]
    for number, ends in subject.ranges().items():
        low, high = (_metrics([_gains(_moved(subject, setup, number, end)) for setup in setups]) for end in ends)
        found.append({"number": number, **{key: abs(high[key] - low[key]) for key in low}})
    return found


def _moved(subject: _Subject, setup: Setup, number: str, value: float) -> Setup:
    """The set-up with one number of the subject moved; nothing is compiled that does not depend on it."""
    moved = _with(subject.part, {number: value})
    if subject.is_host:
        return subject.setup(setup.models[0], moved)
    return with_part(setup, cast("Accelerator", subject.part), cast("Accelerator", moved), number)


def _range(quantity: Quantity) -> tuple[float, float] | None:
    """The range of an uncertain number: its own, or two standard errors to either side; None for a certain one."""
    if quantity.range and quantity.range[0] < quantity.range[1]:
        return quantity.range
    if not quantity.std_error or isinstance(quantity.value, list):
        return None
    return max(0.0, quantity.value - 2 * quantity.std_error), quantity.value + 2 * quantity.std_error


def _with(part: P, numbers: Mapping[str, float]) -> P:
    """The part with several numbers replaced; whole numbers stay whole."""
    keys = part.keys()
    return part.with_numbers(
        {key: round(n) if keys.kind(key) == "int" else n for key, n in numbers.items()}, "a sample of its range"
    )


def _verdict(values: Mapping[str, Any], sampled: str, metric: Sequence[float]) -> Finding:
    verdict = f"depends on {values['cause']}" if values["cause"] else "robust"
    says = "It holds" if values["holds"] else "It does not hold"
    return {
        "id": "robust",
        "text": f"{verdict[0].upper()}{verdict[1:]}: {values['statement']}. {says} at the nominal numbers and likewise "
        f"in {values['share']:.0%} of {sampled} (from {min(metric):.2f} to {max(metric):.2f}).",
        "values": {**values, "verdict": verdict, "lowest": min(metric), "highest": max(metric)},
    }


def _spot_check(subject: str, setups: Sequence[Setup]) -> Finding:
    """Simulate some networks of some samples, and compare."""
    rows = [resized(setup, 4, 1) for setup in setups]
    errors = [expected_ips(row) / run(_short(row)).throughput_ips - 1 for row in rows]
    mean, worst = sum(map(abs, errors)) / len(errors), max(map(abs, errors))
    text = (
        f"Spot check of {len(errors)} samples of {subject} by simulation: the closed form is within {mean:.1%} in the "
        f"mean and {worst:.1%} at worst."
    )
    return {"id": "spot_check", "text": text, "values": {"subject": subject, "mean": mean, "worst": worst}}


def _short(setup: Setup) -> Setup:
    return replace(setup, scenario=replace(setup.scenario, inferences=256))
