"""Shapes of a network worked out anew, operator by operator, after a change of its input or of some filters.

The converter's file says which operators there are, in which order, with which filters. Only extents change, and each
follows from those before it. Every rule must give the trace's own shapes from the trace's own inputs, or the network
is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from math import prod

from hwmodels.networks.graph import Layer, LayerGraph, Tensor
from hwmodels.networks.operators import ShapeRule, operator

__all__ = ["Change", "Shape", "UnclearError", "changed"]

Shape = tuple[int, ...]


class UnclearError(ValueError):
    """A layer whose shapes at another resolution do not follow from its own."""


@dataclass(frozen=True)
class Change:
    """What changes: the input's shape, the filters of some convolutions by their numbers, what the head finds.

    ``classes`` are the classes of the trace and the new ones; ``boxes`` is how many the post-processing keeps, 0 for
    as many as in the trace.
    """

    image: Shape
    filters: Mapping[int, int] = field(default_factory=dict)
    classes: tuple[int, int] = (0, 0)
    boxes: int = 0

    @property
    def more(self) -> int:
        """By how much an extent grows that holds one element for each class."""
        return self.classes[1] - self.classes[0]


def changed(graph: LayerGraph, name: str, change: Change) -> LayerGraph:
    """Return the network after a change.

    Parameters
    ----------
    graph
        A network with one input.
    name
        What the new one is called.
    change
        The shape of its input, and what else is another.

    Returns
    -------
    LayerGraph
        The same operators on other extents.

    Raises
    ------
    UnclearError
        Where a layer's shapes do not follow from those of its inputs.
    """
    if len(graph.inputs) != 1:
        raise UnclearError("a network with several inputs")
    shapes = _Shapes({}, change)
    shapes.learn(graph.inputs[0], change.image)
    layers = tuple(shapes.renewed(layer) for layer in graph.layers)
    return LayerGraph(name, layers, shapes.tensors(graph.inputs), shapes.tensors(graph.outputs), graph.meta)


@dataclass
class _Shapes:
    """New shapes of all tensors so far, and which height and width became which."""

    new: dict[int, Shape]
    change: Change
    axes: tuple[dict[int, set[int]], dict[int, set[int]]] = field(default_factory=lambda: ({}, {}))

    def learn(self, tensor: Tensor, shape: Shape) -> None:
        """Keep a tensor's new shape."""
        self.new[tensor.id] = shape
        if len(shape) == 4:
            for axis, old, new in zip(self.axes, tensor.shape[1:3], shape[1:3], strict=True):
                axis.setdefault(old, set()).add(new)

    def tensors(self, tensors: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """Return tensors with their new shapes."""
        return tuple(replace(tensor, shape=self.new[tensor.id]) for tensor in tensors)

    def renewed(self, layer: Layer) -> Layer:
        """Return the layer on its new inputs, and keep the shapes of its outputs."""
        old, new = [tensor.shape for tensor in layer.inputs], [self.new[tensor.id] for tensor in layer.inputs]
        known = _Reading(layer, old, new, self.change, self.axes)
        outputs = _rule(layer)(known)
        same = _rule(layer)(_Reading(layer, old, old, Change(())))
        if same != [tensor.shape for tensor in layer.outputs] or any(extent < 1 for s in outputs for extent in s):
            raise UnclearError(f"operator {layer.index} ({layer.op}) does not follow from its input")
        for tensor, shape in zip(layer.outputs, outputs, strict=True):
            self.learn(tensor, shape)
        weights = tuple(replace(w, shape=shape) for w, shape in zip(layer.weights, _weights(known), strict=True))
        inputs, made = self.tensors(layer.inputs), self.tensors(layer.outputs)
        return replace(layer, inputs=inputs, outputs=made, weights=weights, kernel=known.kernel)


@dataclass(frozen=True)
class _Reading:
    """A layer, the shapes of its inputs in the trace and now, and what became of heights and widths."""

    layer: Layer
    old: Sequence[Shape]
    new: Sequence[Shape]
    change: Change
    axes: tuple[Mapping[int, set[int]], Mapping[int, set[int]]] = ({}, {})

    @property
    def filters(self) -> int:
        """Channels that the layer makes."""
        if self.layer.op == "CONV_2D":
            return self.change.filters.get(self.layer.index, self.layer.output.shape[3])
        return self.new[0][3] * self.layer.output.shape[3] // self.old[0][3]

    @property
    def kernel(self) -> tuple[int, int]:
        """The window, which grows with the map where it covers all of it."""
        whole = self.layer.op == "AVERAGE_POOL_2D" and self.layer.kernel == self.old[0][1:3]
        return (self.new[0][1], self.new[0][2]) if whole else self.layer.kernel

    def extent(self, axis: int, old: int) -> int | None:
        """What a height (axis 1) or width (2) of the trace became, where it became one thing."""
        found = self.axes[axis - 1].get(old, set())
        return next(iter(found)) if len(found) == 1 else None


Rule = Callable[[_Reading], list[Shape]]


def _same(step: _Reading) -> list[Shape]:
    """As the first input."""
    return [step.new[0] for _ in step.layer.outputs]


def _window(step: _Reading) -> list[Shape]:
    """Height and width of a window's positions."""
    layer, (batch, height, width, _) = step.layer, step.new[0]
    spans = [(k - 1) * d + 1 for k, d in zip(step.kernel, layer.dilation, strict=True)]
    if layer.padding == "SAME":
        places = [-(-extent // s) for extent, s in zip((height, width), layer.stride, strict=True)]
    else:
        places = [(e - span) // s + 1 for e, span, s in zip((height, width), spans, layer.stride, strict=True)]
    return [(batch, *places, step.filters)]


def _transposed(step: _Reading) -> list[Shape]:
    layer, (batch, height, width, _) = step.layer, step.new[0]
    over = [0 if layer.padding == "SAME" else max(0, k - s) for k, s in zip(layer.kernel, layer.stride, strict=True)]
    places = [e * s + o for e, s, o in zip((height, width), layer.stride, over, strict=True)]
    return [(batch, *places, step.filters)]


def _padded(step: _Reading) -> list[Shape]:
    shapes = zip(step.new[0], step.layer.output.shape, step.old[0], strict=True)
    return [tuple(new + out - old for new, out, old in shapes)]


def _broadcast(step: _Reading) -> list[Shape]:
    """Every extent from the operand that has it."""
    operands = [*zip(step.old, step.new, strict=True), *zip(_old_weights(step), _weights(step), strict=True)]
    out = step.layer.output.shape
    return [tuple(_one({new[i] for old, new in operands if -i <= len(old) and old[i] == out[i]}) for i in _ends(out))]


def _joined(step: _Reading) -> list[Shape]:
    """The sum along the axis that differs."""
    out = step.layer.output.shape
    sums = [sum(shape[axis] for shape in step.old) for axis in range(len(out))]
    axes = [axis for axis, total in enumerate(sums) if total == out[axis] and total != step.old[0][axis]]
    axis = _one(set(axes)) if len(step.old) > 1 else -1
    return [tuple(sum(s[i] for s in step.new) if i == axis else step.new[0][i] for i in range(len(out)))]


def _parted(step: _Reading) -> list[Shape]:
    """Parts of one axis: the same share of it, or the same number where the axis did not change."""
    triples = [zip(tensor.shape, step.old[0], step.new[0], strict=True) for tensor in step.layer.outputs]
    return [tuple(_part(step.change, *triple) for triple in axes) for axes in triples]


def _part(change: Change, out: int, old: int, new: int) -> int:
    if old == new:
        return out
    if change.more and new - old == change.more:  # the part with the classes is as large as they, or larger
        return out + change.more if out >= change.classes[0] else out
    return new * out // old if old % out == 0 and new * out % old == 0 else new - (old - out)


def _reduced(step: _Reading) -> list[Shape]:
    """Whole maps to one value for each channel; other reductions keep the axes that they do not reduce."""
    out = step.layer.output.shape
    per_channel = prod(out) == out[-1] == step.old[0][-1]
    return [(*out[:-1], step.new[0][-1])] if per_channel else _corresponding(step)


def _best(step: _Reading) -> list[Shape]:
    """All extents but the last, along which the largest is sought."""
    return [step.new[0][:-1]]


def _corresponding(step: _Reading) -> list[Shape]:
    """Every extent of the outputs becomes what it became in the inputs."""
    became: dict[int, set[int]] = {1: {1}}
    for old, new in zip(step.old, step.new, strict=True):
        for before, after in zip(old, new, strict=True):
            became.setdefault(before, set()).add(after)
    return [tuple(_one(became.get(e, {e})) for e in tensor.shape) for tensor in step.layer.outputs]


def _scaled(step: _Reading) -> list[Shape]:
    """A resized map: as large as another of that extent, else by the same factor."""
    _, *places, channels = step.layer.output.shape
    found = [_scaled_extent(step, axis, out) for axis, out in enumerate(places, 1)]
    return [(1, *found, channels)]


def _scaled_extent(step: _Reading, axis: int, out: int) -> int:
    old, new = step.old[0][axis], step.new[0][axis]
    if old == new and old > 1:
        return out
    return step.extent(axis, out) or (new * out // old if new * out % old == 0 else 0)


def _in_blocks(step: _Reading) -> list[Shape]:
    """Depth to space and back: the same factor on each axis."""
    out = step.layer.output.shape
    return [tuple(new * o // old for new, o, old in zip(step.new[0], out, step.old[0], strict=True))]


def _regrouped(step: _Reading) -> list[Shape]:
    """A reshape: runs of extents with equal products belong together."""
    shape: list[int] = []
    for before, after, now in _runs(step.old[0], step.layer.output.shape, step.new[0]):
        if len(after) == 1:
            shape.append(prod(now))
        elif now == before:
            shape += after
        elif len(before) > 1 or step.change.more:  # boxes of maps in one list, classes last
            last = after[-1] + (step.change.more if now[-1] != before[-1] else 0)
            shape += [prod(now) // prod((*after[1:-1], last)), *after[1:-1], last]
        else:
            shape += _spread(step, after, prod(now))
    return [tuple(shape)]


def _runs(old: Shape, out: Shape, new: Shape) -> Iterator[tuple[Shape, Shape, Shape]]:
    """Yield the shortest runs of the two shapes that hold as many elements, with the new extents of the first."""
    i = j = 0
    while i < len(old) or j < len(out):
        first, last = i, j
        i, j = i + 1, j + 1
        while prod(old[first:i]) != prod(out[last:j]):
            if prod(old[first:i]) < prod(out[last:j]):
                i += 1
            else:
                j += 1
            if i > len(old) or j > len(out):
                raise UnclearError("a reshape without a common run")
        yield old[first:i], out[last:j], new[first:i]


def _spread(step: _Reading, after: Shape, elements: int) -> list[int]:
    """One extent into several: heights and widths become what they became elsewhere, the others stay."""
    shape = [step.extent(1 + i, e) or e for i, e in enumerate(after[:2])] + list(after[2:])
    if prod(shape) != elements:
        raise UnclearError(f"operator {step.layer.index} (RESHAPE) could be split in several ways")
    return shape


def _decoded_poses(step: _Reading) -> list[Shape]:
    """Poses as they were; masks with the extents of the maps."""
    maps = step.old[0][1:3], step.new[0][1:3]
    return [
        (*t.shape[:2], *maps[1]) if len(t.shape) == 4 and t.shape[2:] == maps[0] else t.shape
        for t in step.layer.outputs
    ]


def _detections(step: _Reading) -> list[Shape]:
    """As many boxes as are kept, whatever comes in."""
    kept = step.change.boxes or step.layer.output.shape[1]
    return [(1, kept, *t.shape[2:]) if len(t.shape) > 1 else t.shape for t in step.layer.outputs]


def _dense(step: _Reading) -> list[Shape]:
    """The map as it is but for its last extent, which the layer fixes, as it does all of a flattened map."""
    last, out = step.old[0][-1], step.layer.output.shape
    flat = len(out) == 2 and step.new[0] != step.old[0]
    if flat or step.new[0][-1] != last:
        raise UnclearError(f"its dense layer {step.layer.index} wants {last} inputs")
    return [out] if len(out) == 2 else [(*step.new[0][:-1], out[-1])]


_RULES: dict[ShapeRule, Rule] = {
    "window": _window,
    "transposed": _transposed,
    "padded": _padded,
    "broadcast": _broadcast,
    "joined": _joined,
    "parted": _parted,
    "reduced": _reduced,
    "scaled": _scaled,
    "blocks": _in_blocks,
    "regrouped": _regrouped,
    "dense": _dense,
    "best": _best,
    "corresponding": _corresponding,
    "poses": _decoded_poses,
    "fixed": _detections,
    "same": _same,
}


def _rule(layer: Layer) -> Rule:
    shapes = operator(layer.op).shapes
    if not shapes:
        raise UnclearError(f"what operator {layer.index} ({layer.op}) does with it is not known")
    return _RULES[shapes]


def _old_weights(step: _Reading) -> list[Shape]:
    return [weight.shape for weight in step.layer.weights]


def _weights(step: _Reading) -> list[Shape]:
    """Filters stay but for changed channels; what is added or multiplied follows the map, anchors the boxes."""
    if operator(step.layer.op).filter:
        return [_filtered(step, shape) for shape in _old_weights(step)]
    if step.layer.op == "TFLite_Detection_PostProcess":
        return [(step.new[0][1], *shape[1:]) for shape in _old_weights(step)]
    return [_followed(shape, step.old[0], step.new[0]) for shape in _old_weights(step)]


def _filtered(step: _Reading, weight: Shape) -> Shape:
    """A filter or bias with the channels that it now reads and makes."""
    if step.layer.op not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return weight
    if len(weight) == 1:
        return (step.filters,)
    if step.layer.op == "DEPTHWISE_CONV_2D":
        return (*weight[:3], step.filters)
    return (step.filters, *weight[1:3], weight[3] * step.new[0][3] // step.old[0][3])


def _followed(weight: Shape, old: Shape, new: Shape) -> Shape:
    triples = zip_longest(reversed(weight), reversed(old), reversed(new))
    return tuple(reversed([now if w == was else w for w, was, now in triples if w is not None]))


def _ends(shape: Shape) -> range:
    return range(-len(shape), 0)


def _one(found: set[int]) -> int:
    if len(found) != 1:
        raise UnclearError("an extent may become several")
    return next(iter(found))
