"""Write the package of a compiled operator: a program with given bytes, for the virtual device and for tests.

No chip could run it: instructions and parameters are random. Everything that is moved, and the compiler's estimate of
the cycles, stands where the driver and ``hwmodels/edgetpu/darwinn.py`` look for it.
Field order: google-coral/libedgetpu @e35aed1, ``executable/executable.fbs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers

from hwmodels.networks.graph import EDGETPU_OP, Layer, LayerGraph, Tensor

__all__ = ["Program", "compiled_graph", "package"]

STAND_ALONE, CACHING, EXECUTION_ONLY = range(3)
#: (Description, Direction) of the schema's DMA descriptors.
INPUT, OUTPUT, PARAMETERS = (1, 0), (0, 1), (2, 0)

Field = tuple[int, str, Any]


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a compiled operator moves and computes: bytes, and cycles as the compiler estimated them."""

    token: int
    estimated_cycles: int
    instruction_bytes: int = 4096
    cached_bytes: int = 65536
    streamed_bytes: int = 0
    caching_instruction_bytes: int = 1024
    input_bytes: int = 0
    output_bytes: int = 0
    seed: int = 0


def compiled_graph(name: str, input_shape: Sequence[int], output_shape: Sequence[int], *tail: Layer) -> LayerGraph:
    """Return a network of one compiled operator (layer 0), and of CPU operators that begin with what it writes."""
    source, result = Tensor(0, "int8", tuple(input_shape)), Tensor(1, "int8", tuple(output_shape))
    layers = [Layer(0, EDGETPU_OP, (source,), (result,))]
    for index, layer in enumerate(tail, 1):
        read, written = replace(layer.input, id=index), replace(layer.output, id=index + 1)
        layers.append(replace(layer, index=index, inputs=(read,), outputs=(written,)))
    return LayerGraph(name, tuple(layers), (source,), layers[-1].outputs)


def package(program: Program, layer: Layer) -> bytes:
    """Return the custom options of a compiled operator: a FlexBuffer map that holds the DarwiNN package."""
    whole = replace(
        program, input_bytes=program.input_bytes or prod(layer.input.shape),
        output_bytes=program.output_bytes or prod(layer.output.shape),
    )  # fmt: skip
    executables = [_inference(whole)] + ([_caching(whole)] if program.cached_bytes else [])
    builder = flatbuffers.Builder(1 << 12)
    strings = [builder.CreateByteVector(one) for one in executables]
    root = _table(builder, [(0, "offset", _offsets(builder, strings))])
    builder.Finish(root)
    options = flexbuffers.Builder()
    with options.Map():
        options.Blob("4", _whole_package(bytes(builder.Output())))
    return bytes(options.Finish())


def _whole_package(multi: bytes) -> bytes:
    builder = flatbuffers.Builder(1 << 12)
    content, version = builder.CreateByteVector(multi), builder.CreateString("edgetpusim")
    builder.Finish(_table(builder, [(0, "int32", 13), (1, "offset", content), (4, "offset", version)]), b"DWN1")
    return bytes(builder.Output())


def _inference(program: Program) -> bytes:
    hints = [("instructions", 0), (INPUT, program.input_bytes)]
    if program.streamed_bytes:
        hints.append((PARAMETERS, program.streamed_bytes))
    hints.append((OUTPUT, program.output_bytes))
    kind = EXECUTION_ONLY if program.cached_bytes else STAND_ALONE
    return _executable(program, kind, (program.instruction_bytes, program.streamed_bytes), hints)


def _caching(program: Program) -> bytes:
    hints = [("instructions", 0), (PARAMETERS, program.cached_bytes)]
    return _executable(program, CACHING, (program.caching_instruction_bytes, program.cached_bytes), hints)


def _executable(program: Program, kind: int, sizes: tuple[int, int], hints: Sequence[tuple[Any, int]]) -> bytes:
    """One executable; ``sizes`` are its instruction and parameter bytes."""
    builder, random = flatbuffers.Builder(1 << 12), np.random.default_rng([program.seed, kind])
    instructions, parameters = (builder.CreateByteVector(random.bytes(size)) for size in sizes)
    chunks = _offsets(builder, [_table(builder, [(0, "offset", instructions)])])
    moves = _offsets(builder, [_hint(builder, *hint) for hint in hints])
    dma = _table(builder, [(0, "offset", moves), (1, "uint8", 1)])
    builder.Finish(_table(builder, [
        (5, "offset", chunks), (6, "offset", parameters), (7, "offset", dma), (13, "int16", kind),
        (14, "uint64", program.token), (16, "int64", program.estimated_cycles if kind != CACHING else 0),
    ]))  # fmt: skip
    return bytes(builder.Output())


def _hint(builder: Any, kind: Any, size: int) -> int:
    """A chunk of instructions (variant 2 of the union), or a transfer of (description, direction) (variant 1)."""
    if kind == "instructions":
        return _table(builder, [(0, "uint8", 2), (1, "offset", _table(builder, [(0, "int32", size)]))])
    description, direction = kind
    meta = _table(builder, [(0, "int16", description)])
    body = _table(builder, [(0, "offset", meta), (2, "int32", size)])
    return _table(builder, [(0, "uint8", 1), (1, "offset", body), (2, "int16", direction)])


def _table(builder: Any, fields: Sequence[Field]) -> int:
    """A FlatBuffer table of (field number, type, value); offsets are those of finished objects."""
    builder.StartObject(max((number for number, _, _ in fields), default=-1) + 1)
    for number, kind, value in fields:
        if kind == "offset":
            builder.PrependUOffsetTRelativeSlot(number, value, 0)
        else:
            getattr(builder, f"Prepend{kind.capitalize()}Slot")(number, value, 0)
    return int(builder.EndObject())


def _offsets(builder: Any, values: Sequence[int]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependUOffsetTRelative(value)
    return int(builder.EndVector())
