"""Compile for the DPU: runs of layers on the accelerator and on the CPU in turn, every byte over the port to memory."""

from __future__ import annotations

from hwmodels.dpu.accelerator import Dpu
from hwmodels.dpu.cost import Planner
from hwmodels.dpu.hostwork import notes, program_work
from hwmodels.dpu.placement import place, runs
from hwmodels.errors import InputError
from hwmodels.executable import Executable, LayerPlan, Segment
from hwmodels.networks.graph import Layer, LayerGraph, graph_hash

__all__ = ["compile_graph"]


def compile_graph(graph: LayerGraph, part: Dpu, _compiler: str = "") -> Executable:
    """Compile a network for a size of the DPU.

    Parameters
    ----------
    graph
        A plain network; its layers are known.
    part
        Its parallelism decides what fits and how long it takes.
    _compiler
        Versions of the Edge TPU's compiler mean nothing here.

    Raises
    ------
    InputError
        For a file that is compiled for an Edge TPU already.
    """
    if graph.is_compiled:
        raise InputError.problem("MODEL", f"{graph.name} is compiled for an Edge TPU", "give the plain network")
    reasons, planner = place(graph, part), Planner(graph, part)
    segments = tuple(_segment(run, reasons, planner) for run in runs(graph, reasons))
    passes = sum(segment.device == "accelerator" for segment in segments)
    work = program_work(graph, passes)
    return Executable(graph.name, graph, segments, graph_hash(graph), notes=notes(graph), work=work)


def _segment(layers: list[Layer], reasons: tuple[str, ...], planner: Planner) -> Segment:
    if reasons[layers[0].index]:
        return Segment("cpu", tuple(LayerPlan(layer, reasons[layer.index]) for layer in layers))
    return Segment("accelerator", planner.plan(layers))
