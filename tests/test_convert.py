"""Old measurement files: prose becomes columns once, in one module, and nothing else reads it."""

from __future__ import annotations

import ast
import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import calibration
from calibration.cli import app
from calibration.convert import ADDED, has_prose_only, with_columns
from calibration.measurements import COLUMNS, convert_file, read_measurements
from calibration.shipped import dataset_names, load_dataset
from calibration.tables import FOLDER, read_table
from hwmodels.errors import InputError

CODE = Path(calibration.__file__).parent
SHARED = Path(__file__).parent.parent.parent / "shared" / "data" / "edgetpu"
OLD = {"model": "m", "metric": "invoke_latency_ms", "value": "1"}
WATTS = {"model": "m", "metric": "power_w", "value": "1"}


def stated(cells: dict[str, str]) -> dict[str, str]:
    (found,) = with_columns([cells])
    return {key: found[key] for key in ADDED if found.get(key)}


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ({}, {}),
        ({"host": "Raspberry Pi 4 (32bit)"}, {"word_size": "32"}),
        ({"conditions": "mean of 40 invokes; quant=False; link not stated"}, {"dtype": "float32"}),
        ({"conditions": "mean of 40 invokes; quant=True"}, {}),
        ({"conditions": "int8, default kernels (XNNPACK), lower quartile"}, {"kernels": "xnnpack"}),
        ({"conditions": "own USB driver, TPU part only"}, {"timed": "accelerator"}),
        ({"conditions": "a USB3 link; only the TPU custom op is timed"}, {"timed": "accelerator"}),
        ({"conditions": "no postprocess; the difference to no-postprocess is CPU time"}, {"postprocess": "none"}),
        ({"conditions": "max_detections=25; the difference to no-postprocess is CPU time"}, {"detections": "25"}),
        ({"citation": "results/DevBoard/latency_max_detection_100.txt"}, {"detections": "100"}),
        (
            {"conditions": "switch interval 0.2 ms, one busy Python thread; idle"},
            {"python_threads": "1", "switch_interval_ms": "0.2"},
        ),
        (
            {"conditions": "switch interval 5 ms, 3 busy Python threads"},
            {"python_threads": "3", "switch_interval_ms": "5"},
        ),
        ({"conditions": "alone; idle machine"}, {}),
        ({"conditions": "fan on, webcam, base power 0.3 W"}, {}),
    ],
)
def test_what_a_row_says_in_prose_becomes_columns(text: dict[str, str], columns: dict[str, str]) -> None:
    assert stated({**OLD, **text}) == columns


@pytest.mark.parametrize(
    ("metric", "text", "columns"),
    [
        ("power_w", "whole board, LAN down, mean of 479 samples", {"meter": "board", "extras_w": "-0.32"}),
        ("power_idle_w", "whole board idle, fan on", {"meter": "board", "extras_w": "0.7"}),
        ("power_idle_w", "whole board, fan on, webcam", {"meter": "board", "extras_w": "1.6", "has_camera": "1"}),
        ("power_idle_w", "before the first use, approximate", {"meter": "stick", "state": "parked"}),
        ("power_w", "Coral USB Accelerator, a meter on the stick", {"meter": "stick"}),
        ("energy_mj", "whole board: 4.385 W x 4.2286 ms", {"meter": "board", "duration_ms": "4.2286"}),
        (
            "power_full_w", "stick; power_base_w 0.25; system_latency_ms 50.5",
            {"meter": "stick", "base_power_w": "0.25", "period_ms": "50.5"},
        ),
        ("power_full_w", "inline USB meter; Base power: 0.81 W.", {"meter": "stick", "base_power_w": "0.81"}),
    ],
)  # fmt: skip
def test_a_meter_s_prose_becomes_columns(metric: str, text: str, columns: dict[str, str]) -> None:
    assert stated({**WATTS, "metric": metric, "conditions": text}) == columns


def test_a_camera_program_without_an_accelerator_is_the_host_s() -> None:
    (row,) = with_columns([{**WATTS, "device": "usb3", "conditions": "host + webcam + app without TPU"}])
    assert (row["device"], row["has_camera"], row["extras_w"]) == ("host", "1", "0.9")


def test_a_series_takes_its_place_between_the_first_and_the_last_load() -> None:
    base = {**OLD, "metric": "throughput_fps", "host": "unknown (CPU 77-89% busy)"}
    rows = with_columns([{**base, "accelerators": count} for count in ("1", "2", "3")])
    assert [row["load"] for row in rows] == ["0.77", "0.83", "0.89"]
    (alone,) = with_columns([{**base, "accelerators": "many"}])
    assert alone["load"] == "0.77"


def test_texts_stay_and_a_file_with_one_of_the_columns_is_new() -> None:
    (row,) = with_columns([{**OLD, "host": "Pi (32bit)", "conditions": "x", "citation": "y"}])
    assert {key: row[key] for key in ("host", "conditions", "citation")} == {
        "host": "Pi (32bit)", "conditions": "x", "citation": "y",
    }  # fmt: skip
    assert has_prose_only(["model", "metric", "value", "conditions"])
    assert not has_prose_only(["model", "metric", "value", "meter"])


def test_a_file_of_one_s_own_is_read_as_its_conversion_is(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text(
        "model,metric,value,host,conditions\n"
        "mobilenet_v1_1.0_224,invoke_latency_ms,2.50,Pi (32bit),TPU part only\n"
        'mobilenet_v1_1.0_224,power_full_w,0.9,,"meter on the stick, base power 0.25"\n',
        encoding="utf-8",
    )
    with pytest.raises(SystemExit) as done:
        app(["convert", str(old), "-o", str(new)])
    assert not done.value.code
    first, second = (replace(row, file="", line=0) for row in read_measurements(new))
    assert [first, second] == [replace(row, file="", line=0) for row in read_measurements(old)]
    assert (first.word_size, first.timed, first.meter) == ("32", "accelerator", "")
    assert (second.meter, second.base_power_w) == ("stick", 0.25)
    assert "2.50" in new.read_text(encoding="utf-8")


def test_a_bad_file_is_one_sentence_and_nothing_is_written(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("model,metric,value\nm,invoke_latency_ms,fast\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"old\.csv:2: value"):
        convert_file(old, new)
    assert not new.exists()
    done = subprocess.run(
        [sys.executable, "-m", "calibration.cli", "convert", str(old), "-o", str(new)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", dataset_names())
def test_shipped_files_have_every_column(name: str) -> None:
    header, _ = read_table(FOLDER / f"{name}.csv")
    assert tuple(header) == COLUMNS


@pytest.mark.parametrize("name", dataset_names())
def test_shipped_files_are_the_conversion_of_the_published_ones(name: str, tmp_path: Path) -> None:
    if not (SHARED / f"{name}.csv").exists():
        pytest.skip("not among the shared files")
    with pytest.raises(SystemExit):
        app(["convert", str(SHARED / f"{name}.csv"), "-o", str(tmp_path / "new.csv")])
    published, shipped = tmp_path / "new.csv", FOLDER / f"{name}.csv"
    lines = shipped.read_text(encoding="utf-8").splitlines()
    assert set(lines) <= set(published.read_text(encoding="utf-8").splitlines())


def test_every_column_that_prose_fills_is_used_by_shipped_rows() -> None:
    """Counted by hand in the published texts; kernels come from files of one's own."""
    rows = [row for name in dataset_names() for row in load_dataset(name)]
    counts = {key: sum(getattr(row, key) not in ("", None, False) for row in rows) for key in ADDED}
    assert counts == {
        "word_size": 76, "dtype": 36, "kernels": 0, "timed": 24, "postprocess": 2, "detections": 98, "load": 9,
        "python_threads": 16, "switch_interval_ms": 16, "compiled_with": 36, "meter": 51, "base_power_w": 0, "period_ms": 0,
        "duration_ms": 2, "extras_w": 5, "has_camera": 3, "state": 2,
    }  # fmt: skip


# Nothing else reads prose

PROSE = ("conditions", "citation", "host")
SEARCHES = ("search", "match", "fullmatch", "findall", "finditer", "split", "sub")


def modules() -> list[Path]:
    return [path for path in CODE.rglob("*.py") if path.name != "convert.py"]


def attributes(node: ast.AST) -> set[str]:
    return {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def faults(tree: ast.Module) -> list[int]:
    """Lines that read ``.conditions``, or look for something in a text that is prose."""
    found = [
        node.lineno for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "conditions" and isinstance(node.ctx, ast.Load)
    ]  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in SEARCHES:
            texts = [*node.args, node.func.value]
        elif isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
            texts = [text for text in node.comparators if isinstance(text, ast.Attribute | ast.Call)]
        else:
            continue
        found += [node.lineno for text in texts if attributes(text) & set(PROSE)]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(CODE)))
def test_no_other_module_reads_prose(path: Path) -> None:
    assert faults(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "code",
    [
        "x = row.conditions",
        "BASE.search(row.host)",
        "re.search('a', f'{row.citation}')",
        "ok = '(32bit)' in row.host",
        "ok = 'webcam' in row.host.lower()",
        "row.citation.split('/')",
    ],
)
def test_a_module_that_does_is_found(code: str) -> None:
    assert faults(ast.parse(code)) == [1]


def test_cells_are_read_as_they_were_written(tmp_path: Path) -> None:
    from calibration.measurements import append_measurements

    rows = [replace(row, file="", line=0, flag="") for row in load_dataset("issues_misc")]
    append_measurements(tmp_path / "a.csv", rows)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == list(COLUMNS)
    again = [replace(row, file="", line=0) for row in read_measurements(tmp_path / "a.csv")]
    texts = [replace(row, value=0.0) for row in rows]
    assert [replace(row, value=0.0) for row in again] == texts
    assert [row.value for row in again] == pytest.approx([row.value for row in rows], rel=1e-6)
