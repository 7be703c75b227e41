"""Bytes of the program that the compiler writes for an Edge TPU subgraph, by a few mechanisms.

Coefficients are the compiler version's part file's (:class:`hwmodels.edgetpu.coefficients.Compiler`): robust least
squares of relative errors over the distinct networks of compiled_models.csv that can be built here. Median error, each
network predicted by a fit without it: 6 % (2020) and 8 % (2021), mean 10 and 12 %. Unexplained: DeepLab at full width
(-30 to -37 %), YAMNet (+40 %), a MobileNet v2 of 2021 (+36 %: half the softmax program of the others), the spatial
softmax of the LibrEdgeTPU trackers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import ceil

from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.coefficients import Compiler
from hwmodels.edgetpu.operators import OPERATORS, Program
from hwmodels.edgetpu.parameters import has_parameters, is_dense, is_depthwise, selection_blocks
from hwmodels.edgetpu.tiles import LANE_GROUP, path_fill
from hwmodels.networks.graph import Layer

__all__ = ["caching_instruction_bytes", "instruction_bytes"]

BUNDLE_BYTES = 16  # one instruction
FLAT_POSITIONS = 4096  # of a flattened map, beyond which its code grows no more (64x64 and 128x128 are alike)


def instruction_bytes(layers: Iterable[Layer], accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Bytes of the main program, sent on every inference.

    Parameters
    ----------
    layers
        Those of the Edge TPU subgraph.
    accelerator
        Its grid says what tiles exchange, its narrow memory what overflows.
    compiler
        The version whose coefficients count.

    Returns
    -------
    int
        Header and every operator's code, in whole instructions of 16 bytes.
    """
    mapped = _padded_alike(list(layers))
    own = sum(_layer_bytes(layer, accelerator, compiler) for layer in mapped)
    head = compiler.header_bytes + compiler.map_bytes * any(_has_map(layer) for layer in mapped)
    return _whole_bundles(head + own - _later_bytes(mapped, accelerator, compiler))


def _has_map(layer: Layer) -> bool:
    return layer.output.hwc[:2] != (1, 1)


def _padded_alike(layers: Sequence[Layer]) -> list[Layer]:
    """Valid padding on a map that a layer before has padded is padding like any other."""
    padded = {tensor.id for layer in layers if layer.op.startswith("PAD") for tensor in layer.outputs}
    return [replace(layer, padding="SAME") if layer.input.id in padded else layer for layer in layers]


def _layer_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> float:
    if _program(layer) is Program.NONE:
        return 0
    return _op_bytes(layer, accelerator, compiler) + _overflow_bytes(layer, accelerator, compiler)


def _later_bytes(layers: Sequence[Layer], accelerator: EdgeTpu, compiler: Compiler) -> float:
    """What valid padding saves in layers after the first: their input lies on the tiles already."""
    windows = [layer for layer in layers if max(layer.kernel) > 1][1:]
    costs = (_valid_bytes(layer, accelerator, compiler) for layer in windows if layer.padding == "VALID")
    return sum(max(0, cost - compiler.valid_later_bytes) for cost in costs)


def caching_instruction_bytes(layers: Iterable[Layer], compiler: Compiler) -> int:
    """Bytes of the program that loads the parameters of the layers to be cached.

    A beginning, so much for each convolution, for 64 outputs of a dense layer, and for the tables of a wide softmax:
    median error 2 % over the compiled files (MobileNet v1 0.25 and 0.5 take 6 272 B for their softmax, unexplained).

    Parameters
    ----------
    layers
        Those of the Edge TPU subgraph; only layers with parameters are loaded.
    compiler
        The version whose coefficients count.

    Returns
    -------
    int
        In whole instructions of 16 bytes; 0 where nothing is cached.
    """
    loads = [_load_bytes(layer, compiler) for layer in layers if has_parameters(layer, compiler)]
    return _whole_bundles(compiler.caching_header_bytes + sum(loads)) if loads else 0


def _load_bytes(layer: Layer, compiler: Compiler) -> int:
    if layer.op == "SOFTMAX":
        return compiler.caching_softmax_bytes
    if is_dense(layer):
        return compiler.caching_dense_bytes_per_group * ceil(layer.weights[0].shape[0] / LANE_GROUP)
    return compiler.caching_conv_bytes


def _whole_bundles(n_bytes: float) -> int:
    return -(-round(n_bytes) // BUNDLE_BYTES) * BUNDLE_BYTES


def _program(layer: Layer) -> Program:
    """Kind of a layer's code: a convolution of one position is computed as a dense layer."""
    if is_dense(layer):
        return Program.DENSE
    row = OPERATORS.get(layer.op)
    return row.program if row else Program.OTHER


Code = Callable[[Layer, EdgeTpu, Compiler], float]


def _op_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> float:
    return _CODE.get(_program(layer), _other_bytes)(layer, accelerator, compiler)


def _none_bytes(_layer: Layer, _accelerator: EdgeTpu, _compiler: Compiler) -> float:
    return 0


def _other_bytes(_layer: Layer, _accelerator: EdgeTpu, compiler: Compiler) -> float:
    return compiler.other_op_bytes


def _quantize_bytes(_layer: Layer, _accelerator: EdgeTpu, compiler: Compiler) -> float:
    return compiler.quantize_bytes


def _softmax_bytes(layer: Layer, _accelerator: EdgeTpu, compiler: Compiler) -> float:
    if compiler.is_wide(layer):
        return compiler.softmax_bytes
    return compiler.padded_softmax_bytes * compiler.has_tables(layer)


def _lstm_bytes(layer: Layer, _accelerator: EdgeTpu, compiler: Compiler) -> float:
    return compiler.lstm_step_bytes * layer.output.hwc[1]


def _dense_bytes(layer: Layer, _accelerator: EdgeTpu, compiler: Compiler) -> float:
    inputs = layer.weights[0].shape[-1] if layer.weights else 0
    return compiler.dense_bytes_per_input * min(compiler.dense_most_inputs, inputs)


def _convolution_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> float:
    return compiler.conv_bytes + _window_bytes(layer, accelerator, compiler)


def _depthwise_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> float:
    own = compiler.depthwise_bytes if is_depthwise(layer) else compiler.conv_bytes
    return own + _window_bytes(layer, accelerator, compiler)


def _pool_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> float:
    if _is_reduction(layer):
        return compiler.reduction_bytes
    return compiler.pool_bytes + (_window_bytes(layer, accelerator, compiler) if _windows_overlap(layer) else 0)


def _reduction_bytes(layer: Layer, _accelerator: EdgeTpu, compiler: Compiler) -> float:
    return compiler.reduction_bytes if _is_reduction(layer) else compiler.other_op_bytes


def _concatenation_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> float:
    pieces = _unaligned_bytes(layer, compiler) + _map_pieces_bytes(layer, accelerator, compiler)
    return compiler.other_op_bytes + pieces


def _split_bytes(layer: Layer, _accelerator: EdgeTpu, compiler: Compiler) -> float:
    return compiler.other_op_bytes + _unaligned_bytes(layer, compiler)


def _flatten_bytes(layer: Layer, _accelerator: EdgeTpu, compiler: Compiler) -> float:
    """Code that puts a map's positions into a row, and takes the padding out of its channels."""
    height, width, channels = layer.input.hwc
    if height * width == 1 or layer.output.shape[-1:] != (layer.input.n_elements,):
        return 0
    groups = sum(ceil(outputs / LANE_GROUP) for outputs, _ in selection_blocks(layer, compiler))
    single = compiler.flatten_single_bytes + compiler.flatten_bytes_per_position * min(FLAT_POSITIONS, height * width)
    moved = single if channels == 1 else compiler.flatten_bytes
    return moved + compiler.selection_bytes_per_group * groups


def _window_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> float:
    """Code for what a window reads of neighbouring tiles."""
    share = _halo_share(layer, accelerator)
    if not share:
        return 0
    if layer.padding == "VALID" and compiler.valid_bytes:
        return share * (_sides(layer) * compiler.side_bytes + _valid_bytes(layer, accelerator, compiler))
    return share * _exchange_bytes(layer, _sides(layer), accelerator, compiler)


def _halo_share(layer: Layer, accelerator: EdgeTpu) -> float:
    """Share of the axes along which a kernel is wider than one where there is a neighbouring tile to exchange with.

    All or none on Coral. In a row of four tiles a 3x3 kernel exchanges columns with its neighbours and no rows.
    """
    wide = [tiles > 1 for tiles, extent in zip(_grid(accelerator), layer.kernel, strict=True) if extent > 1]
    return sum(wide) / len(wide) if wide else 0


def _sides(layer: Layer) -> int:
    """Sides on which windows reach beyond their own tile: none, one (3x3 with stride 2) or both."""
    spans = zip(layer.kernel, layer.stride, layer.dilation, strict=True)
    beyond = max(max(0, (kernel - 1) * dilation + 1 - stride) for kernel, stride, dilation in spans)
    return min(2, beyond)


def _valid_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Code for valid padding: with it the tiles of input and output do not line up, or the last one is short."""
    extents = zip(layer.input.hwc[:2], layer.output.hwc[:2], layer.stride, _grid(accelerator), strict=False)
    short, lines_up = 0, True
    for before, after, stride, tiles in extents:
        lines_up &= ceil(before / tiles) == stride * ceil(after / tiles)
        short = max(short, -after % tiles)
    if lines_up and short < 2:
        return compiler.valid_short_bytes * short
    return compiler.valid_bytes + compiler.valid_uneven_bytes * (short > 0)


def _exchange_bytes(layer: Layer, sides: int, accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Code that moves a map's edges between tiles, for each kind of tile where the tiles' rectangles differ.

    They differ where rows are no multiple of ``tiles_y`` or columns none of ``tiles_x``: one tile is a multiple always.
    """
    return sides * compiler.side_bytes + compiler.uneven_halo_bytes * _is_uneven(layer, accelerator)


def _is_uneven(layer: Layer, accelerator: EdgeTpu) -> bool:
    extents = zip(_grid(accelerator), layer.output.hwc[:2], strict=True)
    return any(extent > 1 and extent % tiles for tiles, extent in extents)


def _is_reduction(layer: Layer) -> bool:
    """Whether a whole map becomes one position."""
    return layer.output.hwc[:2] == (1, 1) != layer.input.hwc[:2]


def _grid(accelerator: EdgeTpu) -> tuple[int, int]:
    """Tiles along rows and columns, in the order of a map's extents and of a kernel's."""
    return accelerator.tiles_y, accelerator.tiles_x


def _windows_overlap(layer: Layer) -> bool:
    """Windows that overlap exchange rows and columns between tiles like a convolution's."""
    return max(layer.kernel) > max(layer.stride) and min(layer.output.hwc[:2]) > 1


def _map_pieces_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> int:
    """Code that moves each piece of a concatenation of maps, for each kind of tile where extents are uneven.

    No compiled file holds such a network; Inception v1 over USB2 (19.2 ms, Raspberry Pi 3B) needs about 420 KB.
    """
    if min(layer.output.hwc[:2]) <= 1:
        return 0
    return len(layer.inputs) * _exchange_bytes(layer, 2, accelerator, compiler)


def _unaligned_bytes(layer: Layer, compiler: Compiler) -> int:
    if len(layer.inputs) == len(layer.outputs):
        return 0
    pieces = (*layer.inputs, *layer.outputs)
    return compiler.unaligned_piece_bytes * sum(1 for tensor in pieces if tensor.hwc[2] % 4)


def _overflow_bytes(layer: Layer, accelerator: EdgeTpu, compiler: Compiler) -> float:
    return compiler.overflow_bytes * max(0.0, path_fill(layer, accelerator) - 1)


#: Code of each kind of program; any other operator takes what operators take.
_CODE: dict[Program, Code] = {
    Program.NONE: _none_bytes,
    Program.RESHAPE: _flatten_bytes,
    Program.QUANTIZE: _quantize_bytes,
    Program.SOFTMAX: _softmax_bytes,
    Program.LSTM: _lstm_bytes,
    Program.DENSE: _dense_bytes,
    Program.CONVOLUTION: _convolution_bytes,
    Program.DEPTHWISE: _depthwise_bytes,
    Program.POOL: _pool_bytes,
    Program.REDUCTION: _reduction_bytes,
    Program.CONCATENATION: _concatenation_bytes,
    Program.SPLIT: _split_bytes,
}
