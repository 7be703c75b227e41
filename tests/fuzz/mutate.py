"""Edit scripts: a fuzz input says which seed to take and what to change in it.

Byte 0 picks the seed, then each record of 9 bytes is one edit: kind, place, value. A coverage-guided fuzzer evolves
such scripts well, whatever the size of the seed, and a finding is read off its few edits.
"""

from __future__ import annotations

import copy
import json
import math
import random
import struct
from collections.abc import Iterator, Sequence
from typing import Any

RECORD = struct.Struct("<BIi")
MOST_EDITS = 24
WORDS = (0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 256, 32767, 65535, 2**20, 2**31 - 1, -(2**31), -1, -2, -4, -8, -65536)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 255, 4096, 65536, 2**31 - 1, 2**31, 2**63, -(2**63), 10**30, 10**400, 0.0, -0.0, 0.5,
    1e-320, 1e-9, 1e9, 1e17, 1e18, 1e300, 1.5e308, math.nan, math.inf, -math.inf, "", " ", "0", "-1", "nan", "inf", "1e999",
    "max", "std", "a:b", "a,b", ":", ",", "é", "\u202egnp", "名前 with spaces", "\x1b[31mred", "<script>alert(1)</script>",
    "../../etc/passwd", "x" * 5000, "\0", [], {}, [[]], [1], [-1, -1], [2**31 - 1] * 4, [0, 0, 0, 0], ["int8"],
    ["int8", 1, 65535, 65535, 65535], ["int8", *[2**31 - 1] * 9], {"value": 0}, {"a": {"b": []}}, [[1, 2], [3]],
    "CONV_2D", "SOFTMAX", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM", "int4", "float32",
)  # fmt: skip


def records(script: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (kind, place, value) of each edit."""
    rest = script[1 : 1 + MOST_EDITS * RECORD.size]
    return RECORD.iter_unpack(rest[: len(rest) // RECORD.size * RECORD.size])


def pick(script: bytes, seeds: Sequence[Any]) -> Any:
    """The seed that a script edits."""
    return seeds[(script[0] if script else 0) % len(seeds)]


def random_script(rng: random.Random) -> bytes:
    """A script of a few edits, where no coverage-guided fuzzer is at hand."""
    edits = (rng.randbytes(RECORD.size) for _ in range(rng.choice((1, 1, 2, 3, 5, 9, 20))))
    return bytes([rng.randrange(256)]) + b"".join(edits)


def edit_bytes(script: bytes, data: bytes, hot: Sequence[int]) -> bytes:
    """Change a file: bytes, words, copied words, cuts and insertions, mostly at the places its reader looks at."""
    out = bytearray(data)
    for kind, place, value in records(script):
        if not out:
            break
        at = (hot[place % len(hot)] if hot and kind & 0xC0 else place) % len(out)
        _edit_once(out, kind % 10, at, value, hot)
    return bytes(out)


def _edit_once(out: bytearray, kind: int, at: int, value: int, hot: Sequence[int]) -> None:
    word = WORDS[value % len(WORDS)]
    if kind == 0:
        out[at] ^= 1 << (value & 7)
    elif kind == 1:
        out[at] = value & 255
    elif kind in (2, 3, 4, 5):
        text = struct.pack("<i", value if kind == 2 else word)[: (4, 4, 2, 1)[kind - 2]]
        out[at : at + len(text)] = text
    elif kind == 6 and hot:
        source = hot[value % len(hot)] % len(out)
        out[at : at + 4] = out[source : source + 4]
    elif kind == 7:
        out[at : at + 4] = struct.pack("<I", (len(out) - at + value % 64) & 0xFFFFFFFF)
    elif kind == 8:
        del out[at : at + (1 + value % 4096 if value % 3 else len(out))]
    else:
        out[at:at] = bytes([value & 255]) * (value % 64)


def edit_text(script: bytes, text: str) -> bytes:
    """Damage serialised text after its structure was edited: only scripts of odd length do."""
    data = text.encode("utf-8", "surrogatepass")
    return edit_bytes(script[:1] + script[-RECORD.size * 2 :], data, ()) if len(script) % 5 == 4 else data


def edit_tree(script: bytes, tree: Any) -> Any:
    """Change a structure of dicts and lists: replace, delete, repeat or move values, add keys."""
    tree = copy.deepcopy(tree)
    for kind, place, value in records(script):
        nodes = list(_nodes(tree))
        if not nodes:
            break
        holder, key = nodes[place % len(nodes)]
        _change(kind % 8, holder, key, value, nodes)
    return tree


def _nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield tree, key
        yield from _nodes(value)


def _change(kind: int, holder: Any, key: Any, value: int, nodes: Sequence[tuple[Any, Any]]) -> None:
    new = copy.deepcopy(VALUES[value % len(VALUES)])
    if kind <= 2:
        holder[key] = new
    elif kind == 3:
        del holder[key]
    elif kind == 4:
        other, name = nodes[value % len(nodes)]
        holder[key] = copy.deepcopy(other[name])
    elif kind == 5 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = holder[key] * 2 if value & 1 else value
    elif isinstance(holder, list):
        holder.insert(key, new if kind == 6 else copy.deepcopy(holder[key]))
    else:
        holder[str(new)[:40]] = holder[key]


def to_toml(table: dict[str, Any]) -> str:
    """A table as TOML, with inline tables inside; what TOML cannot hold becomes text."""
    return "".join(f"{json.dumps(str(key))} = {_toml(value)}\n" for key, value in table.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return json.dumps(value) if isinstance(value, bool | int | float | str) else '"none"'
