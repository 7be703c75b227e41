"""The one seam between families of accelerators and everything that simulates them.

A part file of ``accelerators/`` names its family (``family = "edgetpu"``, or takes its base's; without either it is an
Edge TPU). A family is its part's class and a function that compiles a network for it. To add one, add a folder with
both, part files, and a line to :data:`FAMILIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hwmodels.accelerator import Accelerator
from hwmodels.cache import read_once, remembered
from hwmodels.edgetpu import compiler as edgetpu
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.coefficients import NEWEST
from hwmodels.edgetpu.cost import more_cycles
from hwmodels.errors import InputError, either, nearest
from hwmodels.executable import Executable, LayerPlan
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.zoo import add_network, load_network
from hwmodels.parts import label, load, part_names

__all__ = [
    "FAMILIES",
    "NEWEST",
    "Family",
    "accelerator_classes",
    "add_pair",
    "compile_graph",
    "compile_together",
    "family_name",
    "family_named",
    "family_of",
    "family_of_size",
    "layer_weights",
    "load_accelerator",
    "more_cycles_of",
    "order_counts",
    "recosted",
    "refitted",
    "sizes",
]  # fmt: skip

OLDEST = "edgetpu"  # of part files that name no family


@dataclass(frozen=True, slots=True)
class Family:
    """One family of accelerators. Its functions get parts of its own class, so that they may be typed as narrowly.

    Attributes
    ----------
    part
        Class of its part files.
    compile
        (network, part, name of the compiler's version) -> executable. Raises :class:`InputError` for what it refuses.
    compile_together
        The same for several networks that share the parameter memory; None where the family does not know that.
    compile_into_many
        (network, part, compiler) -> executable of several subgraphs; None where the family does not know that.
    layer_cycles
        (network, part) -> cycles of every layer by itself; None takes those of the compiled network.
    memory_outlook
        (executable, part, compiler) -> least, expected and most parameter memory and streamed bytes; None where they
        are certain.
    token_of_twin
        (network, compiled file) -> what names the file's parameters, where they are the network's; None where the
        family's compiled files cannot be read.
    order_counts
        (compiler) -> whether it matters in which order networks are named that are compiled together.
    keeps_alike
        (executable, part, compiler) -> whether a part that differs in its parameter memory alone keeps the same
        parameters, so that the program is the same; None compiles anew.
    more_cycles
        (layers' plans and their numbers, part, other part, the one number in which they differ) -> cycles that they
        take longer on the other; None compiles anew.
    link, host
        What its accelerators go with where nothing else is said.
    """

    part: type[Accelerator]
    compile: Callable[[LayerGraph, Any, str], Executable]
    compile_together: Callable[[Sequence[LayerGraph], Any, str], list[Executable]] | None = None
    layer_cycles: Callable[[LayerGraph, Any], Sequence[float]] | None = None
    memory_outlook: Callable[[Executable, Any, str], Any] | None = None
    compile_into_many: Callable[[LayerGraph, Any, str], Executable] | None = None
    token_of_twin: Callable[[LayerGraph, LayerGraph], str] | None = None
    order_counts: Callable[[str], bool] = lambda _: False
    more_cycles: Callable[[Sequence[tuple[LayerPlan, int]], Any, Any, str], float] | None = None
    keeps_alike: Callable[[Executable, Any, str], bool] | None = None
    link: str = "usb3"
    host: str = "x86-xeon"


@cache
def _dpu() -> Family:
    from hwmodels.dpu.accelerator import Dpu  # most set-ups have no use for it
    from hwmodels.dpu.compiler import compile_graph

    return Family(Dpu, compile_graph, link="memory", host="kv260")


#: Families by the name that part files give; a function makes one that is loaded where it is asked for.
FAMILIES: dict[str, Family | Callable[[], Family]] = {
    "edgetpu": Family(
        EdgeTpu,
        edgetpu.compile_graph,
        edgetpu.cocompile,
        edgetpu.layer_cycles,
        edgetpu.memory_outlook,
        edgetpu.compile_into_many,
        edgetpu.token_of_twin,
        edgetpu.order_counts,
        more_cycles,
        edgetpu.keeps_alike,
    ),
    "dpu": _dpu,
}


def _family(name: str) -> Family:
    found = FAMILIES[name]
    return found if isinstance(found, Family) else found()


def load_accelerator(name_or_path: str) -> Accelerator:
    """Load an accelerator of any family by name (``small``, ``coral``, ``large``) or from a part file.

    Raises
    ------
    InputError
        For an unknown name or family (with the nearest one), an unreadable file, an unknown key, or a number out of its
        range.
    """
    return load("accelerator", _family(_family_name(name_or_path)).part, name_or_path)


def _family_name(name_or_path: str) -> str:
    return _known(label("accelerator", name_or_path, "family") or OLDEST, f"{name_or_path}: family")


def _known(family: str, where: str) -> str:
    if family not in FAMILIES:
        raise InputError.value(where, family, either(FAMILIES), nearest(family, FAMILIES))
    return family


def family_named(size: str) -> Family:
    """Return the family of the first accelerator that a size names (``coral:2,large:1``), by its part file.

    Raises :class:`InputError` for an unknown name or family, or an unreadable file.
    """
    return _family(family_of_size(size))


@read_once
def family_of_size(size: str) -> str:
    """Return the name of that family."""
    name = size.split(",")[0].strip()
    return _family_name(name.rpartition(":")[0] if name.rpartition(":")[2].isdecimal() else name)


@cache
def sizes(family: str) -> tuple[str, ...]:
    """Return the names of the shipped accelerators of a family, the one that computes least at once first.

    Raises :class:`InputError` for an unknown family.
    """
    _known(family, "family")
    names = [name for name in part_names("accelerator") if _family_name(name) == family]
    return tuple(sorted(names, key=lambda name: load_accelerator(name).peak_macs_per_cycle))


def accelerator_classes() -> tuple[type[Accelerator], ...]:
    """Return the classes of all families' part files."""
    return tuple(_family(name).part for name in FAMILIES)


def family_of(part: Accelerator) -> Family:
    """Return the family that a part belongs to, by its class."""
    return _family(family_name(part))


def family_name(part: Accelerator) -> str:
    """Return the name of the family that a part belongs to."""
    return next(name for name in FAMILIES if isinstance(part, _family(name).part))


@remembered(512)
def compile_graph(graph: LayerGraph, part: Accelerator, compiler: str = NEWEST) -> Executable:
    """Compile a network for an accelerator; the last results are remembered by the identity of network and part.

    Raises :class:`InputError` for an unknown version of the compiler, or what the family refuses.
    """
    return family_of(part).compile(graph, part, compiler)


def compile_together(graphs: Sequence[LayerGraph], part: Accelerator, compiler: str = NEWEST) -> list[Executable]:
    """Compile networks that share an accelerator's parameter memory.

    Raises :class:`InputError` where the part's family does not know that.
    """
    compile_all = family_of(part).compile_together
    if compile_all is None:
        raise InputError.problem(
            "--cocompile",
            f"cannot act on {part.name}",
            "take an accelerator of a family that compiles networks together",
        )
    return compile_all(graphs, part, compiler)


def order_counts(size: str, compiler: str = NEWEST) -> bool:
    """Return whether it matters for a size in which order networks are named that are compiled together."""
    return family_named(size).order_counts(compiler)


def add_pair(plain: Path, compiled: Path, name: str = "", replace: bool = False) -> tuple[LayerGraph, Path]:
    """Keep a plain network among the user's own, and remember its compiled file: that is known again under any name.

    Returns the network and where its trace lies. Raises :class:`InputError` for files that do not belong together, and
    as :func:`hwmodels.networks.zoo.add_network`.
    """
    token = _family(OLDEST).token_of_twin
    assert token is not None  # of the family whose compiled files the reader knows
    about = {"compiled": token(load_network(str(plain)), load_network(str(compiled)))}
    return add_network(plain, name, replace, about)


def recosted(executable: Executable, part: Accelerator, compiler: str = NEWEST) -> Executable:
    """Return an executable with its cycles as they are on another part, which differs in cycle costs alone.

    Every byte stays in its place. A compiled file stays as it is: it has no layers whose cycles could be told.
    """
    of_layers = family_of(part).layer_cycles
    if of_layers is None:
        return compile_graph(executable.graph, part, compiler)
    if executable.source == "file":
        return executable
    cycles = of_layers(executable.graph, part)
    plans = [plan for segment in executable.accelerator_segments for plan in segment.plans]
    if all(plan.cycles == cycles[plan.layer.index] for plan in plans):
        return executable
    segments = tuple(
        replace(segment, plans=tuple(replace(plan, cycles=cycles[plan.layer.index]) for plan in segment.plans))
        if segment.device == "accelerator"
        else segment
        for segment in executable.segments
    )
    return replace(executable, segments=segments)


def refitted(executable: Executable, part: Accelerator, compiler: str = NEWEST) -> Executable:
    """Return a network compiled by itself for another part, which differs in its parameter memory alone."""
    is_same = family_of(part).keeps_alike
    if is_same is not None and is_same(executable, part, compiler):
        return executable
    return compile_graph(executable.graph, part, compiler)


def more_cycles_of(executable: Executable, part: Accelerator, other: Accelerator, key: str) -> float:
    """Return how many cycles more an executable takes on another part, which differs in one cycle cost: ``key``.

    As :func:`recosted` has it, with layers of one kind counted once.
    """
    of_plans = family_of(part).more_cycles
    if of_plans is None:
        return recosted(executable, other).cycles - executable.cycles
    if executable.source == "file":
        return 0.0
    return of_plans([kind for segment in executable.accelerator_segments for kind in segment.kinds], part, other, key)


def layer_weights(graph: LayerGraph, part: Accelerator) -> list[float]:
    """Relative time of every layer with its parameters on the chip, in cycles (1 for what costs nothing)."""
    of_layers = family_of(part).layer_cycles
    cycles = of_layers(graph, part) if of_layers else [plan.cycles for plan in compile_graph(graph, part).plans]
    return [1 + one for one in cycles]
