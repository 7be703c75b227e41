"""Everything that happens is a span.

Results, energy and timelines are computed from spans. A recorder either adds a span's length to the totals of its
component and state, or also hands the span to a sink. Both see the same spans, so recording never changes behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import sub
from typing import NamedTuple

from hwmodels.stages import AcceleratorStage
from sim.machine.states import STATES, State

__all__ = ["Activity", "Components", "Recorder", "Span", "SpanSink", "Totals"]


class Span(NamedTuple):
    """One component in one state: start and end in ns, for which request, model and segment, how many bytes.

    Segment -1 is the time in a queue before a thread takes the request.
    """

    component: str
    state: State
    start_ns: int
    end_ns: int
    request: int
    model: str
    segment: int
    n_bytes: int


MANY = len(State)
SpanSink = Callable[[Span], None]


@dataclass(frozen=True, slots=True)
class Components:
    """The names of a machine's components, and their numbers: threads first, then accelerators, then links."""

    threads: Sequence[str]
    accelerators: Sequence[str]
    links: Sequence[str]

    @property
    def names(self) -> list[str]:
        """All names, in the order of the numbers."""
        return [*self.threads, *self.accelerators, *self.links]

    def accelerator(self, number: int) -> int:
        """Return the component number of an accelerator."""
        return len(self.threads) + number

    def link(self, number: int) -> int:
        """Return the component number of an accelerator's link."""
        return len(self.threads) + len(self.accelerators) + number


@dataclass(slots=True)
class Totals:
    """What one component did: time (ns) and bytes by state, waits inside its passes (ns), actions.

    Attributes
    ----------
    waited_ns
                The part of ``time_ns`` in which a held component waited for a core or bus that others used.
    actions
        Multiply-accumulates, and bytes read from wide and moved in narrow memory.
    """

    time_ns: list[float] = field(default_factory=lambda: [0.0] * MANY)
    n_bytes: list[float] = field(default_factory=lambda: [0.0] * MANY)
    waited_ns: float = 0.0
    actions: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def spent_ns(self, states: Sequence[State]) -> float:
        """Time in these states."""
        return sum(self.time_ns[state] for state in states)

    def add_pass(self, link: Totals, stage: AcceleratorStage, times: float) -> None:
        """Add a number of passes of a stage that waited for nobody: to this accelerator and to its link."""
        for visit in stage.visits:
            place, state = (self if visit.on_device else link), STATES[visit.state]
            place.time_ns[state] += times * visit.ns
            place.n_bytes[state] += times * visit.n_bytes
        macs, wide, narrow = self.actions
        self.actions = (
            macs + times * stage.macs, wide + times * stage.wide_bytes, narrow + times * stage.narrow_bytes,
        )  # fmt: skip


@dataclass
class Activity:
    """What the components of a machine did in a window.

    Energy depends on nothing else.

    Attributes
    ----------
    core_ns
        Time on cores, all together.
    """

    elapsed_ns: float
    threads: list[Totals]
    accelerators: list[Totals]
    links: list[Totals]
    core_ns: float = 0.0

    def state_ns(self, state: State) -> float:
        """Time in a state, over all components."""
        return sum(part.time_ns[state] for part in (*self.threads, *self.accelerators, *self.links))


class SoFar(NamedTuple):
    """What a recorder had counted at some moment: times and bytes by component and state, waits, passes."""

    time_ns: list[list[int]]
    n_bytes: list[list[int]]
    waited_ns: list[int]
    passes: dict[tuple[int, int], int]


class Recorder:
    """Totals of time and bytes by component and state; spans go on to a sink if there is one.

    Methods take a component's number (:class:`Components`). Passes through an accelerator differ only in how long they
    wait. So they are counted, and multiplied by the stage's times on demand. A run without a sink pays nothing for
    spans.
    """

    def __init__(self, components: Components, models: Sequence[str], sink: SpanSink | None = None) -> None:
        self.components, self.names = components, components.names
        self.models, self.sink = list(models), sink
        self.time_ns = [[0] * MANY for _ in self.names]
        self.n_bytes = [[0] * MANY for _ in self.names]
        self.waited_ns = [0] * len(self.names)
        self.passes: dict[tuple[int, int], int] = {}
        self.stages: dict[int, AcceleratorStage] = {}

    def add(
        self, component: int, state: int, start_ns: int, end_ns: int, request: int, model: int,
        segment: int = 0, n_bytes: int = 0,
    ) -> None:  # fmt: skip
        """Record a component in a state from start to end (ns); a span of no length and no bytes is dropped.

        Parameters
        ----------
        component
            Number of a thread, accelerator or link.
        state
            See :class:`State`.
        start_ns, end_ns
            Whole ns; the span belongs to the request's thread or to the device that works for it.
        request, model, segment
            Number of the request, of its network, and of the stage within it.
        n_bytes
            Moved meanwhile.
        """
        if end_ns == start_ns and not n_bytes:
            return
        self.time_ns[component][state] += end_ns - start_ns
        if n_bytes:
            self.n_bytes[component][state] += n_bytes
        if self.sink is not None:
            self.span(component, state, start_ns, end_ns, request, model, segment, n_bytes)

    def span(
        self, component: int, state: int, start_ns: int, end_ns: int, request: int, model: int,
        segment: int, n_bytes: int,
    ) -> None:  # fmt: skip
        """Hand a span to the sink without counting it (its pass is counted)."""
        if self.sink is not None and (end_ns > start_ns or n_bytes):
            name, network = self.names[component], self.models[model]
            self.sink(Span(name, State(state), start_ns, end_ns, request, network, segment, n_bytes))

    def passed(self, accelerator: int, stage: AcceleratorStage) -> None:
        """Count one pass through an accelerator (its number, not its component's) and over its link."""
        key = (accelerator, id(stage))
        if key in self.passes:
            self.passes[key] += 1
        else:
            self.passes[key] = 1
            self.stages[id(stage)] = stage

    def extended(self, component: int, usual: AcceleratorStage, actual: AcceleratorStage) -> None:
        """Add the time by which a pass took longer (or shorter) than its stage usually does."""
        for before, after in zip(usual.visits, actual.visits, strict=True):
            if before.on_device:
                self.time_ns[component][STATES[before.state]] += after.ns - before.ns

    def waited(self, component: int, state: int, extra_ns: int) -> None:
        """Add the time for which a pass waited for others while it was in a state."""
        self.time_ns[component][state] += extra_ns
        self.waited_ns[component] += extra_ns

    def slowed(self, component: int, state: int, extra_ns: int) -> None:
        """Add time by which others made a pass's own work in a state longer."""
        self.time_ns[component][state] += extra_ns

    def so_far(self) -> SoFar:
        """Return what was counted until now, for the totals from now on."""
        return SoFar(
            [list(row) for row in self.time_ns], [list(row) for row in self.n_bytes], list(self.waited_ns),
            dict(self.passes),
        )  # fmt: skip

    def totals(self, since: SoFar | None = None) -> tuple[list[Totals], list[Totals], list[Totals]]:
        """Return the totals of threads, accelerators and links, passes included: all of them, or those since then."""
        rows, before = self._since(since), since.passes if since else {}
        first, last = self.components.accelerator(0), self.components.link(0)
        threads, accelerators, links = rows[:first], rows[first:last], rows[last:]
        for (number, key), count in self.passes.items():
            accelerators[number].add_pass(links[number], self.stages[key], count - before.get((number, key), 0))
        return threads, accelerators, links

    def _since(self, since: SoFar | None) -> list[Totals]:
        """What every component did, passes left out."""
        rows = zip(self.time_ns, self.n_bytes, self.waited_ns, strict=True)
        if since is None:
            return [Totals(list(time_ns), list(n_bytes), waited_ns) for time_ns, n_bytes, waited_ns in rows]
        before = zip(since.time_ns, since.n_bytes, since.waited_ns, strict=True)
        return [
            Totals(list(map(sub, time_ns, then_ns)), list(map(sub, n_bytes, then_bytes)), waited_ns - then_waited_ns)
            for (time_ns, n_bytes, waited_ns), (then_ns, then_bytes, then_waited_ns) in zip(rows, before, strict=True)
        ]
