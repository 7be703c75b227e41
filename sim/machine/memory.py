"""Memory that accelerator cores contend for, or a lane of cards: each has a rate of its own, all share what it gives.

Transfers are fluid: whenever one starts or ends, the rates of all are shared out anew
(:func:`hwmodels.link.fair_rates`). :func:`replay` runs a measured profile on a board event by event;
:mod:`hwmodels.dpu.board` has the closed forms for the same.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil
from random import Random
from typing import Any

import simpy

from hwmodels.dpu.board import Board
from hwmodels.link import fair_rates
from hwmodels.stages import AcceleratorStage, StageTimes, StepTime
from sim.machine.accelerator import SimAccelerator
from sim.machine.clock import Clock
from sim.machine.host import SLICE_NS, Cores
from sim.machine.link import SharedLink
from sim.machine.lock import Lock
from sim.machine.machine import Machine, Thread
from sim.machine.policies import bind
from sim.machine.records import Components, Recorder
from sim.machine.request import inference

__all__ = ["LaneLink", "MemoryLink", "Replay", "SharedMemory", "layered", "replay"]

WHOLE = 1 << 20
Steps = Generator[Any, Any, None]


@dataclass(slots=True)
class _Transfer:
    limit_bytes_per_s: float
    left_bytes: float
    done: simpy.Event
    rate: float = 0.0


class SharedMemory:
    """One memory: transfers in progress share its rate fairly, none faster than its own port.

    ``total_bytes_per_s`` is what all of them get together. ``moved_bytes`` counts what was asked for.
    """

    def __init__(self, env: Clock, total_bytes_per_s: float) -> None:
        self.env, self.total_bytes_per_s = env, total_bytes_per_s
        self.active: list[_Transfer] = []
        self.settled_ns = 0
        self.alarm = 0
        self.moved_bytes: float = 0

    def move(self, n_bytes: float, limit_bytes_per_s: float) -> Steps:
        """Move bytes through a port of that rate, and wait until the last one is through."""
        if n_bytes <= 0:
            return
        self.moved_bytes += n_bytes
        transfer = _Transfer(limit_bytes_per_s, float(n_bytes), self.env.event())
        self._settle()
        self.active.append(transfer)
        self._share()
        yield transfer.done

    def _settle(self) -> None:
        """Take off what has moved since the rates were last shared out; end the transfers that are through."""
        now = self.env.now
        passed_s = (now - self.settled_ns) / 1e9
        self.settled_ns = now
        for transfer in self.active:
            transfer.left_bytes -= transfer.rate * passed_s
        for transfer in self.active:
            if transfer.left_bytes <= transfer.rate * 1e-9:
                transfer.done.succeed()
        self.active = [transfer for transfer in self.active if not transfer.done.triggered]

    def _share(self) -> None:
        rates = fair_rates([transfer.limit_bytes_per_s for transfer in self.active], self.total_bytes_per_s)
        for transfer, rate in zip(self.active, rates, strict=True):
            transfer.rate = rate
        self.alarm += 1
        if self.active:
            next_ns = min(ceil(transfer.left_bytes / transfer.rate * 1e9) for transfer in self.active)
            self.env.process(self._wake(max(1, next_ns), self.alarm))

    def _wake(self, after_ns: int, alarm: int) -> Steps:
        yield self.env.timeout(after_ns)
        if alarm == self.alarm:
            self._settle()
            self._share()


class MemoryLink(SharedLink):
    """What an accelerator core sees of a shared memory: put in the place of its link, streamed steps contend for it.

    A step's own ``parameters_ns`` says how fast the core's port is; ``port_factor`` makes this core's port slower.
    """

    is_fluid = True

    def __init__(self, memory: SharedMemory, port_factor: float = 1.0) -> None:
        super().__init__(True, 1 << 62)
        self.memory, self.port_factor = memory, port_factor

    def send(self, env: Clock, now_ns: int, n_bytes: int, work_ns: int) -> Generator[Any, Any, int]:
        """Move bytes that take ``work_ns`` on a port that nobody disturbs; return when the last one is there."""
        if n_bytes and work_ns:
            yield from self.memory.move(n_bytes, self.port_factor * n_bytes * 1e9 / work_ns)
            return env.now
        yield env.timeout(work_ns)
        return now_ns + work_ns


class LaneLink(SharedLink):
    """A lane behind which several cards sit: each at its own rate at most, all at the lane's, each way by itself.

    ``lane`` holds what the lane carries to the cards and from them, ``rates`` a card's own rates (bytes/s).
    """

    is_fluid = True

    def __init__(self, lane: tuple[SharedMemory, SharedMemory], rates: tuple[float, float]) -> None:
        super().__init__(True, -1)  # no transfer is small enough to take a turn
        self.lane, self.rates = lane, rates

    def send(self, env: Clock, _now_ns: int, _n_bytes: int, work_ns: int) -> Generator[Any, Any, int]:
        """Move what takes ``work_ns`` with the lane to itself towards a card; return when the last byte is there."""
        return self._move(env, 0, work_ns)

    def fetch(self, env: Clock, _now_ns: int, work_ns: int) -> Generator[Any, Any, int]:
        """Likewise from a card."""
        return self._move(env, 1, work_ns)

    def _move(self, env: Clock, way: int, work_ns: int) -> Generator[Any, Any, int]:
        yield from self.lane[way].move(work_ns * self.rates[way] / 1e9, self.rates[way])
        return env.now


class _CountedLock(Lock):
    """A core's lock that adds up for how long it is held."""

    busy_ns = 0
    since_ns = 0

    def acquire(self, ticket: Any) -> simpy.Event | None:
        """As of a plain lock, noting when a first holder came."""
        if not self.held:
            self.since_ns = self.env.now
        return super().acquire(ticket)

    def release(self) -> None:
        """As of a plain lock, adding up the time for which it was held."""
        super().release()
        if not self.held:
            self.busy_ns += self.env.now - self.since_ns


def layered(times: StageTimes, layers: int, seed: int = 0) -> StageTimes:
    """Split each pass through the accelerator into rounds of its steps, of uneven (exponential) lengths that add up.

    Real networks alternate between compute and memory layer by layer. Cores that run the same few long phases fall into
    step and meet in every one of them, so give each thread its own ``seed``.

    Parameters
    ----------
    times
        Few long steps, as a profile has them.
    layers
        Rounds into which each pass is cut.
    seed
        Of the lengths.

    Returns
    -------
    StageTimes
        The same totals of time and bytes.
    """
    stream = Random(seed)
    return times.with_passes(lambda stage: _rounds(stage, layers, stream))


def _rounds(stage: AcceleratorStage, layers: int, stream: Random) -> AcceleratorStage:
    marks = [_marks(layers, stream) for _ in stage.steps]
    steps = (_part(step, *marks[i][k : k + 2]) for k in range(layers) for i, step in enumerate(stage.steps))
    return replace(stage, steps=tuple(steps))


def _marks(count: int, stream: Random) -> list[int]:
    sums = list(accumulate(stream.expovariate(1.0) for _ in range(count)))
    return [0, *(round(WHOLE * part / sums[-1]) for part in sums)]


def _part(step: StepTime, start: int, end: int) -> StepTime:
    values = (step.compute_ns, step.parameters_ns, step.streamed_bytes)
    return StepTime(*(value * end // WHOLE - value * start // WHOLE for value in values))


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found: completions per second, when the last one ended (ns), and how busy each core was."""

    ips: float
    end_ns: int
    core_busy: tuple[float, ...]


def replay(
    times: StageTimes | Sequence[StageTimes], board: Board, threads: int, inferences: int, spread: bool = False,
) -> Replay:  # fmt: skip
    """Run a profile on a board: threads bound to cores for life, CPUs shared, memory contended for.

    ``times`` are one thread's stage times, or one for each thread. With ``spread``, ``inferences`` are split evenly
    over the threads and the rate is theirs until the last one ends; else the threads go on, and the rate is that of
    the second half of ``inferences``.

    Returns
    -------
    Replay
        Rates in 1/s, times in ns, and the share of time for which each core was held.
    """
    per_thread = [times] * threads if isinstance(times, StageTimes) else list(times)
    machine = _machine(board, threads)
    ends: list[int] = []
    for number, stages in enumerate(per_thread):
        share = inferences // threads + (number < inferences % threads) if spread else inferences
        machine.env.process(_loop(machine, number, [stages] * board.accelerators, share, ends, inferences))
    machine.env.run()
    first = 0 if spread else inferences // 2
    ends = sorted(ends)[:inferences]
    start_ns = ends[first - 1] if first else 0
    return Replay((len(ends) - first) / (ends[-1] - start_ns) * 1e9, ends[-1], _busy(machine, ends[-1]))


def _machine(board: Board, threads: int) -> Machine:
    env, count = Clock(), board.accelerators
    place = Components(
        [f"thread {i}" for i in range(threads)],
        [f"core {i}" for i in range(count)],
        [f"port {i}" for i in range(count)],
    )
    memory = SharedMemory(env, board.memory_bytes_per_s)
    links = [MemoryLink(memory, rate / board.port_bytes_per_s) for rate in board.port_rates()]
    cores = [
        SimAccelerator(i, place.accelerator(i), _CountedLock(env), link, place.link(i)) for i, link in enumerate(links)
    ]
    cpus = Cores(board.cpu_cores, SLICE_NS if threads > board.cpu_cores else 1 << 62, 0)
    return Machine(env, Recorder(place, ["profile"]), cpus, cores, bind)


def _loop(machine: Machine, number: int, networks: list[StageTimes], count: int, ends: list[int], enough: int) -> Steps:
    thread = Thread(number, 0, networks, None, number, number)
    for request in range(count):
        yield from inference(machine, thread, request)
        ends.append(machine.env.now)
        if len(ends) >= enough:
            return


def _busy(machine: Machine, end_ns: int) -> tuple[float, ...]:
    locks = (accelerator.lock for accelerator in machine.accelerators)
    return tuple(min(1.0, lock.busy_ns / end_ns) for lock in locks if isinstance(lock, _CountedLock))
