"""Old measurement files: what they say in prose becomes columns, once.

Files of the published layout (23 columns) state a meter, a word size or a busy host in the texts of ``conditions``,
``host`` and ``citation``. This module alone reads those texts; everything else reads columns. The shipped datasets are
its result (``edgetpusim-calibrate convert OLD.csv -o NEW.csv``). A file of the old layout passes through it whenever it
is read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from calibration.tables import Cells

__all__ = ["ADDED", "has_prose_only", "with_columns"]

NUMBER = r"(\d*\.?\d+)"
BASE_POWER = re.compile(rf"(?:base[ _]power|power_base)(?:_w)?[^\d.]{{0,6}}{NUMBER}")
PERIOD = re.compile(rf"system[ _]latency(?:_ms)?[^\d.]{{0,12}}{NUMBER}")
DURATION = re.compile(rf"W x {NUMBER} ms")
DETECTIONS = re.compile(r"max_detections?[_=](\d{1,4})")
SET = re.compile(r"co-compiled in this order: ([^;]+)")
ACCELERATOR_ONLY = re.compile(r"only the TPU custom op is timed|TPU part only")
BUSY_HOST = re.compile(r"CPU (\d{1,3})-(\d{1,3})% busy")
BUSY_THREADS = re.compile(rf"switch interval {NUMBER} ms, (one|\d{{1,4}}) busy")
STICK = ("stick", "usb plug", "usb accelerator", "inline usb")
BOARD = ("board", "host")
PARKED = ("before the first use", "no inference running")
#: What else hangs on a board's meter, in W: gh_f0cal_15, deepedgebench; a webcam's 180 mA at 5 V.
EXTRAS_W = {"fan on": 0.7, "webcam": 0.9, "lan down": -0.32}
METERED = ("power", "energy")
SERIES = ("source_id", "host", "model", "metric")


def _text(cells: Cells, *keys: str) -> str:
    return " ".join(cells.get(key, "") for key in keys)


def _found(pattern: re.Pattern[str], text: str, group: int = 1) -> str:
    match = pattern.search(text)
    return match[group] if match else ""


def _says(cells: Cells, *words: str) -> bool:
    text = _text(cells, "conditions").lower()
    return any(word in text for word in words)


def _meter(cells: Cells) -> str:
    """Stick or board; at rest only a meter whose text names a board or host sees one."""
    at_rest = cells["metric"] == "power_idle_w" and cells.get("device") != "host"
    return "stick" if _says(cells, *STICK) or (at_rest and not _says(cells, *BOARD)) else "board"


def _extras_w(cells: Cells) -> str:
    found = [watts for word, watts in EXTRAS_W.items() if _says(cells, word)]
    return f"{sum(found):g}" if found else ""


def _number(pattern: re.Pattern[str], *keys: str) -> Callable[[Cells], str]:
    """A rule: the number that a pattern finds in some texts of a row."""
    return lambda cells: _found(pattern, _text(cells, *keys))


def _word(word: str, value: str, key: str = "conditions") -> Callable[[Cells], str]:
    """A rule: the value that a word in a text stands for."""
    return lambda cells: value if word in _text(cells, key) else ""


#: Column -> what the prose of an old row says of it; ``load`` also needs the rows beside (see :func:`with_columns`).
RULES: dict[str, Callable[[Cells], str]] = {
    "word_size": _word("(32bit)", "32", "host"),
    "dtype": _word("quant=False", "float32"),
    "kernels": _word("XNNPACK", "xnnpack"),
    "timed": lambda cells: "accelerator" if ACCELERATOR_ONLY.search(_text(cells, "conditions")) else "",
    "postprocess": _word("no postprocess", "none"),
    "detections": _number(DETECTIONS, "conditions", "citation"),
    "load": lambda _: "",
    "python_threads": lambda cells: _found(BUSY_THREADS, _text(cells, "conditions"), 2).replace("one", "1"),
    "switch_interval_ms": _number(BUSY_THREADS, "conditions"),
    "compiled_with": lambda cells: "+".join(_found(SET, _text(cells, "conditions")).split()),
}
#: The same for rows of a power meter alone.
METER_RULES: dict[str, Callable[[Cells], str]] = {
    "meter": _meter,
    "base_power_w": lambda cells: _found(BASE_POWER, _text(cells, "conditions").lower()),
    "period_ms": lambda cells: _found(PERIOD, _text(cells, "conditions").lower()),
    "duration_ms": _number(DURATION, "conditions"),
    "extras_w": _extras_w,
    "has_camera": lambda cells: "1" if _says(cells, "webcam") else "",
    "state": lambda cells: "parked" if _says(cells, *PARKED) else "",
}
ADDED = (*RULES, *METER_RULES)


def has_prose_only(header: Sequence[str]) -> bool:
    """Whether a file is of the old layout: none of the columns that are filled here is there."""
    return not set(header) & set(ADDED)


def with_columns(records: Sequence[Cells]) -> list[Cells]:
    """Return the lines of an old file with the columns that their prose states; the texts stay as they are.

    Parameters
    ----------
    records
        All lines of a file: how busy a host was is said once for a series of rows.
    """
    return [_with_columns(cells) | {"load": load} for cells, load in zip(records, _loads(records), strict=True)]


def _with_columns(cells: Cells) -> Cells:
    found = {key: rule(cells) for key, rule in RULES.items()}
    if not cells.get("metric", "").startswith(METERED):
        return {**cells, **found}
    is_host = _says(cells, "without tpu")  # a camera program that runs no network
    device = {"device": "host"} if is_host else {}
    return {**cells, **device, **found, **{key: rule(cells) for key, rule in METER_RULES.items()}}


def _loads(records: Sequence[Cells]) -> list[str]:
    """Share of a host's cores that is busy: from its series' first row to the last, the others on the line between."""
    most: dict[tuple[str, ...], int] = defaultdict(int)
    for cells in records:
        most[_series(cells)] = max(most[_series(cells)], _accelerators(cells))
    return [_load(cells, most[_series(cells)]) for cells in records]


def _series(cells: Cells) -> tuple[str, ...]:
    return tuple(cells.get(key, "") for key in SERIES)


def _accelerators(cells: Cells) -> int:
    text = cells.get("accelerators", "")
    return int(text) if text.isdecimal() and len(text) < 6 else 1


def _load(cells: Cells, most: int) -> str:
    busy = BUSY_HOST.search(_text(cells, "host"))
    if busy is None:
        return ""
    low, high = (float(percent) / 100 for percent in busy.groups())
    place = (_accelerators(cells) - 1) / (most - 1) if most > 1 else 0.0
    return f"{low + (high - low) * place:g}"
