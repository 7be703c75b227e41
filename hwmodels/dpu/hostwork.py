"""What a board's program does for an inference around the DPU's passes: copying the input, decoding the result.

Measured as the difference between the rates of one thread and of many, by task (docs/dpu.md). Work that the network has
as layers of its own, on the CPU, is not counted again.
"""

from __future__ import annotations

from hwmodels.cpu import ProgramWork
from hwmodels.networks.graph import LayerGraph

__all__ = ["notes", "program_work"]

#: Tasks whose results were timed on the boards.
_KNOWN = ("classification", "features", "segmentation", "detection")
_DETECTIONS = frozenset(["TFLite_Detection_PostProcess", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"])


def program_work(graph: LayerGraph, passes: int) -> ProgramWork:
    """Return what the program does for an inference of a network that takes so many passes through the DPU.

    Classification and features cost nothing beyond the call; neither does a network whose task is not known.
    """
    pixels = sum(tensor.hwc[0] * tensor.hwc[1] for tensor in graph.inputs)
    kind = _results(graph)
    elements = sum(tensor.n_elements for tensor in graph.outputs)
    return ProgramWork(passes, pixels, **({kind: elements} if kind else {}))


def notes(graph: LayerGraph) -> tuple[str, ...]:
    """Say where the time of decoding the results is not known, so that none is counted."""
    task = str(graph.meta.get("task", ""))
    if task in _KNOWN or (graph.layers and graph.layers[-1].op in _DETECTIONS):
        return ()
    return (
        f"what decoding the results of {task or 'an unknown task'} takes on the host is not known: none is counted",
    )


def _results(graph: LayerGraph) -> str:
    """Kind of what has to be decoded, by the task; empty for nothing."""
    task, family = str(graph.meta.get("task", "")), str(graph.meta.get("family", ""))
    ops = {layer.op for layer in graph.layers}
    if task == "segmentation" and "ARG_MAX" not in ops:
        return "classes"
    if task == "detection" and not ops & _DETECTIONS:
        return "boxes" if family.startswith("yolo") else "scores"
    return ""
