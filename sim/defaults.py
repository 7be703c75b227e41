"""The options of a scenario and their defaults, in the documentation's order; imports nothing, so help is instant."""

from __future__ import annotations

from typing import Any

__all__ = ["SCENARIO_DEFAULTS"]

SCENARIO_DEFAULTS: dict[str, Any] = {
    "size": "coral",
    "link": "usb3",
    "clock": "max",
    "host": "x86-xeon",
    "cores": 0,
    "threads": 1,
    "accelerators": 1,
    "mode": "threads",
    "num_segments": 0,
    "segmentation": "compiler",
    "batch": 0,
    "runner": "pipelined",
    "dispatch": "bind",
    "discipline": "fifo",
    "compiler": "2021",
    "cocompile": False,
    "preprocess": "none",
    "cpu_kernels": "xnnpack",
    "num_threads": 1,
    "switch_interval_ms": 5.0,
    "busy_python_threads": 0,
    "background_load": 0.0,
    "arrivals": "closed",
    "jitter": "none",
    "thermal": "off",
    "inferences": 0,
    "duration_s": 0.0,
    "seed": 0,
}
