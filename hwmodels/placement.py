"""Which layers of a network map to the Edge TPU, by the compiler's published operator rules.

Sources: the operator table of the compiler's documentation (coral.ai, Edge TPU compiler), the wording of its log,
and the CPU operators that remain in compiled files (tests/test_twins.py holds both against each other).
"""

from __future__ import annotations

from math import prod

from hwmodels.graph import Layer, LayerGraph, Tensor

__all__ = ["MORE_THAN_ONE_SUBGRAPH", "SUPPORTED_OPS", "place", "unsupported"]

MORE_THAN_ONE_SUBGRAPH = "More than one subgraph is not supported"
NOT_SUPPORTED = "Operation not supported"
DATA_TYPE = "Operation is working on an unsupported data type"
RANK = "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"
DYNAMIC = "Operation is working on a dynamic-sized tensor"
LIMITATION = "Operation is otherwise supported, but not mapped due to some unspecified limitation"

#: Operators that the compiler maps, given integer tensors and the limits below.
SUPPORTED_OPS = frozenset(
    [
        "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE", "EXPAND_DIMS",
        "FULLY_CONNECTED", "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL",
        "PACK", "PAD", "PADV2", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RELU_N1_TO_1",
        "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH",
        "SPLIT", "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE",
        "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM",
    ]
)  # fmt: skip

NO_FUSED_ACTIVATION = frozenset(["AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION"])
#: Largest softmax: documented as 16 000; a file compiled in 2021 maps 16 384.
SOFTMAX_ELEMENTS = 16_384
#: Largest factor by which a resize may grow an extent; DeepLab's 1x1 -> 33x33 stays on the CPU (limit inferred).
RESIZE_FACTOR = 4


def place(graph: LayerGraph) -> tuple[str, ...]:
    """Return for each layer "" if it maps to the Edge TPU, else the reason as the compiler's log words it.

    There is one Edge TPU subgraph: what descends from an unsupported operator inside the network stays on the CPU.
    Unsupported operators at its start, such as the quantisation of a float input, only precede the subgraph.

    Parameters
    ----------
    graph
        Every tensor is written before it is read, so one pass in order is enough.

    Returns
    -------
    tuple of str
        One entry for each layer, in the words of the compiler's log.
    """
    reasons = [unsupported(layer) for layer in graph.layers]
    after_mapped: set[int] = set()
    cut_off: set[int] = set()
    for layer in graph.layers:  # every tensor is written before it is read, so one pass in order is enough
        read, written = {t.id for t in layer.inputs}, {t.id for t in layer.outputs}
        follows = not read.isdisjoint(after_mapped)
        if not read.isdisjoint(cut_off):
            reasons[layer.index] = reasons[layer.index] or MORE_THAN_ONE_SUBGRAPH
            cut_off |= written
        elif reasons[layer.index] and follows:
            cut_off |= written
        if follows or not reasons[layer.index]:
            after_mapped |= written
    return tuple(reasons)


def unsupported(layer: Layer) -> str:
    """Return why a layer by itself cannot map, or "" if it can.

    Checked in this order: operator, data type, dynamic shape, rank, limits of the operator (activation fused into a
    pool, dilation, groups, softmax size, resize factor and their kin).
    """
    tensors = (*layer.inputs, *layer.outputs)
    if layer.op not in SUPPORTED_OPS:
        return NOT_SUPPORTED
    if not all(_is_integer(tensor, layer.op) for tensor in tensors):
        return DATA_TYPE
    if any(tensor.is_dynamic for tensor in tensors):
        return DYNAMIC
    if any(prod(tensor.shape[:-3]) != 1 for tensor in tensors):
        return RANK
    return LIMITATION if _beyond_limits(layer) else ""


def _is_integer(tensor: Tensor, op: str) -> bool:
    return tensor.dtype in ("int8", "uint8") or (op == "UNIDIRECTIONAL_SEQUENCE_LSTM" and tensor.dtype == "int16")


def _beyond_limits(layer: Layer) -> bool:
    if layer.op in NO_FUSED_ACTIVATION and layer.activation:
        return True
    check = _LIMITS.get(layer.op)
    return check is not None and check(layer)


def _conv(layer: Layer) -> bool:
    # Grouped convolutions came after the compiler's last release; that it refuses them is assumed.
    return layer.dilation[0] != layer.dilation[1] or not layer.weights or layer.groups > 1


def _dense(layer: Layer) -> bool:
    return not layer.weights or prod(layer.output.shape[:-1]) != 1


def _softmax(layer: Layer) -> bool:
    return prod(layer.input.shape[:-1]) != 1 or layer.input.n_elements > SOFTMAX_ELEMENTS


def _mean(layer: Layer) -> bool:
    channels = layer.input.hwc[2]
    reduces_channels = layer.output.n_elements * channels == layer.input.n_elements and channels > 1
    return reduces_channels and channels % 4 != 0


def _prelu(layer: Layer) -> bool:
    return not layer.weights or layer.weights[0].n_elements not in (1, layer.weights[0].shape[-1])


def _resize(layer: Layer) -> bool:
    pairs = zip(layer.input.hwc[:2], layer.output.hwc[:2], strict=True)
    return any(after > RESIZE_FACTOR * before for before, after in pairs)


_LIMITS = {
    "CONV_2D": _conv, "DEPTHWISE_CONV_2D": _conv, "FULLY_CONNECTED": _dense, "SOFTMAX": _softmax, "MEAN": _mean,
    "PRELU": _prelu, "RESIZE_BILINEAR": _resize, "RESIZE_NEAREST_NEIGHBOR": _resize,
}  # fmt: skip
