"""A chain of layers under construction: operators as the TFLite converter emits them for a Keras network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from hwmodels.networks.graph import Layer, Tensor
from hwmodels.networks.operators import operator

__all__ = ["Chain"]


@dataclass
class Chain:
    """A chain of layers under construction; ``last`` is the tensor the next layer reads.

    Where it is ``untrained``, its biases are zero throughout: the compiler leaves them out.
    """

    last: Tensor
    layers: list[Layer] = field(default_factory=list)
    untrained: bool = False

    def add(
        self, op: str, shape: tuple[int, ...], weights: tuple[tuple[int, ...], ...] = (), **options: object
    ) -> None:
        """Append an operator on the last tensor (twice, where it takes two and ``others`` names no second one).

        ``shape`` is that of its output, ``dtype`` its type; weights are shapes, the first int8, the others int32.
        """
        others = options.pop("others", (self.last,) if operator(op).reads_two else ())
        sources = (self.last, *cast("tuple[Tensor, ...]", others))
        output = Tensor(len(self.layers) + 1, str(options.pop("dtype", "int8")), shape)
        constants = tuple(Tensor(-1, "int8" if i == 0 else "int32", w) for i, w in enumerate(weights))
        options.setdefault("zero_bias", self.untrained and len(weights) > 1)
        # mypy: options are further fields of a layer, by name
        layer = Layer(len(self.layers), op, sources, (output,), constants, **options)  # type: ignore[arg-type]  # fields by name
        self.layers.append(layer)
        self.last = output

    def conv(self, filters: int, kernel: int, stride: tuple[int, int] = (1, 1), activation: str = "RELU") -> None:
        """Append a convolution with padding SAME and a bias."""
        channels = self.last.hwc[2]
        shape = (1, *self._strided(stride), filters)
        options = {"kernel": (kernel, kernel), "stride": stride, "padding": "SAME", "activation": activation}
        self.add("CONV_2D", shape, ((filters, kernel, kernel, channels), (filters,)), **options)

    def _strided(self, stride: tuple[int, int]) -> tuple[int, int]:
        height, width, _ = self.last.hwc
        return -(-height // stride[0]), -(-width // stride[1])

    def max_pool(self, kernel: int, stride: int) -> None:
        """Append max pooling with padding SAME."""
        options = {"kernel": (kernel, kernel), "stride": (stride, stride), "padding": "SAME"}
        self.add("MAX_POOL_2D", (1, *self._strided((stride, stride)), self.last.hwc[2]), (), **options)

    def depthwise(self, kernel: tuple[int, int]) -> None:
        """Append a depthwise convolution with padding SAME and a bias."""
        channels = self.last.hwc[2]
        options = {"kernel": kernel, "padding": "SAME", "activation": "RELU"}
        self.add("DEPTHWISE_CONV_2D", self.last.shape, ((1, *kernel, channels), (channels,)), **options)

    def dense(self, units: int, activation: str = "RELU", bias: bool = True) -> None:
        """Append a fully connected layer."""
        weights = ((units, self.last.shape[-1]), (units,))
        self.add("FULLY_CONNECTED", (1, units), weights if bias else weights[:1], activation=activation)
