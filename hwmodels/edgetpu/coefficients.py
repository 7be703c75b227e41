"""Versions of the Edge TPU compiler: the coefficients by which the compiler model sizes what each writes.

One part file a version in ``compilers/``; a version that is added there can be chosen by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hwmodels.networks.graph import Layer
from hwmodels.part_keys import number
from hwmodels.parts import Part, load

__all__ = ["NEWEST", "Compiler", "load_compiler"]

#: The version that is taken where none is named.
NEWEST = "16"


@dataclass(frozen=True, kw_only=True)
class Compiler(Part):
    """One version of the compiler: bytes of its programs and tables, and how far they may be off."""

    DIVISORS: ClassVar[frozenset[str]] = frozenset(["measured_spill_bytes"])

    header_bytes: int = number("The program's beginning.")
    map_bytes: int = number("Once, where layers work on maps.")
    conv_bytes: int = number("A convolution.")
    depthwise_bytes: int = number("A depthwise convolution.")
    pool_bytes: int = number("A pooling layer.")
    side_bytes: int = number("The edge of a map that tiles exchange, for each of two sides.")
    uneven_halo_bytes: int = number("Code for tiles that differ, where extents do not divide.")
    valid_bytes: int = number("Valid padding where tiles of input and output do not line up, or differ by two rows.")
    valid_uneven_bytes: int = number("Likewise where the tiles differ, in addition.")
    valid_short_bytes: int = number("Valid padding where the last tile has one row less.")
    quantize_bytes: int = number("A quantisation.")
    reduction_bytes: int = number("Reducing a whole map to one position: mean, sum, global pooling.")
    flatten_bytes: int = number("Flattening a map of several channels.")
    flatten_single_bytes: int = number("Flattening a map of one channel.")
    flatten_bytes_per_position: float = number("Likewise, for each position.")
    selection_bytes_per_group: int = number("64 outputs of a matrix that takes out padding.")
    padded_softmax_bytes: int = number("A softmax over padded classes that is not wide.")
    valid_later_bytes: int = number("Valid padding in a later layer, whose input lies on the tiles already.")
    other_op_bytes: int = number("Any other operator that does something.")
    dense_bytes_per_input: float = number("An input of a fully connected layer.")
    dense_most_inputs: int = number("Inputs beyond which such a layer's code grows no more.")
    overflow_bytes: int = number("Each time that a layer exceeds a tile's memory.")
    softmax_bytes: int = number("Long program of a wide softmax.")
    softmax_least_classes: int = number("Least classes of a wide softmax.")
    pads_softmax: bool = number("1 where a softmax over padded classes has tables: dense layers that leave them out.")
    selection_outputs: int = number("Outputs of a block of the matrix that takes out padding; 0: all in one.")
    lstm_step_bytes: int = number("A step of an LSTM.")
    unaligned_piece_bytes: int = number("A piece of a split or concatenation whose channels are no multiple of 4.")
    caching_header_bytes: int = number("Beginning of the program that loads the cached parameters.")
    caching_conv_bytes: int = number("A convolution in that program.")
    caching_dense_bytes_per_group: int = number("A group of 64 outputs of a fully connected layer in that program.")
    caching_softmax_bytes: int = number("A wide softmax in that program.")
    broadcast_outputs: int = number("Outputs whose weights are broadcast to the tiles together.")
    lstm_table_bytes: int = number("Parameters of an LSTM beyond its gate matrices.")
    spread_dense_inputs: int = number(
        "Least inputs of a fully connected layer whose outputs are spread over all tiles; 0: none."
    )
    ranks_layers: bool = number("1 where parameter memory goes to the largest layers first; 0: in order of execution.")
    ranks_set: bool = number("1 where networks compiled together are ranked as one; 0: in order of the command line.")
    reserved_bytes_per_tile: int = number("What parameters may not fill of a tile; 0: the largest weight buffer.")
    reserved_few_bytes_per_tile: int = number("Likewise in networks of a few layers.")
    dense_group_bytes: int = number("Most weights of 64 outputs of a dense layer that are kept: they sit in one tile.")
    few_layers: int = number("Most layers with parameters of such a network.")
    capacity_low: float = number("Least parameter memory of a network, of what is expected.")
    capacity_low_large: float = number("Likewise where the first layer fills a tile's memory for activations.")
    capacity_low_joined: float = number("Likewise where joined branches exceed a tile's memory for activations.")
    capacity_high: float = number("Most parameter memory of a network, of what is expected.")
    spill_spread: float = number("Relative standard deviation of a latency where as much spills as was measured.")
    measured_spill_bytes: int = number("How much the measured network spills.")
    twin_spread: float = number("Relative standard deviation of a compiled file's latency whose layers are known.")
    estimate_spread: float = number("Likewise where its compute time is the compiler's own estimate.")
    cycles_per_estimated: float = number("Cycles for one cycle of the compiler's own estimate.")
    regression_spread: float = number("Likewise where its compute time comes from its bytes.")
    regression_factor: float = number("Cycles from bytes: factor x instruction bytes ^ power x input bytes ^ power.")
    regression_instruction_power: float = number("The power of the instruction bytes.")
    regression_input_power: float = number("The power of the input bytes.")

    def has_tables(self, layer: Layer) -> bool:
        """Whether a layer is a softmax with tables: dense layers that leave out the classes that pad it to 4."""
        return layer.op == "SOFTMAX" and self.pads_softmax and layer.input.hwc[2] % 4 != 0

    def is_wide(self, layer: Layer) -> bool:
        """Whether that softmax has so many classes that its program is long."""
        return self.has_tables(layer) and layer.input.hwc[2] >= self.softmax_least_classes


def load_compiler(name_or_path: str) -> Compiler:
    """Load a version of the compiler by name (``2020``, ``16``) or from a part file.

    Raises
    ------
    InputError
        For an unknown name (with the nearest one), an unreadable file, an unknown key, or a number out of its range.
    """
    return load("compiler", Compiler, name_or_path)
