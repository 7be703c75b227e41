"""Powers and energies of parts: joules of a pass, watts of a state, leakage by temperature (docs/energy.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hwmodels.cache import remembered
from hwmodels.host import Host
from hwmodels.thermal import SHUTDOWN_C

__all__ = ["ROOM_C", "Energies", "active_j", "heated_w", "host_w", "idle_w"]


ROOM_C = 25.0  # ambient temperature of the measured idle powers, and of a scenario without --thermal
ROUNDS = 30
MOST_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Energies:
    """Powers (W) and energies (pJ) of one accelerator.

    Attributes
    ----------
    base_w, idle_w
        Always, and on top of it once it is initialised.
    active_clock_w
        Its clocks while the program runs, at the highest core clock.
    stream_pj_per_byte
        Taking in a streamed parameter byte.
    action_pj
        Of each kind of action that stages count: multiply-accumulates, bytes of wide and of narrow memory.
    leakage_w, leakage_doubling_c
        Leakage in a room of 25 C (part of the base), and the warming that doubles it.
    heat_c_per_w
        Thermal resistance (C/W).
    """

    base_w: float
    idle_w: float
    active_clock_w: float
    stream_pj_per_byte: float
    action_pj: tuple[float, float, float]
    leakage_w: float = 0
    leakage_doubling_c: float = 25
    heat_c_per_w: float = 10

    def actions_pj(self, actions: Sequence[float]) -> float:
        """Energy of counted actions (pJ)."""
        return sum(count * each for count, each in zip(actions, self.action_pj, strict=True))


def host_w(host: Host, cores: int, busy_cores: float, awake: float = 1.0) -> float:
    """Board base, what is awake while work is in flight (a share of time), busy cores, the rest of them idle (W)."""
    idle = max(0.0, cores - busy_cores)
    static = host.power_board_w + awake * host.power_awake_w
    return static + busy_cores * host.power_core_busy_w + idle * host.power_core_idle_w


def idle_w(energies: Energies) -> float:
    """Power of an initialised accelerator that does nothing, in a room of 25 C (W)."""
    return energies.base_w + energies.idle_w


def active_j(
    energies: Energies, clock_share: float, active_ns: float, streamed_bytes: float, actions: Sequence[float]
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
    clocked_pj = energies.active_clock_w * active_ns * 1e3 + streamed_bytes * energies.stream_pj_per_byte
    return (clock_share * clocked_pj + energies.actions_pj(actions)) * 1e-12


@remembered(4096)  # accelerators alike, and all that rest
def heated_w(energies: Energies, cold_w: float, rest_w: float, ambient: float = ROOM_C) -> float:
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
    room = _leakage_w(energies, ROOM_C + energies.heat_c_per_w * rest_w)
    power = cold_w
    for _ in range(ROUNDS if energies.leakage_w else 0):
        before, power = power, cold_w - room + _leakage_w(energies, ambient + energies.heat_c_per_w * power)
        if abs(power - before) < 1e-12:
            break
    return max(0.0, power)


def _leakage_w(energies: Energies, temperature_c: float) -> float:
    doublings = (min(temperature_c, SHUTDOWN_C) - ROOM_C) / energies.leakage_doubling_c
    return float(energies.leakage_w * 2 ** min(doublings, MOST_DOUBLINGS))
