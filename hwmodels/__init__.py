"""Pure models of the hardware: how long, how many bytes, how much energy for one piece of work on one part."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwmodels.accelerator import Accelerator
    from hwmodels.api import compile_network, load_part
    from hwmodels.errors import InputError
    from hwmodels.executable import Executable
    from hwmodels.host import Host
    from hwmodels.link import Link
    from hwmodels.networks.graph import Layer, LayerGraph, Tensor
    from hwmodels.networks.zoo import load_network

__all__ = [
    "Accelerator", "Executable", "Host", "InputError", "Layer", "LayerGraph", "Link", "Tensor",
    "compile_network", "load_network", "load_part",
]  # fmt: skip

# Names are imported when they are first used: a command's help must not wait for them.
_HOMES = {
    "Accelerator": "accelerator", "Executable": "executable", "Host": "host", "InputError": "errors",
    "Layer": "networks.graph", "LayerGraph": "networks.graph", "Link": "link", "Tensor": "networks.graph",
    "compile_network": "api", "load_network": "networks.zoo", "load_part": "api",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"hwmodels.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
