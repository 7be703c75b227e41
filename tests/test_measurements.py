"""Measurement files: the schema is enforced with one-line errors, and rows come back as they were written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calibration.convert import ADDED
from calibration.measurements import COLUMNS, Measurement, append_measurements, read_measurements
from calibration.shipped import load_dataset
from hwmodels.errors import InputError

PUBLISHED = (
    "source_id,device,host,clock,model,model_file,input_h,input_w,metric,value,unit,threads,accelerators,batch,mode,"
    "conditions,citation,link,host_id,clock_id,segmentation,runner,cut"
)
ROW = "model,metric,value,link,threads\nmobilenet_v1_1.0_224,invoke_latency_ms,2.1,usb3,1\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_the_schema() -> None:
    assert ",".join(COLUMNS[:23]) == PUBLISHED
    assert COLUMNS[23:] == tuple(column for column in COLUMNS if column in (*ADDED, "compiler"))


def test_the_page_says_what_each_column_means() -> None:
    page = (Path(__file__).parent.parent / "docs" / "measuring.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert set(COLUMNS[23:]) <= rows


def test_a_file_needs_only_three_columns(tmp_path: Path) -> None:
    (row,) = read_measurements(written(tmp_path / "a.csv", ROW))
    assert (row.value, row.link, row.threads, row.mode, row.line) == (2.1, "usb3", 1, "single", 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no header"]),
        ("model,metric\na,b\n", ["no column value"]),
        ("model,metric,value,modell\na,b,1,c\n", ["column modell", "did you mean 'model'"]),
        ("model,metric,value\na,b\n", ["a.csv:2", "2 cells", "3"]),
        ("model,metric,value\na,b,fast\n", ["a.csv:2", "fast", "finite"]),
        ("model,metric,value\na,b,nan\n", ["finite"]),
        ("model,metric,value\na,b,-1\n", ["0 or more"]),
        ("model,metric,value\na,,1\n", ["metric"]),
        ("model,metric,value,link\na,b,1,usb4\n", ["usb4", "usb2, usb3, pcie, none"]),
        ("model,metric,value,clock_id\na,b,1,slow\n", ["slow", "max, std"]),
        ("model,metric,value,threads\na,b,1,0\n", ["threads", "1 to 10000"]),
        ("model,metric,value,unit\na,x_ms,1,s\n", ["unit", "ms"]),
        ("model,metric,value,meter\na,b,1,plug\n", ["meter", "stick, board"]),
        ("model,metric,value,load\na,b,1,much\n", ["load", "0 or more"]),
        ("model,metric,value,extras_w\na,b,1,nan\n", ["extras_w", "finite"]),
        ("model,metric,value,detections\na,b,1,-1\n", ["detections", "whole number"]),
        ("model,metric,value,has_camera\na,b,1,yes\n", ["has_camera", "0, 1"]),
        ("model,model,value\na,b,1\n", ["twice"]),
        ("model,metric,value\n\0,b,1\n", ["binary"]),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = written(tmp_path / "a.csv", text)
    with pytest.raises(InputError) as caught:
        read_measurements(path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_missing_file_and_an_unknown_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_measurements(tmp_path / "none.csv")
    with pytest.raises(InputError, match="did you mean 'google_reference'"):
        load_dataset("google_referenze")


# Files


def record(**changes):
    return Measurement(**{"device": "usb3", "model": "net", "metric": "invoke_latency_ms", "value": 1.25, **changes})


def test_records_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "deep" / "mine.csv"
    written = [record(conditions='a "quoted", text'), record(threads=2, mode="multithread", value=0.125)]
    append_measurements(path, written[:1])
    append_measurements(path, written[1:])
    read = read_measurements(path)
    assert [replace(row, file="", line=0) for row in read] == written
    assert [(row.file, row.line) for row in read] == [("mine.csv", 2), ("mine.csv", 3)]
    assert sorted(path.parent.iterdir()) == [path]


def test_a_value_that_is_no_number_names_its_line(tmp_path):
    path = tmp_path / "mine.csv"
    append_measurements(path, [record()])
    path.write_text(path.read_text().replace("1.25", "fast"))
    with pytest.raises(InputError, match=r"mine\.csv:2: value"):
        read_measurements(path)
