"""The closed form of one inference for many measurement rows at once: what the fit evaluates thousands of times.

Same arithmetic as :mod:`hwmodels.timing` without the rounding to whole nanoseconds (a test holds both together):
a layer is costed once however many networks hold it, and only cycles and rates change between evaluations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calibration.measurements import Measurement
from calibration.setups import Parts, conditions_of, programs, times_of
from hwmodels.edgetpu import cost
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.cost import stream_class
from hwmodels.executable import Executable
from hwmodels.host import BusCosts
from hwmodels.networks.graph import Layer

__all__ = ["Bus", "Evaluator", "bus_of"]

Array = NDArray[np.float64]
BUS_KEYS = tuple(column.name for column in fields(BusCosts))


@dataclass(frozen=True, order=True)
class Bus:
    """A link as one host drives it; a source that states no host has one of its own."""

    host: str
    link: str


def bus_of(row: Measurement) -> Bus:
    """Return the bus a row was measured on."""
    conditions = conditions_of(row)
    return Bus(f"?{row.source_id}" if "host_id" in conditions.assumed else conditions.host, conditions.link)


@dataclass
class _Tables:
    """Flat tables over all rows: one entry for each layer of each program of each row."""

    layers: dict[tuple[object, ...], int] = field(default_factory=dict)
    unique: list[Layer] = field(default_factory=list)
    row: list[int] = field(default_factory=list)
    layer: list[int] = field(default_factory=list)
    streamed: list[int] = field(default_factory=list)
    passes: list[int] = field(default_factory=list)
    program: list[int] = field(default_factory=list)
    prefetch: list[int] = field(default_factory=list)
    opens: list[bool] = field(default_factory=list)
    pulled: list[float] = field(default_factory=list)

    def number(self, layer: Layer) -> int:
        """Number of a layer among those of different cost."""
        key = _signature(layer)
        if key not in self.layers:
            self.layers[key] = len(self.unique)
            self.unique.append(layer)
        return self.layers[key]


def _signature(layer: Layer) -> tuple[object, ...]:
    shapes = tuple(t.shape for t in (*layer.inputs, *layer.outputs, *layer.weights))
    return layer.op, shapes, layer.kernel, layer.stride, layer.dilation


class Evaluator:
    """Predicted times (ms) of measurement rows as a function of cycle costs, passes and bus numbers.

    ``rows`` must be invoke latencies or alternating pairs on an accelerator whose network is known.

    Compiling does not depend on the free numbers, so it is done once; an evaluation is a few products of matrices.
    """

    def __init__(self, rows: Sequence[Measurement], parts: Parts) -> None:
        self.rows, self.parts = list(rows), parts
        self.accelerator = parts.accelerator()
        self.buses = sorted({bus_of(row) for row in rows})
        self.bus = np.array([self.buses.index(bus_of(row)) for row in rows])
        self._tables = _Tables()
        self._out_bytes, self._in_bytes, self._instructions, self._floors, self._fixed_ms = np.zeros((5, len(rows)))
        self.clock_hz = np.array(
            [self.accelerator.at_clock(conditions_of(r).clock, parts.link(conditions_of(r).link)) for r in rows]
        )
        for number, row in enumerate(rows):
            for executable, is_loaded in programs(row, parts):
                self._add(number, row, executable, is_loaded)
        self._memory: tuple[EdgeTpu, Array] | None = None

    def _add(self, number: int, row: Measurement, executable: Executable, is_loaded: bool) -> None:
        times = times_of(executable, row, self.parts)
        self._fixed_ms[number] += (times.python_ns + times.ops_ns) / 1e6
        for stage in times.accelerator_stages:
            self._fixed_ms[number] += stage.copy_ns / 1e6
            loaded = 0 if is_loaded else stage.load_bytes
            self._out_bytes[number] += stage.instruction_bytes + stage.input_bytes + loaded
            self._instructions[number] += stage.instruction_bytes
            self._in_bytes[number] += stage.output_bytes
            self._floors[number] += 1
        self._add_layers(number, executable, self.parts.link(conditions_of(row).link).overlaps_input)

    def _add_layers(self, number: int, executable: Executable, overlaps_input: float) -> None:
        tables = self._tables
        for segment in executable.accelerator_segments:
            tables.prefetch.append(segment.prefetch_bytes)
            tables.pulled.append((segment.input_bytes + segment.scratch_in_bytes) * overlaps_input)
            for place, plan in enumerate(segment.plans):
                tables.opens.append(place < segment.opening_layers)
                tables.row.append(number)
                tables.program.append(len(tables.prefetch) - 1)
                tables.layer.append(tables.number(plan.layer))
                tables.streamed.append(0 if plan.cached else plan.blob_bytes)
                tables.passes.append(stream_class(plan.layer, self.accelerator))

    @cached_property
    def _flat(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, NDArray[np.int64]]:
        t = self._tables
        return np.array(t.row), np.array(t.layer), np.array(t.streamed, float), np.array(t.passes)

    def cycles(self, accelerator: EdgeTpu) -> Array:
        """Cycles of every different layer."""
        plain = replace(accelerator, quantities={})
        if self._memory is None or self._memory[0] != plain:
            costs = [cost.cycles(layer, accelerator) for layer in self._tables.unique]
            self._memory = plain, np.array(costs)
        return self._memory[1]

    def predict_ms(self, accelerator: EdgeTpu, buses: Array) -> Array:
        """Times of all rows; ``buses``: bytes/s out and in, floor (ns), ns per instruction byte, by bus.

        Parameters
        ----------
        accelerator
            With the numbers to try.
        buses
            One line for each bus, in the order of :data:`BUS_KEYS`.

        Returns
        -------
        array of shape (rows,)
            Milliseconds, as :func:`calibration.predict.predict` gives them.
        """
        out, inward, floor, extra = buses[self.bus].T
        sent = self._out_bytes / out + self._in_bytes / inward
        host = self._floors * floor + self._instructions * extra
        total: Array = self._fixed_ms + sent * 1e3 + host / 1e6 + self._program_ms(accelerator, out)
        return total

    def host_share(self, measured_ms: Array) -> Array:
        """Share of each measured time that CPU operators and copies account for (at most 1)."""
        share: Array = np.minimum(1.0, self._fixed_ms / measured_ms)
        return share

    def _program_ms(self, accelerator: EdgeTpu, out: Array) -> Array:
        row, layer, streamed, passes = self._flat
        compute = self.cycles(accelerator)[layer] / self.clock_hz[row]
        repeats = np.array([1.0, *(number for _, number in accelerator.stream_passes)])
        wire = streamed * repeats[passes] / out[row]
        seconds = self._with_prefetch(compute, wire, out) - self._behind_input(compute - wire, out)
        summed: Array = np.bincount(row, seconds, len(self.rows)).astype(np.float64)
        return summed * 1e3

    def _behind_input(self, idle: Array, out: Array) -> Array:
        """Seconds of each program's first layer that its input takes as well, where the chip pulls it."""
        row, program = self._flat[0], np.array(self._tables.program)
        first = np.flatnonzero(np.diff(program, prepend=-1))
        most = np.bincount(program, np.where(self._tables.opens, idle, 0.0))
        hidden = np.zeros(len(row))
        hidden[first] = np.clip(most, 0.0, np.array(self._tables.pulled) / out[row[first]])
        return hidden

    @cached_property
    def _prefetching(self) -> tuple[NDArray[np.int64], Array]:
        """Layers of every program whose parameters may come early, in order (-1 fills up), and how many bytes early."""
        streamed = self._flat[2]
        program, room = np.array(self._tables.program), np.array(self._tables.prefetch, float)
        streams = np.bincount(program, streamed, len(room))
        runs = [np.flatnonzero(program == number) for number in np.flatnonzero((room > 0) & (streams > 0))]
        index = np.full((len(runs), max(map(len, runs), default=0)), -1)
        for line, run in zip(index, runs, strict=True):
            line[: len(run)] = run
        return index, room[program[index[:, 0]]] if runs else np.zeros(0)

    def _with_prefetch(self, compute: Array, wire: Array, out: Array) -> Array:
        """Seconds of every layer: the longer of both, but for what the link brought before (hwmodels.timing)."""
        index, room_bytes = self._prefetching
        seconds = np.append(np.maximum(compute, wire), 0.0)
        computes, wires = np.append(compute, 0.0)[index], np.append(wire, 0.0)[index]
        room = room_bytes / out[self._flat[0][index[:, 0]]] if len(index) else room_bytes
        ahead, following = np.zeros(len(index)), np.minimum(np.roll(wires, -1, axis=1), room[:, None])
        for column in range(index.shape[1]):
            own = wires[:, column] - ahead
            taken = np.maximum(computes[:, column], own)
            ahead = np.minimum(following[:, column], taken - own)
            seconds[index[:, column]] = taken
        return seconds[:-1]
