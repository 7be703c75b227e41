"""Spans to a timeline that opens in the Perfetto UI: one track for each thread, accelerator and link direction.

An arrow goes from a thread's invoke to the accelerator that serves it, and one back with the result. Counters show the
queue, the power and the parameter memory. Everything streams to disk: memory grows with requests in flight, not with
the length of the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from hwmodels.errors import InputError
from sim.machine.records import Span
from sim.machine.states import TRAITS, State, states_of
from sim.views.counters import Counters
from sim.views.trace_events import EventFile, Track

if TYPE_CHECKING:
    from hwmodels.executable import Segment
    from sim.answer import Results
    from sim.scenario import Scenario
    from sim.setup import Setup

__all__ = ["SLICES", "TimelineWriter", "record"]

THREADS, ACCELERATORS, LINKS, COUNTERS = 1, 2, 3, 4
GROUPS = {THREADS: "threads", ACCELERATORS: "accelerators", LINKS: "links", COUNTERS: "counters"}
ON_THREAD = states_of(kind="thread")
DIRECTIONS = {state: f" {TRAITS[state].words}" for state in states_of(kind="link")}
#: Names of slices; where none is given, the state's own (in and out are the accelerator's, as on its track).
SLICES = {state: traits.slice_name or state.name.lower() for state, traits in TRAITS.items()}


def record(
    scenario: Scenario, path: Path, layers: bool = False, compare: bool = True
) -> tuple[Results, int]:  # fmt: skip
    """Simulate a scenario from a cold start and write its timeline; return the results and the number of slices.

    ``layers`` shows the layers inside each computation. ``compare`` as in :func:`sim.engine.simulate`. A path that
    ends in ``.gz`` is compressed. Raises :class:`InputError` for a bad scenario or a file that cannot be written.

    Returns
    -------
    tuple of Results and int
        As :func:`sim.engine.simulate` gives them, and how many slices were written.
    """
    from sim.engine import settled, simulate

    setup = settled(scenario)
    with TimelineWriter(path, setup, layers) as write:
        results = simulate(scenario, write, compare)
        write.mark("measured window", results.window.start_ns, results.window.end_ns)
        write.heat(results)
    return results, write.slices


class TimelineWriter:
    """Writes spans as they come; a context manager and a span sink.

    ``with TimelineWriter(path, setup) as write: simulate(scenario, write)``. Without a set-up there are no counters of
    power and parameter memory, and no layers. Raises :class:`InputError` where the file cannot be written.
    """

    def __init__(self, path: Path, setup: Setup | None = None, layers: bool = False) -> None:
        self.path, self.setup = Path(path), setup
        self.layers = Layers(setup) if setup is not None and layers else None
        self.tracks: dict[tuple[str, str], Track] = {}
        self.on_thread: dict[str, list[Span]] = defaultdict(list)
        self.passes: dict[int, list[tuple[Track, int, int]]] = defaultdict(list)
        self.slices = self.flows = 0
        self.events: EventFile
        self.counters: Counters

    def __enter__(self) -> TimelineWriter:
        """Open the file."""
        self.events = EventFile(self.path)
        try:
            for pid, name in GROUPS.items():
                self.events.name_process(pid, name)
            self.counters = Counters(self.setup, self._count)
        except InputError:
            self.events.discard()
            raise
        return self

    def _count(self, name: str, ns: int, value: float) -> None:
        self.events.counter(COUNTERS, name, ns, value)

    def __call__(self, span: Span) -> None:
        """Write one span; a thread's spans wait for the invoke that encloses them, so that each track is in order."""
        self.slices += 1
        if span.state is not State.INVOKE:
            self.counters.add(span)
        if span.state in ON_THREAD:
            self._on_thread(span)
        else:
            self._on_device(span)

    def _on_thread(self, span: Span) -> None:
        if span.segment < 0:
            track = self._track("requests", "", THREADS)
            self.events.asynchronous(track, "queued", span.request, span.start_ns, span.end_ns, self._args(span))
            return
        self.on_thread[span.component].append(span)
        if span.state is State.INVOKE:
            self._flush_thread(span.component)
            self._arrows(span, self._track(span.component, "", THREADS))

    def _flush_thread(self, component: str) -> None:
        track = self._track(component, "", THREADS)
        for span in sorted(self.on_thread.pop(component), key=lambda s: (s.start_ns, -s.end_ns, -s.state)):
            self._slice(track, span)

    def _on_device(self, span: Span) -> None:
        if span.state in DIRECTIONS:
            self._slice(self._track(span.component, DIRECTIONS[span.state], LINKS), span)
            return
        track = self._track(span.component, "", ACCELERATORS)
        self._slice(track, span)
        if self.layers is not None and span.state is State.COMPUTE:
            for name, start, end in self.layers.of(span):
                self.events.slice(track, name, "layer", start, end, self._args(span))
        self._note_pass(track, span)

    def _note_pass(self, track: Track, span: Span) -> None:
        """Remember from when to when a request was on an accelerator: its arrows wait for its invoke."""
        passes = self.passes[span.request]
        if not passes or passes[-1][2] < span.start_ns:  # there is no gap within a pass
            passes.append((track, span.start_ns, span.end_ns))
        passes[-1] = (track, passes[-1][1], span.end_ns)

    def _arrows(self, invoke: Span, thread: Track) -> None:
        """There and back for each pass; an arrow's foot stands inside the slice that it leaves."""
        for device, start, end in self.passes.pop(invoke.request, []):
            self.flows += 2
            self.events.flow(self.flows - 1, (thread, start), (device, start))
            back = min(end, invoke.end_ns - 1)
            self.events.flow(self.flows, (device, min(end - 1, back)), (thread, back))

    def _slice(self, track: Track, span: Span) -> None:
        self.events.slice(track, SLICES[span.state], span.model, span.start_ns, span.end_ns, self._args(span))

    def _args(self, span: Span) -> str:
        text = f'{{"request":{span.request},"model":{self.events.quoted(span.model)},"segment":{span.segment}'
        return text + (f',"bytes":{span.n_bytes}}}' if span.n_bytes else "}")

    def _track(self, component: str, suffix: str, pid: int) -> Track:
        track = self.tracks.get((component, suffix))
        if track is None:
            track = self.tracks[component, suffix] = (pid, len(self.tracks) + 1)
            number = component.rsplit(" ", 1)[-1]
            position = 2 * int(number) + (suffix == DIRECTIONS[State.TRANSFER_IN]) + 1 if number.isdigit() else 0
            self.events.name_track(track, component + suffix, position)
        return track

    def mark(self, name: str, start_ns: int, end_ns: int) -> None:
        """Mark a stretch of time (ns) on a track of its own."""
        self.events.slice(self._track("results", "", COUNTERS), name, "mark", start_ns, end_ns)

    def heat(self, results: Results) -> None:
        """With ``--thermal``, the steady temperature of an accelerator as a counter."""
        from hwmodels.thermal import ambient_c

        ambient = ambient_c(results.setup.scenario.thermal)
        if ambient is not None:
            parts = results.setup.accelerators
            power = results.summary["power_w"]["accelerators"] / len(parts)
            for ns in (0, results.window.end_ns):
                self._count("steady temperature (C)", ns, ambient + parts[0].energies.heat_c_per_w * power)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what was held back and close; after an error nothing is left behind."""
        if kind is not None:
            self.events.discard()
            return
        try:
            for component in list(self.on_thread):
                self._flush_thread(component)
            self.counters.flush()
        except InputError:
            self.events.discard()
            raise
        self.events.close()


class Layers:
    """The layers inside an accelerator's computation: a step's time shared out by their cycles."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.steps: dict[tuple[str, int, int], list[list[tuple[str, float]]]] = {}
        self.seen: dict[tuple[str, int, int], int] = defaultdict(int)

    def of(self, span: Span) -> Iterator[tuple[str, int, int]]:
        """Name, start and end (ns) of the layers inside a computing span."""
        steps = self._steps(span)
        key = (span.component, span.request, span.segment)
        position = self.seen.pop(key, 0)
        if position + 1 < len(steps):
            self.seen[key] = position + 1
        layers = steps[position] if position < len(steps) else []
        whole, done, start = sum(cycles for _, cycles in layers), 0.0, span.start_ns
        for name, cycles in layers:
            done += cycles
            end = span.start_ns + round((span.end_ns - span.start_ns) * done / whole)
            if end > start:
                yield name, start, end
            start = end

    def _steps(self, span: Span) -> list[list[tuple[str, float]]]:
        """Layers and cycles of each step that computes, in the order of the program."""
        key = (span.model, int(span.component.rsplit(" ", 1)[-1]), span.segment)
        if key not in self.steps:
            row = self.setup.executables[self.setup.models.index(span.model)]
            segment = row[key[1]].segments[span.segment]
            known = not segment.file_steps
            self.steps[key] = [run for run in layer_runs(segment) if any(c for _, c in run)] if known else []
        return self.steps[key]


def layer_runs(segment: Segment) -> Iterator[list[tuple[str, float]]]:
    """Layers with their cycles as the program's steps hold them: cached ones in a row, each streamed one alone."""
    for streamed, run in groupby(segment.passes, key=lambda one: one.streamed_bytes > 0):
        passes = list(run)
        named = [[(f"{plan.layer.index} {plan.layer.op}", plan.cycles) for plan in one.plans] for one in passes]
        if not streamed:
            yield [layer for layers in named for layer in layers]
            continue
        for one, layers in zip(passes, named, strict=True):
            yield layers
            yield [("between layers", one.fixed_cycles)]
