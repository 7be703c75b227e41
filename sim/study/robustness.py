"""Which findings survive the ranges of the part files: the estimator over a Latin hypercube, and spot checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from hwmodels.accelerator import Accelerator, load_accelerator
from hwmodels.host import Host, load_host
from hwmodels.link import load_link
from hwmodels.parts import Part, Quantity, perturbed
from sim.bounds import one_thread_ips, throughput_bound
from sim.engine import one_thread, run
from sim.scenario import Scenario
from sim.setup import Setup, assemble
from sim.stages import flows, power_at
from sim.study.findings import PAPER, Finding, best_rows, of, single
from sim.study.grid import Case, resized, traits
from sim.study.spec import latin_hypercube
from sim.study.statistics import rank_correlation

if TYPE_CHECKING:
    import polars as pl

__all__ = ["robustness"]

SAMPLES = 24
NETWORKS = 12
CHECKED = 3  # samples and networks that are simulated as well
ROBUST = 0.95  # share of the samples in which a finding has to be as at the nominal numbers
THREADS = tuple(range(1, 9))
REFERENCE = "coral"
P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class _Gains:
    """One network on one set of parts: best gains on one accelerator, and its host share."""

    throughput: float
    energy: float
    accelerator: float
    host_share: float


def robustness(frame: pl.DataFrame, case: Case) -> list[Finding]:
    """Return findings that say of each statement ``robust`` or ``depends on`` which number.

    Covers the ranges of small and of large (all at once), and those of the case's host; over networks spread evenly by
    their gain.
    """
    names = _spread(frame, case)
    reference = _metrics(
        [_gains(_setup(name, load_accelerator(REFERENCE), load_host(case.host), case)) for name in names]
    )
    found: list[Finding] = []
    for size in ("small", "large"):
        if size in frame["size"].unique():
            found += _verdicts(names, case, size, load_accelerator(size), reference)
    return found + list(_verdicts(names, case, case.host, load_host(case.host), reference))


def _spread(frame: pl.DataFrame, case: Case) -> list[str]:
    """Networks spread evenly over the ranking by gain, the first and the last included."""
    rows = best_rows(of(single(frame, case.name), error="", size=frame["size"][0]), "speedup_vs_one_thread")
    ranked = rows.sort("speedup_vs_one_thread", "models")["models"].to_list()
    count = min(NETWORKS, len(ranked))
    return [ranked[round(i * (len(ranked) - 1) / max(1, count - 1))] for i in range(count)]


def _setup(name: str, part: Accelerator, host: Host, case: Case) -> Setup:
    scenario = Scenario(
        models=name, size=part.name, host=host.name, link=case.link, mode=case.mode, preprocess=case.preprocess
    )
    return assemble(scenario, host, [part], [load_link(case.link)], [name], [0])


def _gains(base: Setup) -> _Gains:
    """Best gains over the threads on one accelerator, by the closed form."""
    alone = one_thread(base)
    first = _energies(alone, one_thread_ips(alone))
    rows = [resized(base, threads, 1) for threads in THREADS]
    rates = [throughput_bound(row) for row in rows]
    energies = [_energies(row, rate) for row, rate in zip(rows, rates, strict=True)]
    whole, own = (first[i] / min(energy[i] for energy in energies) for i in range(2))
    return _Gains(max(rates) / one_thread_ips(alone), whole, own, traits(base)["trait_host_share"])


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
        "host share correlation": rank_correlation([r.host_share for r in rows], [r.throughput for r in rows])[0],
    }


def _statements(size: str, reference: Mapping[str, float]) -> Iterator[tuple[str, str, float, bool]]:
    """Sentence, metric, threshold, and whether the sentence holds above or below it."""
    for words, key, paper in (("gain", "largest gain", "throughput"), ("energy gain", "largest energy gain", "energy")):
        yield (
            f"on {size} the largest {words} on one accelerator reaches the paper's {PAPER[paper]}x",
            key,
            PAPER[paper],
            True,
        )
    yield f"on {size} the largest gain from threads on one accelerator is above 2x", "largest gain", 2.0, True
    yield f"on {size} the host share orders the gains (rank correlation above 0.5)", "host share correlation", 0.5, True
    yield (
        f"on {size} threads lower the whole system's energy of the median network by a fifth",
        "median energy gain",
        1.25,
        True,
    )
    name = "median accelerator energy gain"
    yield f"on {size} threads lower the accelerator's energy of the median network by a fifth", name, 1.25, True
    if size in ("small", "large"):
        word = "more" if size == "large" else "less"
        for words, key in (("throughput", "median gain"), ("energy of the whole system", "median energy gain")):
            text = f"the median network gains {word} in {words} on {size} than on {REFERENCE}"
            yield text, key, reference[key], size == "large"


def _verdicts(
    names: Sequence[str], case: Case, subject: str, part: Accelerator | Host, reference: Mapping[str, float]
) -> Iterator[Finding]:
    """Every statement about one part over the ranges of its numbers."""
    ranges = {key: span for key, quantity in part.quantities.items() if (span := _range(quantity))}
    samples = latin_hypercube(ranges, SAMPLES, seed=0)
    nominal = _metrics([_gains(setup) for setup in _setups(names, case, part)])
    setups = [list(_setups(names, case, _with(part, sample))) for sample in samples]
    metrics = [_metrics([_gains(setup) for setup in row]) for row in setups]
    swings: list[dict[str, Any]] = []  # worked out once, and only where a statement depends on something
    for text, key, threshold, above in _statements(subject, reference):
        holds = (nominal[key] > threshold) == above
        same = sum(((row[key] > threshold) == above) == holds for row in metrics) / len(metrics)
        cause = ""
        if same < ROBUST:
            swings = swings or _swings(names, case, part, ranges)
            cause = max((row[key], row["number"]) for row in swings)[1]
        yield _verdict(text, holds, same, cause, [row[key] for row in metrics], subject)
    yield _spot_check(subject, setups)


def _swings(
    names: Sequence[str], case: Case, part: Accelerator | Host, ranges: Mapping[str, tuple[float, float]]
) -> list[dict[str, Any]]:
    """How far each number alone moves every metric from one end of its range to the other."""
    found: list[dict[str, Any]] = []
    for number, ends in ranges.items():
        low, high = (
            _metrics([_gains(setup) for setup in _setups(names, case, _with(part, {number: end}))]) for end in ends
        )
        found.append({"number": number, **{key: abs(high[key] - low[key]) for key in low}})
    return found


def _range(quantity: Quantity) -> tuple[float, float] | None:
    """The range of an uncertain number: its own, or two standard errors to either side; None for a certain one."""
    if quantity.range and quantity.range[0] < quantity.range[1]:
        return quantity.range
    if not quantity.std_error or isinstance(quantity.value, list):
        return None
    return max(0.0, quantity.value - 2 * quantity.std_error), quantity.value + 2 * quantity.std_error


def _setups(names: Sequence[str], case: Case, part: Accelerator | Host) -> Iterator[Setup]:
    for name in names:
        if isinstance(part, Host):
            yield _setup(name, load_accelerator(REFERENCE), part, case)
        else:
            yield _setup(name, part, load_host(case.host), case)


def _with(part: P, numbers: Mapping[str, float]) -> P:
    """The part with several numbers replaced; whole numbers stay whole."""
    for key, value in numbers.items():
        part = perturbed(part, key, round(value) if isinstance(getattr(part, key), int) and value > 100 else value)
    return part


def _verdict(text: str, holds: bool, same: float, cause: str, values: Sequence[float], subject: str) -> Finding:
    verdict = f"depends on {cause}" if cause else "robust"
    says = "It holds" if holds else "It does not hold"
    return {
        "id": "robust",
        "text": f"{verdict[0].upper()}{verdict[1:]}: {text}. {says} at the nominal numbers and likewise in {same:.0%} "
        f"of {len(values)} samples of the ranges of {subject} (from {min(values):.2f} to {max(values):.2f}).",
        "values": {
            "statement": text, "holds": holds, "share": same, "verdict": verdict, "cause": cause, "subject": subject,
            "lowest": min(values), "highest": max(values),
        },
    }  # fmt: skip


def _spot_check(subject: str, setups: Sequence[Sequence[Setup]]) -> Finding:
    """Simulate some of the samples, and compare."""
    rows = [resized(setup, 4, 1) for row in setups[:CHECKED] for setup in row[:: max(1, len(row) // CHECKED)]]
    errors = [throughput_bound(row) / run(_short(row)).throughput_ips - 1 for row in rows]
    mean, worst = sum(map(abs, errors)) / len(errors), max(map(abs, errors))
    text = (
        f"Spot check of {len(errors)} samples of {subject} by simulation: the closed form is within {mean:.1%} in the "
        f"mean and {worst:.1%} at worst."
    )
    return {"id": "spot_check", "text": text, "values": {"subject": subject, "mean": mean, "worst": worst}}


def _short(setup: Setup) -> Setup:
    return replace(setup, scenario=replace(setup.scenario, inferences=256))
