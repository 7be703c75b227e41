"""Layer graphs: what a network computes, in which order, on how many bytes.

A trace is a layer graph without weights; it knows no hardware. Order of ``layers`` is the order of
execution in the TFLite file, and every tensor is produced before it is consumed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from sys import intern
from typing import TYPE_CHECKING, Any

from hwmodels.cache import remembered
from hwmodels.errors import InputError, need
from hwmodels.networks.operators import OPERATORS, operator

if TYPE_CHECKING:
    import networkx as nx

__all__ = [
    "EDGETPU_OP", "MAC_OPS", "Layer", "LayerGraph", "Tensor", "checked_tensor", "from_json", "graph_hash", "to_json",
]  # fmt: skip

SCHEMA = 1
EDGETPU_OP = "edgetpu-custom-op"  # of a file that is compiled already

DTYPE_BYTES = {
    "float64": 8, "int64": 8, "uint64": 8, "complex64": 8, "complex128": 16,
    "float32": 4, "int32": 4, "uint32": 4, "float16": 2, "bfloat16": 2, "int16": 2, "uint16": 2,
    "int8": 1, "uint8": 1, "bool": 1, "int4": 1, "string": 1, "resource": 0, "variant": 0,
}  # fmt: skip

#: Most elements of a tensor and multiply-accumulates of a layer: more is a damaged file, and would run for days.
MAX_ELEMENTS = 2**36
MAX_RANK = 8  # of TFLite's shapes (RuntimeShape)
MAX_MACS = 2**46

#: Ops whose arithmetic is multiply-accumulate.
MAC_OPS = frozenset(name for name, one in OPERATORS.items() if one.macs)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its number in the graph, dtype and shape (batch first, channels last; -1 where dynamic).

    ``n_elements`` counts a dynamic dimension as 1. ``hwc`` is height, width and channels; missing leading extents are
    1. Both are asked for so often that they are worked out once.
    """

    id: int
    dtype: str
    shape: tuple[int, ...]
    n_elements: int = field(init=False, repr=False, compare=False)
    hwc: tuple[int, int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shape = self.shape
        if shape and min(shape) < 1:
            shape = tuple([max(1, extent) for extent in shape])
        object.__setattr__(self, "n_elements", prod(shape))
        object.__setattr__(self, "hwc", (1, 1, 1, *shape)[-3:])

    @property
    def n_bytes(self) -> int:
        """Bytes of the tensor without padding."""
        return self.n_elements * DTYPE_BYTES.get(self.dtype, 1)

    @property
    def is_dynamic(self) -> bool:
        """Whether an extent is unknown before the network runs."""
        return any(extent < 0 for extent in self.shape)


@dataclass(frozen=True, slots=True)
class Layer:
    """One operator of a network.

    ``inputs`` and ``outputs`` are activations, ``weights`` the constant tensors that count as parameters (filter,
    bias, constant operand), not shapes, axes or paddings. ``kernel``, ``stride`` and ``dilation`` are (height, width).
    ``scales`` is the number of scales by which the filter was quantised (0 where that is not known), ``zero_bias`` says
    that a file's bias is zero throughout, ``version`` is the operator's in TFLite's schema.
    """

    index: int
    op: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights: tuple[Tensor, ...] = ()
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = ""
    activation: str = ""
    scales: int = 0
    zero_bias: bool = False
    version: int = 1

    @property
    def input(self) -> Tensor:
        """The first activation input (an empty tensor for a layer that has none)."""
        return self.inputs[0] if self.inputs else Tensor(-1, "int8", (1,))

    @property
    def output(self) -> Tensor:
        """The first output."""
        return self.outputs[0] if self.outputs else Tensor(-1, "int8", (1,))

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all parameters, biases included."""
        return sum(weight.n_bytes for weight in self.weights)

    @property
    def groups(self) -> int:
        """Groups of a convolution: input channels over filter depth (1 for everything else)."""
        if self.op != "CONV_2D" or not self.weights:
            return 1
        return max(1, self.input.hwc[2] // max(1, self.weights[0].hwc[2]))

    @property
    def kind(self) -> tuple[object, ...]:
        """What it computes on maps of which shapes, wherever it stands: layers of one kind cost the same."""
        tensors = [[(t.dtype, t.shape) for t in row] for row in (self.inputs, self.outputs, self.weights)]
        return (
            self.op, *map(tuple, tensors), self.kernel, self.stride, self.dilation, self.padding, self.activation,
            self.scales, self.zero_bias, self.version,
        )  # fmt: skip

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference, by the filter's shape (so grouped convolutions count right)."""
        macs = operator(self.op).macs
        return macs(self) if macs else 0


def checked_tensor(number: int, dtype: str, shape: Sequence[int]) -> Tensor:
    """Return a tensor as a file describes it; raise :class:`ValueError` for a size that no network has."""
    if len(shape) > MAX_RANK:
        raise ValueError(f"a tensor of {len(shape)} extents where at most {MAX_RANK} are possible")
    tensor = Tensor(number, dtype, tuple(shape))
    if tensor.n_elements > MAX_ELEMENTS:
        raise ValueError(f"a tensor of {tensor.n_elements} elements where at most {MAX_ELEMENTS} are possible")
    return tensor


def check_layer(layer: Layer) -> Layer:
    """Return a layer that was read from a file; raise :class:`ValueError` where its shapes cannot be its operator's."""
    if any(weight.is_dynamic for weight in layer.weights):
        raise ValueError(f"operator {layer.index}: a parameter of unknown size")
    if layer.op in MAC_OPS and any(not tensor.shape for tensor in (*layer.inputs[:1], *layer.weights[:1])):
        raise ValueError(f"operator {layer.index}: {layer.op} of a scalar")
    if prod((*layer.kernel, layer.output.n_elements)) > MAX_MACS or layer.macs > MAX_MACS:
        raise ValueError(
            f"operator {layer.index}: more work than the {MAX_MACS} multiply-accumulates that are possible"
        )
    return layer


@dataclass(frozen=True)
class LayerGraph:
    """A network: its layers in execution order, its input and output tensors, and where it came from."""

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    meta: dict[str, Any] = field(default_factory=dict, compare=False)

    @cached_property
    def alike(self) -> tuple[Layer, ...]:
        """For each layer the first of its kind: networks repeat their blocks, and layers of one kind cost the same."""
        first: dict[tuple[object, ...], Layer] = {}
        return tuple(first.setdefault(layer.kind, layer) for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all parameters, biases included."""
        return sum(layer.parameter_bytes for layer in self.layers)

    @property
    def is_compiled(self) -> bool:
        """Whether it comes from a file that is compiled already, so that its layers are not known."""
        return any(layer.op == EDGETPU_OP for layer in self.layers)

    @property
    def digraph(self) -> nx.DiGraph[int]:
        """The graph as ``networkx.DiGraph``: node = layer index, with ``layer``; edge with its tensors' ``n_bytes``.

        Needs the extra ``graph``.
        """
        need("networkx", "graph")
        import networkx as nx

        graph: nx.DiGraph[int] = nx.DiGraph(name=self.name)
        graph.add_nodes_from((layer.index, {"layer": layer}) for layer in self.layers)
        for producer, consumer, n_bytes in self.edges():
            before = graph.edges[producer, consumer]["n_bytes"] if graph.has_edge(producer, consumer) else 0
            graph.add_edge(producer, consumer, n_bytes=before + n_bytes)
        return graph

    def edges(self) -> Iterator[tuple[int, int, int]]:
        """Yield (producer index, consumer index, bytes) for every tensor that one layer hands to another."""
        producer: dict[int, int] = {}
        for layer in self.layers:
            for tensor in layer.inputs:
                if tensor.id in producer:
                    yield producer[tensor.id], layer.index, tensor.n_bytes
            producer.update((tensor.id, layer.index) for tensor in layer.outputs)


#: Facts of a file beside its computation: traces keep them, a network's hash leaves them out.
_OF_A_FILE = ("scales", "zero_bias", "version")
_PAIRS = ("kernel", "stride", "dilation")
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(_PAIRS, (1, 1)), "padding": "", "activation": "", "scales": 0, "zero_bias": False, "version": 1,
}  # fmt: skip
_COMPUTATION = {key: default for key, default in _DEFAULTS.items() if key not in _OF_A_FILE}


def to_json(graph: LayerGraph) -> str:
    """Return the trace as deterministic JSON: tensors once, one line for each layer.

    The text starts with ``schema``, name and origin, then tensors as ``[dtype, *shape]`` and one line for each layer;
    options at their defaults are left out.
    """
    tensors = {tensor.id: tensor for tensor in (*graph.inputs, *graph.outputs)}
    for layer in graph.layers:
        tensors.update((tensor.id, tensor) for tensor in (*layer.inputs, *layer.outputs))
    number = {old: new for new, old in enumerate(sorted(tensors))}
    head = {
        "schema": SCHEMA, "name": graph.name, **graph.meta,
        "inputs": [number[t.id] for t in graph.inputs], "outputs": [number[t.id] for t in graph.outputs],
    }  # fmt: skip
    head["hash"] = graph_hash(graph)
    rows = [_dump(_layer_row(layer, number, _DEFAULTS)) for layer in graph.layers]
    shapes = _dump([[tensors[old].dtype, *tensors[old].shape] for old in sorted(tensors)])
    return f'{_dump(head)[:-1]},"tensors":{shapes},"layers":[\n' + ",\n".join(rows) + "\n]}\n"


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def _layer_row(layer: Layer, number: Mapping[int, int], options: Mapping[str, Any]) -> dict[str, Any]:
    """The layer as its trace has it; ``options`` are those that are written, with what they are where left out."""
    row: dict[str, Any] = {
        "op": layer.op,
        "in": [number[tensor.id] for tensor in layer.inputs],
        "out": [number[tensor.id] for tensor in layer.outputs],
    }
    if layer.weights:
        row["weights"] = [[weight.dtype, *weight.shape] for weight in layer.weights]
    for key, default in options.items():
        value = getattr(layer, key)
        if value != default:
            row[key] = value  # JSON writes a tuple as a list
    return row


@remembered(512)
def graph_hash(graph: LayerGraph) -> str:
    """Return the first 16 hex digits of a SHA-256 over ops, shapes, dtypes, weights, options and edges.

    Names, numbers of tensors, origin and how filters were quantised are left out: two files of the same computation
    have the same hash, which is also the parameter-caching token of a network that was compiled alone.
    """
    order: dict[int, int] = {}
    for layer in graph.layers:
        for tensor in (*layer.inputs, *layer.outputs):
            order.setdefault(tensor.id, len(order))
    rows = [
        [_layer_row(layer, order, _COMPUTATION), [[t.dtype, *t.shape] for t in (*layer.inputs, *layer.outputs)]]
        for layer in graph.layers
    ]
    return hashlib.sha256(_dump(rows).encode()).hexdigest()[:16]


def from_json(text: str, where: str = "trace") -> LayerGraph:
    """Rebuild a layer graph from :func:`to_json`'s text.

    Raises :class:`InputError` naming ``where`` when the text is not a trace of this schema.

    Parameters
    ----------
    text
        What :func:`to_json` wrote.
    where
        A file's name for the message.

    Returns
    -------
    LayerGraph
        Tensors numbered anew, from 0; everything else as it was.
    """
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise InputError.problem(where, "is no trace of this schema", f'give a JSON object with "schema": {SCHEMA}')
        return _build(data)
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise InputError.problem(
            where,
            f"cannot be read ({type(error).__name__}: {error})",
            "give a trace as written by `edgetpusim zoo add`",
        ) from None


def _build(data: dict[str, Any]) -> LayerGraph:
    tensors = [_tensor(number, row) for number, row in enumerate(data["tensors"])]
    weights: dict[str, Tensor] = {}
    layers = tuple([_layer(index, row, tensors, weights) for index, row in enumerate(data["layers"])])
    known = {"schema", "name", "inputs", "outputs", "tensors", "layers", "hash"}
    meta = {key: value for key, value in data.items() if key not in known}
    inputs, outputs = (tuple(tensors[_natural(i)] for i in data[key]) for key in ("inputs", "outputs"))
    return LayerGraph(str(data["name"]), layers, inputs, outputs, meta)


def _layer(index: int, row: dict[str, Any], tensors: list[Tensor], known: dict[str, Tensor]) -> Layer:
    """A row of a trace as a layer; parameters of one shape are one tensor, as ``known`` remembers them."""
    options = _DEFAULTS | {key: row[key] for key in _DEFAULTS if key in row}
    pairs = {key: _pair(row[key]) for key in _PAIRS if key in row}
    inputs, outputs = (tuple([tensors[_natural(i)] for i in row[key]]) for key in ("in", "out"))
    weights = tuple([_weight(weight, known) for weight in row.get("weights", ())])
    layer = Layer(
        index, intern(str(row["op"])), inputs, outputs, weights, padding=intern(str(options["padding"])),
        activation=intern(str(options["activation"])), scales=_natural(options["scales"]),
        zero_bias=bool(options["zero_bias"]), version=_natural(options["version"]), **pairs,
    )  # fmt: skip
    return check_layer(layer)


def _weight(row: list[Any], known: dict[str, Tensor]) -> Tensor:
    key = repr(row)
    if key not in known:
        known[key] = _tensor(-1, row)
    return known[key]


def _tensor(number: int, row: list[Any]) -> Tensor:
    dtype, *shape = row
    if dtype not in DTYPE_BYTES:
        raise ValueError(f"unknown dtype {dtype!r}")
    if not all(type(extent) is int and -1 <= extent < 2**31 for extent in shape):
        raise ValueError(f"shape {shape} is not of whole numbers")
    return checked_tensor(number, intern(dtype), shape)


def _pair(value: list[int]) -> tuple[int, int]:
    first, second = value
    return max(1, _natural(first)), max(1, _natural(second))


def _natural(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(f"{value!r} is not a natural number")
    return value


def boundary(graph: LayerGraph, layers: Sequence[Layer]) -> tuple[list[Tensor], list[Tensor]]:
    """Tensors that a set of layers reads from outside, and those that it hands to the outside.

    Returns
    -------
    tuple of two lists of Tensor
        Read from outside (the network's inputs among them), and read by layers outside or given as the network's
        outputs.
    """
    inside = {layer.index for layer in layers}
    made = {tensor.id: tensor for layer in layers for tensor in layer.outputs}
    read = {tensor.id: tensor for layer in layers for tensor in layer.inputs}
    used = {t.id for layer in graph.layers if layer.index not in inside for t in layer.inputs}
    used |= {tensor.id for tensor in graph.outputs}
    return [t for i, t in read.items() if i not in made], [t for i, t in made.items() if i in used]
