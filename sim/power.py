"""Window totals to energy: power states times time, leakage by temperature, energy of actions and of link bytes.

Accounting (docs/energy.md): an accelerator draws its base and initialised-idle power all the time, its clocks while its
program runs, an energy for every action and streamed byte, and more leakage as it warms; a link an energy per byte; the
host its board's base, one amount while anything is in flight, and per core a busy or an idle power.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.energy import ROOM_C, active_j, heated_w, host_w, idle_w
from hwmodels.thermal import ambient_c
from sim.machine.records import Activity
from sim.machine.states import TRAITS, State
from sim.setup import Setup

__all__ = ["Performance", "Power", "accelerator_j", "host_rest_w", "mean_power", "ratio", "rest_w"]

ACTIVE = tuple(state for state, traits in TRAITS.items() if traits.active)


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


@dataclass(frozen=True)
class Performance:
    """A rate (inferences/s) and the mean powers that go with it."""

    throughput_ips: float
    power: Power

    @property
    def energy_mj(self) -> float:
        """Energy of an inference, whole system (mJ)."""
        return ratio(self.power.total_w * 1e3, self.throughput_ips)

    @property
    def accelerator_mj(self) -> float:
        """Energy of an inference, accelerators alone (mJ)."""
        return ratio(self.power.accelerators_w * 1e3, self.throughput_ips)


def ratio(a: float, b: float) -> float:
    """Return a / b, or 0 where b is 0."""
    return a / b if b else 0.0


def mean_power(setup: Setup, done: Activity) -> Power:
    """Return mean powers over some time, from what the components did.

    Parameters
    ----------
    setup
        Power states and action energies of its parts.
    done
        Totals of time, bytes and actions by component: a run's window, or the closed form's rates.
    """
    count, seconds = len(setup.powered), done.elapsed_ns / 1e9
    accelerators = sum(accelerator_j(setup, done, i) for i in range(count)) / seconds
    links = sum(link_j(setup, done, i) for i in range(count)) / seconds
    busy = done.core_ns / done.elapsed_ns
    return Power(accelerators, links, host_w(setup.host, setup.cores, busy, awake_share(setup, done)))


def awake_share(setup: Setup, done: Activity) -> float:
    """Share of time with work in flight: all of it in a closed loop, else at most what cores, links, programs took."""
    if not setup.scenario.arrival_process.process.is_open:
        return 1.0
    busy_ns = done.core_ns + sum(part.spent_ns(ACTIVE) for part in done.accelerators)
    for line, moved in zip(setup.channels, done.links, strict=True):
        busy_ns += moved.n_bytes[State.TRANSFER_OUT] / line.out_bytes_per_s * 1e9
        busy_ns += moved.n_bytes[State.TRANSFER_IN] / line.in_bytes_per_s * 1e9
    return min(1.0, busy_ns / done.elapsed_ns)


def link_j(setup: Setup, done: Activity, number: int) -> float:
    """Energy of one link (J): all bytes, both ways."""
    return sum(done.links[number].n_bytes) * setup.channels[number].energy_pj_per_byte * 1e-12


def accelerator_j(setup: Setup, done: Activity, number: int) -> float:
    """Energy of one accelerator (J): static, active, by action, and the leakage of its own heat."""
    part, own = setup.accelerators[number], done.accelerators[number]
    clock = setup.clocks_hz[number] / part.clock_hz
    seconds = done.elapsed_ns / 1e9
    active = active_j(part.energies, clock, own.spent_ns(ACTIVE), own.n_bytes[State.PARAMETERS], own.actions)
    ambient = ambient_c(setup.scenario.thermal)
    cold_w = idle_w(part.energies) + active / seconds
    return heated_w(part.energies, cold_w, idle_w(part.energies), ROOM_C if ambient is None else ambient) * seconds


def rest_w(setup: Setup) -> float:
    """Power of the whole system while nothing is done (W); in a closed loop the host is awake all the same."""
    return sum(idle_w(part.energies) for part in setup.powered) + host_rest_w(setup)


def host_rest_w(setup: Setup) -> float:
    """Power of the host alone while nothing is done (W), likewise."""
    awake = float(not setup.scenario.arrival_process.process.is_open)
    return host_w(setup.host, setup.cores, 0.0, awake)
