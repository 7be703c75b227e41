"""Bytes of the program that the compiler writes for an Edge TPU subgraph, by a few mechanisms.

Coefficients: robust least squares of relative errors over the distinct networks of compiled_models.csv that can be
built here, both compiler generations together. Median error, each network predicted by a fit without it: 6 % (2020) and
8 % (2021), mean 10 and 12 %. Unexplained: DeepLab at full width (-30 to -37 %), YAMNet (+40 %), a MobileNet v2 of 2021
(+36 %: half the softmax program of the others), the spatial softmax of the LibrEdgeTPU trackers.
"""

from __future__ import annotations

from collections.abc import Iterable

from hwmodels.graph import Layer
from hwmodels.tiles import NARROW_BYTES_PER_TILE, TILES_EACH_WAY, working_set_bytes

__all__ = ["WIDE_SOFTMAX", "caching_instruction_bytes", "instruction_bytes", "is_dense"]

BUNDLE_BYTES = 16  # one instruction
HEADER_BYTES = 4290
CONV_BYTES = 770
HALO_BYTES = 1050  # a kernel wider than one position exchanges rows and columns between tiles
# ... and needs code of its own for each kind of tile where an extent is no multiple of 4
UNEVEN_HALO_BYTES = {"2020": 4470, "2021": 5130}
OTHER_OP_BYTES = 300
DENSE_BYTES_PER_INPUT = {"2020": 15.3, "2021": 2.1}  # about one bundle per input before 2021
# for each time a layer exceeds the tiles' memory: its work is cut into passes
OVERFLOW_BYTES = {"2020": 32_450, "2021": 24_280}
WIDE_SOFTMAX_BYTES = 133_600  # compilers of 2021, networks of 1001 classes
LSTM_STEP_BYTES = 2000  # one file, 28 steps
UNALIGNED_PIECE_BYTES = 1600  # one file: parts of a split or concatenation whose channels are no multiple of 4

#: Class counts for which compilers of 2021 write a long program and append tables to a softmax
#: (seen with 1001; not with 10, 256 and 16 384).
WIDE_SOFTMAX = range(512, 4097)

_FREE = frozenset(["RESHAPE", "SQUEEZE", "EXPAND_DIMS"])
_CONVOLUTIONS = frozenset(["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])


def instruction_bytes(layers: Iterable[Layer], compiler: str = "2021") -> int:
    """Bytes of the main program, sent on every inference.

    ``compiler`` is the generation, "2020" (to v14: eel, diploria, frogfish) or "2021" (v15 on: grouper).

    Parameters
    ----------
    layers
        Those of the Edge TPU subgraph.
    compiler
        Which generation's coefficients.

    Returns
    -------
    int
        Header and every operator's code, in whole instructions of 16 bytes.
    """
    return _whole_bundles(HEADER_BYTES + sum(_op_bytes(x, compiler) + _overflow_bytes(x, compiler) for x in layers))


def caching_instruction_bytes(layers: Iterable[Layer], compiler: str = "2021") -> int:
    """Bytes of the program that loads the parameters of the layers to be cached.

    560 B, 140 B per convolution and 128 B per 64 outputs of a dense layer: median error 2 % over the compiled files.
    The tables of a wide softmax take 512 B more (MobileNet v1 0.75; 0.25 and 0.5 take 6 272 B, unexplained).

    Parameters
    ----------
    layers
        Those of the Edge TPU subgraph; only layers with parameters are loaded.
    compiler
        Compilers of 2021 load the tables of a wide softmax, too.

    Returns
    -------
    int
        In whole instructions of 16 bytes; 0 where nothing is cached.
    """
    loads = [_load_bytes(layer) for layer in layers if layer.weights or _is_wide_softmax(layer, compiler)]
    return _whole_bundles(560 + sum(loads)) if loads else 0


def is_dense(layer: Layer) -> bool:
    """Whether a layer is computed as a dense one: fully connected, or a convolution of a single position."""
    single = layer.input.hwc[:2] == (1, 1) == layer.output.hwc[:2]
    return layer.op == "FULLY_CONNECTED" or (layer.op == "CONV_2D" and single)


def _is_wide_softmax(layer: Layer, compiler: str) -> bool:
    return layer.op == "SOFTMAX" and compiler != "2020" and layer.input.hwc[2] in WIDE_SOFTMAX


def _load_bytes(layer: Layer) -> int:
    if layer.op == "SOFTMAX":
        return 512
    return 128 * -(-layer.weights[0].shape[0] // 64) if is_dense(layer) else 140


def _whole_bundles(n_bytes: float) -> int:
    return -(-round(n_bytes) // BUNDLE_BYTES) * BUNDLE_BYTES


def _op_bytes(layer: Layer, compiler: str) -> float:
    if layer.op in _FREE:
        return 0
    if layer.op == "SOFTMAX":
        return WIDE_SOFTMAX_BYTES * _is_wide_softmax(layer, compiler)
    if layer.op == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        return LSTM_STEP_BYTES * layer.output.hwc[1]
    if is_dense(layer):
        return DENSE_BYTES_PER_INPUT[compiler] * min(4096, layer.weights[0].shape[-1] if layer.weights else 0)
    if layer.op in _CONVOLUTIONS or _is_overlapping_pool(layer):
        return _conv_bytes(layer, compiler)
    return OTHER_OP_BYTES + _unaligned_bytes(layer) + _map_pieces_bytes(layer, compiler)


def _conv_bytes(layer: Layer, compiler: str) -> int:
    if max(layer.kernel) == 1:
        return CONV_BYTES
    return CONV_BYTES + HALO_BYTES + UNEVEN_HALO_BYTES[compiler] * _is_uneven(layer)


def _is_uneven(layer: Layer) -> bool:
    return any(extent > 1 and extent % TILES_EACH_WAY for extent in layer.output.hwc[:2])


def _is_overlapping_pool(layer: Layer) -> bool:
    """Windows that overlap exchange rows and columns between tiles like a convolution's."""
    return "POOL_2D" in layer.op and max(layer.kernel) > max(layer.stride) and min(layer.output.hwc[:2]) > 1


def _map_pieces_bytes(layer: Layer, compiler: str) -> int:
    """Code that moves each piece of a concatenation of maps, for each kind of tile where extents are uneven.

    No compiled file holds such a network; Inception v1 over USB2 (19.2 ms, Raspberry Pi 3B) needs about 420 KB.
    """
    if layer.op != "CONCATENATION" or min(layer.output.hwc[:2]) <= 1:
        return 0
    return len(layer.inputs) * (HALO_BYTES + UNEVEN_HALO_BYTES[compiler] * _is_uneven(layer))


def _unaligned_bytes(layer: Layer) -> int:
    if layer.op not in ("SPLIT", "CONCATENATION") or len(layer.inputs) == len(layer.outputs):
        return 0
    pieces = (*layer.inputs, *layer.outputs)
    return UNALIGNED_PIECE_BYTES * sum(1 for tensor in pieces if tensor.hwc[2] % 4)


def _overflow_bytes(layer: Layer, compiler: str) -> float:
    return OVERFLOW_BYTES[compiler] * max(0.0, working_set_bytes(layer) / NARROW_BYTES_PER_TILE - 1)
