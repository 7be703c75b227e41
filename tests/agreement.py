"""How far the engine and the independent model of ``reference.py`` lie apart on one scenario."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from reference import measure
from retiming import shaken
from scenarios import ANY, Focus, Tally, options

from sim import Scenario
from sim.engine import run
from sim.setup import Setup, build
from sim.window import Window

__all__ = ["NEAR", "Difference", "comparable", "difference", "draws", "own_spread", "reason"]

NEAR = 0.005
SHAKES = (1, 2, 3)
MOST = 4000  # requests of a run without a period
LOOKS = ((0, 300), (20, 2000))  # windows later, and requests at least: a second look where the first one differs


@dataclass(frozen=True)
class Difference:
    """Relative differences of the independent model from the engine."""

    throughput: float
    latency: float

    @property
    def worst(self) -> float:
        """The larger one, without its sign."""
        return max(abs(self.throughput), abs(self.latency))


def comparable(scenario: Scenario) -> bool:
    """Whether the documents say all that the scenario needs.

    Left out: random service times and rates of networks (their random streams are the engine's own), heat (it has a
    model of its own), busy Python threads on a host of one core (no document says who is next), and round robin with
    networks in turn (the engine counts turns for each network of a thread, the documents for the thread).
    """
    alone = scenario.busy_python_threads and build(scenario).cores == 1
    open_to_doubt = alone or ("+" in scenario.models and scenario.dispatch == "round_robin")
    return scenario.jitter == "none" and scenario.thermal == "off" and "@" not in scenario.models and not open_to_doubt


def draws(seed: int, tally: Tally, focus: Focus = ANY) -> Iterator[Scenario]:
    """Comparable scenarios without end, short enough for a model that takes an event for everything."""
    stream = Random(seed)
    while True:
        scenario = tally.take({"inferences": MOST, **options(stream.choice, focus)})
        if scenario is not None and comparable(scenario):
            yield scenario


def difference(scenario: Scenario, seed: int = 0) -> Difference:
    """Run both, with the same stage times, shaken a little so that nobody asks for a thing in the same moment."""
    setup = shaken(build(scenario), seed)
    window = run(setup)
    found = _difference(setup, window, *LOOKS[0])
    if found.worst > NEAR and window.periodic:
        found = _difference(setup, window, *LOOKS[1])
    return found


def _difference(setup: Setup, window: Window, later: int, least: int) -> Difference:
    """Whole periods of a run that repeats itself, at the engine's own times of one that does not."""
    start_ns = window.end_ns + later * window.elapsed_ns if window.periodic else window.start_ns
    other = measure(setup, start_ns, window.elapsed_ns, least if window.periodic else 1)
    return Difference(other.throughput_ips / window.throughput_ips - 1, other.latency_ms / latency_ms(window) - 1)


def latency_ms(window: Window) -> float:
    """Mean latency of all requests of a window."""
    return sum(row.sum_ns for row in window.latency) / sum(row.n for row in window.latency) / 1e6


def reason(scenario: Scenario, found: Difference) -> str:
    """Why two right models may differ there, or nothing: a tie decides, or one of several rhythms is settled in."""
    spread = own_spread(scenario)
    if spread >= found.worst:
        return f"a tie: the engine's own answer moves by {spread:.2%} when stage times move by 0.2 %"
    others = [difference(scenario, seed).worst for seed in SHAKES]
    if sum(other <= NEAR for other in others) >= 2:
        return f"several rhythms: shaken otherwise they differ by {', '.join(f'{other:.2%}' for other in others)}"
    if has_wide_slices(build(scenario)):
        return "a tie: bursts on several cores end their slices of 4 ms in the same moment, however they are shaken"
    if scenario.mode == "coexec" and build(scenario).cores == 1:
        return "a tie: a woken thread looks for the only core as slices of those that compute all the time end"
    if scenario.app_ms != "0" and scenario.arrivals != "closed" and build(scenario).cores == 1:
        return "a tie: who leaves the only core takes the next request as the thread that was woken gets that core"
    return ""


def has_wide_slices(setup: Setup) -> bool:
    """Whether operators on several cores at once share the cores in slices."""
    widths = [max(times.width for times in setup.stage_times[model]) for model in setup.thread_models]
    return max(widths) > 1 and sum(widths) > setup.cores


def own_spread(scenario: Scenario) -> float:
    """How far the engine's own answer moves when its stage times move by 0.2 %."""
    setup = build(scenario)
    windows = [run(shaken(setup, seed)) for seed in (0, *SHAKES)]
    rates, means = [w.throughput_ips for w in windows], [latency_ms(w) for w in windows]
    return max(max(rates) / min(rates), max(means) / min(means)) - 1
