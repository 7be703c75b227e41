"""Columns of estimated points: equal ones of round numbers, random ones, and Hypothesis's."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from sim.closed_form.columns import STAGE_COLUMNS

MS = 1e6


def columns(n=1, **given):
    """A table of n equal points: 3 ms held, 1 ms of Python, one thread, one accelerator, four cores."""
    table = {name: np.zeros(n) for name in STAGE_COLUMNS}
    table |= {
        "threads": 1, "accelerators": 1, "cores": 4, "stage_alone_ns": 4 * MS, "stage_held_ns": 3 * MS,
        "stage_cpu_ns": 1 * MS, "stage_bound": 1, "stage_static_w": 2.0, "stage_dynamic_mj": 5.0,
        "stage_accelerator_static_w": 1.0, "stage_accelerator_dynamic_mj": 2.0,
    }  # fmt: skip
    return {key: np.broadcast_to(np.asarray(value, dtype=float), (n,)) for key, value in {**table, **given}.items()}


def random_columns(n, seed=0):
    """Columns of random closed networks."""
    stream = np.random.default_rng(seed)
    held, gil, native = (stream.uniform(1e5, 1e7, n) for _ in range(3))
    columns = {name: np.zeros(n) for name in STAGE_COLUMNS}
    columns |= {
        "threads": stream.integers(1, 9, n), "accelerators": stream.integers(1, 5, n), "cores": np.full(n, 4),
        "stage_alone_ns": held + gil + native, "stage_held_ns": held, "stage_gil_ns": gil, "stage_cpu_ns": gil + native,
        "stage_out_ns": held * 0.4, "stage_in_ns": held * 0.1, "stage_bound": np.ones(n),
        "stage_shared_link": stream.integers(0, 2, n).astype(float), "stage_static_w": np.full(n, 3.0),
        "stage_dynamic_mj": np.full(n, 1.0),
    }  # fmt: skip
    return columns


numbers = st.floats(0.1, 10).map(lambda ms: ms * MS)
POINT = {
    "threads": st.integers(1, 8), "accelerators": st.integers(1, 4), "cores": st.integers(1, 8),
    "held": numbers, "gil": numbers, "native": numbers, "shared": st.sampled_from([0, 1]),
}  # fmt: skip


def point(threads, accelerators, cores, held, gil, native, shared):
    return {
        "threads": threads, "accelerators": accelerators, "cores": cores, "stage_held_ns": held, "stage_gil_ns": gil,
        "stage_cpu_ns": gil + native, "stage_alone_ns": held + gil + native, "stage_shared_link": shared,
        "stage_out_ns": held / 2, "stage_in_ns": held / 10,
    }  # fmt: skip
