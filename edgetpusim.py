"""The public names in one place: ``from edgetpusim import Scenario, simulate``.

See :mod:`sim` (scenarios and answers), :mod:`hwmodels` (networks and parts) and :mod:`calibration` (measurements).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import calibration
import hwmodels
import sim

if TYPE_CHECKING:
    from calibration import fit, load_dataset, validate
    from hwmodels import InputError, compile_network, load_network, load_part
    from sim import Results, Scenario, advise, estimate, simulate, sweep

__all__ = [
    "InputError", "Results", "Scenario", "advise", "compile_network", "estimate", "fit", "load_dataset",
    "load_network", "load_part", "simulate", "sweep", "validate",
]  # fmt: skip

_PACKAGES = (sim, hwmodels, calibration)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return sim.__version__
    for package in _PACKAGES:
        if name in __all__ and name in package.__all__:
            return getattr(package, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


if __name__ == "__main__":  # python -m edgetpusim
    import sys

    from sim.commands.cli import main

    sys.argv[0] = "edgetpusim"
    main()
