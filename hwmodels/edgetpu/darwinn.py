"""Read what an Edge-TPU-compiled .tflite file sends to the chip: the DarwiNN package in its custom ops.

Layout: the custom options of an ``edgetpu-custom-op`` are a FlexBuffer map, one of whose values holds a FlatBuffer
with identifier ``DWN1``: Package -> serialized MultiExecutable -> serialized Executables.
Field order: google-coral/libedgetpu @e35aed1, executable/executable.fbs. Parameters and instructions are measured,
never read: their pages stay untouched.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatbuffers.table import Table

from hwmodels.errors import InputError
from hwmodels.networks.graph import EDGETPU_OP
from hwmodels.networks.tflite import open_model

__all__ = ["CompiledOp", "DarwinnExecutable", "DmaHint", "LayerInfo", "read_compiled_ops"]

EXECUTABLE_TYPES = ("STAND_ALONE", "PARAMETER_CACHING", "EXECUTION_ONLY")
#: Kinds of DMA by (Description, Direction) of the schema.
DMA_KINDS = {(0, 1): "output", (1, 0): "input", (2, 0): "parameters", (3, 0): "scratch_in", (3, 1): "scratch_out"}
DATA_TYPES = {0: "uint8", 1: "uint16", 2: "int32", 3: "bfloat16", 4: "float16", 5: "float32", 8: "int8", 9: "int16"}

_CUSTOM_OPTIONS = 5  # field of TFLite's Operator
_FLEX_STRING, _FLEX_MAP, _FLEX_BLOB = 5, 9, 25


@dataclass(frozen=True, slots=True)
class DmaHint:
    """One transfer of an executable, in the order the driver performs them.

    ``kind``: instructions, input, parameters, output, scratch_in, scratch_out, interrupt or fence; ``direction``:
    ``in`` (to the chip), ``out`` or empty; ``name``: the layer of an input or output.
    """

    kind: str
    direction: str
    n_bytes: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """One input or output tensor of an executable: (y, x, z) extents, data type and its bytes padded on the wire."""

    name: str
    shape: tuple[int, int, int]
    dtype: str
    padded_bytes: int
    executions: int


@dataclass(frozen=True, slots=True)
class DarwinnExecutable:
    """One program for the chip, with everything that it moves.

    ``instruction_bytes`` holds the chunks; ``estimated_cycles`` is 0 in files of compilers from 2021 on.
    """

    type: str
    parameter_caching_token: int
    parameter_bytes: int
    instruction_bytes: tuple[int, ...]
    hints: tuple[DmaHint, ...]
    fully_deterministic: bool
    inputs: tuple[LayerInfo, ...]
    outputs: tuple[LayerInfo, ...]
    scratch_bytes: int
    estimated_cycles: int
    narrow_bytes_per_tile: int
    chip: str

    def hinted_bytes(self, kind: str) -> int:
        """Bytes of all DMA hints of a kind."""
        return sum(hint.n_bytes for hint in self.hints if hint.kind == kind)


@dataclass(frozen=True, slots=True)
class CompiledOp:
    """One ``edgetpu-custom-op``: operator index in its subgraph, compiler, and its executables."""

    index: int
    compiler_version: str
    min_runtime_version: int
    executables: tuple[DarwinnExecutable, ...]

    @property
    def main(self) -> DarwinnExecutable:
        """The executable of every inference (EXECUTION_ONLY or STAND_ALONE)."""
        return next(e for e in self.executables if e.type != "PARAMETER_CACHING")

    @property
    def caching(self) -> DarwinnExecutable | None:
        """The executable that loads the cached parameters, if there is one."""
        return next((e for e in self.executables if e.type == "PARAMETER_CACHING"), None)

    @property
    def token(self) -> int:
        """The parameter-caching token: executables that share it keep their parameters on the chip together."""
        return self.main.parameter_caching_token

    @property
    def cached_parameter_bytes(self) -> int:
        """Parameter bytes sent once and kept on the chip."""
        return self.caching.parameter_bytes if self.caching else 0

    @property
    def streamed_parameter_bytes(self) -> int:
        """Parameter bytes sent again on every inference, as the DMA hints say."""
        return self.main.hinted_bytes("parameters")

    @property
    def parameter_blob_bytes(self) -> int:
        """Cached plus streamed parameter bytes."""
        return self.cached_parameter_bytes + self.main.parameter_bytes

    @property
    def instruction_bytes(self) -> int:
        """Instruction bytes sent on every inference."""
        return sum(self.main.instruction_bytes)

    @property
    def caching_instruction_bytes(self) -> int:
        """Instruction bytes of the parameter load."""
        return sum(self.caching.instruction_bytes) if self.caching else 0

    @property
    def input_bytes(self) -> int:
        """Input bytes on the wire: padded, and with the rows that overlapping bands send twice."""
        return self.main.hinted_bytes("input")

    @property
    def output_bytes(self) -> int:
        """Output bytes on the wire, padded."""
        return self.main.hinted_bytes("output")

    @property
    def scratch_bytes(self) -> int:
        """Bytes of the host buffer that activations spill to."""
        return self.main.scratch_bytes

    @property
    def estimated_cycles(self) -> int:
        """The compiler's own cycle estimate (0 where it wrote none; no hardware time)."""
        return self.main.estimated_cycles


def read_compiled_ops(path: Path) -> tuple[CompiledOp, ...]:
    """Read every ``edgetpu-custom-op`` of the first subgraph; none for a plain network.

    Raises :class:`InputError` for a file that cannot be read and for a package that is truncated or corrupted.
    """
    with open_model(path) as (model, data):
        if model.SubgraphsLength() < 1:
            raise InputError.problem(str(path), "has no subgraph", "give a model with one subgraph")
        try:
            return tuple(_compiled_op(data, *span) for span in _custom_options(model, len(data)))
        except (struct.error, LookupError, ValueError, TypeError, OverflowError) as error:
            raise InputError.problem(
                f"{path}: {EDGETPU_OP}",
                f"cannot be read ({type(error).__name__}: {error})",
                "give a whole, uncorrupted DarwiNN package (DWN1)",
            ) from None


def _custom_options(model: Any, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (operator index, start, end) of the custom options of each Edge TPU op."""
    codes = [model.OperatorCodes(i).CustomCode() for i in range(_bounded(model.OperatorCodesLength(), size // 4))]
    subgraph = model.Subgraphs(0)
    for index in range(_bounded(subgraph.OperatorsLength(), size // 4)):
        operator = subgraph.Operators(index)
        if codes[operator.OpcodeIndex()] == EDGETPU_OP.encode():
            start, length = _Fields(operator._tab.Bytes, operator._tab.Pos).bytes(_CUSTOM_OPTIONS)
            yield index, start, start + length


def _compiled_op(data: Any, index: int, start: int, end: int) -> CompiledOp:
    package = _Fields.root(data, _package_start(data, start, end))
    multi, length = package.bytes(1)
    if not length:
        raise ValueError("the package holds no executables")
    executables = tuple(_executable(table) for table in _executables(data, multi))
    if all(executable.type == "PARAMETER_CACHING" for executable in executables):
        raise ValueError("no executable runs an inference")
    return CompiledOp(index, package.text(4), package.number(0, "i"), executables)


def _package_start(data: Any, start: int, end: int) -> int:
    """Return where the DarwiNN package begins: the one string or blob of the FlexBuffer map with its identifier."""
    for position in _flexbuffer_strings(data, start, end):
        if data[position + 4 : position + 8] == b"DWN1":
            return position
    raise ValueError("no DarwiNN package (identifier DWN1) in the custom options")


def _flexbuffer_strings(data: Any, start: int, end: int) -> Iterator[int]:
    """Yield the positions of a FlexBuffer map's strings and blobs.

    A FlexBuffer ends with (root, packed type, root's width); a map is (keys, keys' width, length, values, types).
    """
    if end - start < 3:
        raise ValueError(f"custom options of {end - start} bytes")
    kind, width = data[end - 2] >> 2, data[end - 1]
    if kind != _FLEX_MAP:
        raise ValueError(f"custom options of FlexBuffer type {kind}, not a map")
    values, width = _flex_offset(data, end - 2 - width, width, start), 1 << (data[end - 2] & 3)
    count = _bounded(unsigned(data, values - width, width), (end - values) // (width + 1))
    for slot, packed in enumerate(data[values + count * width : values + count * (width + 1)]):
        if packed >> 2 in (_FLEX_STRING, _FLEX_BLOB):
            yield _flex_offset(data, values + slot * width, width, start)


def _flex_offset(data: Any, position: int, width: int, start: int) -> int:
    target = position - unsigned(data, position, width)
    if target < start:
        raise ValueError("a FlexBuffer offset leaves the custom options")
    return target


def unsigned(data: Any, position: int, width: int) -> int:
    """Read an unsigned number of 1, 2, 4 or 8 bytes; raises :class:`ValueError` where it leaves the file."""
    if width not in (1, 2, 4, 8) or not 0 <= position <= len(data) - width:
        raise ValueError("a FlexBuffer field leaves the file")
    return int.from_bytes(data[position : position + width], "little")


def _executables(data: Any, multi: int) -> Iterator[_Fields]:
    for position, length in _Fields.root(data, multi).byte_strings(0, most=16):
        if length < 8:
            raise ValueError(f"an executable of {length} bytes")
        yield _Fields.root(data, position)


def _executable(table: _Fields) -> DarwinnExecutable:
    chunks = tuple(chunk.bytes(0)[1] for chunk in table.tables(5, most=1024))
    dma = table.table(7)
    number = table.number(13, "h")
    if not 0 <= number < len(EXECUTABLE_TYPES):
        raise ValueError(f"executable type {number}")
    return DarwinnExecutable(
        type=EXECUTABLE_TYPES[number],
        parameter_caching_token=table.number(14, "Q"),
        parameter_bytes=table.bytes(6)[1],
        instruction_bytes=chunks,
        hints=tuple(_hint(hint, chunks) for hint in dma.tables(0, most=4096)) if dma else (),
        fully_deterministic=bool(dma and dma.number(1, "B")),
        inputs=tuple(_layer(layer) for layer in table.tables(8, most=1024)),
        outputs=tuple(_layer(layer) for layer in table.tables(9, most=1024)),
        scratch_bytes=table.natural(4),
        estimated_cycles=_bounded(table.number(16, "q") or table.number(11, "i"), 2**63),
        narrow_bytes_per_tile=table.natural(12),
        chip=table.text(10),
    )


def _hint(table: _Fields, chunks: tuple[int, ...]) -> DmaHint:
    variant, direction, body = table.number(0, "B"), table.number(2, "h"), table.table(1)
    if body is None or variant not in (1, 2, 3, 4):
        raise ValueError(f"DMA hint of kind {variant}")
    if variant == 2:
        return DmaHint("instructions", "in", chunks[_bounded(body.number(0, "i"), len(chunks) - 1)])
    if variant != 1:
        return DmaHint("interrupt" if variant == 3 else "fence", "", 0)
    meta = body.table(0)
    kind = DMA_KINDS[meta.number(0, "h") if meta else 0, direction]
    return DmaHint(kind, "out" if direction else "in", body.natural(2), meta.text(2) if meta else "")


def _layer(table: _Fields) -> LayerInfo:
    shape = (table.natural(2), table.natural(3), table.natural(4))
    dtype = DATA_TYPES.get(table.number(6, "h"), "variant")
    return LayerInfo(table.text(0), shape, dtype, table.natural(1), table.natural(8, default=1))


def _bounded(value: int, most: int) -> int:
    # A corrupted length must become an error, not a long loop or a large allocation.
    if not 0 <= value <= most:
        raise ValueError(f"{value} where at most {most} are possible")
    return value


class _Fields:
    """Bounds-checked reading of one FlatBuffer table by field number."""

    def __init__(self, data: Any, position: int) -> None:
        _bounded(position, len(data) - 4)
        self.data, self.raw = data, Table(data, position)
        _bounded(position - self._read("i", position), len(data) - 4)

    @classmethod
    def root(cls, data: Any, start: int) -> _Fields:
        """Return the root table of the FlatBuffer that begins at ``start``."""
        return cls(data, start + struct.unpack_from("<I", data, _bounded(start, len(data) - 4))[0])

    def _read(self, code: str, position: int) -> Any:
        _bounded(position, len(self.data) - struct.calcsize(code))
        return struct.unpack_from("<" + code, self.data, position)[0]

    def _at(self, field: int) -> int:
        offset = self.raw.Offset(4 + 2 * field)
        return self.raw.Pos + offset if offset else 0

    def number(self, field: int, code: str, default: int = 0) -> int:
        """Return a scalar field, ``code`` as in :mod:`struct`."""
        position = self._at(field)
        return int(self._read(code, position)) if position else default

    def natural(self, field: int, default: int = 0) -> int:
        """Return a 32-bit field that counts something."""
        return _bounded(self.number(field, "i", default), 2**31)

    def bytes(self, field: int) -> tuple[int, int]:
        """Return (start, length) of a byte vector, (0, 0) where there is none."""
        position = self._at(field)
        return self._bytes_at(position + self._read("I", position)) if position else (0, 0)

    def _bytes_at(self, position: int) -> tuple[int, int]:
        length = self._read("I", position)
        return position + 4, _bounded(length, len(self.data) - position - 4)

    def text(self, field: int) -> str:
        """Return the first 1024 bytes of a string field; undecodable ones are replaced."""
        start, length = self.bytes(field)
        return bytes(self.data[start : start + min(length, 1024)]).decode("utf-8", "replace")

    def table(self, field: int) -> _Fields | None:
        """Return a nested table."""
        position = self._at(field)
        return _Fields(self.data, position + self._read("I", position)) if position else None

    def _targets(self, field: int, most: int) -> Iterator[int]:
        position = self._at(field)
        if not position:
            return
        vector = position + self._read("I", position)
        count = _bounded(self._read("I", vector), min(most, (len(self.data) - vector) // 4))
        for slot in range(vector + 4, vector + 4 + 4 * count, 4):
            yield slot + self._read("I", slot)

    def tables(self, field: int, most: int) -> Iterator[_Fields]:
        """Yield the tables of a vector of at most ``most``."""
        return (_Fields(self.data, target) for target in self._targets(field, most))

    def byte_strings(self, field: int, most: int) -> Iterator[tuple[int, int]]:
        """Yield (start, length) of each string of a vector of at most ``most``."""
        return (self._bytes_at(target) for target in self._targets(field, most))
