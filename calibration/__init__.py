"""Reality: measure real devices, fit part files to measurements, hold the models against measurements."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibration.fitting import fit
    from calibration.shipped import load_dataset
    from calibration.validation import validate

__all__ = ["fit", "load_dataset", "validate"]

# Names are imported when they are first used: a command's help must not wait for them.
_HOMES = {"fit": "fitting", "load_dataset": "shipped", "validate": "validation"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"calibration.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
