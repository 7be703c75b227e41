"""The package's public functions that belong to no single part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwmodels.accelerator import Accelerator, load_accelerator
from hwmodels.compiler import compile_graph
from hwmodels.errors import InputError
from hwmodels.executable import Executable
from hwmodels.graph import LayerGraph
from hwmodels.host import Host, load_host
from hwmodels.link import Link, load_link
from hwmodels.zoo import load_network

__all__ = ["compile_network", "load_part"]

_LOADERS: dict[str, Callable[[str], Any]] = {"accelerator": load_accelerator, "link": load_link, "host": load_host}


def load_part(kind: str, name_or_path: str | Path) -> Accelerator | Link | Host:
    """Load an ``accelerator``, ``link`` or ``host`` by name or from a part file.

    Raises :class:`InputError` for an unknown kind or name, an unreadable file, an unknown key or a missing number.
    """
    if kind not in _LOADERS:
        raise InputError("load_part: kind", kind, ", ".join(_LOADERS))
    part: Accelerator | Link | Host = _LOADERS[kind](str(name_or_path))
    return part


def compile_network(
    network: LayerGraph | str | Path, size: Accelerator | str = "coral", compiler: str = "2021"
) -> Executable:
    """Compile a network (graph, zoo name or path) for an accelerator size.

    The executable holds segments with resident and streamed parameter, instruction, input and output bytes. Raises
    :class:`InputError` for an unknown name, a file that cannot be read or an unknown compiler generation.
    """
    graph = network if isinstance(network, LayerGraph) else load_network(str(network))
    accelerator = size if isinstance(size, Accelerator) else load_accelerator(size)
    return compile_graph(graph, accelerator, compiler)
