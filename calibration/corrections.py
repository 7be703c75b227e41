"""What measurement rows mean beyond their columns: the true network, and the host part that fits their CPU.

Corrections change what a row is taken for, never its value; each has its evidence in a docstring or beside the table.
"""

from __future__ import annotations

import re
from dataclasses import replace

from calibration.measurements import Measurement
from hwmodels.parts import part_names

__all__ = ["WORD_SIZES", "corrected", "host_part_of", "stand_in", "true_host"]

#: Rows (source, host_id) that were taken on another word size or TFLite generation than the board's own part.
OTHER_PARTS = {
    ("edgetpu_api_ref", "raspberry-pi-3b"): "raspberry-pi-3b-32bit",
    ("edgetpu_api_ref", "raspberry-pi-4"): "raspberry-pi-4-32bit",
    ("ddps_58", "raspberry-pi-4"): "raspberry-pi-4-32bit",
    ("softserve", "raspberry-pi-3b-plus"): "raspberry-pi-3b-plus-tensorflow",
}
#: Rows with an accelerator (source, host_id) that were taken on another machine than the one that the row names.
#: Google's table and its pages of models name no processor. Their MobileNets take 0.3 ms longer than on the workstation
#: of the benchmarks' reference, their SSDs 3.4 ms less (docs/device-model.md).
OTHER_HOSTS = {
    ("coral_ai_table1", "x86-xeon"): "x86-google-desktop",
    ("coral_models_page", "x86-xeon"): "x86-google-desktop",
}
#: Networks (source, name as written) that the source's figures show to be others (docs/measuring.md).
NETWORKS = {
    ("deepedgebench", "mobilenet_v2_224"): "mobilenet_v2_1.4_224",
    ("deepedgebench", "mobilenet_v1_small"): "mobilenet_v1_0.25_128",
}
#: The same for rows with an accelerator. Sparta's GoogLeNet is torchvision's, as its scripts show (docs/measuring.md).
ON_ACCELERATOR = {("sparta", "inception_v1_224"): "googlenet_pytorch_224"}
#: Those whose watts are predicted under the other name with an accelerator, too: the zoo has none of theirs.
STAND_INS = frozenset([("deepedgebench", "mobilenet_v1_small")])
#: Boards whose CPU has a part of its own for a 32-bit system.
WORD_SIZES = ("raspberry-pi-3b", "raspberry-pi-3b-plus", "raspberry-pi-4")


def corrected(row: Measurement) -> Measurement:
    """Return a row with its network's true name.

    ``NETWORKS`` holds those that a source calls otherwise; rows with an accelerator keep their name and their flag,
    unless ``ON_ACCELERATOR`` has another.
    The CPU rows of villarrubia's convolutions with several threads are named by their number n in the series, not by
    their filters (32 + 10 n): so named they lie on the single-thread times divided by 1.85, 3.4 and up to 7.
    """
    if row.link != "none":
        return replace(row, model=ON_ACCELERATOR.get((row.source_id, row.model), row.model))
    match = re.fullmatch(r"conv5x3x3_f(\d+)_64x64", row.model)
    if match and row.source_id == "villarrubia" and row.threads > 1:
        return replace(row, model=f"conv5x3x3_f{32 + 10 * int(match[1])}_64x64")
    return replace(row, model=NETWORKS.get((row.source_id, row.model), row.model))


def host_part_of(row: Measurement) -> str:
    """Return the host part that fits a row's CPU: by board, word size and TFLite generation; empty without a host."""
    if (row.source_id, row.host_id) in OTHER_PARTS:
        return OTHER_PARTS[row.source_id, row.host_id]
    if row.word_size == "32" and row.host_id in WORD_SIZES:
        return f"{row.host_id}-32bit"
    is_float = row.dtype == "float32" and f"{row.host_id}-float" in part_names("host")
    return f"{row.host_id}-float" if is_float else row.host_id


def true_host(row: Measurement) -> str:
    """Return the host that a row with an accelerator was taken on, as its times show; empty where it names none."""
    return OTHER_HOSTS.get((row.source_id, row.host_id), row.host_id)


def stand_in(row: Measurement) -> Measurement:
    """Return a row of a meter with the zoo network that its times come nearest to, where the source named none."""
    key = row.source_id, row.model
    return replace(row, model=NETWORKS[key]) if key in STAND_INS else row
