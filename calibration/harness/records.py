"""Measurement rows: the schema of our CSV files, written block by block so that a run can be resumed.

A file is only ever replaced as a whole, block by block: whoever stops a run loses at most the block that was being
measured.
"""

from __future__ import annotations

import csv
import io
import os
import platform
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from hwmodels.errors import InputError
from hwmodels.files import write_text

__all__ = [
    "COLUMNS",
    "Record",
    "append_records",
    "board_id",
    "environment",
    "host_text",
    "read_records",
    "runtime_clock",
]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measured number. ``link`` is usb3, usb2, pcie, none (CPU only) or empty (not known)."""

    source_id: str = "own"
    device: str
    host: str = ""
    clock: str = ""
    model: str
    model_file: str = ""
    input_h: str = ""
    input_w: str = ""
    metric: str
    value: float
    unit: str = "ms"
    threads: int = 1
    accelerators: int = 1
    batch: int = 1
    mode: str = "single"
    conditions: str = ""
    citation: str = "edgetpusim-calibrate measure"
    link: str = ""
    host_id: str = ""
    clock_id: str = ""
    segmentation: str = ""
    runner: str = ""
    cut: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes a row another measurement: a resumed run skips rows whose key is in the file."""
        names = ("device", "link", "host_id", "clock_id", "model", "metric", "threads", "accelerators", "batch", "mode")
        return tuple(str(getattr(self, name)) for name in (*names, "segmentation", "runner"))


#: The columns of a measurement file, in order.
COLUMNS = tuple(field.name for field in fields(Record))
#: Names in a board's own text, the more special first, and their host parts.
BOARDS = {
    "raspberry pi compute module 4": "raspberry-pi-cm4",
    "raspberry pi 5": "raspberry-pi-5",
    "raspberry pi 4": "raspberry-pi-4",
    "raspberry pi 3 model b plus": "raspberry-pi-3b-plus",
    "raspberry pi 3 model b": "raspberry-pi-3b",
    "raspberry pi 2": "raspberry-pi-2",
    "jetson nano": "jetson-nano",
    "phanbell": "dev-board",
    "mt8167": "dev-board-mini",
    "odroid-xu4": "odroid-xu4",
    "rk3399": "rk3399",
    "orange pi 6 plus": "orange-pi-6-plus",
}
WORD_SIZES = ("raspberry-pi-3b", "raspberry-pi-3b-plus", "raspberry-pi-4")
_WHOLE = ("threads", "accelerators", "batch")


def read_records(path: Path) -> list[Record]:
    """Return the rows of a measurement file; an absent file has none.

    Raises :class:`InputError` for another header, a value that is no number or an unreadable file.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise InputError(str(path), "another header", ", ".join(COLUMNS))
            return [_record(path, number, line) for number, line in enumerate(reader, 2)]
    except OSError as error:
        raise InputError(str(path), error.strerror or type(error).__name__, "a readable measurement file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(path), str(error), "a CSV file in UTF-8") from None


def _record(path: Path, number: int, line: dict[str, str]) -> Record:
    try:
        whole = {name: int(line[name]) for name in _WHOLE}
        texts = {name: line[name] for name in COLUMNS if name not in (*_WHOLE, "value")}
        # mypy: fields by name; a wrong one is told below
        return Record(value=float(line["value"]), **whole, **texts)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: line {number}", str(error), "numbers in value, threads, accelerators, batch"
        ) from None


def append_records(path: Path, rows: Iterable[Record]) -> None:
    """Add rows to a measurement file; the file is replaced in one step, so a reader never sees half a block.

    Parameters
    ----------
    path
        Made where it is missing, with its folder and the header.
    rows
        One block: an experiment's figures.
    """
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    if not kept:
        writer.writeheader()
    writer.writerows({**asdict(row), "value": f"{row.value:.7g}"} for row in rows)
    with suppress(OSError):  # writing says what is wrong with the folder
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, kept + text.getvalue())


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").split("\n")[0].strip("\0 ")
    except OSError:
        return ""


def host_text() -> str:
    """Return what this machine says of itself: board or processor, cores, architecture."""
    board = _first_line("/proc/device-tree/model")
    return f"{board or _processor()}, {os.cpu_count()} cores, {platform.machine()}"


def board_id(text: str, is_32bit: bool = sys.maxsize < 2**32) -> str:
    """Return the host part of a board by what it calls itself (with its word size), empty for an unknown one."""
    found = next((part for name, part in BOARDS.items() if name in text.lower()), "")
    return f"{found}-32bit" if is_32bit and found in WORD_SIZES else found


def runtime_clock(folder: Path = Path("/var/lib/dpkg/info")) -> str:
    """Return which libedgetpu package is installed: ``max`` or ``std``, empty where the system does not tell."""
    found = [state for state in ("max", "std") if any(folder.glob(f"libedgetpu1-{state}*.list"))]
    return found[0] if len(found) == 1 else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("model name"))
    return next(names, platform.processor() or "processor not named")


def environment() -> dict[str, str]:
    """Return what a measurement depends on and this machine tells: system, Python, governor, temperatures in C."""
    found = {
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cpu_khz": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"),
        "cpu_c": _celsius("/sys/class/thermal/thermal_zone0/temp"),
        "tpu_c": _celsius("/sys/class/apex/apex_0/temp"),
    }
    return {key: text for key, text in found.items() if text}


def _celsius(path: str) -> str:
    text = _first_line(path)
    return f"{int(text) / 1000:.1f}" if text.lstrip("-").isdecimal() else ""
