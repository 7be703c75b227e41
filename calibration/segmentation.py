"""Which cut of a network makes the faster pipeline, and what our own cuts cost: ``python -m calibration.segmentation``.

Networks that were measured with two cuts, one by a rule (equal parameters or layers) and one by profiling, answer both:
does the simulator name the faster of the two, and how far is the cut that we would choose behind the better of them?
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, median

from calibration.measurements import Measurement
from calibration.pipelines import logged_cuts, pipeline_ms, simulated_ms, usable_log
from calibration.scenarios import scenario_of
from calibration.setups import Parts, conditions_of, network_of
from calibration.shipped import load_dataset
from hwmodels.cuts import in_cutting_order, split
from sim.setup import Parts as SetupParts
from sim.setup import cuts_of

__all__ = ["OWN", "Pair", "Regret", "pairs", "pipeline_errors", "regrets", "report"]

OWN = ("compiler", "profiled")
APART = 0.05  # readings closer than this name no winner


@dataclass(frozen=True)
class Pair:
    """A network measured with a cut by rule and with a profiled one; times of an inference in a batch, in ms."""

    by_rule: Measurement
    profiled: Measurement
    rule_ms: float
    profiled_ms: float

    @property
    def differs(self) -> bool:
        """Whether the cuts differ and the readings are more than 5 % apart."""
        fast, slow = sorted((self.by_rule.value, self.profiled.value))
        return self.by_rule.cut != self.profiled.cut and slow > (1 + APART) * fast

    @property
    def is_named(self) -> bool:
        """Whether the simulator names the cut that was measured to be the faster one."""
        return (self.rule_ms < self.profiled_ms) == (self.by_rule.value < self.profiled.value)

    @property
    def better_ms(self) -> float:
        """Simulated time of the cut that was measured to be the faster one."""
        return self.rule_ms if self.by_rule.value < self.profiled.value else self.profiled_ms


@dataclass(frozen=True)
class Regret:
    """What one of our own cuts costs against the better recorded one: both simulated, and both measured.

    ``measured`` is None where nobody measured our cut.
    """

    pair: Pair
    own: str
    cuts: tuple[int, ...]
    simulated: float
    measured: float | None


def pairs(rows: Iterable[Measurement], parts: Parts) -> list[Pair]:
    """Rows of batches, paired by network, accelerators, batch and runner."""
    found: dict[tuple[str, int, int, str], dict[bool, Measurement]] = defaultdict(dict)
    for row in rows:
        if row.mode == "pipeline" and row.metric == "time_per_inference_ms" and not row.flag:
            found[row.model, row.accelerators, row.batch, row.runner][row.segmentation == "profiled"] = row
    both = [(row[False], row[True]) for row in found.values() if len(row) == len(OWN)]
    return [Pair(rule, own, pipeline_ms(rule, parts), pipeline_ms(own, parts)) for rule, own in both]


def regrets(found: Iterable[Pair], parts: Parts, own: str) -> list[Regret]:
    """What our cut costs on every pair; ``own`` is one of OWN."""
    return [_regret(pair, parts, own) for pair in found]


def _regret(pair: Pair, parts: Parts, own: str) -> Regret:
    graph, accelerator = in_cutting_order(network_of(pair.by_rule)), parts.accelerator()
    count = pair.by_rule.accelerators
    conditions = conditions_of(pair.by_rule)
    scenario = scenario_of(
        pair.by_rule, parts, mode="pipeline", num_segments=count, accelerators=count, segmentation=own
    )
    links = (parts.link(conditions.link),) * count
    cuts = cuts_of(graph, scenario, SetupParts(parts.host(conditions.host), (accelerator,) * count, links))
    own_ms = simulated_ms(pair.by_rule, parts, split(graph, cuts), [accelerator] * count)
    readings = [row.value for row in (pair.by_rule, pair.profiled) if _recorded(row, parts) == cuts]
    better = min(pair.by_rule.value, pair.profiled.value)
    return Regret(pair, own, cuts, own_ms / pair.better_ms - 1, mean(readings) / better - 1 if readings else None)


def _recorded(row: Measurement, parts: Parts) -> tuple[int, ...]:
    log = usable_log(row, parts)
    return logged_cuts(network_of(row), log, conditions_of(row).compiler) if log else ()


def report(parts: Parts) -> str:
    """Both answers as text."""
    rows = load_dataset("villarrubia_synthetic")
    found = pairs(rows, parts)
    clear = [pair for pair in found if pair.differs]
    named = sum(pair.is_named for pair in clear)
    errors = pipeline_errors(rows, parts)
    lines = [f"{len(errors)} readings of pipelines: error mean {mean(errors):.1%}, median {median(errors):.1%}"]
    lines += [f"faster cut named in {named} of {len(clear)} pairs whose cuts and readings differ ({APART:.0%})"]
    lines += [f"  missed: {_line(pair)}" for pair in clear if not pair.is_named]
    for own in OWN:
        lines += _summary(own, regrets(found, parts, own))
    return "\n".join(lines)


def pipeline_errors(rows: Iterable[Measurement], parts: Parts) -> list[float]:
    """Absolute relative errors of all times of pipelines that are not flagged: of one inference, and in batches."""
    timed = (row for row in rows if row.mode == "pipeline" and row.metric.endswith("_ms") and not row.flag)
    return [abs(pipeline_ms(row, parts) / row.value - 1) for row in timed]


def _line(pair: Pair) -> str:
    rule, other = pair.by_rule, pair.profiled
    return (
        f"{rule.model}, {rule.accelerators} accelerators: {rule.segmentation} {rule.value:.3g} against profiled "
        f"{other.value:.3g} ms, simulated {pair.rule_ms:.3g} and {pair.profiled_ms:.3g}"
    )


def _summary(own: str, rows: Sequence[Regret]) -> list[str]:
    measured = [row.measured for row in rows if row.measured is not None]
    return [
        f"our {own} cut against the better recorded one, {len(rows)} networks: {_spread([r.simulated for r in rows])}",
        f"  measured, where it is one of the two ({len(measured)}): {_spread(measured)}",
    ]


def _spread(values: Sequence[float]) -> str:
    """Mean, median and worst of regrets."""
    if not values:
        return "none"
    return f"mean {mean(values):+.1%}, median {median(values):+.1%}, worst {max(values):+.1%}"


if __name__ == "__main__":
    print(report(Parts()))
