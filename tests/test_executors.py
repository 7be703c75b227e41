"""Executors: a Dask cluster gives the same file, and one that vanishes or never answers is told in a line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time

import pytest
from long_sweep import LONG_SPEC, wait_for_growth

from hwmodels.errors import InputError
from sim.study.journal import Journal
from sim.study.spec import read_spec
from sim.study.sweeps import sweep

NET = "mobilenet_v1_0.25_128"
SPEC = f"""
models = ["{NET}", "no_such_network", "mobilenet_v2_1.0_224"]
threads = [1, 2, 3]
preprocess = "resize"
size = ["coral", "large"]
[parts]
"host.gil_share" = [0.2, 1.0]
"""
MAIN = """
import sys
from pathlib import Path
from sim.study.sweeps import sweep
if __name__ == "__main__":
    sweep(Path(sys.argv[1]), Path(sys.argv[2]), workers=int(sys.argv[3]))
"""


LARGE = """
import time
from sim.study.executors import executor
if __name__ == "__main__":
    for moment in range(5):
        try:
            with executor(2) as workers:
                results = [workers.pool.submit(bytes, 30_000_000) for _ in range(60)]
                results[0].result()
                time.sleep(0.01 * moment)
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            print("ended")
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def test_a_dask_cluster_of_four_workers_gives_the_file_of_two_processes(spec, tmp_path):
    distributed = pytest.importorskip("distributed")
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    sweep(spec, here, workers=2)
    options = {"n_workers": 4, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**options, local_directory=str(tmp_path)) as cluster:
        sweep(spec, there, dask=cluster.scheduler_address)
    assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize("which", ["scheduler", "workers"])
def test_a_dask_cluster_that_vanishes(tmp_path, which):
    """One line, finished points kept, and the same command without the cluster goes on."""
    pytest.importorskip("distributed")
    path, out = tmp_path / "spec.toml", tmp_path / "out.parquet"
    path.write_text(LONG_SPEC.replace("100_000", "5_000"))
    main = tmp_path / "main.py"
    main.write_text(DASK_MAIN)
    journal = out.with_name("out.parquet.journal")
    scheduler, address = started("dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
    worker, _ = started("dask", "worker", address, "--no-dashboard", "--no-nanny", "--nthreads", "1")
    sweeping = subprocess.Popen([sys.executable, main, path, out, address], stderr=subprocess.PIPE, text=True)
    try:
        wait_for_growth(journal, sweeping)
        (scheduler if which == "scheduler" else worker).kill()
        _, text = sweeping.communicate(timeout=60)
    finally:
        for process in (scheduler, worker, sweeping):
            process.kill()
            process.communicate()
    assert (sweeping.returncode, text.count("\n")) == (1, 1), text
    assert "finished points are kept" in text
    with Journal(journal, {"sweep": read_spec(path).digest, "points": 200}) as kept:
        assert 0 < len(kept.places) < 200


DASK_MAIN = """
import sys
from pathlib import Path
from sim.commands.cli import run_app
from sim.study import executors, sweeps
executors.PATIENCE_S = 1
if __name__ == "__main__":
    spec, out, address = sys.argv[1:]
    run_app(lambda **_: sweeps.sweep(Path(spec), Path(out), dask=address))
"""


def started(*command):
    """Start a part of Dask; the process and the address that its log says."""
    program = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler" if command[1] == "scheduler" else "distributed.cli.dask_worker",
    ]
    process = subprocess.Popen([*program, *command[2:]], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        found = re.search(r"(?:Scheduler at|Start worker at):\s+(tcp://\S+)", line)
        if found:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, found[1]
    raise AssertionError(command)


def test_a_dask_address_that_does_not_answer(spec, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("sim.study.executors.DASK_TIMEOUT_S", 0.5)
    out = tmp_path / "x.parquet"
    with pytest.raises(InputError, match="--dask"):
        sweep(spec, out, dask="tcp://127.0.0.1:9")
    assert not out.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a POSIX system")
def test_workers_leave_with_a_killed_parent(spec, tmp_path):
    """No worker outlives a sweep that was killed."""
    main = tmp_path / "main.py"
    main.write_text(MAIN)
    process = subprocess.Popen(
        [sys.executable, str(main), str(spec), str(tmp_path / "o.parquet"), "2"],
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait_for_growth(tmp_path / "o.parquet.journal", process)
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while time.monotonic() < end and group_lives(process.pid):
        time.sleep(0.1)
    assert not group_lives(process.pid)


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_hands_over_a_result_does_not_end_in_the_middle_of_it(tmp_path):
    """Its reader would wait for the rest for ever: workers that leave at any moment let their block end."""
    main = tmp_path / "large.py"
    main.write_text(LARGE)
    done = subprocess.run([sys.executable, str(main)], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["ended"] * 5, done.stderr
