"""A network of the zoo at another resolution, with other classes, or with other numbers of boxes kept.

A resolution must differ by a multiple of 32 from that of the trace: then maps of stride 32 and less keep their parity,
and with it their padding. A detector's head has a convolution for each scale whose filters are anchors times classes
(and what is predicted beside them); the rest follows from those.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwmodels.errors import InputError
from hwmodels.networks.graph import Layer, LayerGraph
from hwmodels.networks.shapes import Change, UnclearError, changed

__all__ = ["STEP", "fits", "has_known_head", "keeps_boxes", "resized", "retrained"]

#: Resolutions of a network differ by multiples of this.
STEP = 32
#: Most classes and boxes of a detector.
LARGEST_HEAD = 10_000


@dataclass(frozen=True)
class _Head:
    """What a family of detectors predicts.

    ``beside`` numbers stand beside the classes where scores are read; ``filters`` of them have filters together with
    the classes, ``anchors`` times in a map that is not decoded. ``most``, where it is not 0, bounds the channels of
    hidden convolutions that are as wide as there are classes; they are no fewer than those of the finest map.
    """

    beside: int
    filters: int = 0
    anchors: int = 0
    most: int = 0


#: Heads by the beginning of a network's name.
_HEADS = {
    "yolov2": _Head(5, 5, 5),
    **dict.fromkeys(["tiny_yolo", "yolov3", "yolov4", "yolov5", "yolov7"], _Head(5, 5, 3)),
    **dict.fromkeys(["yolov8", "yolov9", "yolo11"], _Head(4, most=100)),
    "yolov6": _Head(4),
    "yolox_nano": _Head(0, anchors=1),  # its maps of scores stand alone, as the DPU's compiler leaves them
    "yolox": _Head(5),
    "efficientdet": _Head(0),
    "ssd_resnet_34": _Head(1, 1, 6),  # of its widest map
    **dict.fromkeys(["spaghettinet", "ssd"], _Head(1, 1)),
}


def fits(size: tuple[int, int], graph: LayerGraph) -> bool:
    """Whether a network can be resized to ``size`` (height, width) as far as its input tells."""
    pairs = zip(size, graph.inputs[0].hwc, strict=False)
    return len(graph.inputs[0].shape) == 4 and all(new >= STEP and (new - old) % STEP == 0 for new, old in pairs)


def resized(graph: LayerGraph, name: str, size: tuple[int, int]) -> LayerGraph:
    """Return the network at another resolution.

    Parameters
    ----------
    graph
        A network with one image as its input.
    name
        What the new one is called.
    size
        Height and width.

    Returns
    -------
    LayerGraph
        The same operators with the same filters on other extents.

    Raises
    ------
    InputError
        Where the resolution is not a multiple of 32 away, or a layer fixes it (a dense layer on a flattened map).
    """
    asked = "x".join(map(str, size))
    if not fits(size, graph):
        old = "x".join(map(str, graph.inputs[0].hwc[:2]))
        raise InputError.value(
            f"the resolution of {name}", f"{size[0]}x{size[1]}", f"a multiple of {STEP} away from {old}"
        )
    return _variant(graph, name, asked, Change((1, *size, graph.inputs[0].shape[3])))


def _variant(graph: LayerGraph, name: str, asked: str, change: Change) -> LayerGraph:
    try:
        found = changed(graph, name, change)
    except UnclearError as error:
        raise InputError.problem(
            f"the network {name}", f"cannot have {asked} ({error})", "give what its trace tells"
        ) from None
    return LayerGraph(name, found.layers, found.inputs, found.outputs, {**graph.meta, "variant": asked})


def has_known_head(graph: LayerGraph) -> bool:
    """Whether a network is a detector whose head can tell other classes apart."""
    return _head_of(graph) is not None


def keeps_boxes(graph: LayerGraph) -> bool:
    """Whether a network chooses among its boxes itself, in the operator that ends it."""
    return any(layer.op == "TFLite_Detection_PostProcess" for layer in graph.layers)


def retrained(graph: LayerGraph, name: str, classes: int = 0, boxes: int = 0) -> LayerGraph:
    """Return a detector whose head tells other classes apart, or whose post-processing keeps other numbers of boxes.

    Parameters
    ----------
    graph
        A detector of the zoo, at any resolution.
    name
        What the new one is called.
    classes, boxes
        How many; 0 leaves them as they are.

    Returns
    -------
    LayerGraph
        The same operators with other filters in the head.

    Raises
    ------
    InputError
        For a network without such a head, or one that keeps no boxes itself.
    """
    head = _head_of(graph)
    if not 0 <= classes <= LARGEST_HEAD or not 0 <= boxes <= LARGEST_HEAD or not (classes or boxes):
        raise InputError.problem(
            f"the network {name}",
            f"cannot have {classes} classes and {boxes} boxes",
            f"give 1 to {LARGEST_HEAD} of them",
        )
    if boxes and not keeps_boxes(graph):
        raise InputError.problem(
            f"the network {name}", f"cannot have {boxes} boxes", "take a detector that keeps its boxes itself"
        )
    if classes and head is None:
        raise InputError.problem(f"the network {name}", f"cannot have {classes} classes", "take a detector of the zoo")
    filters = _filters(graph, head, classes) if head and classes else {}
    span = (_classes(graph, head), classes) if head and classes else (0, 0)
    asked = ", ".join(f"{count} {what}" for count, what in ((classes, "classes"), (boxes, "boxes")) if count)
    return _variant(graph, name, asked, Change(graph.inputs[0].shape, filters, span, boxes))


def _head_of(graph: LayerGraph) -> _Head | None:
    """Return what is known of a detector's head; None for raw maps whose anchors are not known."""
    head = next((head for start, head in _HEADS.items() if graph.name.startswith(start)), None)
    maps = any(len(tensor.shape) == 4 for tensor in graph.outputs)
    return None if head and maps and not head.anchors else head


def _classes(graph: LayerGraph, head: _Head) -> int:
    """Return how many classes the network tells apart, from the tensor that holds their scores."""
    kept = [layer.inputs[1] for layer in graph.layers if layer.op == "TFLite_Detection_PostProcess"]
    scores = max(kept or graph.outputs, key=lambda tensor: tensor.shape[-1])
    return scores.shape[-1] // (head.anchors if len(scores.shape) == 4 else 1) - head.beside


def _filters(graph: LayerGraph, head: _Head, classes: int) -> dict[int, int]:
    """Return the numbers of convolutions whose filters depend on the classes, with how many they have now."""
    own = _classes(graph, head)
    per_anchor = own + head.filters
    last = [layer for layer in graph.layers if _predicts(graph, layer) and layer.output.shape[-1] % per_anchor == 0]
    filters = {one.index: one.output.shape[-1] // per_anchor * (classes + head.filters) for one in last}
    chains = [_hidden(graph, layer, own) for layer in last if head.most]
    least = min((channels for channels, _ in chains), default=0)
    wide = max(least, min(classes, head.most))
    return filters | {number: wide for _, numbers in chains for number in numbers}


def _predicts(graph: LayerGraph, layer: Layer) -> bool:
    """Whether a convolution's map goes to the output as it is, or through a sigmoid: it is a prediction."""
    readers = {reader.op for reader in graph.layers if layer.output.id in {tensor.id for tensor in reader.inputs}}
    ends = {"RESHAPE", "CONCATENATION", "LOGISTIC", "TRANSPOSE", "DEQUANTIZE"}
    return layer.op == "CONV_2D" and not layer.activation and readers <= ends


def _hidden(graph: LayerGraph, layer: Layer, classes: int) -> tuple[int, list[int]]:
    """Return the channels of the map that a branch starts from, and its convolutions as wide as there are classes."""
    made = {tensor.id: one for one in graph.layers for tensor in one.outputs}
    before, found = made[layer.input.id], []
    while before.output.shape[-1] == classes:
        if before.op == "CONV_2D":
            found.append(before.index)
        before = made[before.input.id]
    return before.output.shape[-1], found
