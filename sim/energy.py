"""Window totals to energy: power states times time, leakage by temperature, energy of actions and of link bytes.

Accounting (docs/energy.md): an accelerator draws its base and initialised-idle power all the time, its clocks while its
program runs, an energy for every action and streamed byte, and more leakage as it warms; a link an energy per byte; the
host its board's base, one amount while anything is in flight, and per core a busy or an idle power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwmodels.accelerator import Accelerator
from hwmodels.host import Host
from sim.records import State
from sim.thermal import SHUTDOWN_C, ambient_c
from sim.workloads import OPEN

if TYPE_CHECKING:
    from sim.results import Window
    from sim.setup import Setup

__all__ = ["ROOM_C", "Power", "accelerator_j", "active_j", "heated_w", "host_w", "idle_w", "mean_power", "rest_w"]

ACTIVE = (State.COMPUTE, State.PARAMETERS)
ROOM_C = 25.0  # ambient temperature of the measured idle powers, and of a scenario without --thermal
ROUNDS = 30
MOST_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Power:
    """Mean power in W of the accelerators, links and host over a window."""

    accelerators_w: float
    links_w: float
    host_w: float

    @property
    def total_w(self) -> float:
        """The whole system."""
        return self.accelerators_w + self.links_w + self.host_w


def mean_power(setup: Setup, window: Window) -> Power:
    """Return mean powers over a window, from the totals of its spans.

    Parameters
    ----------
    setup
        Power states and action energies of its parts.
    window
        Totals of time, bytes and actions by component.
    """
    accelerators = sum(accelerator_j(setup, window, i) for i in range(len(setup.accelerators)))
    links = sum(link_j(setup, window, i) for i in range(len(setup.accelerators)))
    seconds = window.elapsed_ns / 1e9
    busy = window.core_ns / window.elapsed_ns
    return Power(
        accelerators / seconds, links / seconds, host_w(setup.host, setup.cores, busy, awake_share(setup, window))
    )


def host_w(host: Host, cores: int, busy_cores: float, awake: float = 1.0) -> float:
    """Board base, what is awake while work is in flight (a share of time), busy cores, the rest of them idle (W)."""
    idle = max(0.0, cores - busy_cores)
    static = host.power_board_w + awake * host.power_awake_w
    return static + busy_cores * host.power_core_busy_w + idle * host.power_core_idle_w


def awake_share(setup: Setup, window: Window) -> float:
    """Share of time with work in flight: all of it in a closed loop, else at most what cores, links, programs took."""
    if setup.scenario.arrivals.split(":")[0] not in OPEN:
        return 1.0
    threads, count = len(setup.thread_models), len(setup.accelerators)
    busy_ns: float = window.core_ns
    for i, bus in enumerate(setup.channels):
        n_bytes = window.n_bytes[threads + count + i]
        busy_ns += n_bytes[State.TRANSFER_OUT] / bus.out_bytes_per_s * 1e9
        busy_ns += n_bytes[State.TRANSFER_IN] / bus.in_bytes_per_s * 1e9
        busy_ns += sum(window.time_ns[threads + i][state] for state in ACTIVE)
    return min(1.0, busy_ns / window.elapsed_ns)


def link_j(setup: Setup, window: Window, number: int) -> float:
    """Energy of one link over the window (J): all bytes, both ways."""
    row = len(setup.thread_models) + len(setup.accelerators) + number
    return sum(window.n_bytes[row]) * setup.channels[number].energy_pj_per_byte * 1e-12


def accelerator_j(setup: Setup, window: Window, number: int) -> float:
    """Energy of one accelerator over the window (J): static, active, by action, and the leakage of its own heat."""
    part, row = setup.accelerators[number], len(setup.thread_models) + number
    clock = setup.clocks_hz[number] / part.clock_hz
    active_ns = sum(window.time_ns[row][state] for state in ACTIVE)
    streamed = window.n_bytes[row][State.PARAMETERS]
    seconds = window.elapsed_ns / 1e9
    cold_w = idle_w(part) + active_j(part, clock, active_ns, streamed, window.actions[row]) / seconds
    ambient = ambient_c(setup.scenario.thermal)
    return heated_w(part, cold_w, idle_w(part), ROOM_C if ambient is None else ambient) * seconds


def idle_w(part: Accelerator) -> float:
    """Power of an initialised accelerator that does nothing, in a room of 25 C (W)."""
    return part.power_base_w + part.power_idle_w


def active_j(
    part: Accelerator, clock_share: float, active_ns: float, streamed_bytes: float, actions: Sequence[float]
) -> float:
    """Energy above idle (J): clocks while the program runs, streamed parameters, (MACs, wide bytes, narrow bytes).

    ``clock_share`` is the core clock over the part's highest; the fabric that takes the parameters in runs on a clock
    that goes with it, for a time that does not.

    Parameters
    ----------
    active_ns
        Time for which the program runs, stalls for streamed parameters included.
    streamed_bytes
        Parameters that came over the link meanwhile.
    actions
        Multiply-accumulates, bytes of wide and of narrow memory.
    """
    macs, wide, narrow = actions
    actions_pj = (
        macs * part.energy_mac_pj + wide * part.energy_wide_pj_per_byte + narrow * part.energy_narrow_pj_per_byte
    )
    clocked_pj = part.power_active_clock_w * active_ns * 1e3 + streamed_bytes * part.energy_stream_pj_per_byte
    return (clock_share * clocked_pj + actions_pj) * 1e-12


def heated_w(part: Accelerator, cold_w: float, rest_w: float, ambient: float = ROOM_C) -> float:
    """Mean power (W) with the leakage of its own heat: ``cold_w`` holds the leakage of ``rest_w`` in a room of 25 C.

    T = ambient + R P and leakage that doubles every so many degrees, solved by iteration; above the shutdown
    temperature it grows no more.

    Parameters
    ----------
    cold_w
        Power without the leakage of the heat beyond rest (W).
    rest_w
        Power at rest: its own heat is in the measured idle power already.
    ambient
        Temperature of the surroundings (C).
    """
    room = _leakage_w(part, ROOM_C + part.power_heat_c_per_w * rest_w)
    power = cold_w
    for _ in range(ROUNDS if part.power_leakage_w else 0):
        before, power = power, cold_w - room + _leakage_w(part, ambient + part.power_heat_c_per_w * power)
        if abs(power - before) < 1e-12:
            break
    return max(0.0, power)


def _leakage_w(part: Accelerator, temperature_c: float) -> float:
    doublings = (min(temperature_c, SHUTDOWN_C) - ROOM_C) / part.power_leakage_doubling_c
    return float(part.power_leakage_w * 2 ** min(doublings, MOST_DOUBLINGS))


def rest_w(setup: Setup) -> float:
    """Power of the whole system while nothing is done (W); in a closed loop the host is awake all the same."""
    awake = float(setup.scenario.arrivals.split(":")[0] not in OPEN)
    return sum(idle_w(part) for part in setup.accelerators) + host_w(setup.host, setup.cores, 0.0, awake)
