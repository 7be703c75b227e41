"""Findings say what the rows say."""

from __future__ import annotations

import pytest
from tiny_study import CASES

from sim.study.findings import cases, findings, sizes

pl = pytest.importorskip("polars")


def test_findings_say_what_the_rows_say(tiny_study):
    """Recomputed here from the file, by other means."""
    folder, found = tiny_study
    rows = pl.read_parquet(folder / "results.parquet").to_dicts()
    mine = [f for f in found["findings"] if f["id"] == "largest_gain" and f["values"]["key"] == "speedup_vs_one_thread"]
    assert len(mine) == 3 * len(CASES)
    for finding in mine:
        values = finding["values"]
        gains = [
            row["speedup_vs_one_thread"] for row in rows
            if (row["case"], row["size"], row["accelerators"]) == (values["case"], values["size"], 1)
        ]  # fmt: skip
        assert values["gain"] == max(gains)
        assert f"{max(gains):.2f}x" in finding["text"]
        assert values["model"] in finding["text"]


def test_gains_stay_below_what_the_host_share_allows(tiny_study):
    """One accelerator: no more than 1 / (1 - share on the host), nor than cores / share: the network's bounds."""
    folder, _ = tiny_study
    for row in pl.read_parquet(folder / "results.parquet").filter(pl.col("accelerators") == 1).to_dicts():
        share = row["trait_host_share"]
        bound = min(1 / (1 - share), row["cores"] / share, row["threads"])
        assert row["speedup_vs_one_thread"] <= 1.01 * bound


def test_without_host_work_there_is_almost_nothing_to_gain(tiny_study):
    _, found = tiny_study
    finding = next(f for f in found["findings"] if f["id"] == "workload")
    assert finding["values"]["largest"] < 1.2
    assert "wholly on the accelerator" in finding["text"]


def test_every_finding_has_a_title_and_words(tiny_study):
    _, found = tiny_study
    assert {finding["id"] for finding in found["findings"]} <= set(found["titles"])
    assert all(finding["text"].endswith(".") for finding in found["findings"])
    verdicts = {f["values"]["verdict"].split(" ")[0] for f in found["findings"] if f["id"] == "robust"}
    assert verdicts <= {"robust", "depends"}


def test_a_case_without_one_of_the_sizes_has_findings_of_the_others(tiny_study):
    """A board may have no room for the largest size: then there are no rows of it."""
    rows = pl.read_parquet(tiny_study[0] / "results.parquet").filter(pl.col("error") == "")
    case, size = cases(rows)[0], sizes(rows)[-1]
    found = findings(rows.filter((pl.col("case") != case) | (pl.col("size") != size)))
    typical = {one["values"]["size"] for one in found if one["id"] == "typical_gain" and one["values"]["case"] == case}
    assert typical == set(sizes(rows)) - {size}
