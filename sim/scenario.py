"""A scenario: every option of one simulated set-up, in the words of the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hwmodels.errors import InputError, nearest
from hwmodels.host import KERNELS
from sim.defaults import SCENARIO_DEFAULTS
from sim.thermal import ambient_c
from sim.workloads import parse_arrivals

__all__ = ["DEFAULT_FRAME", "Scenario", "frame_size", "mixed_accelerators", "name_and_count", "parse_models"]

DEFAULT_FRAME = (1280, 720)
MAX_COUNT = 4096
MAX_SEGMENTS = 16
LEAST_INTERVAL_MS = 0.01  # a hand-over takes longer than that
MAX_BACKGROUND = 0.95
MODES = ("threads", "processes", "pipeline", "coexec")
RUNNERS = ("pipelined", "python")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One set-up, in the words of the command line (docs: ``edgetpusim run --help``); units are in the names.

    ``models`` is a network, or several with threads (``a:2,b:1``); ``size`` and ``link`` may name one for each
    accelerator. Zero stands for "not limited" (``inferences``, ``duration_s``) or "as the part says" (``cores``).

    Raises
    ------
    InputError
        For a plain value out of its range, with the option's name.
    """

    models: str
    size: str = "coral"
    link: str = "usb3"
    clock: str = "max"
    host: str = "x86-xeon"
    cores: int = 0
    threads: int = 1
    accelerators: int = 1
    mode: str = "threads"
    num_segments: int = 0
    segmentation: str = "compiler"
    batch: int = 0
    runner: str = "pipelined"
    dispatch: str = "bind"
    discipline: str = "fifo"
    compiler: str = "2021"
    cocompile: bool = False
    preprocess: str = "none"
    cpu_kernels: str = "xnnpack"
    num_threads: int = 1
    switch_interval_ms: float = 5.0
    busy_python_threads: int = 0
    background_load: float = 0.0
    arrivals: str = "closed"
    jitter: str = "none"
    thermal: str = "off"
    inferences: int = 0
    duration_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every plain value; parts and networks are checked when they are loaded."""
        for name in ("threads", "accelerators", "num_threads"):
            _check(name, getattr(self, name), 1, MAX_COUNT)
        for name, most in (("cores", MAX_COUNT), ("busy_python_threads", 64), ("inferences", 10**9), ("seed", 2**63)):
            _check(name, getattr(self, name), 0, most)
        _check("switch_interval_ms", self.switch_interval_ms, LEAST_INTERVAL_MS, 1e6)
        _check("background_load", self.background_load, 0, MAX_BACKGROUND)
        _check("duration_s", self.duration_s, 0, 1e6)
        _check_choice("--mode", self.mode, MODES)
        _check_choice("--runner", self.runner, RUNNERS)
        _check_choice("--jitter", self.jitter, ("none", "measured"))
        _check("batch", self.batch, 0, 10**6)
        _check("num_segments", self.num_segments, 0, MAX_SEGMENTS)
        parse_arrivals(self.arrivals)
        ambient_c(self.thermal)
        _check_choice("--cpu-kernels", self.cpu_kernels, KERNELS)
        frame_size(self.preprocess)
        parse_models(self.models)

    def options(self) -> dict[str, Any]:
        """Every option by name, for the JSON answer."""
        return asdict(self)


def _check(name: str, value: float, least: float, most: float) -> None:
    if not isinstance(value, int | float) or not least <= value <= most:
        raise InputError(f"--{name.replace('_', '-')}", value, f"{least} to {most:g}")


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InputError(option, value, ", ".join(choices), nearest(value, choices))


def parse_models(text: str) -> list[tuple[str, int]]:
    """Parse ``a:2,b:1`` into names and thread counts (0 where none is given).

    Raises :class:`InputError` for an empty name or a count that is no whole number of at least 1.
    """
    return [name_and_count("MODEL", part) for part in text.split(",")]


def name_and_count(where: str, part: str) -> tuple[str, int]:
    """Parse ``name:count``; the count is 0 where none is given."""
    name, colon, count = part.strip().rpartition(":")
    if colon and re.fullmatch(r"-?[0-9]{1,9}", count):
        _check(f"{where} {part}: count", int(count), 1, MAX_COUNT)
        return name, int(count)
    if not part.strip():
        raise InputError(where, part, "NAME[:COUNT][,NAME[:COUNT]...]")
    return part.strip(), 0


def mixed_accelerators(text: str, size: str) -> dict[str, Any]:
    """Return the options that ``--accelerators`` stands for: a number, or sizes and counts (``coral:2,large:1``).

    Raises :class:`InputError` for anything else, or where another ``--size`` is given beside a mix.
    """
    if re.fullmatch(r"-?[0-9]{1,9}", text.strip()):
        return {"accelerators": int(text)}
    counts = [name_and_count("--accelerators", part)[1] for part in text.split(",")]
    if not all(counts):
        raise InputError("--accelerators", text, "a number, or sizes with counts such as coral:2,large:1")
    if size not in (SCENARIO_DEFAULTS["size"], text):
        raise InputError("--size", size, f"nothing beside --accelerators {text}, which names the sizes")
    return {"size": text, "accelerators": sum(counts)}


def frame_size(text: str) -> tuple[int, int] | None:
    """Return the frame's width and height, or None for ``--preprocess none``."""
    kind, _, size = text.partition(":")
    if kind == "none" and not size:
        return None
    try:
        width, height = (int(number) for number in size.split("x")) if size else DEFAULT_FRAME
    except ValueError:
        width, height = 0, 0
    if kind != "resize" or not (0 < width <= 16384 and 0 < height <= 16384):
        raise InputError("--preprocess", text, "none, resize, resize:WxH (up to 16384 each)")
    return width, height
