"""What a machine says of itself: its board, word size, runtime clock, and the state it measures in."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from calibration.corrections import WORD_SIZES

__all__ = ["board_id", "environment", "host_text", "runtime_clock", "word_size"]

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


def word_size() -> str:
    """Return the word size of the system in bits, as measurement rows state it."""
    return "32" if sys.maxsize < 2**32 else "64"


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
