"""The program that the harness runs against virtual devices: threads that preprocess and invoke, and their log.

It gets one JSON object: the file and device of each thread, its work on the host, the cores that it may use, and its
end on the system's monotonic clock. It prints a list for each thread: when each request began, asked for its invoke
and was done (ns).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

__all__ = ["WORKS", "run", "work_named"]

FRAME = (720, 1280, 3)
SIDE = 160  # of the picture that a frame is scaled down to
BLOCK = (640, 640, 3)  # what detectors of 640 pixels take
TURNS = 30_000
Work = Callable[[], object]


def pillow() -> Work:
    """Scale a camera frame down and flip its signs: native code that lets go of Python's lock."""
    from PIL import Image

    frame = Image.fromarray(np.random.default_rng(0).integers(0, 255, FRAME, dtype=np.uint8))
    return lambda: np.asarray(frame.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) ^ 0x80


def arrays() -> Work:
    """Normalise a picture with NumPy."""
    picture = np.random.default_rng(0).integers(0, 255, BLOCK, dtype=np.uint8)
    return lambda: picture.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)


def pure() -> Work:
    """Count in Python, under its lock all the time."""
    return lambda: sum(i & 3 for i in range(TURNS))


def busy(ms: float) -> Work:
    """Keep a core busy for so long."""
    return lambda: _spin(round(ms * 1e6))


def _spin(ns: int) -> None:
    end_ns = time.monotonic_ns() + ns
    while time.monotonic_ns() < end_ns:
        pass


def work_named(name: str) -> Work:
    """What a thread does before each inference: one of :data:`WORKS`, or ``busy:MS``."""
    kind, _, ms = name.partition(":")
    return busy(float(ms)) if kind == "busy" else WORKS[name]()


#: What a thread does on the host before each inference, by name.
WORKS: dict[str, Callable[[], Work]] = {"none": lambda: lambda: None, "pillow": pillow, "numpy": arrays, "python": pure}


def interpreter(file: str, device: int) -> Any:
    """An interpreter whose compiled operator runs on a virtual device."""
    for name in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        try:
            module: Any = importlib.import_module(name)
            break
        except ImportError:
            continue
    else:
        raise ModuleNotFoundError("neither ai-edge-litert nor tflite-runtime is installed")
    delegate = module.load_delegate("libedgetpu.so.1", {"device": f":{device}"})
    made = module.Interpreter(model_path=file, experimental_delegates=[delegate])
    made.allocate_tensors()
    return made


def thread(file: str, device: int, work: Work, end_ns: int, log: list[tuple[int, int, int]]) -> None:
    """Run one request after the other until the end."""
    invoke, now = interpreter(file, device).invoke, time.monotonic_ns
    while now() < end_ns:
        began = now()
        work()
        asked = now()
        invoke()
        log.append((began, asked, now()))


def run(spec: dict[str, Any]) -> list[list[tuple[int, int, int]]]:
    """Run all threads of a spec on its cores, and return their logs."""
    os.sched_setaffinity(0, spec["cores"])
    logs: list[list[tuple[int, int, int]]] = [[] for _ in spec["threads"]]
    with ThreadPoolExecutor(len(logs)) as pool:
        running = [
            pool.submit(thread, file, device, work_named(spec["work"]), spec["end_ns"], log)
            for (file, device), log in zip(spec["threads"], logs, strict=True)
        ]
    for one in running:
        one.result()  # raises what the thread did
    return logs


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
