"""The package's public functions that belong to no single part."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, overload

from hwmodels.accelerator import Accelerator
from hwmodels.dpu.board import Board
from hwmodels.edgetpu.coefficients import Compiler
from hwmodels.errors import InputError, nearest
from hwmodels.executable import Executable
from hwmodels.families import NEWEST, accelerator_classes, compile_graph, load_accelerator
from hwmodels.host import Host
from hwmodels.link import Link
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.zoo import load_network
from hwmodels.parts import Part, load

__all__ = ["KINDS", "compile_network", "load_part", "part_classes"]

_CLASSES: dict[str, type[Part]] = {"link": Link, "host": Host, "board": Board, "compiler": Compiler}
#: Kinds of part files.
KINDS = ("accelerator", *_CLASSES)


@overload
def load_part(kind: Literal["accelerator"], name_or_path: str | Path) -> Accelerator: ...
@overload
def load_part(kind: Literal["link"], name_or_path: str | Path) -> Link: ...
@overload
def load_part(kind: Literal["host"], name_or_path: str | Path) -> Host: ...
@overload
def load_part(kind: str, name_or_path: str | Path) -> Part: ...
def load_part(kind: str, name_or_path: str | Path) -> Part:
    """Load an ``accelerator``, ``link``, ``host``, ``board`` or ``compiler`` by name or from a part file.

    Raises :class:`InputError` for an unknown kind or name, an unreadable file, an unknown key or a missing number.
    """
    (cls, *_) = part_classes("kind", kind)
    return load_accelerator(str(name_or_path)) if kind == "accelerator" else load(kind, cls, str(name_or_path))


def part_classes(where: str, kind: str) -> tuple[type[Part], ...]:
    """Return what files of a kind may hold: an accelerator's goes by its family.

    Raises :class:`InputError` with ``where`` for an unknown kind.
    """
    if kind not in KINDS:
        raise InputError.value(where, kind, ", ".join(KINDS), nearest(kind, KINDS))
    return accelerator_classes() if kind == "accelerator" else (_CLASSES[kind],)


def compile_network(
    network: LayerGraph | str | Path, size: Accelerator | str = "coral", compiler: str = NEWEST
) -> Executable:
    """Compile a network (graph, zoo name or path) for an accelerator size.

    The executable holds segments with resident and streamed parameter, instruction, input and output bytes. Raises
    :class:`InputError` for an unknown name, a file that cannot be read or an unknown version of the compiler.
    """
    graph = network if isinstance(network, LayerGraph) else load_network(str(network))
    accelerator = size if isinstance(size, Accelerator) else load_accelerator(size)
    return compile_graph(graph, accelerator, compiler)
