"""Virtual accelerators: real programs, real threads and real locks against devices that take the simulator's time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError

if TYPE_CHECKING:
    from sim.virtual.session import Session, devices

__all__ = ["Session", "check_system", "devices"]


def check_system() -> None:
    """Raise :class:`InputError` where devices cannot be shared: only Linux has robust mutexes and ``/proc``."""
    if sys.platform != "linux":
        raise InputError.problem("edgetpusim virtual", f"does not run on {sys.platform}", "it needs Linux")


# Imported when first used: the device's own modules must not pull in the simulator.
def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_system()
    from sim.virtual import session

    return getattr(session, name)
