"""A sweep that takes long enough to be interrupted, and a wait for what it has written."""

from __future__ import annotations

import time

NET = "mobilenet_v1_0.25_128"
LONG_SPEC = f"""
models = "{NET}"
jitter = "measured"
inferences = 100_000
seed = [{", ".join(map(str, range(200)))}]
"""


def wait_for_growth(path, process, limit_s=60):
    """Wait until the journal has grown by a chunk."""
    before, end = (path.stat().st_size if path.exists() else 0), time.monotonic() + limit_s
    while process.poll() is None and time.monotonic() < end:
        if path.exists() and path.stat().st_size > before + 200:
            return
        time.sleep(0.01)
