"""The memory of a wired run: what :func:`sim.engine.wire` built, at the places that :mod:`sim.fast.arrays` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from hwmodels.cache import remembered
from hwmodels.stages import AcceleratorStage, CpuStage, StageTimes
from sim.fast import arrays as at
from sim.machine.link import SharedLink
from sim.machine.machine import Machine
from sim.machine.policies import DISCIPLINES, DISPATCHES
from sim.machine.states import State
from sim.setup import Setup

__all__ = ["Wiring", "room", "wired"]

Row = Sequence[int]
MOST_ROWS = 2048  # completions that are counted at once


@dataclass(frozen=True)
class Wiring:
    """A memory, the tables of it that are read from outside, and the stages that its numbers stand for."""

    memory: Any
    threads: Any  # (thread, column)
    accelerators: Any  # (accelerator, column)
    passes: Any  # (accelerator, stage, column)
    rows: Any  # (column, completion)
    stages: Sequence[AcceleratorStage]


def room(setup: Setup) -> int:
    """Cells of the largest table: interpreters whose parameters an accelerator may hold, segment by segment."""
    return len(setup.accelerators) * len(setup.thread_models) * len(setup.models) * _segments(setup)


def _segments(setup: Setup) -> int:
    return max(len(times.stages) for row in setup.stage_times for times in row) or 1


def wired(setup: Setup, machine: Machine, limit: int, duration_ns: int) -> Wiring:
    """Return the memory of a machine at rest, whose threads all begin at once.

    Parameters
    ----------
    setup, machine
        What runs, and the machine that was wired for it.
    limit
        Inferences of the whole run at most, if it is not steady before.
    duration_ns
        When it ends in any case; 0 where nobody said so.
    """
    programs = _programs(setup, machine)
    threads, accelerators = len(setup.thread_models), len(machine.accelerators)
    stages, links = max(1, len(programs.stages)), _links(machine)
    events = [(0, i, i) for i in range(threads)] + ([(duration_ns, threads, at.STOP)] if duration_ns else [])
    tables: dict[str, tuple[Sequence[Row], int, int]] = {
        "OPERATIONS": (programs.operations, 0, at.OPERATION_COLUMNS),
        "NETWORKS": (programs.networks, 0, at.NETWORK_COLUMNS),
        "PAIRS": (programs.pairs, 0, at.PAIR_COLUMNS),
        "STAGES": (programs.rows, stages, at.STAGE_COLUMNS),
        "STEPS": (programs.steps, 0, at.STEP_COLUMNS),
        "TURNS": (_turns(setup), 0, at.TURN_COLUMNS),
        "ACCELERATORS": (_accelerators(machine, links), 0, at.ACCELERATOR_COLUMNS),
        "LINKS": ([(link.is_shared, link.chunk_bytes, 0, 0) for link in links], 0, at.LINK_COLUMNS),
        "HEAP": (events, threads + accelerators + 4, at.EVENT_COLUMNS),
        "CORES": ([], len(machine.cores.free_ns), 1),
        "THREADS": ([], threads, at.THREAD_COLUMNS),
        "LOADED": ([], room(setup), 1),
        "PASSES": ([], accelerators * stages, at.PASS_COLUMNS),
        "ROWS": ([], at.ROW_COLUMNS, min(limit, MOST_ROWS)),
    }
    memory, found = _memory(tables)
    memory[: at.RULES] = [*_clock(len(events)), *_rules(setup, machine)]
    memory[at.PARALLEL : at.PARALLEL + 1].view(np.float64)[0] = machine.cores.parallel
    memory[at.THREADS_N : at.CELLS] = [
        threads, accelerators, len(setup.models), stages, len(setup.turns) or 1, len(machine.cores.free_ns),
        min(limit, MOST_ROWS),
    ]  # fmt: skip
    passes = found["PASSES"].reshape(accelerators, stages, at.PASS_COLUMNS)
    return Wiring(memory, found["THREADS"], found["ACCELERATORS"], passes, found["ROWS"], programs.stages)


def _memory(tables: Mapping[str, tuple[Sequence[Row], int, int]]) -> tuple[Any, dict[str, Any]]:
    """A memory with tables of the given first rows, numbers of rows (at least) and columns, and views of them."""
    cells, places, size = [0] * at.CELLS, {}, at.CELLS
    for name, (rows, count, columns) in tables.items():
        if rows:
            cells += [0] * (size - len(cells))
            cells.extend(chain.from_iterable(rows))
        cells[getattr(at, f"{name}_AT")] = places[name] = size
        size += max(len(rows), count) * columns
    memory = np.zeros(size, np.int64)
    memory[: len(cells)] = cells
    ends = [*places.values(), size][1:]
    return memory, {
        name: memory[place:end].reshape(-1, tables[name][2])
        for (name, place), end in zip(places.items(), ends, strict=True)
    }


def _row(first: int, end: int, **values: int) -> list[int]:
    """Columns from the first to the end: zeros but for those that are named."""
    row = [0] * (end - first)
    for name, value in values.items():
        row[getattr(at, name) - first] = value
    return row


def _clock(events: int) -> list[int]:
    nobody = dict.fromkeys(("SLICE_END", "GIL_FIRST", "GIL_LAST"), -1)
    return _row(0, at.CLOCK, **nobody, CURRENT=at.NOBODY, IS_RECORDING=1, EVENTS=events, ORDER=events)


def _rules(setup: Setup, machine: Machine) -> list[int]:
    """The set-up's numbers; policies are numbered in the order of their tables."""
    cores, gil, scenario, costs = machine.cores, machine.gil, setup.scenario, setup.hand_over
    return _row(
        at.CLOCK, at.RULES,
        QUANTUM=cores.quantum_ns, SWITCH=cores.switch_ns, SLOWDOWN=cores.slowdown,
        INTERVAL=gil.interval_ns if gil else 0, TURN=gil.turn_ns if gil else 0,
        WAKE=costs.wake_ns if costs else 0, IS_FAIR=costs.is_fair if costs else 0,
        STAY=costs.stay_permille if costs else 0,
        DISPATCH=list(DISPATCHES).index(scenario.dispatch), DISCIPLINE=list(DISCIPLINES).index(scenario.discipline),
        MOST_IN_A_ROW=scenario.affinity_batch, SEGMENTS=_segments(setup),
    )  # fmt: skip


def _links(machine: Machine) -> list[SharedLink]:
    return list({id(one.link): one.link for one in machine.accelerators}.values())


def _accelerators(machine: Machine, links: Sequence[SharedLink]) -> list[Row]:
    places = {id(link): place for place, link in enumerate(links)}
    return [
        _row(0, at.ACCELERATOR_COLUMNS, LINK=places[id(one.link)], FIRST=-1, LAST=-1, CHOSEN_FOR=-1, AGE=1)
        for one in machine.accelerators
    ]


def _turns(setup: Setup) -> list[Row]:
    """The networks that each thread runs in turn, and the accelerator where its dispatch starts from."""
    return [(model, i) for i, only in enumerate(setup.thread_models) for model in setup.turns or (only,)]


def _what_programs_do(setup: Setup, machine: Machine) -> tuple[Any, ...]:
    """All that the tables of inferences depend on: stage times, and what of them is under Python's lock."""
    cells = [times for row in setup.stage_times for times in row]
    return machine.gil is not None, machine.gil_share, len(setup.stage_times), *cells


@remembered(128, of=_what_programs_do)
def _programs(setup: Setup, machine: Machine) -> _Programs:
    """The tables of what an inference of each network on each accelerator does."""
    programs, tokens = _Programs(machine.gil is not None, machine.gil_share), {"": 0}
    for model, row in enumerate(setup.stage_times):
        for times in row:
            token = tokens.setdefault(times.token, len(tokens))
            programs.pairs.append((programs.program(times), times.invoke_ns, token))
        programs.networks.append((model, tokens[row[0].token], row[0].invoke_ns))
    return programs


@dataclass
class _Programs:
    """Operations and stages of all networks, each once."""

    has_gil: bool
    gil_share: float
    operations: list[Row] = field(default_factory=lambda: [_operation(at.BEGIN)])
    networks: list[Row] = field(default_factory=list)
    pairs: list[Row] = field(default_factory=list)
    stages: list[AcceleratorStage] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)

    def program(self, times: StageTimes) -> int:
        """Return the first operation of a network's inference."""
        if id(times) not in self.numbers:
            self.numbers[id(times)] = len(self.operations)
            self.operations += self._inference(times)
        return self.numbers[id(times)]

    def _inference(self, times: StageTimes) -> Iterator[Row]:
        """As :func:`sim.machine.request.inference`."""
        yield from self._python(State.PREPROCESS, times.preprocess_ns)
        yield _operation(at.CALL)
        passes = {id(stage): stage for stage in times.accelerator_stages}
        for segment, stage in enumerate(times.stages):
            if id(stage) in passes:
                yield _operation(at.PASS, self._stage(passes[id(stage)]), segment)
            else:
                yield from _operators(stage)
        yield from self._locked(State.HOST_COPY, times.python_ns)
        yield _operation(at.RETURN)
        yield from self._python(State.POSTPROCESS, times.postprocess_ns)
        yield from self._locked(State.APP, times.app.locked_ns + (0 if self.has_gil else times.app.core_ns))
        yield from _burst(State.APP, times.app.core_ns if self.has_gil else 0)
        if times.app.wait_ns:
            yield _operation(at.SLEEP, times.app.wait_ns, State.APP_WAIT)
        yield _operation(at.COMPLETE)

    def _python(self, state: State, work_ns: int) -> Iterator[Row]:
        """As :func:`sim.machine.request.python`."""
        locked_ns = round(work_ns * self.gil_share) if self.has_gil else 0
        yield from self._locked(state, locked_ns)
        yield from _burst(state, work_ns - locked_ns)

    def _locked(self, state: State, work_ns: int) -> Iterator[Row]:
        """As :func:`sim.machine.request.python_locked`; without a lock it is a burst."""
        if not self.has_gil:
            yield from _burst(state, work_ns)
        elif work_ns > 0:
            yield _operation(at.LOCKED, work_ns, state)

    def _stage(self, stage: AcceleratorStage) -> int:
        """The number of a stage."""
        if id(stage) not in self.numbers:
            self.numbers[id(stage)] = len(self.stages)
            self.stages.append(stage)
            self.rows.append((
                stage.driver_ns, stage.latency_ns, stage.send_ns, stage.program_ns, stage.output_ns, stage.copy_ns,
                stage.load_bytes, stage.load_ns, stage.instruction_bytes + stage.input_bytes, len(stage.steps),
                len(self.steps), stage.held_ns,
            ))  # fmt: skip
            self.steps += [(s.compute_ns, s.parameters_ns, s.streamed_bytes) for s in stage.steps]
        return self.numbers[id(stage)]


def _operators(stage: AcceleratorStage | CpuStage) -> Iterator[Row]:
    """As :func:`sim.machine.request.cpu_operators`."""
    wide_ns: int = getattr(stage, "wide_ns", 0)
    alone_ns = stage.ops_ns - wide_ns
    yield from _burst(State.CPU_OPS, wide_ns, stage.width, alone_ns > 0)
    yield from _burst(State.CPU_OPS, alone_ns)


def _burst(state: State, work_ns: int, width: int = 1, goes_on: bool = False) -> Iterator[Row]:
    if work_ns > 0:
        yield _operation(at.BURST, work_ns, state, width, goes_on)


def _operation(kind: int, what: int = 0, state: int = 0, width: int = 1, goes_on: bool = False) -> Row:
    return kind, what, state, width, goes_on
