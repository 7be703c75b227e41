"""The programs of docs/virtual.md run under ``edgetpusim virtual``, in real and in logical time."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from virtual_files import LITERT, NEEDS_LINUX, NO_LITERT, write_compiled

from sim.commands.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "virtual.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```py\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ROUNDS = 40

#: What each program must show: threads, processes, inferences on each device.
EXPECTED = [(1, 1, [ROUNDS, 0]), (4, 1, [4 * ROUNDS, 0]), (2, 2, [2 * ROUNDS, 0]), (2, 1, [ROUNDS, ROUNDS]),
            (1, 1, [ROUNDS, 0])]  # fmt: skip
pytestmark = NEEDS_LINUX


def test_there_are_five_programs():
    assert len(PROGRAMS) == len(EXPECTED) == 5


@pytest.mark.parametrize("clock", ["real", "logical"])
@pytest.mark.parametrize("number", range(5))
def test_a_program_of_the_page_runs(number, clock, tmp_path, monkeypatch, capfd):
    pytest.importorskip(LITERT, reason=NO_LITERT)
    if "PIL" in PROGRAMS[number]:
        pytest.importorskip("PIL", reason="no Pillow: pip install '.[measure]'")
    file = write_compiled(tmp_path / "model_edgetpu.tflite")
    (tmp_path / "my_program.py").write_text(PROGRAMS[number])
    program = ["--", sys.executable, str(tmp_path / "my_program.py"), str(file)]
    options = ["--accelerators", "2", "--json", "--clock-mode", clock]
    monkeypatch.setattr(sys, "argv", ["edgetpusim", "virtual", *options, *program])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capfd.readouterr()
    assert stop.value.code in (0, None), err
    report = json.loads(out)
    threads, processes, on_devices = EXPECTED[number]
    assert (report["threads"], report["processes"], report["inferences"]) == (threads, processes, sum(on_devices))
    assert report["parameter_loads"] == threads
    assert report["token_changes"] == 0
    assert report["predicted"]["threads"] == threads
    if number == 4:
        assert report["elapsed_s"] >= 0.9 * (ROUNDS - 1) * 0.02  # as the program counts it, from its first request on
