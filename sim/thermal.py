"""Heat: the steady temperature of an accelerator, and the clock that the PCIe driver then allows.

The gasket driver polls the temperature and halves the core clock at each trip point; over USB nothing throttles
(gasket-driver, apex_driver.c). Steady state only: T = ambient + R P, with the power at the clock that results.
"""

from __future__ import annotations

from hwmodels.errors import InputError

__all__ = ["TRIPS_C", "ambient_c", "steady_clock"]

#: (temperature in C, divisor of the clock) of gasket's apex driver; shutdown alarm at 100 C.
TRIPS_C = ((95.0, 8), (90.0, 4), (85.0, 2))
SHUTDOWN_C = 100.0
RESISTANCE_C_PER_W = 10.0  # Dev Board, fan off: 10.0 +- 0.31 (hanchanghun_temp)


def ambient_c(text: str) -> float | None:
    """Parse ``--thermal``: None for off, else the ambient temperature in C.

    Raises :class:`InputError` for anything but ``off`` or a number from -40 to 85.
    """
    if text == "off":
        return None
    try:
        ambient = float(text)
    except ValueError:
        ambient = 1e9
    if not -40 <= ambient <= 85:
        raise InputError("--thermal", text, "off, or the ambient temperature in C from -40 to 85")
    return ambient


def steady_clock(ambient: float, power_by_divisor_w: dict[int, float]) -> tuple[int, float]:
    """Return the smallest clock divisor whose steady temperature stays below its trip point, and that temperature.

    ``power_by_divisor_w`` holds the accelerator's mean power at each divisor (1, 2, 4, 8). Between two levels the
    driver steps back and forth; this is the slower of the two.

    Parameters
    ----------
    ambient
        In C.
    power_by_divisor_w
        Of one accelerator (W).

    Returns
    -------
    tuple
        Divisor of the clock, and temperature in C.
    """
    limits = {divisor // 2: trip for trip, divisor in TRIPS_C}
    for divisor, power in sorted(power_by_divisor_w.items()):
        temperature = ambient + RESISTANCE_C_PER_W * power
        if temperature < limits.get(divisor, SHUTDOWN_C):
            return divisor, temperature
    return max(power_by_divisor_w), ambient + RESISTANCE_C_PER_W * power_by_divisor_w[max(power_by_divisor_w)]
