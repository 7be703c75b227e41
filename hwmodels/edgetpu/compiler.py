"""Compile for the Edge TPU: plain networks by the compiler model, files that are compiled already by their bytes."""

from __future__ import annotations

from collections.abc import Sequence

from hwmodels.cache import for_each
from hwmodels.edgetpu.accelerator import EdgeTpu, load_accelerator
from hwmodels.edgetpu.allocation import allocate_set
from hwmodels.edgetpu.coefficients import NEWEST, Compiler, load_compiler
from hwmodels.edgetpu.cost import cycles
from hwmodels.edgetpu.outlook import Outlook, outlook
from hwmodels.edgetpu.planning import Target, compile_layers, compile_set, network_token
from hwmodels.errors import InputError
from hwmodels.executable import Executable
from hwmodels.networks.graph import LayerGraph

__all__ = [
    "cocompile",
    "compile_graph",
    "compile_into_many",
    "keeps_alike",
    "layer_cycles",
    "memory_outlook",
    "on_chip_bytes",
    "order_counts",
    "token_of_twin",
]


def compile_graph(graph: LayerGraph, accelerator: EdgeTpu, compiler: Compiler | str = NEWEST) -> Executable:
    """Compile a network for an accelerator.

    Raises :class:`InputError` for an unknown version of the compiler.

    Parameters
    ----------
    graph
        A plain network, or a compiled file's: then its own bytes count, whatever compiler is named.
    accelerator
        Its memory decides what is cached, its array how long layers take.
    compiler
        A version, or its name or part file.
    """
    version = _version(compiler)
    if graph.is_compiled:
        from hwmodels.edgetpu.compiled import executable_from_file  # only compiled files need the readers

        return executable_from_file(graph, Target(accelerator, load_compiler(NEWEST)))
    return compile_layers(graph, Target(accelerator, version))


def compile_into_many(graph: LayerGraph, accelerator: EdgeTpu, compiler: Compiler | str = NEWEST) -> Executable:
    """Compile a plain network into as many subgraphs as its unsupported operators make (``-m`` of the compiler)."""
    return compile_layers(graph, Target(accelerator, _version(compiler), many_subgraphs=True))


def keeps_alike(executable: Executable, accelerator: EdgeTpu, compiler: Compiler | str = NEWEST) -> bool:
    """Return whether the same layers of a network compiled by itself stay on the chip of another parameter memory."""
    plans = [plan for plan in executable.plans if not plan.reason]
    (kept,) = allocate_set([[plan.layer for plan in plans]], accelerator, _version(compiler))
    return executable.source != "file" and kept == tuple(plan.cached for plan in plans)


def token_of_twin(graph: LayerGraph, compiled: LayerGraph) -> str:
    """Return what names the parameters of a compiled file that belongs to a plain network.

    Raises :class:`InputError` for a file that is not compiled, and for one that was made of other parameters.
    """
    from hwmodels.edgetpu.compiled import twin_s_token

    if graph.is_compiled:
        raise InputError.problem(
            graph.name, "is compiled for the Edge TPU and has no layer graph", "give the plain file first"
        )
    if not compiled.is_compiled:
        raise InputError.problem(
            compiled.name, "is not compiled for the Edge TPU", "give the plain file, then its twin"
        )
    return twin_s_token(graph, compiled, Target(load_accelerator("coral"), load_compiler(NEWEST)))


def order_counts(compiler: Compiler | str = NEWEST) -> bool:
    """Return whether networks that are compiled together get parameter memory in the order in which they are named."""
    return not _version(compiler).ranks_set


def _version(compiler: Compiler | str) -> Compiler:
    return compiler if isinstance(compiler, Compiler) else load_compiler(compiler)


def cocompile(
    graphs: Sequence[LayerGraph], accelerator: EdgeTpu, compiler: Compiler | str = NEWEST
) -> list[Executable]:
    """Compile plain networks together: one token, and one parameter memory (:func:`allocate_set`).

    Compiled files keep what is theirs.
    """
    if any(graph.is_compiled for graph in graphs):
        return [compile_graph(graph, accelerator, compiler) for graph in graphs]
    return compile_set(graphs, Target(accelerator, _version(compiler)), "+".join(map(network_token, graphs)))


def memory_outlook(executable: Executable, accelerator: EdgeTpu, compiler: Compiler | str = NEWEST) -> Outlook:
    """Return how sure the memory and the streamed bytes of a network compiled by itself are."""
    layers = [plan.layer for plan in executable.plans if not plan.reason]
    return outlook(layers, accelerator, _version(compiler))


def on_chip_bytes(executable: Executable) -> int:
    """Parameter memory that the cached layers take, in padded rows."""
    return sum(plan.on_chip_bytes for plan in executable.plans if plan.cached)


def layer_cycles(graph: LayerGraph, accelerator: EdgeTpu) -> Sequence[float]:
    """Cycles of every layer by itself, whether or not it maps where it stands."""
    return for_each(lambda layer: cycles(layer, accelerator), graph.alike)
