"""Measurement files: the schema is enforced with one-line errors, and nothing is dropped silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.data import (
    COLUMNS,
    dataset_info,
    dataset_names,
    load_dataset,
    outliers,
    read_measurements,
    trust_of,
)  # fmt: skip
from calibration.predict import source_table
from calibration.problem import priors
from hwmodels.errors import InputError

ROW = "model,metric,value,link,threads\nmobilenet_v1_1.0_224,invoke_latency_ms,2.1,usb3,1\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_every_shipped_dataset_loads_and_names_its_sources() -> None:
    names = dataset_names()
    assert {"google_reference", "villarrubia_synthetic", "jetson_nano_layers"} <= set(names)
    for name in names:
        info = dataset_info(name)
        assert info.rows and all(info.sources)


def test_every_source_has_a_trust() -> None:
    sources = {row.source_id for name in dataset_names() for row in load_dataset(name)}
    assert {source for source in sources if trust_of(source) not in "ABC" or not trust_of(source)} == set()


def test_columns_are_the_schema() -> None:
    assert COLUMNS[:5] == ("model", "metric", "value", "source_id", "device")
    assert len(COLUMNS) == 23


def test_flagged_rows_stay_and_say_why() -> None:
    rows = load_dataset("salimmj_sweep")
    flagged = [row for row in rows if row.flag]
    assert len(rows) == 108
    assert flagged
    assert all(row.link == "pcie" for row in flagged)
    assert all("MobileNet" in row.flag for row in flagged)


def test_every_outlier_pattern_has_a_reason() -> None:
    assert all(len(pattern["reason"]) > 20 for pattern in outliers())


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
        ("model,metric,value,link\na,b,1,usb4\n", ["usb4", "usb3, usb2, pcie, none"]),
        ("model,metric,value,clock_id\na,b,1,slow\n", ["slow", "max, std"]),
        ("model,metric,value,threads\na,b,1,0\n", ["threads", "1 to 10000"]),
        ("model,metric,value,unit\na,x_ms,1,s\n", ["unit", "ms"]),
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
    with pytest.raises(InputError, match="No such file"):
        read_measurements(tmp_path / "none.csv")
    with pytest.raises(InputError, match="did you mean 'google_reference'"):
        load_dataset("google_referenze")


def test_sources_and_priors_are_consistent() -> None:
    assert {row["compiler"] for row in source_table().values()} <= {"2020", "2021"}
    assert all(0 < low < high for *_, low, high in priors())


def test_a_shipped_dataset_is_found_with_its_ending_and_the_users_own_file_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_dataset("salimmj_sweep.csv") == load_dataset("salimmj_sweep")
    written(tmp_path / "salimmj_sweep.csv", ROW)
    assert len(load_dataset("salimmj_sweep.csv")) == 1
    assert len(load_dataset("salimmj_sweep")) > 1
