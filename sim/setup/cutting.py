"""Cuts of a network for a pipeline that know what every segment streams, sends and receives on its own accelerator.

A segment is compiled and timed for its accelerator, link and host. So parameters that would fit the chip of one segment
but not of another count where they stream, as in Google's profiling partitioner. Transfers over a bus that segments
share add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from hwmodels.cuts import cut_by_parameters, cut_by_time, part_of, segment_cuts
from hwmodels.errors import InputError
from hwmodels.families import family_of, layer_weights
from hwmodels.networks.graph import LayerGraph
from hwmodels.stages import StageTimes, stretch
from hwmodels.timing import stage_times
from sim.scenario import Scenario
from sim.setup.times import host_ns
from sim.setup.values import Parts, buses_of

__all__ = ["LOOKED_FOR", "Cuts", "Cutter", "cuts_of"]

Cuts = tuple[int, ...]
LOOKED_FOR = ("profiled", "best")  # segmentations whose cut is found by timing segments
MOST_TRIED = 6  # cuts that are worth a simulation


def cuts_of(graph: LayerGraph, scenario: Scenario, parts: Parts) -> Cuts:
    """Return the layer numbers before which a scenario's network is cut.

    Raises :class:`InputError` for a segmentation that is none, or more segments than layers.
    """
    if scenario.segmentation in LOOKED_FOR:
        return Cutter(graph, scenario, parts).best
    cuts = tuple(segment_cuts(graph, scenario.num_segments, scenario.segmentation))
    if len(cuts) != scenario.num_segments - 1:
        wanted = f"{scenario.num_segments - 1} layer numbers for {scenario.num_segments} segments"
        raise InputError.value("--segmentation", scenario.segmentation, wanted)
    return cuts


@dataclass
class Cutter:
    """Cuts of one network into a scenario's segments, by the time that their slowest resource takes an inference."""

    graph: LayerGraph
    scenario: Scenario
    parts: Parts
    _times: dict[tuple[int, int, int], StageTimes] = field(default_factory=dict)
    _periods: dict[Cuts, tuple[float, float]] = field(default_factory=dict)

    @cached_property
    def compilers(self) -> Cuts:
        """The cut that ``edgetpu_compiler --num_segments`` makes."""
        return tuple(cut_by_parameters(self.graph, self.scenario.num_segments))

    @cached_property
    def best(self) -> Cuts:
        """The cut of the shortest period that a descent from the compiler's and from one of equal cycles finds."""
        weights = layer_weights(self.graph, self.parts.accelerators[0])
        starts = (self.compilers, tuple(cut_by_time(weights, self.scenario.num_segments)))
        return min((self._descent(start) for start in starts), key=self.period_ns)

    def promising(self) -> list[Cuts]:
        """Return the cuts with the shortest periods of all that were tried, the compiler's among them."""
        best = self.best
        tried = sorted(self._periods, key=lambda cuts: (self._periods[cuts], cuts))[:MOST_TRIED]
        return list(dict.fromkeys((self.compilers, best, *tried)))

    def period_ns(self, cuts: Cuts) -> tuple[float, float]:
        """Return the time from one result to the next as far as segments and buses tell, and the time of a passage."""
        if cuts not in self._periods:
            self._periods[cuts] = self._period_ns(cuts)
        return self._periods[cuts]

    def _period_ns(self, cuts: Cuts) -> tuple[float, float]:
        edges = list(pairwise((0, *cuts, len(self.graph.layers))))
        rows = [self._segment(*edges[i % len(edges)], i) for i in range(len(self.parts.accelerators))]
        before, after = host_ns(self.scenario, self.parts.host, self.graph)
        alone = [times.total("held_ns") + times.ops_ns for times in rows[: len(edges)]]
        alone[0], alone[-1] = alone[0] + before, alone[-1] + after
        replicas = len(rows) // len(edges)
        return max(max(alone), *self._on_buses(rows)) / replicas, float(sum(alone))

    def _on_buses(self, rows: Sequence[StageTimes]) -> list[float]:
        """What the transfers of all segments take on each bus that they share, in each direction."""
        return [0.0] + [
            float(sum(rows[i].total(way) for i in bus.accelerators))
            for bus in buses_of(self.parts.channels)
            if bus.takes_turns
            for way in ("sent_ns", "output_ns")
        ]

    def _segment(self, first: int, last: int, accelerator: int) -> StageTimes:
        """Times of some layers on an accelerator; equal accelerators share them."""
        parts, scenario = self.parts, self.scenario
        like = next(i for i in range(accelerator + 1) if self._is_like(i, accelerator))
        if (first, last, like) not in self._times:
            graph, part = part_of(self.graph, first, last, self.graph.name), parts.accelerators[like]
            compiled = family_of(part).compile(graph, part, scenario.compiler)  # hundreds: none is kept
            clock_hz = parts.clocks_hz(scenario.clock)[like]
            times = stage_times(
                compiled, parts.channels[like], parts.host, clock_hz, scenario.cpu_kernels, scenario.num_threads
            )
            self._times[first, last, like] = times.stretched(stretch(scenario.background_load))
        return self._times[first, last, like]

    def _is_like(self, one: int, other: int) -> bool:
        channels, parts = self.parts.channels, self.parts.accelerators
        return parts[one] is parts[other] and channels[one] == channels[other]

    def _descent(self, cuts: Cuts) -> Cuts:
        """Move one cut at a time while the period gets shorter, by fewer layers whenever no move helps."""
        step = max(1, len(self.graph.layers) // 8)
        while step:
            better = min(self._neighbours(cuts, step), key=self.period_ns, default=cuts)
            if self.period_ns(better) < self.period_ns(cuts):
                cuts = better
            else:
                step //= 2
        return cuts

    def _neighbours(self, cuts: Cuts, step: int) -> list[Cuts]:
        moved = [(*cuts[:i], cut + by, *cuts[i + 1 :]) for i, cut in enumerate(cuts) for by in (-step, step)]
        last = len(self.graph.layers)
        return [new for new in moved if all(a < b for a, b in pairwise((0, *new, last)))]
