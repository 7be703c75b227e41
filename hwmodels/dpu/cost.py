"""What a run of layers costs on the DPU: which layers run in one pass, its cycles, and its bytes to and from memory.

The compiler plans memory layer by layer: a pass reads its weights and maps and writes its result, while the array
computes; the longer of the two counts, and a fixed number of cycles on top (docs/dpu.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hwmodels.dpu.accelerator import Dpu
from hwmodels.dpu.operators import OPERATORS, Kind, Operator, scale
from hwmodels.dpu.placement import sources
from hwmodels.executable import LayerPlan
from hwmodels.networks.graph import Layer, LayerGraph, Tensor

__all__ = ["Planner"]

_SCALE = Operator(Kind.ARRAY, scale)
_FUSED = Operator(Kind.FUSED)


def _multiplies(layer: Layer) -> bool:
    return OPERATORS.get(layer.op, _FUSED).multiplies


@dataclass
class Planner:
    """Plans runs of one network's layers for one size."""

    graph: LayerGraph
    part: Dpu
    _sources: dict[int, Tensor] = field(init=False)
    _makers: dict[int, Layer] = field(init=False)
    _readers: Counter[int] = field(init=False)

    def __post_init__(self) -> None:
        """Note who writes and who reads each map."""
        self._sources = sources(self.graph)
        self._makers = {tensor.id: layer for layer in self.graph.layers for tensor in layer.outputs}
        read = [self._source(tensor).id for layer in self.graph.layers if self._works(layer) for tensor in layer.inputs]
        self._readers = Counter([*read, *(self._source(tensor).id for tensor in self.graph.outputs)])

    def plan(self, layers: Sequence[Layer]) -> tuple[LayerPlan, ...]:
        """Return the plans of a run on the accelerator, pass by pass: each pass begins with a plan that is not joined.

        Parameters
        ----------
        layers
            Those of one run, in order.
        """
        passes: list[list[LayerPlan]] = []
        place: dict[int, int] = {}  # number of the pass by tensor
        for layer in layers:
            row = self._row(layer)
            home = max((place[t.id] for t in layer.inputs if t.id in place), default=None)
            if home is not None and (row.kind is Kind.FUSED or self._joins(layer, row, passes[home])):
                passes[home] = self._joined(passes[home], layer, row)
            else:
                home = len(passes)
                passes.append([self._head(layer, row)])
            place.update((tensor.id, home) for tensor in layer.outputs)
        return tuple(plan for one in passes for plan in one)

    def _source(self, tensor: Tensor) -> Tensor:
        return self._sources.get(tensor.id, tensor)

    def _works(self, layer: Layer) -> bool:
        """Whether a layer reads its input for itself, not only on behalf of those that read its result."""
        row = OPERATORS.get(layer.op)
        return row is None or row.kind is not Kind.FUSED or layer.op == "CONCATENATION"

    def _row(self, layer: Layer) -> Operator:
        """A layer's operator; sums and products with a constant are batch normalisation, x times its gate a swish."""
        if layer.op not in ("ADD", "MUL"):
            return OPERATORS[layer.op]
        if len(layer.inputs) == 1:
            return _FUSED if self._follows_arithmetic(layer) else _SCALE
        return _FUSED if self._is_swish(layer) else OPERATORS[layer.op]

    def _follows_arithmetic(self, layer: Layer) -> bool:
        """Whether a constant can be folded into whatever makes the input, which nobody else reads."""
        source = self._source(layer.input)
        maker = self._makers.get(source.id)
        if maker is None or self._readers[source.id] > 1:
            return False
        return _multiplies(maker) or (maker.op in ("ADD", "MUL") and len(maker.inputs) == 1)

    def _is_swish(self, layer: Layer) -> bool:
        gates = [self._makers.get(tensor.id) for tensor in layer.inputs]
        read = {self._source(tensor).id for tensor in layer.inputs}
        return len(read) == 1 and any(gate and gate.op == "LOGISTIC" for gate in gates)

    def _joins(self, layer: Layer, row: Operator, before: Sequence[LayerPlan]) -> bool:
        """Whether a pooling takes its input from the convolution that ends a pass, and nobody else reads that."""
        source = self._source(layer.input)
        ends = _multiplies(before[0].layer) and all(self._row(p.layer).kind is Kind.FUSED for p in before[1:])
        return row.kind is Kind.POOL and ends and self._readers[source.id] == 1

    def _head(self, layer: Layer, row: Operator) -> LayerPlan:
        """The first layer of a pass: it reads its maps and weights, and writes its result."""
        if row.kind is Kind.FUSED:
            return LayerPlan(layer)
        written = sum(tensor.n_bytes for tensor in layer.outputs)
        read = sum(self._read_bytes(layer, tensor) for tensor in layer.inputs)
        read = written if row.kind is Kind.MOVE else read
        return replace(
            self._plan(layer, row), fixed_cycles=self.part.layer_cycles,
            streamed_bytes=layer.parameter_bytes + read + written,
        )  # fmt: skip

    def _joined(self, before: list[LayerPlan], layer: Layer, row: Operator) -> list[LayerPlan]:
        """A pass with a further layer; a pooling's input stays on the chip."""
        if row.kind is Kind.FUSED:
            return [*before, LayerPlan(layer, joined=True)]
        head, written = before[0], sum(tensor.n_bytes for tensor in layer.outputs)
        kept = sum(tensor.n_bytes for tensor in head.layer.outputs)
        head = replace(head, streamed_bytes=head.streamed_bytes - kept)
        return [head, *before[1:], replace(self._plan(layer, row), joined=True, streamed_bytes=written)]

    def _plan(self, layer: Layer, row: Operator) -> LayerPlan:
        cycles = row.cost(layer, self._source(layer.input), self.part) if row.cost else 0
        return LayerPlan(layer, cycles=cycles, blob_bytes=layer.parameter_bytes, macs=layer.macs)

    def _read_bytes(self, layer: Layer, tensor: Tensor) -> int:
        """Bytes of a map that a layer reads: a 1x1 layer with a stride skips whole rows."""
        n_bytes = self._source(tensor).n_bytes
        return n_bytes // layer.stride[0] if layer.op == "CONV_2D" and layer.kernel == (1, 1) else n_bytes
