"""Sweeps: identical rows for any number of workers, resuming after kill -9, and refusals."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count

import pytest
from long_sweep import LONG_SPEC, wait_for_growth

from hwmodels.errors import InputError
from sim.engine import simulate
from sim.scenario import Scenario
from sim.study.journal import Journal
from sim.study.spec import points, read_spec, spec_of
from sim.study.sweeps import evaluate, sweep

pl = pytest.importorskip("polars")

NET = "mobilenet_v1_0.25_128"
SPEC = f"""
models = ["{NET}", "no_such_network", "mobilenet_v2_1.0_224"]
threads = [1, 2, 3]
preprocess = "resize"
size = ["coral", "large"]
[parts]
"host.gil_share" = [0.2, 1.0]
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


def test_a_part_number_is_replaced_and_nothing_else():
    point = {"models": NET, "size": "coral:2,large:1", "size.parameter_cache_bytes": 1e6}
    row, plain = evaluate(point), evaluate({key: value for key, value in point.items() if "." not in key})
    assert (row["error"], row["size.parameter_cache_bytes"]) == ("", 1e6)
    assert row.keys() - plain.keys() == {"size.parameter_cache_bytes"}
    assert row["size"] == plain["size"]
    assert row["made_by_size"] != plain["made_by_size"]


def test_a_point_is_what_run_says():
    row = evaluate({"models": NET, "threads": 2, "preprocess": "resize"})
    summary = simulate(Scenario(models=NET, threads=2, preprocess="resize")).summary
    assert row["throughput_ips"] == summary["throughput_ips"]
    assert row["latency_ms_p95"] == summary["latency_ms"]["p95"]
    assert row["interval90_energy_mj_per_inference_lo"] == summary["interval90"]["energy_mj_per_inference"][0]
    assert row["error"] == ""


def test_a_point_that_fails_is_a_row():
    row = evaluate({"models": NET, "link": "pcie", "clock": "std"})
    assert "std" in row["error"]
    assert row["models"] == NET


def test_any_number_of_workers_gives_the_same_file(spec, tmp_path):
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    assert sweep(spec, one, workers=1) == {"points": 36, "simulated": 36, "errors": 12}
    sweep(spec, two, workers=2)
    assert one.read_bytes() == two.read_bytes()
    frame = pl.read_parquet(one)
    assert frame["models"].to_list()[:2] == [NET, NET]
    assert sweep(spec, one, workers=1)["simulated"] == 0
    assert not list(tmp_path.glob("*.journal"))


SLOW_MAIN = """
import sys, time
from pathlib import Path
import sim.study.sweeps as sweeps
sweeps.CHUNK, sweeps.AHEAD = 2, 1
def slowly(chunk, engine, work=sweeps.evaluate_all):
    time.sleep(float(sys.argv[3]))
    return work(chunk, engine)
if __name__ == "__main__":
    sweeps.evaluate_all = slowly
    sweeps.sweep(Path(sys.argv[1]), Path(sys.argv[2]), workers=1)
"""


def test_killed_five_times_it_ends_as_if_undisturbed(spec, tmp_path):
    """kill -9 in the middle of the work, every time; every restart keeps what was finished."""
    calm, killed, main = tmp_path / "calm.parquet", tmp_path / "killed.parquet", tmp_path / "main.py"
    sweep(spec, calm, workers=1)
    main.write_text(SLOW_MAIN)
    command = [sys.executable, str(main), str(spec), str(killed)]
    journal, stream = killed.with_name("killed.parquet.journal"), random.Random(5)
    kept = 0
    for _ in range(5):
        process = subprocess.Popen([*command, "0.2"], stderr=subprocess.DEVNULL)
        wait_for_growth(journal, process)
        time.sleep(stream.uniform(0, 0.3))
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = journal.read_bytes().count(b"\n")
        assert found > kept
        kept = found
        journal.write_bytes(journal.read_bytes() + b"00000000 [7,{")  # a torn line as a kill within a write leaves
    subprocess.run([*command, "0"], check=True, stderr=subprocess.DEVNULL)
    assert calm.read_bytes() == killed.read_bytes()


PROGRESS = re.compile(r"\d+ of \d+ (points|networks), about [\w ]+ left")  # every ten seconds, on a slow machine


def interrupted(arguments, is_under_way):
    """Start a command, press Ctrl-C (for its whole group, as a terminal does) when it is under way; how it ended."""
    # What runs the tests may ignore Ctrl-C (nohup, a background job), and a child would inherit that.
    listens = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{listens}; from sim.commands.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end = time.monotonic() + 60
    while not is_under_way() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    pressed = time.monotonic()
    _, text = process.communicate(timeout=60)
    return process.returncode, text, time.monotonic() - pressed


def test_ctrl_c_ends_a_sweep_at_once_and_keeps_what_was_finished(tmp_path):
    path, out = tmp_path / "spec.toml", tmp_path / "out.parquet"
    path.write_text(LONG_SPEC)
    journal = out.with_name("out.parquet.journal")
    arguments = ["sweep", path, "-o", out, "--workers", "2", "--engine", "simpy"]
    code, text, seconds = interrupted(arguments, lambda: journal.exists() and journal.stat().st_size > 500)
    assert code == 130
    *progress, last = text.splitlines()
    assert last == "error: interrupted; what was finished is kept: the same command goes on"
    assert all(PROGRESS.fullmatch(line) for line in progress), text
    assert seconds < 5
    assert not out.exists()
    with Journal(journal, {"sweep": read_spec(path).digest, "points": 200}) as kept:
        assert 0 < len(kept.places) < 200


def test_ctrl_c_ends_a_study_at_once_and_keeps_finished_networks(tmp_path):
    pytest.importorskip("sklearn")
    arguments = ["study", "-o", tmp_path, "--models", "mobilenet_v[12]*", "--workers", "2", "--engine", "simpy"]
    code, text, seconds = interrupted(arguments, lambda: any(tmp_path.glob("unfinished-*/[0-9]*.parquet")))
    *progress, last = text.splitlines()
    assert (code, last[:6]) == (130, "error:"), text
    assert all(PROGRESS.fullmatch(line) for line in progress), text
    assert seconds < 5
    assert any(tmp_path.glob("unfinished-*/[0-9]*.parquet"))


def test_a_clock_that_goes_backwards_changes_nothing(spec, tmp_path, monkeypatch):
    """The wall clock is not asked; a monotonic one that were wrong would cost speed, no points."""
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    sweep(spec, one, workers=1)
    backwards = count(1e9, -3600)
    for name in ("time", "monotonic"):
        monkeypatch.setattr(f"sim.study.sweeps.time.{name}", lambda: next(backwards))
    with ThreadPoolExecutor(1) as pool:
        sweep(spec, two, pool=pool)
    monkeypatch.undo()
    assert one.read_bytes() == two.read_bytes()


def test_what_had_finished_is_kept_when_a_worker_dies(spec, tmp_path, monkeypatch):
    """The chunk whose worker died is lost, the one that was done beside it is not."""
    monkeypatch.setattr("sim.study.sweeps.CHUNK_S", 60)  # a chunk is whole, however slow the machine
    out = tmp_path / "out.parquet"

    class Dying(ThreadPoolExecutor):
        def submit(self, work, chunk, engine):
            future = super().submit(work, chunk, engine)
            future.exception()
            if chunk[0][0] >= 8:
                future = Future()
                future.set_exception(BrokenProcessPool())
            return future

    with Dying(1) as pool, pytest.raises(BrokenProcessPool):
        sweep(spec, out, pool=pool)
    assert sweep(spec, out, workers=1)["simulated"] == 28


def test_a_finished_point_is_not_simulated_again(spec, tmp_path, monkeypatch):
    parsed, out = read_spec(spec), tmp_path / "out.parquet"
    rows = {i: evaluate(point) for i, point in enumerate(points(parsed)) if i < 30}
    with Journal(out.with_name("out.parquet.journal"), {"sweep": parsed.digest, "points": 36}) as journal:
        journal.add(rows)
    assert sweep(spec, out, workers=1)["simulated"] == 6


def rows_of(journal):
    return {number: journal.row(number) for number in journal.places}


def test_rows_come_back_in_batches_and_memory_stays_small(tmp_path, monkeypatch):
    """What two batches make is what one makes; the journal itself holds no row."""
    import tracemalloc

    spec = spec_of({"models": NET, "seed": list(range(30))})
    one, many = tmp_path / "one.parquet", tmp_path / "many.parquet"
    with ThreadPoolExecutor(1) as pool:
        sweep(spec, one, pool=pool)
        monkeypatch.setattr("sim.study.sweeps.BATCH", 7)
        sweep(spec, many, pool=pool)
    assert pl.read_parquet(one).equals(pl.read_parquet(many))
    row = pl.read_parquet(one).to_dicts()[0]
    with Journal(tmp_path / "j", {"a": 1}) as journal:
        tracemalloc.start()
        for start in range(0, 2000, 100):
            journal.add(dict.fromkeys(range(start, start + 100), row))
        assert tracemalloc.get_traced_memory()[0] < 2000 * 500
        tracemalloc.stop()
        assert journal.row(1999) == row


def test_a_damaged_line_counts_as_not_finished(tmp_path):
    path = tmp_path / "j"
    with Journal(path, {"a": 1}) as journal:
        journal.add({0: {"x": 1.5}, 1: {"x": 2.5}})
    path.write_bytes(path.read_bytes().replace(b"1.5", b"9.5") + b"torn")
    with Journal(path, {"a": 1}) as journal:
        assert rows_of(journal) == {1: {"x": 2.5}}
        journal.add({0: {"x": 1.5}})
    with Journal(path, {"a": 1}) as journal:
        assert rows_of(journal) == {0: {"x": 1.5}, 1: {"x": 2.5}}


def test_the_journal_of_other_work_is_refused(tmp_path):
    path = tmp_path / "j"
    with Journal(path, {"a": 1}) as journal:
        journal.add({0: {}})
        with pytest.raises(InputError, match="in use"), Journal(path, {"a": 1}):
            pass
    before = path.read_bytes()
    with pytest.raises(InputError, match="another sweep"), Journal(path, {"a": 2}):
        pass
    assert path.read_bytes() == before


def test_a_changed_part_file_is_another_sweep(tmp_path):
    """Points of before and after a change must not be mixed in one file."""
    part = tmp_path / "mine.toml"
    part.write_text('kind = "accelerator"\nbase = "coral"\n')
    before = spec_of({"models": NET, "size": str(part)}).digest
    assert spec_of({"models": NET, "size": str(part)}).digest == before
    part.write_text('kind = "accelerator"\nbase = "small"\n')
    assert spec_of({"models": NET, "size": str(part)}).digest != before


def test_nothing_is_overwritten(spec, tmp_path):
    other = tmp_path / "other.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(other)
    before = other.read_bytes()
    with pytest.raises(InputError, match="no results of edgetpusim"):
        sweep(spec, other, workers=1)
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(before[:50])
    with pytest.raises(InputError, match="truncated"):
        sweep(spec, torn, workers=1)
    assert other.read_bytes() == before
    with pytest.raises(InputError, match="can be written"):
        sweep(spec, tmp_path / "no" / "x.parquet", workers=1)


def test_the_results_of_another_spec_are_not_overwritten(tmp_path):
    out = tmp_path / "x.parquet"
    sweep(spec_of({"models": NET}), out, workers=1)
    before = out.read_bytes()
    with pytest.raises(InputError, match="something else"):
        sweep(spec_of({"models": NET, "threads": 2}), out, workers=1)
    assert out.read_bytes() == before


def test_a_mix_that_fails_leaves_the_column_of_numbers():
    row = evaluate({"models": NET, "accelerators": "coral:2,nothing:1"})
    assert "nothing" in row["error"]
    assert row["accelerators"] is None
