"""Counters of a timeline, from the spans of a run: queue length, power in W, bytes in the parameter memory.

Spans come when they end, so changes are put in order of time in a bounded heap before they are written. The power is
that of :mod:`sim.power` resolved in time: what is static all the time, an action's energy over the span that does it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from hwmodels.stages import AcceleratorStage
from sim.closed_form.flows import heat_w
from sim.machine.records import Span
from sim.machine.states import State, states_of
from sim.power import ACTIVE, rest_w

if TYPE_CHECKING:
    from sim.setup import Setup

__all__ = ["CacheBytes", "Counters", "Series", "power_changes"]

#: Changes that are held back to be put in order; beyond it, one that comes too late counts from the last time on.
HELD = 1 << 16
ON_A_CORE = states_of(group="cpu")

#: (name, time in ns, value) -> nothing: writes a counter's value.
Emit = Callable[[str, int, float], None]


class Series:
    """One counter as a sum of changes: integers, so that it comes back to where it was."""

    def __init__(self, name: str, emit: Emit, unit: float = 1.0, level: int = 0) -> None:
        self.name, self.emit, self.unit, self.level = name, emit, unit, level
        self.heap: list[tuple[int, int]] = []
        self.now_ns = 0

    def between(self, start_ns: int, end_ns: int, change: int) -> None:
        """Add a change that lasts from start to end.

        Parameters
        ----------
        start_ns, end_ns
            Nothing is added where they are equal.
        change
            In the series' unit, whole.
        """
        if change and end_ns > start_ns:
            heappush(self.heap, (start_ns, change))
            heappush(self.heap, (end_ns, -change))
            while len(self.heap) > HELD:
                self._step()

    def _step(self) -> None:
        """Write the level after all changes of the earliest time."""
        self.now_ns = max(self.now_ns, self.heap[0][0])
        before = self.level
        while self.heap and self.heap[0][0] <= self.now_ns:
            self.level += heappop(self.heap)[1]
        if self.level != before:
            self.emit(self.name, self.now_ns, self.level * self.unit)

    def flush(self) -> None:
        """Write what is left."""
        while self.heap:
            self._step()


class CacheBytes:
    """Bytes of parameters that each accelerator holds: another token forgets them all (docs/parameter-cache.md)."""

    def __init__(self, setup: Setup, emit: Emit) -> None:
        self.emit = emit
        self.tokens = {name: row[0].token for name, row in zip(setup.models, setup.stage_times, strict=True)}
        self.held: dict[str, dict[str, int]] = defaultdict(dict)

    def add(self, span: Span) -> None:
        """Follow one load of parameters."""
        held, token = self.held[span.component], self.tokens[span.model]
        if any(self.tokens[model] != token for model in held):
            held.clear()
        self._show(span.component, span.start_ns)
        held[span.model] = span.n_bytes
        self._show(span.component, span.end_ns)

    def _show(self, component: str, ns: int) -> None:
        self.emit(f"parameter cache of {component} (bytes)", ns, sum(self.held[component].values()))


def power_changes(setup: Setup, span: Span) -> list[tuple[int, int, float]]:
    """Return (start ns, end ns, W above the static power) of what a span does.

    Notes
    -----
    An action's energy is spread over the span that does it, so the area under the curve is the energy of the answer.
    """
    if span.state in ON_A_CORE:
        wide = _width(setup, span) if span.state is State.CPU_OPS else 1.0
        return [(span.start_ns, span.end_ns, wide * _core_w(setup))]
    number = int(span.component.rsplit(" ", 1)[-1])
    if span.state in (State.TRANSFER_OUT, State.TRANSFER_IN):
        picojoules = span.n_bytes * setup.channels[number].energy_pj_per_byte
        return [(span.start_ns, span.end_ns, picojoules / (span.end_ns - span.start_ns) * 1e-3)]
    if span.state is State.INSTRUCTIONS:
        driver_ns = _stage(setup, span, number).driver_ns
        return [(span.start_ns, span.start_ns + driver_ns, _core_w(setup))]
    return [(span.start_ns, span.end_ns, _device_w(setup, span, number))] if span.state in ACTIVE else []


def _width(setup: Setup, span: Span) -> float:
    """Return how many cores a segment's operators take on average."""
    stage = setup.stage_times[setup.models.index(span.model)][0].stages[span.segment]
    return stage.core_ns / max(1, stage.ops_ns)


def _core_w(setup: Setup) -> float:
    return setup.host.power_core_busy_w - setup.host.power_core_idle_w


def _stage(setup: Setup, span: Span, number: int) -> AcceleratorStage:
    stage = setup.stage_times[setup.models.index(span.model)][number].stages[span.segment]
    assert isinstance(stage, AcceleratorStage)
    return stage


def _device_w(setup: Setup, span: Span, number: int) -> float:
    """The active clock; parameters that stream, over their stall; while computing a pass's actions over its cycles."""
    part, stage = setup.accelerators[number], _stage(setup, span, number)
    energies = part.energies
    clock = setup.clocks_hz[number] / part.clock_hz
    active = energies.active_clock_w * clock
    if span.state is not State.COMPUTE:
        streamed_pj = span.n_bytes * energies.stream_pj_per_byte * clock
        return active + streamed_pj / (span.end_ns - span.start_ns) * 1e-3
    picojoules = energies.actions_pj((stage.macs, stage.wide_bytes, stage.narrow_bytes))
    return active + picojoules / stage.compute_ns * 1e-3


def static_w(setup: Setup) -> float:
    """Power of the whole system while nothing happens, the accelerators as warm as they are on average."""
    return rest_w(setup) + heat_w(setup)


class Counters:
    """All counters of a run; without a set-up only the queue's length."""

    def __init__(self, setup: Setup | None, emit: Emit) -> None:
        self.setup = setup
        self.queue = Series("queue length", emit)
        self.power = Series("power (W)", emit, 1e-6, round(static_w(setup) * 1e6) if setup else 0)
        self.cache = CacheBytes(setup, emit) if setup else None
        if setup:
            emit("power (W)", 0, self.power.level * self.power.unit)

    def add(self, span: Span) -> None:
        """Follow one span."""
        if span.state is State.WAIT:
            self.queue.between(span.start_ns, span.end_ns, 1)
        elif self.setup is not None and span.end_ns > span.start_ns:
            for start, end, watts in power_changes(self.setup, span):
                self.power.between(start, end, round(watts * 1e6))
        if span.state is State.LOAD_PARAMETERS and self.cache is not None:
            self.cache.add(span)

    def flush(self) -> None:
        """Write what was held back."""
        self.queue.flush()
        self.power.flush()
