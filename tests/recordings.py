"""Scenarios whose recordings differ in kind: each has spans, flows or counters that the others lack."""

from __future__ import annotations

FAST = "conv5x3x3_f32_64x64"
SCENARIOS = {
    "one inference": {"models": FAST, "inferences": 1},
    "threads": {"models": FAST, "threads": 3, "preprocess": "resize", "host": "raspberry-pi-4"},
    "a swap": {"models": "fc5_n500_in64_out10:1,fc5_n600_in64_out10:1"},
    "a shared bus": {"models": FAST, "threads": 4, "accelerators": 2},
    "streamed": {"models": "conv5x3x3_f452_64x64", "threads": 2, "inferences": 20},
    "cpu operators": {"models": "ssd_mobilenet_v2_coco_300", "threads": 2, "inferences": 40},
    "a queue": {"models": FAST, "threads": 2, "arrivals": "poisson:300", "inferences": 300},
    "offline": {"models": FAST, "threads": 2, "arrivals": "offline:40"},
    "a pipeline": {"models": "inception_v3_299", "mode": "pipeline", "num_segments": 2, "inferences": 60},
    "a pipeline of batches": {"models": FAST, "mode": "pipeline", "batch": 8, "runner": "python", "inferences": 60},
    "crowded cores": {"models": FAST, "threads": 6, "cores": 1, "preprocess": "resize"},
    "busy python": {"models": FAST, "threads": 2, "busy_python_threads": 1, "preprocess": "resize"},
}  # fmt: skip
