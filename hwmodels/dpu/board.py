"""Boards that replay a profile: how accelerator cores on one memory, and threads on few CPUs, slow each other down.

A network is two numbers of one core: host time and accelerator time, and the share of the latter in which memory is the
limit. Each core reaches memory through its own port; all ports together get no more than the memory gives. Everything
here is a closed form; :mod:`sim.machine.memory` replays the same board event by event, and a test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from hwmodels.errors import InputError
from hwmodels.link import fair_rates
from hwmodels.part_keys import number
from hwmodels.parts import Part, load, part_names

__all__ = [
    "Board", "Work", "board_names", "bound_threads", "busy_cores", "closed_loop_ips", "load_board",
    "spread_ips", "stretches",
]  # fmt: skip

MAX_CORES = 10  # subsets of the other cores are enumerated
ROUNDS = 60
TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Board(Part):
    """A board: its cores, CPUs and memory, and how they differ from the board that was profiled."""

    accelerators: int = number("Accelerator cores of the board's image.")
    cpu_cores: int = number("CPU cores.")
    clock_hz: float = number("Clock of the accelerator.")
    peak_ops_per_cycle: int = number("Operations of a core in a cycle; a multiply-accumulate is two.")
    threads: int = number("Threads of the program that was measured.")
    host_factor: float = number("Factor on host time, against the reference board.")
    early_before_release: float = number("Release before which the next two factors act.")
    early_slowdown: float = number("By how much a profile of an early release is too slow on this board.")
    early_port_factor: float = number("Factor on the port's rate in an early release.")
    cpu_parallel: float = number("CPUs that host work of many threads keeps busy.")
    bound_sharpness: float = number("How sharply the bounds of cores and CPUs meet: exponent of the smooth minimum.")
    memory_share: float = number("Share of a typical network's time on one core in which memory is the limit.")
    sweep_memory_share: float = number("Likewise for the networks of the thread sweeps.")
    port_bytes_per_cycle: float = number("What a core's own port carries.")
    slow_port: int = number("Number of the core whose port is slower, from 1; 0: none.")
    slow_port_factor: float = number("What that port carries, as a share of the others.")
    memory_bytes_per_s: float = number("What all ports get together.")
    layer_memory_bytes_per_s: float = number("Likewise for one layer after another.")
    layer_weights_bytes_per_s: float = number("Likewise for the weights of fully connected layers.")
    feature_bytes_factor: float = number("Share of the bytes of feature maps that reach memory.")
    pixel_parallel: int = number("Output positions of a core in a cycle.")
    input_parallel: int = number("Input channels of a core in a cycle.")
    output_parallel: int = number("Output channels of a core in a cycle.")
    submit_ns: float = number("What a second thread on one core hides of an inference.")
    idle_w: float = number("The board, idle; 0: not known.")
    busy_core_w: float = number("What a busy core adds.")
    spread90: float = number("Half the 90 % range of the relative error.")
    own_spread90: float = number("Likewise where the network was measured on two cores.")

    @property
    def port_bytes_per_s(self) -> float:
        """What one core's own port carries: no more than the memory gives."""
        return min(self.port_bytes_per_cycle * self.clock_hz, self.memory_bytes_per_s)

    def port_rates(self) -> tuple[float, ...]:
        """Bytes/s of every core's port."""
        slow, plain = self.port_bytes_per_s * self.slow_port_factor, self.port_bytes_per_s
        return tuple(slow if core + 1 == self.slow_port else plain for core in range(self.accelerators))


@dataclass(frozen=True, slots=True)
class Work:
    """One inference on one core: host and accelerator time in s, and the latter's share that memory limits.

    All in s and shares of one core that nobody disturbs; see :class:`hwmodels.profile.Profile` for where they come
    from.
    """

    host_s: float
    accelerator_s: float
    memory_share: float


def board_names() -> list[str]:
    """Return the names of the shipped boards."""
    return [name for name in part_names("board") if name != "dpu"]


def load_board(name_or_path: str, cores: int = 0, clock_hz: float = 0.0) -> Board:
    """Load a board by name or from a part file; ``cores`` and ``clock_hz`` replace its own where given.

    A name that is not known but starts with a known one (``ZCU102 (0432055-05)``) is that board. Raises
    :class:`InputError` for anything else.
    """
    lowered = name_or_path.lower()
    known = next((name for name in board_names() if lowered.startswith(name) and not lowered.endswith(".toml")), "")
    board = load("board", Board, known or name_or_path)
    if not 0 <= cores <= MAX_CORES:
        raise InputError.value("cores", cores, f"1 to {MAX_CORES}")
    given = {key: value for key, value in (("accelerators", cores), ("clock_hz", clock_hz)) if value}
    return board.with_numbers(given)


def stretches(memory_share: float, board: Board, activity: Sequence[float]) -> list[float]:
    """Return how much longer an inference takes on each core than on one core alone (factors, 1 and more).

    ``activity`` is the share of time in which each core has work. Mean field: a core in a memory phase finds each other
    core in one with that core's own probability, and gets a fair share of the memory; the probabilities follow from the
    stretches. A core with a slow port stretches even when it works alone.

    Notes
    -----
    With s the share of memory time and r the mean rate over the port's own, a core's time becomes 1 - s + s / r, and it
    is in a memory phase with probability (s / r) / (1 - s + s / r) times its activity. Iterated to a fixed point.
    """
    key = (round(memory_share, 4), board.port_rates(), board.port_bytes_per_s, board.memory_bytes_per_s)
    return list(_stretches(*key, tuple(round(a, 3) for a in activity)))


@lru_cache(maxsize=65536)
def _stretches(
    share: float, ports: tuple[float, ...], plain: float, memory: float, activity: tuple[float, ...]
) -> tuple[float, ...]:
    inside = [share * a for a in activity]
    times = [share] * len(ports)
    for _ in range(ROUNDS):
        times = [share * plain / _mean_rate(core, ports, memory, inside) for core in range(len(ports))]
        found = [a * time / (1 - share + time) for a, time in zip(activity, times, strict=True)]
        moved = max(abs(a - b) for a, b in zip(inside, found, strict=True))
        inside = [(a + b) / 2 for a, b in zip(inside, found, strict=True)]
        if moved < TOLERANCE:
            break
    return tuple(1 - share + time for time in times)


def _mean_rate(core: int, ports: Sequence[float], memory: float, inside: Sequence[float]) -> float:
    """Bytes/s that a core's memory phase gets on average over which other cores are in one."""
    others = [i for i in range(len(ports)) if i != core and inside[i] > 0]
    rate = 0.0
    for states in product((False, True), repeat=len(others)):
        chance, limits = 1.0, [ports[core]]
        for i, state in zip(others, states, strict=True):
            chance *= inside[i] if state else 1 - inside[i]
            if state:
                limits.append(ports[i])
        rate += chance * fair_rates(limits, memory)[0]
    return rate


def bound_threads(threads: int, cores: int) -> list[int]:
    """Return how many threads each core has when they are bound to cores in turn."""
    return [threads // cores + (core < threads % cores) for core in range(cores)]


def closed_loop_ips(work: Work, board: Board, threads: int = 0) -> float:
    """Inferences per second of threads that are bound to cores for life and start the next one at once.

    Cores give at most the sum over cores of min(threads / (accelerator + host), 1 / accelerator); CPUs at most
    ``cpu_parallel`` / host; the two meet in a smooth minimum. Cores that wait for CPUs contend less for memory.

    Parameters
    ----------
    work
        Host and accelerator time of one inference on one core (s), and its share of memory time.
    board
        Cores, CPUs, memory.
    threads
        Bound to cores in turn; 0 takes the board's own number.
    """
    bound = bound_threads(threads or board.threads, board.accelerators)
    activity, rate = 1.0, 0.0
    for _ in range(ROUNDS):
        factors = stretches(work.memory_share, board, [activity * (n > 0) for n in bound])
        cores = _cores_ips(work, factors, bound)
        rate = _smooth_minimum(cores, board.cpu_parallel / work.host_s, board.bound_sharpness) if work.host_s else cores
        if abs(rate / cores - activity) < 1e-3:
            break
        activity = (activity + rate / cores) / 2
    return rate


def _cores_ips(work: Work, factors: Sequence[float], bound: Sequence[int]) -> float:
    times = [work.accelerator_s * factor for factor in factors]
    return sum(min(n / (time + work.host_s), 1 / time) for n, time in zip(bound, times, strict=True))


def busy_cores(work: Work, board: Board, threads: int) -> float:
    """Return how many cores are busy on average, CPUs being no limit: what watts go with."""
    bound = bound_threads(threads, board.accelerators)
    times = [work.accelerator_s * f for f in stretches(work.memory_share, board, [float(n > 0) for n in bound])]
    return sum(min(1.0, n * time / (time + work.host_s)) for n, time in zip(bound, times, strict=True))


def _smooth_minimum(a: float, b: float, sharpness: float) -> float:
    low, high = min(a, b), max(a, b)
    return float(low * (1 + (low / high) ** sharpness) ** (-1 / sharpness))


def spread_ips(work: Work, board: Board, threads: int) -> float:
    """Inferences per second of a fixed number of inferences split evenly over threads, until the last one ends.

    Threads are bound to cores in turn, so a core with more threads than the others ends last: the rate dips. A core
    that has finished no longer contends for memory.
    """
    bound = bound_threads(threads, board.accelerators)
    left = [n / threads for n in bound]
    elapsed = 0.0
    while max(left) > 1e-12:
        factors = stretches(work.memory_share, board, [float(part > 1e-12) for part in left])
        times = [work.accelerator_s * f + (work.host_s if n == 1 else 0.0) for f, n in zip(factors, bound, strict=True)]
        step = min(part * time for part, time in zip(left, times, strict=True) if part > 1e-12)
        left = [max(0.0, part - step / time) for part, time in zip(left, times, strict=True)]
        elapsed += step
    return 1 / elapsed
