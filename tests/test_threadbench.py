"""Real threads on virtual devices: which set-ups there are, and what a row says of their logs."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from virtual_files import LITERT, NEEDS_LINUX, NO_LITERT

from calibration.harness import threadprogram
from calibration.harness.measure import measure_command
from calibration.harness.options import MeasureOptions
from calibration.harness.threadbench import WINDOWS, ThreadSetup, figures_of, measure_setup, row_key, thread_setups
from calibration.tables import read_table
from hwmodels.errors import InputError

MS = 1_000_000


def test_each_kind_of_set_up_is_there_once():
    setups = thread_setups()
    assert len({setup.key for setup in setups}) == len(setups)
    assert {setup.work for setup in setups} == {"none", "pillow", "numpy", "python"}
    assert {setup.threads for setup in setups} >= {1, 2, 3, 4, 6, 8}
    assert {(setup.mode, setup.accelerators, setup.cores) for setup in setups} >= {
        ("threads", 1, 0), ("processes", 1, 0), ("threads", 2, 0), ("threads", 1, 1),
    }  # fmt: skip
    assert max(setup.threads for setup in thread_setups(3)) == 3


def log(period_ms, offset_ms=0, work_ms=0, until_ms=1200):
    """Requests one after the other: begun, asked, done."""
    return [
        ((t + offset_ms) * MS, (t + offset_ms + work_ms) * MS, (t + offset_ms + period_ms) * MS)
        for t in range(-100, until_ms, period_ms)
    ]


def test_figures_are_those_of_the_windows_and_obey_little_s_law():
    """Two threads, 10 and 20 ms a request, five windows of 200 ms: 30 requests each."""
    found = figures_of([log(10, work_ms=4), log(20, work_ms=4)], (0, 1000 * MS), "test")
    assert found["windows_ips"] == [150.0] * WINDOWS
    assert (found["ips"], found["ips_low"], found["ips_high"]) == (150.0, 150.0, 150.0)
    assert (found["p50_ms"], found["p99_ms"], found["work_ms"]) == (6.0, 16.0, 4.0)
    assert found["little"] == pytest.approx(2.0)


def test_a_thread_that_left_early_or_came_late_makes_no_row():
    for bad in (log(10, until_ms=500), log(10, offset_ms=300), []):
        with pytest.raises(InputError, match="did not run all the time"):
            figures_of([log(10), bad], (0, 1000 * MS), "test")


def test_what_is_measured_already_is_skipped(tmp_path):
    path = tmp_path / "rows.csv"
    answer = measure_command(MeasureOptions(virtual=True, dry_run=True, output=path))
    assert {job["state"] for job in answer["jobs"]} == {"planned"}
    assert len(answer["jobs"]) == len(thread_setups())
    assert not path.exists()
    few = measure_command(MeasureOptions(virtual=True, dry_run=True, output=path, threads=2))
    assert len(few["jobs"]) == len(thread_setups(2))


@NEEDS_LINUX
@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_threads_really_run(mode):
    pytest.importorskip(LITERT, reason=NO_LITERT)
    setup = ThreadSetup((("short", 2),), mode=mode)
    row = measure_setup(setup, "x86-epyc-litert", 0.2)
    assert row_key(row) == setup.key
    assert float(row["little"]) == pytest.approx(2, rel=0.1)
    assert float(row["p50_ms"]) >= 0.8  # the device holds each pass for 0.88 ms


@NEEDS_LINUX
def test_a_thread_that_fails_fails_its_program(monkeypatch):
    """An empty log would say that the machine was too busy; here there is no interpreter."""

    def none_there(name):
        raise ImportError(name)

    monkeypatch.setattr(threadprogram.importlib, "import_module", none_there)
    spec = {"threads": [("a.tflite", 0)] * 2, "work": "none", "end_ns": 0, "cores": sorted(os.sched_getaffinity(0))}
    with pytest.raises(ModuleNotFoundError, match="neither ai-edge-litert nor tflite-runtime is installed"):
        threadprogram.run(spec)


@NEEDS_LINUX
def test_why_a_program_failed_is_said():
    with pytest.raises(InputError, match=r"failed \(KeyError: 'nonsense'\)"):
        measure_setup(ThreadSetup((("short", 1),), "nonsense"), "x86-epyc-litert", 0.2)


@NEEDS_LINUX
def test_rows_are_written_one_by_one(tmp_path, monkeypatch):
    pytest.importorskip(LITERT, reason=NO_LITERT)
    monkeypatch.setattr("calibration.harness.measure.thread_setups", lambda _: [ThreadSetup((("short", 1),))])
    options, said = MeasureOptions(virtual=True, window_s=0.1, output=tmp_path / "rows.csv"), []
    monkeypatch.setattr("os.getloadavg", lambda: (9.0, 9.0, 9.0))
    assert measure_command(options, said.append)["rows"] == 1
    assert "the load average is 9.0" in said[0]
    assert [job["state"] for job in measure_command(options)["jobs"]] == ["skipped"]
    ((_, cells),) = read_table(options.output)[1]
    assert cells["networks"] == "short:1"


def test_a_window_has_a_length():
    with pytest.raises(InputError, match="--window-s"):
        replace(MeasureOptions(), window_s=0.01)
