"""What fuzzing, limits and faults once brought to light: each case once, as small as it gets."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from effort import calls, events
from typer.testing import CliRunner

from calibration.measurements import read_measurements
from hwmodels.errors import InputError
from hwmodels.link import load_link
from hwmodels.networks.graph import from_json
from hwmodels.networks.zoo import load_network
from hwmodels.parts import FOLDERS, part_names
from sim.commands.cli import app
from sim.engine import simulate
from sim.scenario import Scenario
from sim.setup import build
from sim.study.journal import Journal
from sim.study.spec import points, read_spec
from sim.study.sweeps import evaluate

TINY = "conv5x3x3_f32_64x64"
PACKAGE = Path(__import__("hwmodels").__file__).parent
LAYER = {"op": "CONV_2D", "in": [0], "out": [1], "weights": [["int8", 8, 3, 3, 8]], "kernel": [3, 3]}


def trace(tensors=(["int8", 1, 8, 8, 8],) * 2, **changes):
    """A trace of one convolution, with changes to its layer."""
    layers = changes.pop("layers", [LAYER | changes])
    table = {"schema": 1, "name": "t", "inputs": [0], "outputs": [1], "tensors": list(tensors), "layers": layers}
    return json.dumps(table)


def one_line(error):
    """The message of an error, which has to fit a line."""
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 2000
    return text


TRACES = {
    "a layer that is text": trace(layers=["CONV_2D"]),
    "a layer that is a number": trace(layers=[1.5]),
    "a filter of no axes": trace(weights=[["int8"]]),
    "a depthwise filter of no axes": trace(op="DEPTHWISE_CONV_2D", weights=[["int8"]]),
    "a filter of unknown size": trace(weights=[["int8", 8, 3, 3, -1]]),
    "a matrix product of scalars": trace([["int8"], ["int8"]], op="BATCH_MATMUL"),
    "a tensor of exabytes": trace([["int8", *[2**31 - 1] * 4]] * 2),
    "a kernel larger than any map": trace(kernel=[2**31 - 1, 2**31 - 1]),
    "a shape of a long text": trace([["int8", "x" * 10**6]] * 2),
    "deep lists": "[" * 100_000,
    "a whole number of 5000 digits": '{"schema": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("text", TRACES.values(), ids=TRACES)
def test_a_trace_that_cannot_be_is_refused(text):
    with pytest.raises(InputError) as error:
        from_json(text)
    one_line(error)


def part_file(folder, kind, name, key, value):
    """A part file that takes over everything from a shipped one but one number."""
    path = folder / f"{name}.toml"
    number = f'{{ value = {value}, status = "assumed", source = "test" }}'
    path.write_text(f'kind = "{kind}"\nbase = "{name}"\n{key} = {number}\n')
    return str(path)


NUMBERS = [
    ("accelerator", "coral", "clock_hz", "0"),
    ("accelerator", "coral", "tiles_x", "2.5"),
    ("accelerator", "coral", "tiles_x", "0"),
    ("accelerator", "coral", "clock_hz", "[[1, 2]]"),
    ("accelerator", "coral", "stream_passes", "3"),
    ("accelerator", "coral", "stream_passes", "[[1, 2, 3]]"),
    ("accelerator", "coral", "power_leakage_doubling_c", "0"),
    ("link", "usb3", "out_bytes_per_s", "0"),
    ("link", "usb3", "out_bytes_per_s", "1e-300"),
    ("link", "usb3", "out_bytes_per_s", "nan"),
    ("link", "usb3", "chunk_bytes", "0"),
    ("host", "raspberry-pi-4", "cores", "0"),
    ("host", "raspberry-pi-4", "cores", "1e17"),
    ("host", "raspberry-pi-4", "bus.usb3.out_bytes_per_s", "1e-320"),
]


@pytest.mark.parametrize(
    ("kind", "name", "key", "value"), NUMBERS, ids=[f"{key} = {value}" for *_, key, value in NUMBERS]
)
def test_a_part_s_number_that_cannot_be_is_refused(tmp_path, kind, name, key, value):
    option = {"accelerator": "size"}.get(kind, kind)
    with pytest.raises(InputError, match=key):
        build(Scenario(models=TINY, **{option: part_file(tmp_path, kind, name, key, value)}))


def test_a_range_of_a_divisor_does_not_reach_zero(tmp_path):
    """What is uncertain is tried at both ends of its range."""
    path = tmp_path / "large.toml"
    number = '{ value = 8e8, status = "assumed", source = "test", range = [0, 1e9] }'
    path.write_text(f'kind = "accelerator"\nbase = "large"\nclock_hz = {number}\n')
    with pytest.raises(InputError, match=r"clock_hz\.range"):
        simulate(Scenario(models=TINY, inferences=2, size=str(path)))


def test_shipped_parts_pass_the_checks():
    for kind in ("accelerator", "link", "host"):
        assert all((PACKAGE / FOLDERS[kind] / f"{name}.toml").is_file() for name in part_names(kind))
    assert load_link("usb3").chunk_bytes == 1 << 20


def test_an_unsure_number_does_not_overflow_the_interval(tmp_path):
    path = tmp_path / "coral.toml"
    number = '{ value = 2.0, status = "assumed", source = "test", std_error = 1e17 }'
    path.write_text(f'kind = "accelerator"\nbase = "coral"\nconv_cycles_per_step = {number}\n')
    summary = simulate(Scenario(models=TINY, inferences=2, size=str(path))).summary
    json.dumps(summary, allow_nan=False)


OPTIONS = [
    {"models": f"{TINY}:²"}, {"models": f"{TINY}:--5"}, {"models": f"{TINY}:{'9' * 5000}"}, {"models": "x" * 300},
    {"models": "é" * 200}, {"models": "a\0b"}, {"models": "x" * 10**6}, {"size": "coral:²"}, {"size": "x" * 10**6},
    {"arrivals": "poisson:1e-300"}, {"arrivals": "poisson:nan"}, {"arrivals": "multistream:²"},
    {"arrivals": f"offline:{'9' * 5000}"}, {"switch_interval_ms": 0.0}, {"switch_interval_ms": float("nan")},
    {"size": "coral:²,large:1", "accelerators": 2}, {"threads": "2"}, {"accelerators": "coral:2"}, {"seed": None},
    {"duration_s": float("inf")}, {"dispatch": ".a:b"}, {"discipline": "..:x"}, {"thermal": "nan"},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: str(options)[:40].encode("ascii", "replace").decode())
def test_an_option_that_cannot_be_is_refused(options):
    with pytest.raises(InputError) as error:
        simulate(Scenario(**({"models": TINY, "inferences": 2} | options)))
    one_line(error)


@pytest.mark.parametrize("text", ["nan\n", "0 inf", "-1", "0 2 1", "1e300", ""])
def test_arrival_times_that_cannot_be_are_refused(tmp_path, text):
    path = tmp_path / "times.txt"
    path.write_text(text)
    with pytest.raises(InputError, match="arrivals"):
        simulate(Scenario(models=TINY, inferences=2, arrivals=f"trace:{path}"))


def test_messages_are_short_and_do_not_steer_the_terminal():
    text = str(InputError.value("model \x1b[31m\n\u202ename", "x" * 10**6, "something"))
    assert "\x1b" not in text
    assert "\n" not in text
    assert "\u202e" not in text
    assert len(text) < 600


def test_an_inference_of_hours_is_refused(tmp_path):
    with pytest.raises(InputError, match="one inference"):
        build(Scenario(models=TINY, link=part_file(tmp_path, "link", "usb3", "out_bytes_per_s", "0.01")))


def test_a_damaged_trace_of_the_user_s_own_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path))
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "mine.json").write_bytes(b"\xff\xfe\0")
    with pytest.raises(InputError, match=r"mine\.json"):
        load_network("mine")


def test_results_and_traces_import_nothing(tmp_path, monkeypatch):
    """Their text may name a policy: whoever reads them runs nothing of it."""
    pl = pytest.importorskip("polars")
    pytest.importorskip("altair")
    pytest.importorskip("sklearn")
    from sim.study.query import query
    from sim.study.report import report
    from sim.study.results_file import frame_of

    (tmp_path / "evil_policy.py").write_text(
        "open('ran', 'w').close()\ndef bind(accelerators, thread): return accelerators[0]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    rows = frame_of([evaluate({"models": TINY, "threads": n, "inferences": 8}) for n in range(1, 9)])
    evil = pl.lit("evil_policy:bind")
    path = tmp_path / "r.parquet"
    rows.with_columns(dispatch=evil, discipline=evil, models=pl.lit("evil_policy:1")).write_parquet(path)
    query(path, best="throughput_ips")
    report(path, tmp_path / "page.html")
    result = CliRunner().invoke(app, ["estimate", TINY, "--correction", str(path), "--json"])
    assert result.exit_code == 0, result.output
    assert "throughput_std_ips" in json.loads(result.output)
    with pytest.raises(InputError):
        from_json(trace(op="evil_policy:bind", weights="evil_policy:bind"))
    assert not (tmp_path / "ran").exists()
    assert "evil_policy" not in sys.modules
    simulate(
        Scenario(models=TINY, accelerators=2, dispatch="evil_policy:bind", inferences=2)
    )  # the user's own word is another matter
    assert (tmp_path / "ran").exists()


# Limits


def test_a_transfer_with_the_link_to_itself_takes_one_event():
    """2 GB in 1 MiB pieces were 2048 events for nobody in the way."""
    assert events(models="vgg_16_224", inferences=200) <= events(models=TINY, inferences=200)


@pytest.mark.parametrize("key", ["threads", "accelerators"])
def test_a_larger_machine_takes_as_many_events_more(key):
    few, many = ({"threads": n, key: n} for n in (256, 512))
    assert events(models=TINY, **many) <= 2.2 * events(models=TINY, **few)


def test_the_largest_scenario_is_answered():
    assert simulate(Scenario(models=TINY, threads=4096)).summary["throughput_ips"] > 0


@pytest.mark.parametrize("options", [{"threads": 4097}, {"accelerators": 4097}, {"inferences": 10**9 + 1}], ids=str)
def test_beyond_a_limit_it_is_named_at_once(options):
    with pytest.raises(InputError, match=r"[01] to"):
        Scenario(models=TINY, **options)


def test_a_long_network_is_linear():
    """Four times the layers take about four times the work: read, compile, simulate over a link that is shared."""
    assert calls(lambda: _simulate_chain(2000)) < 5 * calls(lambda: _simulate_chain(500))


def _simulate_chain(layers):
    from hwmodels import load_part
    from sim.engine import run
    from sim.setup import Parts, assemble_graphs

    rows = [LAYER | {"in": [i], "out": [i + 1]} for i in range(layers)]
    graph = from_json(trace([["int8", 1, 8, 8, 8]] * (layers + 1), layers=rows))
    accelerator, link = load_part("accelerator", "coral"), load_part("link", "usb3")
    parts = Parts(load_part("host", "x86-xeon"), (accelerator,) * 2, (link,) * 2)
    run(assemble_graphs(Scenario(models="t", inferences=4), parts, [graph], [0, 0]))


@pytest.mark.parametrize(
    ("few", "many"),
    [
        ({"threads": 128, "accelerators": 128, "dispatch": "least_loaded"}, {"threads": 256, "accelerators": 256}),
        ({"threads": 128, "accelerators": 128, "dispatch": "affinity"}, {"threads": 256, "accelerators": 256}),
        ({"threads": 128, "accelerators": 127, "mode": "coexec"}, {"threads": 256, "accelerators": 255}),
        ({"inferences": 10_000}, {"inferences": 20_000}),
        ({"arrivals": "offline:3000", "threads": 4}, {"arrivals": "offline:6000"}),
        ({"arrivals": "multistream:10000", "threads": 4}, {"arrivals": "multistream:20000"}),
    ],
    ids=str,
)
def test_twice_the_work_takes_at_most_twice_the_events(few, many):
    """Each once took minutes at its largest."""
    assert events(models=TINY, **few | many) < 2.5 * events(models=TINY, **few)


def test_what_would_take_minutes_is_refused_at_once():
    options = {"host": "raspberry-pi-4", "preprocess": "resize:16384x16384", "switch_interval_ms": 0.01}
    with pytest.raises(InputError, match="fewer threads, a longer --switch-interval-ms"):
        simulate(Scenario(models=TINY, threads=4096, **options))


def test_a_million_samples_at_once_take_no_memory(hand_setup):
    """A process for each thread, not for each sample; every sample waits for those before it."""
    from hand import accelerator_stage, network

    from sim.engine import run

    setup = hand_setup([network("a", accelerator_stage(load_bytes=0))], threads=1, arrivals="offline:50", inferences=50)
    one = setup.stage_times[0][0].invoke_ns
    assert sorted(run(setup).latency[0].counts) == [one * (i + 1) for i in range(50)]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_that_never_ends_is_refused(tmp_path):
    """As is any text of more than 32 MB: parsed, it would fill the memory."""
    endless = tmp_path / "endless.toml"
    endless.symlink_to("/dev/zero")
    for read in (
        lambda: simulate(Scenario(models=TINY, arrivals=f"trace:{endless}")),
        lambda: simulate(Scenario(models=TINY, host=str(endless))),
        lambda: simulate(
            Scenario(
                models=str(endless.with_suffix(".tflite").symlink_to("/dev/zero") or endless.with_suffix(".tflite"))
            )
        ),
        lambda: read_spec(endless),
        lambda: read_measurements(endless),
    ):
        with pytest.raises(InputError) as error:
            read()
        one_line(error)


def test_more_arrival_times_than_a_run_takes_are_refused(tmp_path):
    path = tmp_path / "times.txt"
    path.write_text("1\n" * 1_000_001)
    with pytest.raises(InputError, match="at most 1000000"):
        simulate(Scenario(models=TINY, arrivals=f"trace:{path}"))


def test_an_overloaded_machine_turns_requests_away():
    """Hundreds of millions of waiting requests would fill any memory."""
    assert simulate(Scenario(models=TINY, arrivals="poisson:1000000")).summary["overloaded"]


def test_more_interpreter_threads_than_cores_gain_and_cost_nothing():
    """Eight threads on four cores take the four cores once, not twice."""
    one = Scenario(models="ssd_mobilenet_v1_coco_300", host="raspberry-pi-4", num_threads=4)
    four, eight = (simulate(replace(one, num_threads=n)).summary["throughput_ips"] for n in (4, 8))
    assert four == eight


# Results files


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    pytest.importorskip("polars")
    from sim.study.results_file import write_parquet
    from sim.study.sweeps import evaluate

    path = tmp_path_factory.mktemp("results") / "r.parquet"
    write_parquet(path, [evaluate({"models": TINY, "threads": threads}) for threads in (1, 2)])
    return path


def test_any_damage_to_a_results_file_is_found(results, tmp_path):
    """Its reader panics at some damage and ends the whole process at other: the checksum comes first."""
    from sim.study.results_file import read_results

    data, path = results.read_bytes(), tmp_path / "r.parquet"
    for place in range(4, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(InputError):
            read_results(path)
    for size in (0, 3, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(InputError):
            read_results(path)


def test_a_results_file_without_a_seal_is_read(results, tmp_path):
    import polars as pl

    from sim.study.results_file import read_results

    pl.read_parquet(results).write_parquet(tmp_path / "other.parquet")
    assert read_results(tmp_path / "other.parquet").equals(read_results(results))


CHANGES = {
    "errors that are numbers": {"error": 3},
    "a column of text": {"throughput_ips": "many"}, "no number": {"throughput_ips": None}, "a list": {"host": ["a"]},
    "markup": {"models": "</script><script>alert(1)</script><!--"},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_page_or_one_line_for_rows_of_any_kind(results, tmp_path, change):
    import polars as pl

    from sim.study.report import report

    rows = [{**row, **change} for row in pl.read_parquet(results).to_dicts()]
    pl.DataFrame(rows, strict=False).write_parquet(tmp_path / "other.parquet")
    try:
        page = report(tmp_path / "other.parquet", tmp_path / "page.html").read_text()
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert "<script>alert" not in page


def test_a_page_of_more_points_than_a_chart_holds(results, tmp_path):
    import polars as pl

    from sim.study.report import report

    frame = pl.read_parquet(results)[[0, 1] * 3000]
    frame.with_columns(throughput_ips=pl.col("throughput_ips") + pl.int_range(6000)).write_parquet(
        tmp_path / "m.parquet"
    )
    page = report(tmp_path / "m.parquet", tmp_path / "page.html")
    assert "every 2th is shown" in page.read_text()


# Faults


def test_a_killed_worker_is_told_in_one_line(monkeypatch, capsys):
    from concurrent.futures.process import BrokenProcessPool

    from sim.commands import cli

    def broken(**_):
        raise BrokenProcessPool

    with pytest.raises(SystemExit) as stop:
        cli.run_app(broken)
    assert stop.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


def command(*arguments, **options):
    """Run ``edgetpusim`` as a process of its own."""
    program = [sys.executable, "-c", "from sim.commands.cli import main; main()", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False, **options)


def _small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


@pytest.mark.parametrize("name", ["t.json", "t.json.gz", "t.svg", "t.html"])
def test_a_full_disk_leaves_no_half_picture(tmp_path, name):
    done = command("timeline", TINY, "--inferences", 200, "-o", tmp_path / name, preexec_fn=_small_files)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert not list(tmp_path.iterdir())


def test_a_full_disk_in_a_sweep_keeps_what_was_finished(tmp_path):
    pytest.importorskip("polars")
    spec, output = tmp_path / "spec.toml", tmp_path / "out.parquet"
    spec.write_text(f'models = "{TINY}"\ninferences = 5\nseed = [{", ".join(map(str, range(20)))}]\n')
    done = command("sweep", spec, "-o", output, "--workers", 1, preexec_fn=_small_files)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert not output.exists()
    again = command("sweep", spec, "-o", output, "--workers", 1)
    assert again.returncode == 0, again.stderr
    assert output.exists()
    assert not [path for path in tmp_path.iterdir() if path not in (spec, output)]


def _write_cpu_part(path):
    from calibration.cpufit import CpuFit, update_part

    update_part(path, CpuFit({"op_ns": 5.0}, {"op_ns": 1.0}), "test")


def _write_measurements(path):
    from calibration.tables import write_table

    write_table(path, ("model", "metric", "value"), [])


def _write_model(path):
    from calibration.harness.tflite_writer import write_model

    write_model(load_network(TINY), path)


def _write_fitted_part(path):
    from calibration.partfiles import write_parts

    buses = [SimpleNamespace(link="usb3")]  # nothing fitted: the link's file alone is written
    evaluator = SimpleNamespace(buses=buses)
    write_parts(SimpleNamespace(values=dict, problem=SimpleNamespace(evaluator=evaluator)), path.parent)


@pytest.mark.parametrize("write", [_write_cpu_part, _write_measurements, _write_model, _write_fitted_part])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, write):
    """Whatever is written lies under another name until it is whole."""
    path = tmp_path / "usb3.toml"
    path.write_text("# old\n")
    before = Path.write_bytes

    def full(self, data):
        before(self, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="no space left") as error:
        write(path)
    one_line(error)
    assert path.read_text() == "# old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_plot_s_page_is_not_ended_by_a_name(tmp_path, monkeypatch):
    pytest.importorskip("altair")
    from sim.views.plot import plot_threads

    evil = tmp_path / "<script>alert(1)<" / "script><!--.tflite"
    evil.parent.mkdir()
    _write_model(evil)
    monkeypatch.chdir(tmp_path)
    plot_threads(Scenario(models=str(evil.relative_to(tmp_path)), inferences=2), tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text()
    assert "alert(1)" in page
    assert "<script>alert(1)" not in page
    assert page.count("</script>") == page.count("<script")


def test_without_a_home_folder(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "EDGETPUSIM_DATA")}
    done = command("run", TINY, "--json", env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["throughput_ips"] > 0


JOURNALS = {
    "garbage": b"\xff\x00garbage\n" * 50,
    "a torn header": b"0000",
    "another shape": b"".join(b"%08x %s\n" % (zlib.crc32(x), x) for x in (b'{"sweep":1}', b"5", b"{}", b'["a",{}]', b"[1]")),
}  # fmt: skip


@pytest.mark.parametrize("data", JOURNALS.values(), ids=JOURNALS)
def test_a_corrupted_journal_is_one_line_or_counts_as_not_finished(tmp_path, data):
    path = tmp_path / "j"
    path.write_bytes(data)
    try:
        with Journal(path, {"sweep": 1}) as journal:
            assert all(isinstance(journal.row(number), dict) for number in journal.places)
    except InputError as error:
        assert "\n" not in str(error)


BAD_SPECS = {
    "a huge whole number": f"models = ['dense_8']\n'host.gil_share' = [1{'0' * 400}]\n",
    "a huge range": f"models = ['dense_8']\n[lhs]\nsamples = 2\n[lhs.ranges]\n'size.clock_hz' = [1, 1{'0' * 400}]\n",
    "an endless range": "models = ['dense_8']\n[lhs]\nsamples = 2\n[lhs.ranges]\n'size.clock_hz' = [1.0, inf]\n",
    "no number": "models = ['dense_8']\n[lhs]\nsamples = 2\n[lhs.ranges]\n'size.clock_hz' = [nan, 2.0]\n",
    "a billion samples": "models = ['dense_8']\n[lhs]\nsamples = 1000000000\n[lhs.ranges]\n'size.clock_hz' = [1.0, 2.0]\n",
}


@pytest.mark.parametrize("text", BAD_SPECS.values(), ids=BAD_SPECS)
def test_a_spec_beyond_reason_is_one_short_line(tmp_path, text):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_spec(path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


def test_a_million_samples_take_little_memory(tmp_path):
    """Values are made as they are asked for; a million times fifty at once are refused."""
    import tracemalloc

    path = tmp_path / "spec.toml"
    head = "models = ['dense_8']\n[lhs]\nsamples = 1000000\n[lhs.ranges]\n"
    path.write_text(head + "'size.clock_hz' = [1e8, 2e8]\n'host.gil_share' = [0.1, 0.2]\nthreads = [1, 9]\n")
    tracemalloc.start()
    first = next(points(read_spec(path)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 1e8 <= first["size.clock_hz"] <= 2e8
    assert peak < 150e6
    keys = [f"'host.{key}' = [1.0, 2.0]" for key in ("conv_ns_per_mac", "op_ns", "anchor_ns", "keypoint_ns", "switch_ns",
            "copy_ns_per_byte", "cast_ns_per_byte", "move_ns_per_byte", "driver_cpu_ns", "python_call_ns", "thread_wake_ns")]  # fmt: skip
    path.write_text(head + "\n".join(keys))
    with pytest.raises(InputError, match="samples x ranges"):
        read_spec(path)


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), MemoryError()])
def test_a_machine_that_fails_does_not_finish_a_point(monkeypatch, fault):
    """Such a point must be tried again, not kept as a row with an error."""

    def fails(*_, **__):
        raise fault

    monkeypatch.setattr("sim.engine.simulate", fails)
    with pytest.raises(type(fault)):
        evaluate({"models": "dense_8"})


@pytest.mark.parametrize("count", ["\u00b2", "1" * 5000, "1.5", "-1"])
def test_a_count_that_is_none_is_one_line(tmp_path, count):
    path = tmp_path / "rows.csv"
    path.write_text(f"model,metric,value,threads\ndense_8,invoke_latency_ms,1,{count}\n", encoding="utf-8")
    with pytest.raises(InputError, match="threads"):
        read_measurements(path)
