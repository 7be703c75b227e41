"""What measurement rows mean beyond their columns: the true network, and the host part that fits their CPU.

Corrections change what a row is taken for, never its value; each has its evidence in a docstring or beside the table.
"""

from __future__ import annotations

import re
from dataclasses import replace

from calibration.data import Row

__all__ = ["corrected", "host_part_of"]

#: Rows (source, host_id) that were taken on another word size or TFLite generation than the board's own part.
OTHER_PARTS = {
    ("edgetpu_api_ref", "raspberry-pi-3b"): "raspberry-pi-3b-32bit",
    ("edgetpu_api_ref", "raspberry-pi-4"): "raspberry-pi-4-32bit",
    ("ddps_58", "raspberry-pi-4"): "raspberry-pi-4-32bit",
    ("softserve", "raspberry-pi-3b-plus"): "raspberry-pi-3b-plus-tensorflow",
}
#: Networks of CPU rows (source, name as written) that the source's figures show to be others (docs/measuring.md).
NETWORKS = {
    ("deepedgebench", "mobilenet_v2_224"): "mobilenet_v2_1.4_224",
    ("deepedgebench", "mobilenet_v1_small"): "mobilenet_v1_0.25_128",
}


def corrected(row: Row) -> Row:
    """Return a row with its network's true name.

    ``NETWORKS`` holds those that a source calls otherwise; rows with an accelerator keep their name and their flag.
    The CPU rows of villarrubia's convolutions with several threads are named by their number n in the series, not by
    their filters (32 + 10 n): so named they lie on the single-thread times divided by 1.85, 3.4 and up to 7.
    """
    if row.link != "none":
        return row
    match = re.fullmatch(r"conv5x3x3_f(\d+)_64x64", row.model)
    if match and row.source_id == "villarrubia" and row.threads > 1:
        return replace(row, model=f"conv5x3x3_f{32 + 10 * int(match[1])}_64x64")
    return replace(row, model=NETWORKS.get((row.source_id, row.model), row.model))


def host_part_of(row: Row) -> str:
    """Return the host part that fits a row's CPU: by board, word size and TFLite generation; empty without a host."""
    if (row.source_id, row.host_id) in OTHER_PARTS:
        return OTHER_PARTS[row.source_id, row.host_id]
    if "(32bit)" in row.host and row.host_id in ("raspberry-pi-3b", "raspberry-pi-3b-plus", "raspberry-pi-4"):
        return f"{row.host_id}-32bit"
    if row.source_id == "salimmj" and "quant=False" in row.conditions:
        return "x86-desktop-float"
    return row.host_id
