"""The shipped profiles of boards come from the newest rows."""

from __future__ import annotations

from pathlib import Path

from calibration.boards.make_profiles import newest, profile_rows
from calibration.boards.replay import board_row


def test_profiles_come_from_the_newest_release() -> None:
    record = {"board": "KV260", "cores": "1", "clock_mhz": "300", "model": "n", "fps_multi_thread": "100"}
    old = board_row(Path("t.csv"), 2, record | {"release": "2.5", "fps_single_thread": "50"})
    new = board_row(Path("t.csv"), 3, record | {"release": "3.0", "fps_single_thread": "80"})
    assert newest([new, old], "KV260") == [new]
    cpu, accelerator, memory = profile_rows(new)
    assert cpu[2] == 2_500_000 and accelerator[2] + memory[2] == 10_000_000
