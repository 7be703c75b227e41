"""The shipped datasets: every file loads, every source has a trust, nothing is dropped silently."""

from __future__ import annotations

from pathlib import Path

from calibration.problem import priors
from calibration.shipped import dataset_info, dataset_names, load_dataset, source_table, trust_of
from calibration.tables import shipped_table

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


def test_flagged_rows_stay_and_say_why() -> None:
    rows = load_dataset("salimmj_sweep")
    flagged = [row for row in rows if row.flag]
    assert len(rows) == 108
    assert flagged
    assert all(row.link == "pcie" for row in flagged)
    assert all("MobileNet" in row.flag for row in flagged)


def test_every_outlier_pattern_has_a_reason() -> None:
    assert all(len(pattern["reason"]) > 20 for pattern in shipped_table("outliers"))


def test_sources_and_priors_are_consistent() -> None:
    assert {row["compiler"] for row in source_table().values()} <= {"2019", "2020", "2021"}
    assert all(0 < low < high for *_, low, high in priors())


def test_a_shipped_dataset_is_found_with_its_ending_and_the_users_own_file_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_dataset("salimmj_sweep.csv") == load_dataset("salimmj_sweep")
    written(tmp_path / "salimmj_sweep.csv", ROW)
    assert len(load_dataset("salimmj_sweep.csv")) == 1
    assert len(load_dataset("salimmj_sweep")) > 1
