"""What is fuzzed: each target takes an edit script, damages a seed by it and hands it to a reader, then uses the result."""

from __future__ import annotations

import atexit
import csv
import io
import json
import os
import shutil
import struct
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import flatbuffers
from mutate import edit_bytes, edit_text, edit_tree, pick, to_toml

import hwmodels.edgetpu.darwinn
import hwmodels.networks.graph
import hwmodels.parts
import sim.answer
import sim.engine
import sim.scenario
import sim.setup
import sim.study.results_file
import sim.study.spec
import sim.study.sweeps
from hwmodels.networks.zoo import data_folder

Read = Callable[[bytes], Any]
SMALL = 400_000  # bytes of a seed file: larger ones add time, not code paths
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz with spaces é-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
TINY = "conv5x3x3_f32_64x64"
OLD_COLUMNS = 23  # of measurement files that say the rest in prose


@contextmanager
def _watched(places: set[int]) -> Iterator[None]:
    """Note every place of a file that the FlatBuffers accessors and our own reader look at."""
    get, unpack, unsigned = flatbuffers.encode.Get, struct.unpack_from, hwmodels.edgetpu.darwinn.unsigned

    class Watching:
        error, calcsize = struct.error, staticmethod(struct.calcsize)

        @staticmethod
        def unpack_from(code: str, data: Any, at: int = 0) -> Any:
            places.update(range(at, at + struct.calcsize(code)))
            return unpack(code, data, at)

    def watch_get(packer: Any, data: Any, at: int) -> Any:
        places.update(range(at, at + packer.size))
        return get(packer, data, at)

    def watch_unsigned(data: Any, at: int, width: int) -> int:
        places.update(range(at, at + width))
        return unsigned(data, at, width)

    flatbuffers.encode.Get, hwmodels.edgetpu.darwinn.struct, hwmodels.edgetpu.darwinn.unsigned = (
        watch_get,
        Watching,
        watch_unsigned,
    )
    try:
        yield
    finally:
        flatbuffers.encode.Get, hwmodels.edgetpu.darwinn.struct, hwmodels.edgetpu.darwinn.unsigned = (
            get,
            struct,
            unsigned,
        )


def _files(models: Path, pattern: str, read: Callable[[Path], Any]) -> list[tuple[bytes, list[int]]]:
    seeds = []
    for path in sorted(models.glob(pattern)):
        if path.stat().st_size <= SMALL:
            places: set[int] = set()
            with _watched(places):
                read(path)
            seeds.append((path.read_bytes(), sorted(places)))
    if not seeds:
        raise SystemExit(f"no {pattern} below {SMALL} bytes in {models}: give --models")
    return seeds


def tflite(models: Path) -> Read:
    """Plain and compiled files: read, count, write as a trace, compile."""
    seeds = _files(models, "*.tflite", hwmodels.networks.tflite.read_graph)
    path, accelerator = FOLDER / "fuzz.tflite", hwmodels.load_part("accelerator", "coral")

    def read(script: bytes) -> None:
        path.write_bytes(edit_bytes(script, *pick(script, seeds)))
        graph = hwmodels.networks.tflite.read_graph(path)
        if not graph.is_compiled:
            hwmodels.networks.graph.from_json(hwmodels.networks.graph.to_json(graph))
        _ = graph.macs, graph.parameter_bytes
        executable = hwmodels.compile_network(graph, accelerator)
        _ = executable.plans

    return read


def darwinn(models: Path) -> Read:
    """Compiled files: the DarwiNN package and everything that its executables say."""
    seeds = _files(models, "*edgetpu*.tflite", hwmodels.edgetpu.darwinn.read_compiled_ops)
    path = FOLDER / "fuzz_edgetpu.tflite"
    names = ("token", "cached_parameter_bytes", "streamed_parameter_bytes", "parameter_blob_bytes", "instruction_bytes",
             "caching_instruction_bytes", "input_bytes", "output_bytes", "scratch_bytes", "estimated_cycles")  # fmt: skip

    def read(script: bytes) -> None:
        path.write_bytes(edit_bytes(script, *pick(script, seeds)))
        for op in hwmodels.edgetpu.darwinn.read_compiled_ops(path):
            assert all(0 <= getattr(op, name) < 2**64 for name in names), op

    return read


def trace(_models: Path) -> Read:
    """Trace JSON: read, compile, simulate two inferences."""
    names = ("lenet_5_28", "srcnn_360x640", "rps_small_cnn_150", "espcn_x2_360x640", "abpn_x3_360x640")
    seeds = [json.loads((data_folder("zoo") / f"{name}.json").read_text()) for name in names]
    seeds += [
        json.loads(hwmodels.networks.graph.to_json(hwmodels.load_network(name)))
        for name in (TINY, "fc5_n500_in64_out10")
    ]

    def read(script: bytes) -> None:
        text = edit_text(script, json.dumps(edit_tree(script, pick(script, seeds))))
        graph = hwmodels.networks.graph.from_json(text.decode("utf-8", "replace"), "trace")
        hwmodels.networks.graph.to_json(graph)
        _simulate_graph(graph)

    return read


def _simulate_graph(graph: Any, **options: Any) -> None:
    scenario = sim.scenario.Scenario(models="fuzz", inferences=2, **options)
    accelerator, link, host = _PARTS or _load_parts()
    setup = sim.setup.assemble_graphs(scenario, sim.setup.Parts(host, (accelerator,), (link,)), [graph], [0])
    window = sim.engine.run(setup)
    summary = sim.answer.summarise(setup, window).summary
    json.dumps(summary, allow_nan=False)


_PARTS: list[Any] = []


def _load_parts() -> list[Any]:
    for kind, name in (("accelerator", "coral"), ("link", "usb3"), ("host", "x86-xeon")):
        _PARTS.append(hwmodels.load_part(kind, name))
    return _PARTS


def parts(_models: Path) -> Read:
    """Part files of accelerator, link and host: load, then simulate with them."""
    kinds = [("accelerator", "coral", "size"), ("link", "usb3", "link"), ("host", "raspberry-pi-4", "host"),
             ("accelerator", "large", "size"), ("link", "pcie", "link"), ("host", "dev-board", "host")]  # fmt: skip
    package = Path(hwmodels.__file__).parent
    seeds = []
    for kind, name, option in kinds:
        path = package / hwmodels.parts.FOLDERS[kind] / f"{name}.toml"
        seeds.append((option, tomllib.loads(path.read_text(encoding="utf-8"))))
    numbers = count()

    def read(script: bytes) -> None:
        option, table = pick(script, seeds)
        path = FOLDER / f"fuzz part {next(numbers)}.toml"  # a name of its own: parts are remembered by theirs
        path.write_bytes(edit_text(script, to_toml(edit_tree(script, table))))
        try:
            _simulate(models="fc5_n500_in64_out10", inferences=2, preprocess="resize", **{option: str(path)})
        finally:
            path.unlink()

    return read


def _simulate(**options: Any) -> None:
    results = sim.engine.simulate(sim.scenario.Scenario(**options), compare=False)
    json.dumps(results.summary, allow_nan=False)


_OPTIONS: list[dict[str, Any]] = [
    {"models": TINY},
    {"models": f"{TINY}:2,fc5_n500_in64_out10:1", "cocompile": True, "host": "raspberry-pi-4", "link": "usb2"},
    {"models": TINY, "size": "coral:2,large:1", "link": "usb3,usb2,pcie", "threads": 3, "dispatch": "round_robin"},
    {"models": TINY, "mode": "pipeline", "num_segments": 2, "segmentation": "profiled", "batch": 4, "runner": "python"},
    {"models": TINY, "mode": "coexec", "threads": 3, "num_threads": 2, "cpu_kernels": "builtin"},
    {"models": TINY, "arrivals": "poisson:30", "preprocess": "resize:640x480", "jitter": "measured", "duration_s": 0.5},
    {"models": TINY, "arrivals": "multistream:4", "thermal": "25", "link": "pcie", "host": "dev-board", "seed": 3},
    {"models": TINY, "arrivals": "offline:9", "mode": "processes", "threads": 2, "discipline": "shortest"},
    {"models": TINY, "arrivals": "server:900", "switch_interval_ms": 0.1, "busy_python_threads": 2, "threads": 2},
]
_WORDS = ("resize:1x1", "resize:99999x9", "resize:axb", "none", "poisson:", "poisson:nan", "poisson:inf", "poisson:1e-300",
          "offline:1000", "multistream:²", "trace:/dev/null", "trace:/", "fc5_n0_in64_out10", f"{TINY}:{'9' * 30}", "-5",
          f"{TINY}:²", "1,2,3", "0", "profiled", "coral:4", "large", "small:1,coral:1", "usb2,usb3", "pcie", "python",
          "processes", "pipeline", "coexec", "threads", "affinity", "least_loaded", "os:abort_", "1:2:3", "std", "85", "2020",
          "singlestream", "raspberry-pi-5", "jetson-nano", "1e400", "profile:x.csv#y", "../x.tflite", "a/b.toml")  # fmt: skip


def options(_models: Path) -> Read:
    """Scenario options of any type and value: build, simulate five inferences."""
    defaults = sim.scenario.Scenario(models=TINY).options()
    seeds = [defaults | given for given in _OPTIONS]

    def read(script: bytes) -> None:
        given = edit_tree(script, pick(script, seeds))
        keys = sorted(set(given) & set(defaults))
        for kind, place, value in struct.Struct("<BIi").iter_unpack(script[1 : 1 + (len(script) - 1) // 9 * 9]):
            if kind >= 128 and keys:
                given[keys[place % len(keys)]] = _WORDS[value % len(_WORDS)]
        known = {key: _typed(value, defaults[key]) for key, value in given.items() if key in defaults}
        known["models"] = str(known.get("models", TINY))
        small = {key: min(known[key], 40) for key in ("threads", "accelerators", "num_threads") if key in known}
        scenario = sim.scenario.Scenario(**(known | {"inferences": 5}))
        _simulate(**(scenario.options() | {key: max(1, value) for key, value in small.items()}))

    return read


def _typed(value: Any, default: Any) -> Any:
    """What the command line's parser would hand on: text, whole number, number or flag."""
    if type(value) is type(default) or (isinstance(default, float) and type(value) is int and abs(value) < 1e300):
        return value
    return str(value) if isinstance(default, str) else default


def spec(_models: Path) -> Read:
    """Sweep specs: read, list the first points, build the first with its numbers."""
    seeds = [
        {"models": [TINY, "fc5_n500_in64_out10"], "threads": [1, 2, 4], "host": "dev-board",
         "parts": {"host.gil_share": [0.2, 0.5], "size.clock_hz": [4e8]}, "size": ["coral", "large"]},
        {"models": TINY, "lhs": {"samples": 4, "seed": 1, "ranges": {"size.clock_hz": [4e8, 6e8], "threads": [1, 4]}}},
        {"models": TINY, "link": ["usb3", "usb2,usb3"], "accelerators": [2, "coral:2,large:1"], "mode": ["threads"],
         "parts": {"link.out_bytes_per_s": [1e8]}, "inferences": [1], "cocompile": [True, False]},
    ]  # fmt: skip
    path = FOLDER / "fuzz spec.toml"

    def read(script: bytes) -> None:
        path.write_bytes(edit_text(script, to_toml(edit_tree(script, pick(script, seeds)))))
        found = sim.study.spec.read_spec(path)
        _ = found.digest
        for number, point in enumerate(sim.study.spec.points(found)):
            numbers = {key: value for key, value in point.items() if "." in key}
            scenario = sim.scenario.Scenario(**sim.study.sweeps.options_of(point))
            if number == 0 and max(scenario.threads, scenario.accelerators) <= 8:
                sim.setup.build(replace(scenario, numbers=numbers))
            if number >= 2:
                break

    return read


def measurements(_models: Path) -> Read:
    """Measurement CSVs of both layouts: read and check every row."""
    import calibration.measurements
    import calibration.tables

    seeds = []
    for name in ("coral_docs", "deepedgebench", "issues_misc", "own_server", "salimmj_sweep"):
        with (calibration.tables.FOLDER / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for row, _ in zip(csv.reader(file), range(6), strict=False)]
        seeds += [rows, [row[:OLD_COLUMNS] for row in rows]]
    path = FOLDER / "fuzz rows.csv"

    def read(script: bytes) -> None:
        rows = edit_tree(script, pick(script, seeds))
        text = io.StringIO()
        csv.writer(text).writerows(_cells(rows))
        path.write_bytes(edit_text(script, text.getvalue()))
        calibration.measurements.read_measurements(path)

    return read


def _cells(rows: Sequence[Any]) -> list[list[str]]:
    return [[str(cell) for cell in row] if isinstance(row, list) else [str(row)] for row in rows]


def results(_models: Path) -> Read:
    """Results files: damaged Parquet, and whole Parquet of damaged rows; read, query, and every so often a page."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    import sim.study.query
    import sim.study.report
    from sim.study.sweeps import evaluate

    points = [{"models": TINY, "threads": t} for t in (1, 2)] + [{"models": "nothing"}]
    rows = [evaluate(point) for point in points]
    path, page = FOLDER / "fuzz results.parquet", FOLDER / "page.html"
    sim.study.results_file.write_parquet(path, rows)
    whole, sheet = path.read_bytes(), json.loads(json.dumps(rows))
    number = count()
    hot = [*range(8), *range(len(whole) - 12_000 if len(whole) > 12_000 else 0, len(whole))]

    def read(script: bytes) -> None:
        if script[:1] and script[0] % 2:
            path.write_bytes(edit_bytes(script, whole, hot))
        else:
            _write_rows(path, edit_tree(script, sheet))
        sim.study.query.query(path, pareto_keys=["throughput_ips", "power_w_total"], limits={"min_ips": 1.0})
        sim.study.query.query(path, best="energy_mj_per_inference", where={"host": "x86-xeon"})
        if next(number) % 200 == 0:
            sim.study.report.report(path, page)

    return read


def _write_rows(path: Path, rows: Any) -> None:
    """What some other program may write: rows of odd values as a Parquet file; what Parquet cannot hold is left out."""
    import polars as pl

    kept = [row for row in rows if isinstance(row, dict)]
    try:
        pl.DataFrame([{**row, "results_version": 1, "edgetpusim_version": "0"} for row in kept],
                     infer_schema_length=None, strict=False).write_parquet(path)  # fmt: skip
    except (Exception, pl.exceptions.PanicException):
        path.write_bytes(b"PAR1")


TARGETS: dict[str, Callable[[Path], Read]] = {
    "tflite": tflite, "darwinn": darwinn, "trace": trace, "parts": parts, "options": options, "spec": spec,
    "measurements": measurements, "results": results,
}  # fmt: skip
