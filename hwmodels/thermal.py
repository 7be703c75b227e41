"""Heat: the steady temperature of an accelerator, and the clock that the PCIe driver then allows.

The gasket driver polls the temperature and halves the core clock at each trip point; over USB nothing throttles
(gasket-driver, apex_driver.c). Steady state only: T = ambient + R P, with the power at the clock that results.
"""

from __future__ import annotations

from hwmodels.errors import InputError

__all__ = ["SHUTDOWN_C", "TRIPS_C", "ambient_c", "steady_clock"]

#: (temperature in C, divisor of the clock) of gasket's apex driver; shutdown alarm at 100 C.
TRIPS_C = ((95.0, 8), (90.0, 4), (85.0, 2))
SHUTDOWN_C = 100.0


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
        raise InputError.value("--thermal", text, "off, or the ambient temperature in C from -40 to 85")
    return ambient


def steady_clock(ambient_c: float, c_per_w: float, power_by_divisor_w: dict[int, float]) -> tuple[int, float]:
    """Return the smallest clock divisor whose steady temperature stays below its trip point, and that temperature.

    Between two levels the driver steps back and forth; this is the slower of the two.

    Parameters
    ----------
    ambient_c
        Temperature of the surroundings.
    c_per_w
        Thermal resistance of the accelerator (``power_heat_c_per_w`` of its part file).
    power_by_divisor_w
        The accelerator's mean power at each divisor of the clock (1, 2, 4, 8).

    Returns
    -------
    tuple
        Divisor of the clock, and temperature in C.
    """
    limits = {divisor // 2: trip for trip, divisor in TRIPS_C}
    divisor, temperature = 1, ambient_c
    for divisor, power in sorted(power_by_divisor_w.items()):
        temperature = ambient_c + c_per_w * power
        if temperature < limits.get(divisor, SHUTDOWN_C):
            break
    return divisor, temperature
