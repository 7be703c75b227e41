"""The study at a glance: the table and the abstract say what the rows say."""

from __future__ import annotations

from statistics import median

import pytest
from tiny_study import CASES, GRID

pl = pytest.importorskip("polars")


def test_a_row_of_the_table_is_that_of_the_file(tiny_study):
    """Recomputed from the file by other means: best gain of each network on one accelerator."""
    folder, found = tiny_study
    rows = pl.read_parquet(folder / "results.parquet").to_dicts()
    paper, *table = found["table"]
    assert (paper["largest"], paper["energy"]) == (3.98, 3.20)
    assert len(table) == len(GRID.sizes)
    for row in table:
        gains, whole = {}, []
        for one in rows:
            if (one["case"], one["size"], one["accelerators"]) == (row["case"], row["size"], 1):
                gain = one["speedup_vs_one_thread"]
                gains[one["models"]] = max(gain, gains.get(one["models"], 0))
                whole += [gain] if one["trait_cpu_ops"] == 0 else []
        assert row["networks"] == len(gains)
        assert row["median"] == pytest.approx(median(gains.values()))
        assert row["largest"] == max(gains.values()) == gains[row["network"]]
        assert row["whole"] == max(whole)


def test_the_abstract_is_five_sentences_about_the_largest_and_the_typical(tiny_study):
    _, found = tiny_study
    assert len(found["abstract"]) == 5
    largest = max(row["largest"] for row in found["table"][1:])
    assert f"{largest:.2f}x" in found["abstract"][1]
    assert "3.98x" in found["abstract"][1]
    assert "not calibrated" in found["abstract"][4], "nothing was measured with several threads on an Edge TPU"


def test_a_claim_that_is_not_reached_is_said_to_be_reached_nowhere(tiny_study):
    _, found = tiny_study
    claims = [finding["text"] for finding in found["findings"] if finding["id"] == "claim"]
    energy = max(row["energy"] for row in found["table"][1:])
    assert ("reached nowhere" in claims[1]) == (energy < 3.20)
    assert any("low error" in text for text in claims)


def test_every_case_is_defined_and_its_family_noted(tiny_study):
    folder, found = tiny_study
    (part,) = found["parts"]
    assert [text.split(":")[0] for text in part["cases"]] == [case.name for case in CASES]
    page = (folder / "findings.md").read_text()
    assert page.index(found["abstract"][0]) < page.index("| size |") < page.index("## ")
    assert "beside the paper's" not in page, "the table stands for these sentences"


def test_the_html_page_begins_with_the_abstract_and_figures_have_their_sentences(tiny_study):
    folder, found = tiny_study
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.index("networks were simulated on") < text.index("<table>") < text.index("figure-0")
    top = max(
        (f for f in found["findings"] if f["id"] == "largest_gain"
         and (f["values"]["case"], f["values"]["key"]) == ("headline", "speedup_vs_one_thread")),
        key=lambda f: f["values"]["gain"],
    )  # fmt: skip
    assert top["text"].split(";")[0] in text
