"""The options ``--classes`` and ``--max-boxes``: detectors among some networks with another head."""

from __future__ import annotations

from collections.abc import Sequence

from hwmodels.errors import InputError
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.readers import is_network_file
from hwmodels.networks.zoo import head_name, load_network

__all__ = ["load_with_heads"]


def load_with_heads(names: Sequence[str], classes: int = 0, boxes: int = 0) -> list[LayerGraph]:
    """Load networks, the detectors among them with other classes or other numbers of boxes kept.

    Parameters
    ----------
    names
        As :func:`hwmodels.networks.zoo.load_network` takes them.
    classes, boxes
        How many; 0 leaves them as they are. A network that has no such head stays as it is.

    Raises
    ------
    InputError
        Where no network can have what was asked, with the reason for the first one; and as ``load_network`` does.
    """
    graphs = [load_network(name) for name in names]
    if not classes and not boxes:
        return graphs
    kinds = [("--classes", classes, _no_classes), ("--max-boxes", boxes, _no_boxes)]
    for option, count, why_not in kinds:
        reasons = [why_not(name, graph) for name, graph in zip(names, graphs, strict=True)]
        if count and all(reasons):
            raise InputError.problem(
                option, f"cannot act on {graphs[0].name}, {reasons[0]}", "take a detector of the zoo"
            )
    return [
        _with_head(name, graph, 0 if _no_classes(name, graph) else classes, 0 if _no_boxes(name, graph) else boxes)
        for name, graph in zip(names, graphs, strict=True)
    ]


def _with_head(name: str, graph: LayerGraph, classes: int, boxes: int) -> LayerGraph:
    return load_network(head_name(name, classes, boxes)) if classes or boxes else graph


def _no_classes(name: str, graph: LayerGraph) -> str:
    """Why a network cannot have other classes; empty where it can."""
    if is_network_file(name):
        return "a file, which has the head that it was exported with"
    from hwmodels.networks.variants import has_known_head  # a network as it is needs none of it

    task = graph.meta.get("task")
    return "" if has_known_head(graph) else (
        "whose head is not known" if task == "detection" else "which is no detector"
    )  # fmt: skip


def _no_boxes(name: str, graph: LayerGraph) -> str:
    """Why a network cannot keep other numbers of boxes; empty where it can."""
    if is_network_file(name):
        return "a file, which has the head that it was exported with"
    from hwmodels.networks.variants import has_known_head, keeps_boxes

    if keeps_boxes(graph):
        return ""
    return "which leaves the choice of boxes to the program" if has_known_head(graph) else "which is no detector"
